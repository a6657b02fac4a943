"""An operating table of a simulated board, calculated instead of measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto._version import __version__
from tenuto.errors import UsageError
from tenuto.graphs import LayerCost, layer_costs, unknown_operators
from tenuto.nets.catalogue import CataloguedNetwork
from tenuto.platforms.simulated import BoardSpec, ClusterSpec, parameters
from tenuto.platforms.simulated.latency import LatencyModel
from tenuto.platforms.simulated.power import PowerModel, memory_power_w
from tenuto.points import SOURCES, Column, OperatingTable, Source, SubNetwork
from tenuto.profiling._warmth import Warmth, Watts, resting_w, warming

DEFAULT_TEMPERATURE_C: Final = 50.0
"""Of the silicon, for its leakage: warm, as after some seconds of light work."""

_COOL_C: Final = 25.0
_UNUSED: Final = "workload_activity"
"""Figures of a board's power that no network's power rests on."""


@dataclass(frozen=True, slots=True)
class _Network:
    """One sub-network, and what it costs anywhere.

    Attributes:
        sub_network: Its setting.
        costs: Its layers.
        macs_m: Million multiply-accumulates of one input.
        memory_mb: Its weights, and the inputs and outputs of the layer that has most.
        accuracy_pct: Top-1, NaN if unknown.
        accuracy_source: Of that.
    """

    sub_network: SubNetwork
    costs: tuple[LayerCost, ...]
    macs_m: float
    memory_mb: float
    accuracy_pct: float
    accuracy_source: Source


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The points of one sub-network on one cluster: every number of cores x every clock.

    Attributes:
        n_cores: int32 (M,).
        frequency_hz: int64 (M,).
        figures: Each metric's values (M,).
        latency_source: Of the latencies.
        power_source: Of power; energy has the weaker of both.
    """

    n_cores: NDArray[np.int32]
    frequency_hz: NDArray[np.int64]
    figures: Mapping[str, NDArray[np.float64]]
    latency_source: Source
    power_source: Source


def model_table(
    board: BoardSpec,
    network: CataloguedNetwork,
    *,
    clusters: Sequence[str] | None = None,
    n_cores: Sequence[int] | None = None,
    batch: int = 1,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
) -> OperatingTable:
    """Every sub-network on every cluster with every number of cores at every clock.

    Args:
        board: The simulated board.
        network: Its sub-networks must have graphs.
        clusters: Only these; None for all.
        n_cores: Only these numbers of cores; None for all. An accelerator counts as one core.
        batch: Items per inference.
        temperature_c: Of the silicon, on which its leakage depends.

    Returns:
        `latency_ms`, `power_w`, `energy_mj` (power x latency, of one inference), `idle_power_w` (of the same cluster
        between inferences, its clock kept), `temperature_c`, `memory_mb`, `macs_m`, and `accuracy_pct` where it is
        known. A figure that rests on anything assumed is tagged `assumed`. `about` has `settling_ms` and `thermal` by
        cluster (gain in K/W and time constant in s of each mode), and `rest_power_w` of the board.

    Raises:
        UnknownNameError: The board has no such cluster.
        UsageError: The network's graphs are not known, or nothing is left to calculate.

    Model:
        `power_w` is what the cluster that runs draws while it runs, idle cores of it included, plus what moving the
        inference's bytes takes in the memory. The rest of the board draws the same whatever is chosen, and is not in
        it. All threads of an inference are busy to its end: they spin while they wait for each other.
        `temperature_c` is the hottest part's after inferences without pause for ever, the other clusters idle at their
        lowest clocks; leakage there is its own. No clock is lowered for it, so a figure above the board's first trip
        says that the kernel would. Quantiles of latency are not modelled: a table says what happens undisturbed.
    """
    if not network.has_graphs:
        raise UsageError(
            f"asked for {network.name} on {board.id}, what its sub-networks compute is not known, so nothing can be "
            "calculated; ask without a board for what was published"
        )
    chosen = [board.cluster(name) for name in (clusters or [cluster.name for cluster in board.clusters])]
    networks = [_network(network, index, batch) for index in range(len(network.members))]
    parts = {
        (row, column): part
        for column, cluster in enumerate(chosen)
        for row, part in enumerate(_parts(board, cluster, networks, n_cores, temperature_c))
    }
    parts = {key: part for key, part in parts.items() if len(part.n_cores)}
    if not parts:
        there = ", ".join(f"{cluster.name}: {cluster.n_cores}" for cluster in chosen)
        raise UsageError(f"nothing to calculate: asked for {list(n_cores or ())} cores, the clusters have {there}")
    return OperatingTable(
        tuple(one.sub_network for one in networks),
        tuple(cluster.name for cluster in chosen),
        _repeated([row for row, _ in parts], parts),
        _repeated([column for _, column in parts], parts),
        np.concatenate([part.n_cores for part in parts.values()]),
        np.concatenate([part.frequency_hz for part in parts.values()]),
        _columns(networks, parts),
        _about(board, network, batch, temperature_c),
    )


def operators_without_rule(network: CataloguedNetwork) -> tuple[str, ...]:
    """Operators of a network that there is no rule of cost for: tables of it are guesses to that extent."""
    graphs = (member.graph for member in network.members)
    return tuple(sorted({operator for graph in graphs if graph is not None for operator in unknown_operators(graph)}))


def _network(network: CataloguedNetwork, index: int, batch: int) -> _Network:
    member = network.members[index]
    if member.graph is None:
        raise AssertionError("asked for before: every member has a graph")
    costs = layer_costs(member.graph, batch=batch)
    weights = sum(cost.weight_bytes for cost in costs)
    activations = max((cost.input_bytes + cost.output_bytes for cost in costs), default=0.0)
    accuracy = member.accuracy_pct
    return _Network(
        member.sub_network,
        costs,
        sum(cost.macs for cost in costs) / batch / 1e6,
        (weights + activations) / 1e6,
        np.nan if accuracy is None else accuracy.value,
        "assumed" if accuracy is None else accuracy.source,
    )


def _parts(
    board: BoardSpec,
    cluster: ClusterSpec,
    networks: Sequence[_Network],
    n_cores: Sequence[int] | None,
    temperature_c: float,
) -> list[_Part]:
    """All sub-networks on one cluster."""
    cores = [n for n in range(1, cluster.n_cores + 1) if n_cores is None or n in n_cores]
    n_clocks = len(cluster.frequencies_hz)
    n_each = np.repeat(np.array(cores, dtype=np.int32), n_clocks)
    hz_each = np.tile(np.array(cluster.frequencies_hz, dtype=np.int64), len(cores))
    warmth = Warmth.of(board, cluster)
    power_source = _power_source(cluster)
    watts_by_fill: dict[float, Watts] = {}  # a CPU is always full: one for all sub-networks
    idle_power_w = _idle_power_w(cluster, hz_each, temperature_c)
    found = []
    for network in networks:
        latency = LatencyModel.of(network.costs, cluster, board.memory)
        latency_ms = latency.latencies_ms(n_each.astype(np.int64), hz_each)
        if latency.fill not in watts_by_fill:
            watts_by_fill[latency.fill] = _watts(PowerModel.of(cluster), n_each, hz_each, latency.fill)
        cluster_w = watts_by_fill[latency.fill]
        traffic = 1e3 * latency.n_bytes / latency_ms
        resting_w = memory_power_w(board.memory, 0.0)
        moving_w = np.array([memory_power_w(board.memory, rate) for rate in traffic.tolist()]) - resting_w
        power_w = cluster_w(np.full(len(n_each), temperature_c)) + moving_w
        figures = {
            "latency_ms": latency_ms,
            "power_w": power_w,
            "energy_mj": power_w * latency_ms,
            "idle_power_w": idle_power_w,
            "temperature_c": warmth.hottest_c(cluster_w, moving_w),
        }
        found.append(_Part(n_each, hz_each, figures, latency.source, power_source))
    return found


def _watts(model: PowerModel, n_cores: NDArray[np.int32], frequency_hz: NDArray[np.int64], fill: float) -> Watts:
    """What a cluster draws at each of these places when its silicon is so warm.

    Only leakage follows temperature, by the same factor everywhere: two temperatures say how much of it there is.
    """
    places = list(zip(n_cores.tolist(), frequency_hz.tolist(), strict=True))

    def at(celsius: float) -> NDArray[np.float64]:
        return np.array([model.power_w(hz, n, temperature_c=celsius, fill=fill) for n, hz in places])

    growth = model.static_per_k
    cool_w = at(_COOL_C)
    leaking_w = (at(_COOL_C + 1 / growth) - cool_w) / (np.e - 1) if growth > 0 else np.zeros_like(cool_w)

    def watts(silicon_c: NDArray[np.float64]) -> NDArray[np.float64]:
        warmer_w: NDArray[np.float64] = cool_w + leaking_w * np.expm1(growth * (silicon_c - _COOL_C))
        return warmer_w

    return watts


def _idle_power_w(cluster: ClusterSpec, frequency_hz: NDArray[np.int64], temperature_c: float) -> NDArray[np.float64]:
    """What a cluster draws between inferences, in the deepest of its sleep states."""
    model = PowerModel.of(cluster)
    waiting = cluster.idle_states[-1].power_share.value if cluster.idle_states else 1.0
    by_clock = {
        hz: model.power_w(hz, 0.0, temperature_c=temperature_c, waiting=waiting) for hz in set(frequency_hz.tolist())
    }
    return np.array([by_clock[hz] for hz in frequency_hz.tolist()])


def _columns(networks: Sequence[_Network], parts: Mapping[tuple[int, int], _Part]) -> dict[str, Column]:
    latency_source = _repeated([SOURCES.index(part.latency_source) for part in parts.values()], parts)
    power_source = _repeated([SOURCES.index(part.power_source) for part in parts.values()], parts)
    # "assumed" has the highest code, and what rests on it is assumed.
    sources = {"latency_ms": latency_source, "power_w": power_source, "idle_power_w": power_source}
    either = np.maximum(latency_source, power_source)
    columns = {
        name: _column(np.concatenate([part.figures[name] for part in parts.values()]), sources.get(name, either))
        for name in ("latency_ms", "power_w", "energy_mj", "idle_power_w", "temperature_c")
    }
    counted = np.full(len(either), SOURCES.index("modelled"))
    for name in ("memory_mb", "macs_m"):
        columns[name] = _column(_repeated([getattr(networks[row], name) for row, _ in parts], parts), counted)
    if not all(np.isnan(network.accuracy_pct) for network in networks):
        columns["accuracy_pct"] = _column(
            _repeated([networks[row].accuracy_pct for row, _ in parts], parts),
            _repeated([SOURCES.index(networks[row].accuracy_source) for row, _ in parts], parts),
        )
    return columns


def _column(value: NDArray[Any], source: NDArray[Any]) -> Column:
    return Column(value, np.full(len(value), np.nan), source.astype(np.uint8))


def _repeated(values: Sequence[float], parts: Mapping[tuple[int, int], _Part]) -> NDArray[Any]:
    """One value for each part, as often as it has points."""
    return np.repeat(np.array(values), [len(part.n_cores) for part in parts.values()])


def _power_source(cluster: ClusterSpec) -> Source:
    """What rests on anything assumed is assumed; so are voltages that are not known."""
    sources = {parameter.source for path, parameter in parameters(cluster.power) if not path.startswith(_UNUSED)}
    sources.add(cluster.ladder.voltage_source or "assumed")
    return "assumed" if "assumed" in sources else "modelled"


def _about(board: BoardSpec, network: CataloguedNetwork, batch: int, temperature_c: float) -> dict[str, Any]:
    about = {
        "platform": board.id,
        "network": network.title,
        "batch": batch,
        "silicon_c": temperature_c,
        "modelled_by": f"tenuto {__version__}",
        "accuracy_from": network.accuracy_from,
        "titles": {member.sub_network.name: member.title for member in network.members},
        "settling_ms": {cluster.name: cluster.clock_delay_ms.value for cluster in board.clusters},
        "thermal": {cluster.name: warming(board, cluster) for cluster in board.clusters},
        "rest_power_w": sum(resting_w(board).values()),
    }
    trips = [trip.temperature_c.value for trip in board.thermal.trips if trip.kind != "fan"]
    return {**about, "throttles_above_c": min(trips)} if trips else about
