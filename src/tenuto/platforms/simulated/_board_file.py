"""Board files: found by id or path, read, and checked."""

import math
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from tenuto.errors import SpecError, UnknownNameError
from tenuto.platforms.simulated._spec import (
    ELEMENT_WORK,
    WORKING_KINDS,
    BoardSpec,
    Ladder,
    LatencyParameters,
    Trip,
    parameters,
)

_FOLDER = "boards"


def board_ids() -> tuple[str, ...]:
    """The boards that ship with Tenuto, by id, all versions."""
    return tuple(sorted(_shipped()))


def load_board(board: str | Path) -> BoardSpec:
    """A board by id (`odroid-xu3@1`), by name (its newest version), or by the path of a board file.

    Raises:
        UnknownNameError: No such board, and no such file.
        SpecError: The file does not describe a board; says which key and why.
    """
    text = str(board)
    if text.endswith(".toml"):
        return read_board(Path(text))
    shipped = _shipped()
    if text in shipped:
        return read_board(shipped[text])
    versions = [name for name in shipped if name.partition("@")[0] == text]
    if not versions:
        names = {name.partition("@")[0] for name in shipped}
        raise UnknownNameError("board", text, names | set(shipped) if "@" in text else names)
    return read_board(shipped[max(versions, key=_version)])


@cache
def read_board(path: Path) -> BoardSpec:
    """Read one board file.

    Raises:
        SpecError: It cannot be read, is no TOML, lacks a key, has one too many, or makes no sense.
    """
    try:
        content = path.read_text(encoding="utf-8")
        board = msgspec.convert(tomllib.loads(content), BoardSpec)
    except OSError as error:
        raise SpecError(path, f"asked to read a board, but {error.strerror}; give a board file") from error
    except UnicodeDecodeError as error:
        raise SpecError(path, "asked to read a board, found no UTF-8 text; give a board file") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(path, f"asked to read a board, found no TOML: {error}; mend it") from error
    except msgspec.ValidationError as error:
        problem, _, key = str(error).partition(" - at ")
        raise SpecError(path, f"{problem}; docs/own-board.md lists the keys", key=key.strip("`$.") or None) from error
    _check(path, board)
    return board


def _shipped() -> dict[str, Path]:
    folder = resources.files(__package__) / _FOLDER
    return {
        entry.name.removesuffix(".toml"): Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")
    }


def _version(board_id: str) -> int:
    version = board_id.partition("@")[2]
    return int(version) if version.isdigit() else -1


def _check(path: Path, board: BoardSpec) -> None:
    """What types cannot say."""

    def expect(is_right: bool, key: str, problem: str) -> None:
        if not is_right:
            raise SpecError(path, problem, key=key)

    name, _, version = board.id.partition("@")
    expect(bool(name) and version.isdigit(), "id", f"found {board.id!r}; give a name and a version, like my-board@1")
    for what, names in (
        ("clusters", [cluster.name for cluster in board.clusters]),
        ("thermal.nodes", [node.name for node in board.thermal.nodes]),
        ("sensors", [sensor.name for sensor in board.sensors]),
    ):
        expect(len(set(names)) == len(names), what, f"found the names {', '.join(names)}; each must be there once")
    expect(bool(board.clusters), "clusters", "found none; a board has at least one")
    expect(bool(board.thermal.nodes), "thermal.nodes", "found none; a board has at least one")
    cpus = [cpu for cluster in board.clusters for cpu in cluster.cpus]
    expect(len(set(cpus)) == len(cpus), "clusters", "a core number stands in two clusters; each belongs to one")
    for cluster in board.clusters:
        key = f"clusters.{cluster.name}"
        expect(bool(cluster.cpus) == (cluster.kind == "cpu"), f"{key}.cpus", "a CPU has core numbers, others have none")
        _check_ladder(path, f"{key}.ladder", cluster.ladder)
        _check_latency(path, f"{key}.latency", cluster.latency)
    for key, parameter in parameters(board):
        expect(math.isfinite(parameter.value), key, f"found {parameter.value!r}; give a finite number")
        if key.rpartition(".")[2] not in _MAY_BE_NEGATIVE:
            expect(parameter.value >= 0, key, f"found {parameter.value!r}; give 0 or more")
        expect(parameter.reference in board.references, key, f"from {parameter.reference!r}: no such reference")
    for key, parameter in parameters(board):
        if key.rpartition(".")[2] in _ABOVE_ZERO or any(f".{table}." in key for table in _RATES):
            expect(parameter.value > 0, key, f"found {parameter.value!r}; give more than 0")
        if key.rpartition(".")[2] in _SHARES:
            expect(parameter.value <= 1, key, f"found {parameter.value!r}; give 0 to 1")
    _check_names(path, board)
    _check_rails(path, board)


_MAY_BE_NEGATIVE = frozenset({"ambient_c"})
_ABOVE_ZERO = frozenset(
    {
        "int8_speedup",
        "core_memory_gb_s",
        "cluster_memory_gb_s",
        "bandwidth_gb_s",
        "capacity_j_per_k",
        "capacity_wh",
        "efficiency",
        "half_fill_outputs",
        "tail_index",
        "period_ms",
        "polling_ms",
        "conductance",
    }
)
_RATES = ("macs_per_cycle", "elements_per_cycle", "int8_speedups")
_SHARES = frozenset(
    {
        "overhead_clock_share",
        "parallel_share",
        "idle_share",
        "empty_activity",
        "memory_sensitivity",
        "queue_share",
        "burst_begin",
        "burst_stay",
        "efficiency",
        "power_share",
    }
)


def _check_ladder(path: Path, key: str, ladder: Ladder) -> None:
    clocks, voltages = ladder.frequency_mhz, ladder.voltage_v
    if not clocks:
        raise SpecError(path, "found no clock; list at least one", key=f"{key}.frequency_mhz")
    if list(clocks) != sorted(set(clocks)) or clocks[0] <= 0:
        raise SpecError(path, f"found {_listed(clocks)}; list clocks above 0, ascending", key=f"{key}.frequency_mhz")
    if voltages and len(voltages) != len(clocks):
        raise SpecError(
            path, f"found {len(voltages)} voltages for {len(clocks)} clocks; give one each", key=f"{key}.voltage_v"
        )
    if list(voltages) != sorted(voltages) or (voltages and voltages[0] <= 0):
        raise SpecError(path, f"found {_listed(voltages)}; list voltages that never fall", key=f"{key}.voltage_v")
    if bool(voltages) != (ladder.voltage_source is not None and ladder.voltage_reference is not None):
        raise SpecError(path, "voltages need voltage_source and voltage_from, and only they do", key=key)


def _check_latency(path: Path, key: str, latency: LatencyParameters) -> None:
    missing = [kind for kind in WORKING_KINDS if kind not in latency.macs_per_cycle]
    if missing:
        raise SpecError(path, f"says nothing of {', '.join(missing)}; give each a figure", key=f"{key}.macs_per_cycle")
    for table, found, known in (
        ("macs_per_cycle", latency.macs_per_cycle, WORKING_KINDS),
        ("elements_per_cycle", latency.elements_per_cycle, ELEMENT_WORK),
        ("int8_speedups", latency.int8_speedups, WORKING_KINDS),
    ):
        for name in found:
            if name not in known:
                raise SpecError(path, f"names {name!r}; known are {', '.join(known)}", key=f"{key}.{table}.{name}")


def _check_names(path: Path, board: BoardSpec) -> None:
    """Names that stand for something exist."""
    clusters = [cluster.name for cluster in board.clusters]
    powers = [*clusters, "memory", "board"]
    nodes = [node.name for node in board.thermal.nodes]
    wanted: list[tuple[str, str, list[str]]] = []
    for node in board.thermal.nodes:
        wanted += [(f"thermal.nodes.{node.name}.to", name, nodes) for name in node.to]
        wanted += [(f"thermal.nodes.{node.name}.heat_share", name, powers) for name in node.heat_share]
    for trip in board.thermal.trips:
        wanted += [(f"thermal.trips.{trip.name}.cooling", name, clusters) for name in _cooled(trip)]
    for sensor in board.sensors:
        known = nodes if sensor.name.endswith("temperature_c") else powers
        wanted += [(f"sensors.{sensor.name}.of", name, known) for name in sensor.of]
    for cluster in board.clusters:
        ladder = cluster.ladder
        names = [ladder.reference] + ([ladder.voltage_reference] if ladder.voltage_reference else [])
        wanted += [(f"clusters.{cluster.name}.ladder", name, list(board.references)) for name in names]
    for key, name, known in wanted:
        if name not in known:
            raise SpecError(path, f"names {name!r}; known are {', '.join(known)}", key=key)
    for name in powers:
        share = sum(node.heat_share.get(name, 0.0) for node in board.thermal.nodes)
        if abs(share - 1) > 1e-6:
            raise SpecError(path, f"the heat of {name} is shared out to {share:g}; make it 1", key="thermal.nodes")


def _cooled(trip: Trip) -> tuple[str, ...]:
    return (*trip.cooling.lowest_mhz, *trip.cooling.highest_mhz, *trip.cooling.rail_mhz) if trip.cooling else ()


def _check_rails(path: Path, board: BoardSpec) -> None:
    """The clock whose voltage a rail keeps is one of its ladder."""
    for trip in board.thermal.trips:
        for name, mhz in (trip.cooling.rail_mhz if trip.cooling else {}).items():
            clocks = board.cluster(name).ladder.frequency_mhz
            if mhz not in clocks:
                raise SpecError(
                    path,
                    f"found {mhz:g}, which is no clock of {name}; its clocks are {_listed(clocks)}",
                    key=f"thermal.trips.{trip.name}.cooling.rail_mhz",
                )


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
