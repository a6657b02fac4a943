"""`tenuto profile`: measure a network on this machine."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from tenuto.errors import UsageError
from tenuto.nets.package import open_package
from tenuto.platforms import LinuxPlatform
from tenuto.points import OperatingTable, write_table
from tenuto.profiling import Progress, cells_of, default_table_path, engine_for, profile
from tenuto.units import show, show_frequency

INTERRUPTED = 130
REDRAW_S = 0.25
ROUNDS = 25
QUICK_BUDGET_S = 12.0
"""Of measuring; opening the sub-networks comes on top, and a quick profile shall take less than 20 s."""


def command(
    network: Annotated[
        str, typer.Argument(help="A network that ships with Tenuto, or a package's folder.")
    ] = "fashion",
    *,
    batch: Annotated[int, typer.Option(min=1, help="Items per inference.")] = 1,
    cluster: Annotated[list[str] | None, typer.Option(help="Only this cluster; may be given again.")] = None,
    cores: Annotated[list[int] | None, typer.Option(help="Only this number of cores; may be given again.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Visits to each configuration, three inferences each.")] = ROUNDS,
    quick: Annotated[bool, typer.Option("--quick", help="As many rounds as fit in 12 seconds.")] = False,
    seed: Annotated[int, typer.Option(help="Of the order of visits.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The table; this machine's own if left out.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget an interrupted profile instead of going on.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object when done.")] = False,
) -> None:
    """Measure every sub-network x cluster x cores x clock. Ctrl-C stops; the same command goes on."""
    package = open_package(network)
    platform = LinuxPlatform()
    cells = cells_of(
        (one.sub_network for one in package.sub_networks), platform.clusters, only_clusters=cluster, n_cores=cores
    )
    target = output or default_table_path(package, platform, batch=batch)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; give --output a file's name in it")
    samples = target.with_name(target.name.removesuffix(".json").removesuffix(".table") + ".samples.jsonl")
    evidence = samples.with_name(samples.name.replace(".samples.", ".measured."))
    console = Console(stderr=True)
    try:
        if fresh:
            samples.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        engine = engine_for(package, platform.clusters, max(cell.n_cores for cell in cells))
        with closing(engine), progress_bar(console) as report:
            table = profile(
                package,
                engine,
                platform,
                cells=cells,
                batch=batch,
                n_rounds=rounds,
                budget_s=QUICK_BUDGET_S if quick else None,
                seed=seed,
                samples=samples,
                report=report,
            )
        write_table(table, target)
        samples.replace(evidence)
    except KeyboardInterrupt:
        kept = f"{samples} keeps what was measured; run the same command again to go on"
        console.print(f"Stopped; {kept if samples.exists() else 'nothing was measured yet'}.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        raise UsageError(
            f"{error.filename or target}: {error.strerror or error}; make room, or choose another --output"
        ) from error
    if json:
        typer.echo(msgspec.json.encode({"table": str(target), "about": table.about, "points": rows(table)}).decode())
    else:
        render(table, Console())
        console.print(f"The table is {target}, single measurements are in {evidence.name} beside it.", soft_wrap=True)


def rows(table: OperatingTable) -> list[dict[str, object]]:
    """A table's points for `--json`: attribute names are keys, what is unknown is left out."""
    return [
        {
            "sub_network": point.configuration.sub_network.name,
            "cluster": point.configuration.cluster,
            "n_cores": point.configuration.n_cores,
            "frequency_hz": point.configuration.frequency_hz,
            **{name: asdict(estimate) for name, estimate in point.metrics.items()},
        }
        for point in table
    ]


def render(table: OperatingTable, console: Console) -> None:
    """Print a table for people, fastest configurations last, as they were measured."""
    view = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("sub-network", "cluster", "cores", "clock"):
        view.add_column(title)
    for title in ("median", "±", "p90", "p99", "accuracy"):
        view.add_column(title, justify="right")
    for point in sorted(table, key=lambda one: one.metrics["latency_ms"].value):
        where, figures = point.configuration, point.metrics
        view.add_row(
            where.sub_network.name,
            where.cluster,
            str(where.n_cores),
            "not ours" if where.frequency_hz is None else show_frequency(where.frequency_hz),
            show("latency_ms", figures["latency_ms"].value),
            f"{figures['latency_ms'].stdev or 0:.2f}",
            show("latency_p90_ms", figures["latency_p90_ms"].value),
            show("latency_p99_ms", figures["latency_p99_ms"].value),
            show("accuracy_pct", figures["accuracy_pct"].value),
        )
    console.print(view)


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar with the time left."""
    columns = (
        TextColumn("profiling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[where]}", style="dim"),
    )
    with Bar(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("profile", total=None, left="", where="")
        shown_at = 0.0

        def report(progress: Progress) -> None:
            nonlocal shown_at
            # Drawing takes milliseconds of the very processor that is measured: seldom, and between two visits.
            if time.monotonic() - shown_at < REDRAW_S and progress.n_done < progress.n_planned:
                return
            shown_at = time.monotonic()
            where = progress.configuration
            bar.update(
                task,
                completed=progress.n_done,
                total=progress.n_planned,
                left=f"{progress.left_s:.0f} s left",
                where=f"{where.sub_network.name}, {where.cluster} x {where.n_cores}",
            )
            bar.refresh()

        yield report
