"""Dividing a cluster's cores: every way to do it, looked at in one go.

With C cores and N applications there are as many ways as choices of N from N + C (70 for four and four), few enough to
price them all at all clocks at once, without a dynamic programme.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._model import NEVER, Floats, Integers, Model


@dataclass(frozen=True, slots=True, eq=False)
class Divisions:
    """Every way to divide cores among some applications, none of them going without.

    Attributes:
        n_cores: (D, N), by rising set of applications.
        keys: (D, N) row of a (N x M + 1, ...) array of cells, whose last row is "not here".
        sets: The sets (bit a is application a) that occur, ascending.
        begins: Where each set's divisions begin; one more entry says where the last ends.
        at: Position in `sets` by set; -1 where the cores do not suffice.
        barred: (D, F) `NEVER` where a clock's cluster has too few cores; None where all have as many.
    """

    n_cores: Integers
    keys: Integers
    sets: Integers
    begins: Integers
    at: Integers
    barred: Floats | None

    @classmethod
    def of(cls, model: Model) -> "Divisions":
        """All of them."""
        n_applications = len(model.applicants)
        sizes = [model.resources[cluster].n_cores for cluster in range(model.n_divided)]
        most = max(sizes, default=1)
        ways = _ways(n_applications, most)
        ways = ways[ways.any(axis=1)]
        masks = (ways > 0) @ (1 << np.arange(n_applications))
        order = np.argsort(masks, kind="stable")
        ways, masks = ways[order], masks[order]
        sets, begins = np.unique(masks, return_index=True)
        keys = np.where(ways > 0, np.arange(n_applications) * most + ways - 1, n_applications * most)
        at = np.full(1 << n_applications, -1, dtype=np.int64)
        at[sets] = np.arange(len(sets))
        barred = None
        if len(set(sizes)) > 1:
            room = np.concatenate([np.full(len(model.ladders[cluster]), size) for cluster, size in enumerate(sizes)])
            barred = np.where(ways.sum(axis=1)[:, None] > room, NEVER, 0.0)
        return cls(ways, keys, sets, np.append(begins, len(ways)), at, barred)

    def priced(self, cells: Floats) -> Floats:
        """(D, F) sums of (N x M + 1, F) cells."""
        total: Floats = cells.take(self.keys[:, 0], axis=0)
        for column in self.keys.T[1:]:
            total += cells.take(column, axis=0)
        return total


def _ways(n_applications: int, most: int) -> NDArray[np.int64]:
    """Every tuple of N numbers, 0 or more, that sum to `most` at most."""
    ways = np.zeros((1, 0), dtype=np.int64)
    for _ in range(n_applications):
        left = most - ways.sum(axis=1)
        repeated = np.repeat(ways, left + 1, axis=0)
        last = np.concatenate([np.arange(one + 1) for one in left.tolist()])
        ways = np.column_stack([repeated, last])
    return ways
