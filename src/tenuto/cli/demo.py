"""`tenuto demo`: the main job, on this machine, in a minute."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tenuto.cli._places import check_place
from tenuto.cli.profile import INTERRUPTED, progress_bar
from tenuto.control import Policy
from tenuto.demo import PER_FRAME, Comparison, LiveView, Outcome, check_seconds, compare, machine, policies
from tenuto.errors import UsageError
from tenuto.nets.package import open_package
from tenuto.platforms import LinuxPlatform
from tenuto.profiling import cells_of, engine_for, profile
from tenuto.report import Run, render_picture, render_report

PROFILE_BUDGET_S = 10.0


def command(
    seconds: Annotated[float, typer.Option(help="Of streaming, shared equally by the four policies.")] = 48.0,
    seed: Annotated[int, typer.Option(help="Of the garments' order and the policies' turns.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Write the HTML report here.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the time lines as an SVG picture here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Keep a deadline on this machine while real co-runners take most of every core.

    Thirty times a second a frame shows 16 garments, all to be classified before the frame's deadline. A third of the
    way in co-runners start, three on every core; two thirds in they stop. Four policies drive the same stream in turn.
    """
    contenders = policies()
    check_seconds(seconds, n_policies=len(contenders))
    for path in (report, picture):
        if path is not None:
            check_place(path)
    console = Console(stderr=True)
    try:
        platform = LinuxPlatform()
        comparison = _compare(console, platform, contenders, seconds=seconds, seed=seed)
    except KeyboardInterrupt:
        console.print("Stopped; every knob is as it was. A comparison needs all policies, so nothing is kept.")
        raise typer.Exit(INTERRUPTED) from None
    facts = machine(platform)
    # First the figures: a page that cannot be written must not cost them.
    if json:
        typer.echo(msgspec.json.encode(as_json(comparison, facts)).decode())
    else:
        render(comparison, Console())
    runs = [_run(outcome) for outcome in comparison.outcomes]
    if report is not None:
        page = render_report(
            runs,
            machine=facts,
            title="Tenuto: a deadline held on this machine",
            deadline_note=comparison.deadline_note,
            notes=comparison.notes,
        )
        _write(report, page)
        console.print(f"The report is {report}", soft_wrap=True)
    if picture is not None:
        _write(picture, render_picture(runs))


def _compare(
    console: Console, platform: LinuxPlatform, contenders: Sequence[Policy[Any]], *, seconds: float, seed: int
) -> Comparison:
    """Profile, then stream, with a bar and a live view."""
    package = open_package("fashion")
    cells = cells_of((one.sub_network for one in package.sub_networks), platform.clusters)
    engine = engine_for(package, platform.clusters, max(cell.n_cores for cell in cells))
    with closing(engine):
        with progress_bar(console) as on_progress:
            table = profile(
                package,
                engine,
                platform,
                cells=cells,
                batch=PER_FRAME,
                budget_s=PROFILE_BUDGET_S,
                seed=seed,
                report=on_progress,
            )
        with LiveView(console, table, [policy.name for policy in contenders]) as view:
            return compare(
                package,
                platform,
                engine,
                table,
                contenders=contenders,
                seconds=seconds,
                seed=seed,
                on_pass=view.on_pass,
                while_idle=view.while_idle,
            )


def as_json(comparison: Comparison, facts: object) -> dict[str, object]:
    """The comparison for `--json`."""
    return {
        "deadline_ms": comparison.schedule.deadline_ms,
        "deadline_note": comparison.deadline_note,
        "machine": facts,
        "notes": comparison.notes,
        "policies": [_policy(outcome) for outcome in comparison.outcomes],
    }


def _policy(outcome: Outcome) -> dict[str, object]:
    measures = outcome.measures
    return {
        "policy": outcome.header.policy,
        "frames": measures.n,
        "miss_pct": measures.miss_pct,
        "longest_miss_run": measures.longest_miss_run,
        "recovery_frames": measures.recovery_frames,
        "recovery_s": measures.recovery_s,
        "latency_mean_ms": measures.latency_mean_ms,
        "latency_p99_ms": measures.latency_p99_ms,
        "accuracy_pct": measures.accuracy_pct,
        "switches_per_min": measures.switches_per_min,
        "decision_median_us": measures.decision_median_us,
        "decision_p99_us": measures.decision_p99_us,
    }


def render(comparison: Comparison, console: Console) -> None:
    """Print the outcome for people."""
    console.print(f"Deadline {comparison.deadline_note}.")
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("policy")
    for title in ("missed", "recovery", "p99", "accuracy", "switches/min", "decision"):
        view.add_column(title, justify="right")
    for outcome in comparison.outcomes:
        measures = outcome.measures
        recovery = "never" if measures.recovery_frames is None else f"{measures.recovery_frames} frames"
        view.add_row(
            outcome.header.policy,
            _shown(measures.miss_pct, "{:.1f} %"),
            recovery,
            _shown(measures.latency_p99_ms, "{:.1f} ms"),
            _shown(measures.accuracy_pct, "{:.2f} %"),
            _shown(measures.switches_per_min, "{:.0f}"),
            _shown(measures.decision_median_us, "{:.0f} µs"),
        )
    console.print(view)
    console.print("All measured. Accuracy counts late answers as wrong; recovery is after the co-runner's first miss.")
    for note in comparison.notes:
        console.print(note, style="dim")


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _run(outcome: Outcome) -> Run:
    return Run(outcome.header.policy, outcome.header, outcome.steps, outcome.header.events, outcome.measures)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; the figures above are all there is, choose another place next time"
        ) from error
