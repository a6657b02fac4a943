"""Where commands take operating points from, and what they may use of a board: options that several commands share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, TypeGuard

import typer

from tenuto.control import Resources, available
from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.nets.catalogue import network_names, open_network
from tenuto.platforms.simulated import board_ids, load_board
from tenuto.points import OperatingTable, read_table
from tenuto.profiling.modelled import DEFAULT_TEMPERATURE_C, model_table, operators_without_rule
from tenuto.requirements import CONSTRAINABLE, Requirements
from tenuto.units import QUANTITIES, show_frequency

BoardOption = Annotated[str | None, typer.Option("--board", help="A simulated board's name or file.")]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="A network's name, package or ONNX files. Without a board: what was published."),
]
TableOption = Annotated[
    Path | None, typer.Option("--table", help="An operating table's file, in place of a board and a network.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Items per inference, on a board.")]
SiliconOption = Annotated[
    float, typer.Option("--silicon-c", help="Temperature of a board's silicon, on which leakage depends.")
]
CoresOption = Annotated[str | None, typer.Option("--cores", help="Only these numbers of cores, such as 1,2.")]
OnlyOption = Annotated[list[str] | None, typer.Option("--only", help="Only this cluster; may be given again.")]
WithOption = Annotated[
    list[str] | None, typer.Option("--with", help="With this cluster, which a board offers only on request.")
]
WithoutOption = Annotated[list[str] | None, typer.Option("--without", help="Without this cluster; may be given again.")]
MaximiseOption = Annotated[
    str | None, typer.Option("--maximise", "--maximize", help="accuracy_pct, the default where it is known.")
]
MinimiseOption = Annotated[
    str | None,
    typer.Option("--minimise", "--minimize", help="latency_ms, energy_mj, power_w, memory_mb or temperature_c."),
]
LatencyOption = Annotated[float | None, typer.Option("--latency-ms", help="Longest median latency.")]
EnergyOption = Annotated[float | None, typer.Option("--energy-mj", help="Most energy for one inference.")]
PowerOption = Annotated[float | None, typer.Option("--power-w", help="Most power while running.")]
AccuracyOption = Annotated[float | None, typer.Option("--accuracy-pct", help="Least accuracy.")]
MemoryOption = Annotated[float | None, typer.Option("--memory-mb", help="Most memory.")]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature-c", help="Highest temperature when it runs without pause.")
]
CapOption = Annotated[
    list[str] | None,
    typer.Option("--max-frequency", help="Highest clock of a cluster, such as a7=1000MHz; may be given again."),
]

_OBJECTIVES: Final = ("accuracy_pct", "energy_mj", "latency_ms")
"""What is pushed unless told otherwise: the first of these that the table carries."""

_CAP: Final = re.compile(r"(?P<cluster>[^=]+)=\s*(?P<number>[0-9]*\.?[0-9]+)\s*(?P<unit>[kmg]?hz)", re.IGNORECASE)
_COLDEST_C: Final = -55.0
_WARMEST_C: Final = 150.0
"""Of silicon that still works."""

_HZ: Final = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Operating points to choose from.

    Attributes:
        table: Those that are left.
        origin: Where they come from, in a few words.
        titles: What to call sub-networks, by name; one that is not in it is called by its name.
        caps: Each cluster's cap on its clock: as asked and as it came to be, in Hz.
        warnings: What one should know of the figures, in sentences.
        left_out: Clusters that the board offers only on request, and why, by name.
        accuracy_from: Where a catalogued network's accuracies come from; None where nobody says.
    """

    table: OperatingTable
    origin: str
    titles: Mapping[str, str]
    caps: Mapping[str, tuple[int, int]]
    warnings: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    accuracy_from: str | None = None

    @property
    def cap_notes(self) -> list[str]:
        """What became of each cap, in words."""
        return [
            f"{cluster} is capped at {show_frequency(became)}"
            + ("" if asked == became else f": {show_frequency(asked)} is not a step of its ladder")
            for cluster, (asked, became) in self.caps.items()
        ]

    @property
    def notes(self) -> list[str]:
        """What became of each cap, and what was left out and why, in words."""
        left_out = [f"without {name}, as {why}; --with {name} takes it in" for name, why in self.left_out.items()]
        return [*self.cap_notes, *left_out]


def resources_of(
    cores: str | None, only: Sequence[str] | None, without: Sequence[str] | None, caps: Sequence[str] | None
) -> Resources:
    """What may be used, from a command's options.

    Raises:
        UsageError: An option cannot be read.
    """
    return Resources(
        None if cores is None else frozenset(_count(part) for part in cores.split(",")),
        frozenset(only) if only else None,
        frozenset(without or ()),
        dict(_cap(text) for text in caps or ()),
    )


def open_points(
    board: str | None,
    network: str | None,
    table: Path | None,
    resources: Resources,
    *,
    including: Sequence[str] | None = None,
    batch: int = 1,
    silicon_c: float = DEFAULT_TEMPERATURE_C,
) -> Points:
    """The points that a command was asked to work on; clusters that are offered on request only if they are named.

    Raises:
        UsageError: The options do not say which points, or nothing is left of them.
        UnknownNameError: No such board, network or cluster.
        SpecError: A file is damaged.
    """
    whole = _of_file(table, board, network) if table is not None else _of_board(board, network, batch, silicon_c)
    for name in including or ():
        if name not in whole.table.clusters:
            raise UnknownNameError("cluster", name, whole.table.clusters)
    named = {*(including or ()), *(resources.only or ()), *resources.without, *resources.max_frequency_hz}
    left_out = {name: why for name, why in whole.left_out.items() if name not in named}
    if resources.only is not None:
        left_out = {}
    found = available(whole.table, replace(resources, without={*resources.without, *left_out}))
    caps = {cluster: (asked, found.became_hz[cluster]) for cluster, asked in resources.max_frequency_hz.items()}
    return Points(found.table, whole.origin, whole.titles, caps, whole.warnings, left_out, whole.accuracy_from)


def requirements_of(
    table: OperatingTable, bounds: Mapping[str, float], *, maximise: str | None, minimise: str | None
) -> Requirements:
    """Requirements on medians, without a miss budget.

    Raises:
        UnknownMetricError: A metric cannot be bounded or pushed.
        UsageError: A bound is NaN, negative or absurd, or two objectives are given.
    """
    for metric in bounds:
        if metric not in CONSTRAINABLE:
            raise UnknownMetricError(metric, CONSTRAINABLE, where="a budget")
    if maximise is None and minimise is None:
        default = next((metric for metric in _OBJECTIVES if metric in table.metrics), _OBJECTIVES[-1])
        maximise, minimise = (default, None) if QUANTITIES[default].higher_is_better else (None, default)
    bound = bounds.get
    return Requirements.of(
        latency_ms=bound("latency_ms"),
        miss_pct=0.0,
        accuracy_pct=bound("accuracy_pct"),
        energy_mj=bound("energy_mj"),
        power_w=bound("power_w"),
        temperature_c=bound("temperature_c"),
        memory_mb=bound("memory_mb"),
        maximise=maximise,
        minimise=minimise,
    )


def bounds_of(**asked: float | None) -> dict[str, float]:
    """The bounds that were given."""
    return {metric: bound for metric, bound in asked.items() if bound is not None}


def _of_file(path: Path, board: str | None, network: str | None) -> Points:
    if board is not None or network is not None:
        raise UsageError(f"asked for the table {path} and for a board or a network; give the one or the other")
    table = read_table(path)
    titles, origin = table.about.get("titles"), table.about.get("platform")
    called = dict(titles) if _is_names(titles) else {}
    return Points(table, f"{origin}, {path.name}" if origin else path.name, called, {}, ())


def _of_board(board: str | None, network: str | None, batch: int, silicon_c: float) -> Points:
    if network is None:
        raise UsageError(f"asked for no network; give --network ({', '.join(network_names()[:4])}, ...), or --table")
    catalogued = open_network(network)
    titles = {member.sub_network.name: member.title for member in catalogued.members}
    if board is None:
        if catalogued.published is None:
            names = ", ".join(dict.fromkeys(board_id.partition("@")[0] for board_id in board_ids()))
            raise UsageError(
                f"asked for {network} on no board, and nobody published a table of it; give --board: {names}"
            )
        origin = f"published: {catalogued.published.about['from']} ({catalogued.published.about['platform']})"
        return Points(catalogued.published, origin, titles, {}, (), accuracy_from=catalogued.accuracy_from)
    if not _COLDEST_C <= silicon_c <= _WARMEST_C:
        raise UsageError(f"--silicon-c: asked {silicon_c:g}, expected {_COLDEST_C:g} to {_WARMEST_C:g} °C")
    spec = load_board(board)
    table = model_table(spec, catalogued, batch=batch, temperature_c=silicon_c)
    unknown = operators_without_rule(catalogued)
    warning = (
        f"{network} has operators that there is no rule of cost for ({', '.join(unknown)}): each counts as moving what "
        "goes in and out, and latencies are assumed"
    )
    origin = spec.id if batch == 1 else f"{spec.id}, {batch} items per inference"
    on_request = {cluster.name: cluster.on_request for cluster in spec.clusters if cluster.on_request}
    return Points(table, origin, titles, {}, (warning,) if unknown else (), on_request, catalogued.accuracy_from)


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(f"--cores: asked {text.strip()!r}, expected numbers from 1 with commas between, such as 1,2")
    return int(text)


def _cap(text: str) -> tuple[str, int]:
    match = _CAP.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--max-frequency: asked {text!r}, expected a cluster and a clock with its unit (Hz, kHz, MHz or GHz), "
            "such as a7=1000MHz"
        )
    return match["cluster"].strip(), round(float(match["number"]) * _HZ[match["unit"].lower()])


def _is_names(titles: object) -> TypeGuard[dict[str, str]]:
    return isinstance(titles, dict) and all(isinstance(title, str) for title in titles.values())
