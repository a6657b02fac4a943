"""The table that holds many operating points by column."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownMetricError, UsageError
from tenuto.points._column import Column, read_only
from tenuto.points._pareto import pareto_indices
from tenuto.points._point import Configuration, OperatingPoint, source_code
from tenuto.points._sub_network import SubNetwork
from tenuto.units import QUANTITIES

NO_FREQUENCY: Final = -1
"""In `OperatingTable.frequency_hz`: the clock was not ours to set."""

_MOST_CORES: Final = np.iinfo(np.int32).max
_HIGHEST_HZ: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class OperatingTable:
    """Operating points of one network on one platform, by column; 100 000 points are one read-only array each.

    Two rows may share a configuration (two profiles laid end to end): each is a point of its own.

    Attributes:
        sub_networks: The distinct sub-networks; `sub_network_index` points into it.
        clusters: The distinct clusters; `cluster_index` points into it.
        sub_network_index: int32 (N,).
        cluster_index: int32 (N,).
        n_cores: int32 (N,), at least 1.
        frequency_hz: int64 (N,), `NO_FREQUENCY` where the clock was not ours to set.
        metrics: Each metric's column, all (N,).
        about: Where the table comes from: platform, engine, input shape, date; plain JSON values.

    Raises:
        UsageError: No points, columns of different lengths, more than one network, or figures that make no sense.
        UnknownMetricError: A metric is not one of `units.QUANTITIES`.
    """

    sub_networks: tuple[SubNetwork, ...]
    clusters: tuple[str, ...]
    sub_network_index: NDArray[np.int32]
    cluster_index: NDArray[np.int32]
    n_cores: NDArray[np.int32]
    frequency_hz: NDArray[np.int64]
    metrics: Mapping[str, Column]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.sub_network_index)
        if n == 0:
            raise UsageError("found no points; an operating table needs at least one")
        networks = sorted({sub_network.network for sub_network in self.sub_networks})
        if len(networks) != 1:
            raise UsageError(
                f"found the networks {', '.join(networks) or 'none'}; a table holds one, make one per network"
            )
        for name, values in (("sub_networks", self.sub_networks), ("clusters", self.clusters)):
            if len(set(values)) != len(values) or "" in values:
                raise UsageError(f"{name} has an entry twice, or an empty one; list each once")
        columns = {
            "sub_network_index": _integers("sub_network", self.sub_network_index, 0, len(self.sub_networks) - 1),
            "cluster_index": _integers("cluster", self.cluster_index, 0, len(self.clusters) - 1),
            "n_cores": _integers("n_cores", self.n_cores, 1, _MOST_CORES),
            "frequency_hz": _integers("frequency_hz", self.frequency_hz, NO_FREQUENCY, _HIGHEST_HZ),
        }
        for name, array in columns.items():
            _check_length(name, len(array), n)
            dtype = np.int64 if name == "frequency_hz" else np.int32
            object.__setattr__(self, name, read_only(array.astype(dtype, copy=False)))
        if bool(np.any(self.frequency_hz == 0)):
            raise UsageError(f"column frequency_hz has a 0; a clock that is not ours to set is {NO_FREQUENCY}")
        for name, column in self.metrics.items():
            _check_figures(name, column, n)
        object.__setattr__(self, "metrics", dict(self.metrics))
        object.__setattr__(self, "about", dict(self.about))

    def __len__(self) -> int:
        return len(self.sub_network_index)

    def __iter__(self) -> Iterator[OperatingPoint]:
        return (self.point(index) for index in range(len(self)))

    def configuration(self, index: int) -> Configuration:
        """The configuration of one row."""
        frequency_hz = int(self.frequency_hz[index])
        return Configuration(
            self.sub_networks[self.sub_network_index[index]],
            self.clusters[self.cluster_index[index]],
            int(self.n_cores[index]),
            None if frequency_hz == NO_FREQUENCY else frequency_hz,
        )

    def point(self, index: int) -> OperatingPoint:
        """One row as a value."""
        estimates = ((name, column.estimate(index)) for name, column in self.metrics.items())
        return OperatingPoint(
            self.configuration(index), {name: estimate for name, estimate in estimates if estimate is not None}
        )

    def column(self, metric: str) -> Column:
        """One metric's column.

        Raises:
            UnknownMetricError: The table does not carry it; says what it has instead.
        """
        try:
            return self.metrics[metric]
        except KeyError:
            raise UnknownMetricError(metric, self.metrics) from None

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> "OperatingTable":
        """The rows at `indices`, in that order."""
        rows = np.asarray(indices, dtype=np.intp)
        return OperatingTable(
            self.sub_networks,
            self.clusters,
            self.sub_network_index[rows],
            self.cluster_index[rows],
            self.n_cores[rows],
            self.frequency_hz[rows],
            {name: column.take(rows) for name, column in self.metrics.items()},
            self.about,
        )

    def pareto(self, *metrics: str) -> "OperatingTable":
        """The points that no other point beats in all of `metrics`; each metric's better way is in `units`.

        A point without one of the figures cannot be compared and is left out.

        Raises:
            UnknownMetricError: The table does not carry a metric.
            UsageError: No metric is given, or no point has figures for all of them.
        """
        if not metrics:
            raise UsageError("asked for a front in no metric at all; name one, such as latency_ms")
        costs = np.column_stack(
            [(-1 if QUANTITIES[name].higher_is_better else 1) * self.column(name).value for name in metrics]
        )
        front = pareto_indices(costs)
        if not len(front):
            raise UsageError(f"asked for a front in {', '.join(metrics)}: no point has figures for all; profile again")
        return self.take(front)

    @classmethod
    def from_points(
        cls, points: Iterable[OperatingPoint], *, about: Mapping[str, Any] | None = None
    ) -> "OperatingTable":
        """Gather points into columns, in the order given.

        Raises:
            UsageError: No points, points of two networks, or figures that make no sense.
            UnknownMetricError: A metric is not one of `units.QUANTITIES`.
        """
        rows = list(points)
        configurations = [row.configuration for row in rows]
        sub_networks = tuple(dict.fromkeys(configuration.sub_network for configuration in configurations))
        clusters = tuple(dict.fromkeys(configuration.cluster for configuration in configurations))
        index_of = {sub_network: index for index, sub_network in enumerate(sub_networks)}
        cluster_of = {cluster: index for index, cluster in enumerate(clusters)}
        frequencies = [NO_FREQUENCY if c.frequency_hz is None else c.frequency_hz for c in configurations]
        return cls(
            sub_networks,
            clusters,
            np.array([index_of[c.sub_network] for c in configurations], dtype=np.int32),
            np.array([cluster_of[c.cluster] for c in configurations], dtype=np.int32),
            np.array([c.n_cores for c in configurations], dtype=np.int32),
            np.array(frequencies, dtype=np.int64),
            {name: _gather(name, rows) for name in dict.fromkeys(name for row in rows for name in row.metrics)},
            dict(about or {}),
        )


def _gather(metric: str, points: Sequence[OperatingPoint]) -> Column:
    estimates = [point.metrics.get(metric) for point in points]
    return Column(
        np.array([math.nan if e is None else e.value for e in estimates], dtype=np.float64),
        np.array([math.nan if e is None or e.stdev is None else e.stdev for e in estimates], dtype=np.float64),
        np.array([0 if e is None else source_code(e.source) for e in estimates], dtype=np.uint8),
    )


def _integers(name: str, values: NDArray[Any], lowest: int, highest: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(
            f"column {name} is {array.dtype} of shape {array.shape}; expected whole numbers, one per point"
        )
    if array.size and not lowest <= array.min() <= array.max() <= highest:
        raise UsageError(
            f"column {name} goes from {array.min()} to {array.max()}; expected numbers from {lowest} to {highest}"
        )
    return array


def _check_length(name: str, length: int, n: int) -> None:
    if length != n:
        raise UsageError(f"column {name} has {length} entries and there are {n} points; every column needs one each")


def _check_figures(name: str, column: Column, n: int) -> None:
    if name not in QUANTITIES:
        raise UnknownMetricError(name, QUANTITIES, where="Tenuto")
    _check_length(name, len(column), n)
    lowest = -273.15 if name == "temperature_c" else 0.0
    highest = 100.0 if name == "accuracy_pct" else np.finfo(np.float64).max
    wrong = np.flatnonzero((column.value < lowest) | (column.value > highest))
    if len(wrong):
        raise UsageError(
            f"column {name} has {column.value[wrong[0]]} in row {wrong[0]}, expected {lowest:g} to {highest:g}; "
            "leave out what is not known"
        )
