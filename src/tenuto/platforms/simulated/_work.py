"""What an inference is to a simulated board: the work of a sub-network, and the same in another software's time."""

import math
from collections.abc import Sequence
from typing import Final

from tenuto.errors import UsageError
from tenuto.graphs import LayerCost
from tenuto.platforms.simulated import contention
from tenuto.platforms.simulated._board import Board
from tenuto.platforms.simulated._spec import BoardSpec
from tenuto.platforms.simulated.latency import LatencyModel

MOST_KNOWN: Final = 4096
"""What a work remembers, at most: beside others of ours there is no end to what it can come to."""

Cell = tuple[float, float, float]
"""Seconds, how far it fills the cluster, bytes a second."""


class NetworkWork:
    """What one sub-network is on one board; what does not change from inference to inference is remembered.

    Args:
        costs: Of its layers.
        board: The board.

    Attributes:
        models: How long it takes alone, on each cluster of the board.
        factor: By which that is longer.
    """

    factor = 1.0

    def __init__(self, costs: Sequence[LayerCost], board: BoardSpec) -> None:
        self.models = tuple(LatencyModel.of(costs, cluster, board.memory) for cluster in board.clusters)
        self._known: dict[tuple[int, int, int, float], Cell] = {}
        self._version = -1
        self._board: Board | None = None

    def at(self, board: Board, cluster: int, n_cores: int, frequency_hz: int, beside_gb_s: float = 0.0) -> Cell:
        """Its expected time in seconds, how far it fills the cluster, and the bytes it moves a second."""
        if board.version != self._version or board is not self._board:
            self._known.clear()
            self._version, self._board = board.version, board
        key = (cluster, n_cores, frequency_hz, beside_gb_s)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._under(board, *key)
        return found

    def _under(self, board: Board, cluster: int, n_cores: int, frequency_hz: int, beside_gb_s: float) -> Cell:
        model, domain, memory = self.models[cluster], board.domains[cluster], board.spec.memory
        traffic = domain.spec.contention
        left = contention.memory_share(
            board.others_gb_s + beside_gb_s,
            memory.bandwidth_gb_s.value,
            board.memory_clock_share,
            traffic.memory_sensitivity.value,
        )
        alone_ms = model.latency_ms(n_cores, frequency_hz, memory_share=left)
        if domain.is_cpu:
            slowdown = contention.core_slowdown(n_cores, domain.others_cores_at(frequency_hz), domain.n_cores)
        else:
            best_ms = model.latency_ms(n_cores, domain.top_hz, memory_share=left)
            slowdown = contention.queue_slowdown(
                traffic.queue_share.value if traffic.queue_share else 0.0,
                0.0 if domain.is_taken else domain.background.busy_cores,
                domain.top_hz / frequency_hz,
                alone_ms / best_ms,
            )
        seconds = alone_ms * slowdown * board.conditions.slowdown.get(domain.name, 1.0) / 1000
        return seconds, model.fill, model.n_bytes / seconds


class ScaledWork:
    """A work that takes a constant times as long: for latencies that were published of another software stack.

    It moves as many bytes, in that time, and fills a cluster as far.

    Args:
        work: The work.
        factor: How many times as long, above 0.

    Raises:
        UsageError: The factor is no number above 0.
    """

    def __init__(self, work: NetworkWork, factor: float) -> None:
        if not 0 < factor < math.inf:
            raise UsageError(f"factor: asked {factor!r}, expected a number above 0")
        self.work, self.factor, self.models = work, factor, work.models
        self._known: dict[Cell, Cell] = {}

    def at(self, board: Board, cluster: int, n_cores: int, frequency_hz: int, beside_gb_s: float = 0.0) -> Cell:
        """Its expected time in seconds, how far it fills the cluster, and the bytes it moves a second."""
        plain = self.work.at(board, cluster, n_cores, frequency_hz, beside_gb_s)
        found = self._known.get(plain)
        if found is None:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            found = self._known[plain] = plain[0] * self.factor, plain[1], plain[2] / self.factor
        return found
