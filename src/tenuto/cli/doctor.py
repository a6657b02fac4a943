"""`tenuto doctor`: what this machine offers, what is missing, and what would give it."""

import platform as python_platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tenuto.errors import PlatformError
from tenuto.platforms import Cluster, Described, Knob, LinuxPlatform, Missing, Monitor, Platform, Snapshot
from tenuto.units import show, show_frequency


@dataclass(frozen=True, slots=True)
class MonitorReading:
    """A monitor and what it reads now.

    Attributes:
        name: The monitor's name.
        quantity: What it reads, unit included.
        value: In that unit; None if it could not be read this time.
        path: Where it is read.
    """

    name: str
    quantity: str
    value: float | None
    path: str | None


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What `tenuto doctor` found; the attributes are the keys of `--json`.

    Attributes:
        platform: The platform's name.
        machine: Facts by name; one that is not known is not in it.
        clusters: Where a network can run.
        knobs: What can be set, now or with another permission.
        monitors: What can be read, with its value.
        missing: What one would want here and cannot have.
    """

    platform: str
    machine: Mapping[str, str]
    clusters: tuple[Cluster, ...]
    knobs: tuple[Knob, ...]
    monitors: tuple[MonitorReading, ...]
    missing: tuple[Missing, ...]


def doctor(platform: Platform) -> DoctorReport:
    """Examine a platform without changing it; takes as long as its slowest monitor needs for a mean (0.1 s)."""
    machine, missing = (platform.machine, platform.missing) if isinstance(platform, Described) else ({}, ())
    readings = _read(platform).readings
    return DoctorReport(
        platform=platform.name,
        machine={**machine, **_software()},
        clusters=platform.clusters,
        knobs=platform.knobs,
        monitors=tuple(_reading(monitor, readings) for monitor in platform.monitors),
        missing=missing,
    )


def _read(platform: Platform) -> Snapshot:
    if isinstance(platform, Described):
        platform.snapshot()
        time.sleep(1.1 * max((monitor.period_s or 0.0 for monitor in platform.monitors), default=0.0))
        return platform.snapshot()
    try:
        with platform.hold() as board:
            return board.snapshot()
    except PlatformError:  # held by somebody, or not to be held: then nothing was read
        return Snapshot(0.0)


def _reading(monitor: Monitor, readings: Mapping[str, float]) -> MonitorReading:
    return MonitorReading(monitor.name, monitor.quantity, readings.get(monitor.name), monitor.path)


def _software() -> dict[str, str]:
    software = {"python": python_platform.python_version()}
    for name in ("onnxruntime", "tenuto"):
        try:
            software[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return software


def render(report: DoctorReport, console: Console) -> None:
    """Print a report for people."""
    console.print(Text(report.platform, style="bold"))
    facts = _table()
    for name, value in report.machine.items():
        _add_row(facts, Text(name, style="dim"), value)
    console.print(facts)
    console.print()
    _render_clusters(report, console)
    _render_knobs(report, console)
    _render_monitors(report, console)
    _render_missing(report, console)
    console.print(_verdict(report))


def _verdict(report: DoctorReport) -> Text:
    """What all this comes to, in a sentence."""
    can = sorted({knob.name.rpartition(".")[2] for knob in report.knobs if knob.is_writable})
    choices = ["sub-network", *(["cluster"] if len(report.clusters) > 1 else [])]
    choices += [{"cores": "cores", "frequency_hz": "frequency"}[name] for name in can]
    seen = {monitor.quantity for monitor in report.monitors if monitor.value is not None}
    blind = [
        word for quantity, word in (("temperature_c", "temperature"), ("power_w", "power")) if quantity not in seen
    ]
    text = f"Here Tenuto chooses {_and(choices)}"
    return Text(f"{text}; it cannot see {_and(blind)}." if blind else f"{text}.", style="bold")


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _render_clusters(report: DoctorReport, console: Console) -> None:
    ladders = {knob.name.removesuffix(".frequency_hz"): knob for knob in report.knobs if "frequency_hz" in knob.name}
    table = _table("cluster", "cores", "capacity", "clocks", title="Clusters")
    for cluster in report.clusters:
        capacity = "-" if cluster.capacity is None else str(cluster.capacity)
        cores = f"{len(cluster.cpus)}  (cpu {_ranges(cluster.cpus)})" if cluster.cpus else "accelerator"
        _add_row(table, cluster.name, cores, capacity, _ladder(ladders.get(cluster.name)))
    console.print(table)
    console.print()


def _render_knobs(report: DoctorReport, console: Console) -> None:
    table = _table("knob", "can be set", "values", title="Knobs")
    for knob in report.knobs:
        can = Text("yes", style="green") if knob.is_writable else Text("not now", style="yellow")
        values = _ladder(knob) if knob.name.endswith("frequency_hz") else _ranges(knob.domain)
        _add_row(table, knob.name, can, values)
    console.print(table)
    console.print()


def _render_monitors(report: DoctorReport, console: Console) -> None:
    table = _table("monitor", "now", "read from", title="Monitors")
    for monitor in report.monitors:
        now = Text("no reading", style="yellow") if monitor.value is None else show(monitor.quantity, monitor.value)
        _add_row(table, monitor.name, now, monitor.path or "-")
    console.print(table)
    console.print()


def _render_missing(report: DoctorReport, console: Console) -> None:
    if not report.missing:
        return
    console.print(Text("Missing", style="bold"))
    by_remedy: dict[str | None, list[Missing]] = {}
    for missing in report.missing:
        by_remedy.setdefault(missing.remedy, []).append(missing)
    for remedy, group in by_remedy.items():
        for missing in group:
            console.print(Text.assemble("  ", (missing.what, "yellow"), f": {missing.why}"), soft_wrap=True)
        if remedy:
            # Never wrapped: a command is there to be copied.
            console.print(
                Text.assemble("    to get it: " if len(group) == 1 else "    to get them: ", remedy), soft_wrap=True
            )
    console.print()


def _add_row(table: Table, *cells: str | Text) -> None:
    """Names come from the machine: brackets in them are no markup."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _table(*columns: str, title: str | None = None) -> Table:
    """A plain table; without columns, two that have no heading."""
    if title is not None:
        columns = (title, *columns[1:])
    table = Table(box=None, show_header=bool(columns), pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for index, column in enumerate(columns or ("", "")):
        is_title = index == 0 and title is not None
        table.add_column(Text(column, style="bold not dim") if is_title else column, overflow="fold")
    return table


def _ladder(knob: Knob | None) -> str:
    if knob is None:
        return "not shown by the kernel"
    low, high = show_frequency(knob.domain[0]), show_frequency(knob.domain[-1])
    return low if len(knob.domain) == 1 else f"{low} to {high}, {len(knob.domain)} steps"


def _ranges(numbers: tuple[int, ...]) -> str:
    """`0-3, 6`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    root: Annotated[
        Path,
        typer.Option("--root", hidden=True, help="Examine the sys and proc trees below this folder instead."),
    ] = Path("/"),
) -> None:
    """Say what this machine offers, what is missing, and what would give it.

    `--root FOLDER` (hidden) examines a copied or a made tree: `tenuto.testing.trees` writes them.
    """
    report = doctor(LinuxPlatform(root))
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        render(report, Console())
