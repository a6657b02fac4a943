"""`tenuto plot`: figures of operating tables, as files."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tenuto.cli._points import (
    AccuracyOption,
    BatchOption,
    BoardOption,
    CapOption,
    CoresOption,
    EnergyOption,
    LatencyOption,
    MaximiseOption,
    MemoryOption,
    MinimiseOption,
    NetworkOption,
    OnlyOption,
    Points,
    PowerOption,
    SiliconOption,
    TableOption,
    TemperatureOption,
    WithOption,
    WithoutOption,
    bounds_of,
    open_points,
    requirements_of,
    resources_of,
)
from tenuto.control import Resources, select
from tenuto.errors import UsageError
from tenuto.plots import Budget, check_target, draw_power, draw_trade_off, save
from tenuto.points import OperatingTable
from tenuto.profiling.modelled import DEFAULT_TEMPERATURE_C

OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The figure: a .png, .svg or .pdf file.")]

app = typer.Typer(help="Draw a figure of an operating table (needs the [plot] extra).", no_args_is_help=True)


@app.command("tradeoff")
def trade_off(
    *,
    output: OutputOption,
    board: BoardOption = None,
    network: NetworkOption = None,
    table: TableOption = None,
    x: Annotated[str, typer.Option("--x", help="Metric across.")] = "latency_ms",
    y: Annotated[str, typer.Option("--y", help="Metric upwards.")] = "energy_mj",
    latency_ms: LatencyOption = None,
    energy_mj: EnergyOption = None,
    power_w: PowerOption = None,
    accuracy_pct: AccuracyOption = None,
    memory_mb: MemoryOption = None,
    temperature_c: TemperatureOption = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help='Bounds drawn as lines, such as "latency_ms=400,energy_mj=100,label=A"; may be given again.'),
    ] = None,
    maximise: MaximiseOption = None,
    minimise: MinimiseOption = None,
    cores: CoresOption = None,
    only: OnlyOption = None,
    including: WithOption = None,
    without: WithoutOption = None,
    max_frequency: CapOption = None,
    batch: BatchOption = 1,
    silicon_c: SiliconOption = DEFAULT_TEMPERATURE_C,
    log: Annotated[
        bool | None, typer.Option("--log/--linear", help="Both axes; else each as its figures need it.")
    ] = None,
) -> None:
    """Every operating point in two metrics, with the Pareto front, budgets and what is chosen under them."""
    check_target(output)
    resources = resources_of(cores, only, without, max_frequency)
    points = open_points(board, network, table, resources, including=including, batch=batch, silicon_c=silicon_c)
    options = bounds_of(
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        power_w=power_w,
        accuracy_pct=accuracy_pct,
        memory_mb=memory_mb,
        temperature_c=temperature_c,
    )
    asked = [*([(None, options)] if options else []), *(_budget(text) for text in budget or ())]
    names = _letters({label for label, _ in asked if label is not None})
    budgets = [
        _chosen(points.table, label or next(names), bounds, maximise=maximise, minimise=minimise)
        for label, bounds in asked
    ]
    figure = draw_trade_off(
        points.table, x=x, y=y, titles=points.titles, budgets=budgets, is_log=log, origin=_origin(points)
    )
    save(figure, output)
    _say(points, output)


@app.command("power")
def power(
    *,
    output: OutputOption,
    cluster: Annotated[str, typer.Option("--cluster", help="Whose power.")],
    board: BoardOption = None,
    network: NetworkOption = None,
    table: TableOption = None,
    cores: Annotated[int, typer.Option("--cores", min=1, help="So many of its cores at work.")] = 1,
    batch: BatchOption = 1,
    silicon_c: SiliconOption = DEFAULT_TEMPERATURE_C,
) -> None:
    """What a cluster draws at each clock while it runs a network, a line for each sub-network."""
    check_target(output)
    points = open_points(board, network, table, Resources(only={cluster}), batch=batch, silicon_c=silicon_c)
    figure = draw_power(points.table, cluster=cluster, n_cores=cores, titles=points.titles, origin=_origin(points))
    save(figure, output)
    _say(points, output)


def _chosen(
    table: OperatingTable, label: str, bounds: dict[str, float], *, maximise: str | None, minimise: str | None
) -> Budget:
    selection = select(table, requirements_of(table, bounds, maximise=maximise, minimise=minimise))
    return Budget(label, bounds, selection.point, not selection.violated)


def _budget(text: str) -> tuple[str | None, dict[str, float]]:
    label, bounds = None, {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name == "label" and value:
            label = value
            continue
        try:
            bounds[name] = float(value)
        except ValueError:
            raise UsageError(
                f"--budget: asked {text!r}, found {part.strip()!r} in it; write it like "
                "latency_ms=400,energy_mj=100,label=A"
            ) from None
    if not bounds:
        raise UsageError(f"--budget: asked {text!r}, found no bound in it; write one like latency_ms=400")
    return label, bounds


def _letters(taken: set[str]) -> Iterator[str]:
    """A, B, ... but those that are taken; after Z, numbers."""
    every = (chr(ord("A") + number) if number < 26 else str(number) for number in count())
    return (letter for letter in every if letter not in taken)


def _origin(points: Points) -> str:
    return "; ".join([points.origin, *points.cap_notes, *(f"without {name}" for name in points.left_out)])


def _say(points: Points, output: Path) -> None:
    console = Console(stderr=True)
    for warning in points.warnings:
        console.print(Text(f"tenuto: {warning}", style="yellow"), soft_wrap=True)
    for note in points.notes:
        console.print(Text(f"{note}."), soft_wrap=True)
    console.print(Text(f"The figure is {output}"), soft_wrap=True)
