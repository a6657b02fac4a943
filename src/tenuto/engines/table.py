"""An engine that answers from a profile: as slow as the table says, and without a network."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownNameError, UsageError
from tenuto.points import NO_FREQUENCY, OperatingTable, SubNetwork


class TableEngine:
    """Takes the profiled median latency of the active sub-network, and returns zeros.

    A sub-network that is not resident is there the second time it is asked for.

    Args:
        table: The profile; must carry `latency_ms`.
        cluster: Where the pretended inference runs.
        n_cores: On how many cores.
        frequency_hz: At which clock; None takes points whose clock was not set, or else the highest clock profiled.
        input_shape: Of one item of a frame, without the batch.
        output_shape: Of one item's output.
        sleep: Lets a time in seconds pass; a simulation gives its clock's.

    Raises:
        UnknownMetricError: The table has no latencies.
        UnknownNameError: The table has no such cluster.
        UsageError: The table has no point with that many cores, or at that clock.

    Model:
        An inference takes the median: no noise, no contention, no first-run cost; the profile's batch, whatever the
        frame's.
    """

    def __init__(
        self,
        table: OperatingTable,
        *,
        cluster: str,
        n_cores: int,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        frequency_hz: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if cluster not in table.clusters:
            raise UnknownNameError("cluster", cluster, table.clusters)
        self._latency_s = _latencies_s(table, cluster, n_cores, frequency_hz)
        self._input_shape = tuple(input_shape)
        self._output_shape = tuple(output_shape)
        self._sleep = sleep
        self._resident: frozenset[SubNetwork] = frozenset()
        self._active: SubNetwork | None = None
        self._is_closed = False

    @property
    def resident(self) -> frozenset[SubNetwork]:
        """The sub-networks that `activate` puts in force at once."""
        return self._resident

    @property
    def active(self) -> SubNetwork:
        """The sub-network that the next `infer` pretends to run.

        Raises:
            UsageError: Nothing was loaded, or the engine is closed.
        """
        self._check_open()
        if self._active is None:
            raise UsageError("no sub-network is active, because none was loaded; call load() first")
        return self._active

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        """Make sub-networks resident; the first one ever loaded is active.

        Raises:
            UnknownNameError: The table has no such sub-network here; nothing was loaded.
            UsageError: The engine is closed.
        """
        self._check_open()
        wanted = list(sub_networks)
        for sub_network in wanted:
            self._check_known(sub_network)
        self._resident |= frozenset(wanted)
        if self._active is None and wanted:
            self._active = wanted[0]

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        """Ask for a sub-network; one that is not resident yet is in force when it is asked for again.

        Returns:
            The sub-network now in force.

        Raises:
            UnknownNameError: The table has no such sub-network here.
            UsageError: The engine is closed.
        """
        self._check_open()
        self._check_known(sub_network)
        if sub_network in self._resident or self._active is None:
            self._active = sub_network
        self._resident |= {sub_network}
        return self._active

    def infer(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Let the median latency pass.

        Returns:
            float32 zeros, (n, *output_shape).

        Raises:
            UsageError: The frame is not float32 (n, *input_shape), n at least 1. Or nothing was loaded.
        """
        active = self.active
        if not isinstance(frame, np.ndarray) or frame.dtype != np.float32 or frame.shape[1:] != self._input_shape:
            found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"
            raise UsageError(f"a frame must be float32 (n, *{self._input_shape}); found {found}; convert it")
        if frame.shape[:1] in ((), (0,)):
            raise UsageError(f"a frame must hold at least one item; found shape {frame.shape}; skip empty batches")
        self._sleep(self._latency_s[active])
        return np.zeros((len(frame), *self._output_shape), dtype=np.float32)

    def close(self) -> None:
        """The engine cannot be used afterwards. Closing twice does nothing."""
        self._is_closed = True
        self._resident = frozenset()

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("the engine is closed; make a new one")

    def _check_known(self, sub_network: SubNetwork) -> None:
        if sub_network not in self._latency_s:
            raise UnknownNameError("sub-network", sub_network.name, (known.name for known in self._latency_s))


def _latencies_s(
    table: OperatingTable, cluster: str, n_cores: int, frequency_hz: int | None
) -> dict[SubNetwork, float]:
    """Each sub-network's median latency, in seconds, in one place and at one clock."""
    latency_ms = table.column("latency_ms").value
    here = (table.cluster_index == table.clusters.index(cluster)) & (table.n_cores == n_cores) & ~np.isnan(latency_ms)
    if not here.any():
        profiled = sorted(set(table.n_cores[table.cluster_index == table.clusters.index(cluster)].tolist()))
        raise UsageError(f"the table has no latency on {n_cores} cores of {cluster}; it has core counts {profiled}")
    clocks = set(table.frequency_hz[here].tolist())
    clock = frequency_hz
    if clock is None:
        clock = NO_FREQUENCY if NO_FREQUENCY in clocks else max(clocks)
    if clock not in clocks:
        raise UsageError(
            f"the table has no latency at {clock} Hz on {n_cores} cores of {cluster}; it has {sorted(clocks)}"
        )
    rows = np.flatnonzero(here & (table.frequency_hz == clock))
    return {table.sub_networks[table.sub_network_index[row]]: float(latency_ms[row]) / 1000 for row in rows}
