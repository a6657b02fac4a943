"""One cluster's points, prepared so that a choice does not take longer when there are more of them.

A cluster's slowdown scales all its latencies together. Of points sorted by latency, those that keep a deadline are then
the first so many, whatever the slowdown, and the best of the first so many can be written down beforehand: choosing is
one bisection.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenuto.points import pareto_indices

_NOTHING = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """The best of the first so many points, by latency.

    Attributes:
        latency_ms: Where the best or the second-best changes, ascending.
        found: For each: the row that is best among the points up to and at that latency, the second-best, and the best
            one at the next latency where that is another; -1 for none.
        shorter: For each: where the best was another one last; -1 for nowhere.
    """

    latency_ms: tuple[float, ...]
    found: tuple[tuple[int, int, int], ...]
    shorter: tuple[int, ...]

    @classmethod
    def of(cls, rows: NDArray[np.intp], latency_ms: NDArray[np.float64], rank: NDArray[np.int64]) -> "Front":
        """Prepare `rows` (N > 0); `latency_ms` and `rank` (all different, lower is better) are theirs."""
        order = np.lexsort((rank, latency_ms))
        rows, latency_ms, rank = rows[order], latency_ms[order], rank[order]
        best = np.minimum.accumulate(rank)
        best_before = np.concatenate(([_NOTHING], best[:-1]))
        # A new best makes the old best a candidate for second; any other point is a candidate itself.
        second = np.minimum.accumulate(np.where(rank < best_before, best_before, rank))
        second_before = np.concatenate(([_NOTHING], second[:-1]))
        entries = np.flatnonzero((best != best_before) | (second != second_before))
        row_of_rank = dict(zip(rank.tolist(), rows.tolist(), strict=True))
        best_rows = [row_of_rank[value] for value in best[entries].tolist()]
        better = [-1] * len(entries)
        for index in range(len(entries) - 2, -1, -1):
            changes = best_rows[index] != best_rows[index + 1]
            better[index] = best_rows[index + 1] if changes else better[index + 1]
        shorter = [-1] * len(entries)
        for index in range(1, len(entries)):
            changes = best_rows[index] != best_rows[index - 1]
            shorter[index] = index - 1 if changes else shorter[index - 1]
        second_rows = [row_of_rank.get(value, -1) for value in second[entries].tolist()]
        found = tuple(zip(best_rows, second_rows, better, strict=True))
        return cls(tuple(latency_ms[entries].tolist()), found, tuple(shorter))

    def shorter_than(self, index: int) -> Iterator[int]:
        """The rows that were best before the one at `index`, the best of them first."""
        index = self.shorter[index]
        while index >= 0:
            yield self.found[index][0]
            index = self.shorter[index]


@dataclass(frozen=True, slots=True, eq=False)
class BoundedFront:
    """The points that matter when energy, which slowdown scales too, is bounded beside latency.

    No single order serves two bounds, so the points that are best at *some* pair of bounds are kept (some tens of
    100 000 random ones), best first, and tried one after the other; NumPy's calls would take longer than that.

    Attributes:
        points: Latency in ms, energy in mJ and row of each, best first.
    """

    points: tuple[tuple[float, float, int], ...]

    @classmethod
    def of(
        cls,
        rows: NDArray[np.intp],
        latency_ms: NDArray[np.float64],
        energy_mj: NDArray[np.float64],
        rank: NDArray[np.int64],
    ) -> "BoundedFront":
        """Prepare `rows` (N > 0); the other arrays are theirs."""
        kept = pareto_indices(np.column_stack([rank.astype(np.float64), latency_ms, energy_mj]))
        columns = latency_ms[kept].tolist(), energy_mj[kept].tolist(), rows[kept].tolist()
        return cls(tuple(zip(*columns, strict=True)))

    def within(self, latency_ms: float, energy_mj: float) -> list[int]:
        """The rows of those kept that keep both bounds, best first."""
        return [row for ms, mj, row in self.points if ms <= latency_ms and mj <= energy_mj]
