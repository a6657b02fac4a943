"""Taking turns on an accelerator: each waits for one job of each of the others."""

from dataclasses import dataclass

import numpy as np

from tenuto.control.allotting._cells import Cells, Figures
from tenuto.control.allotting._model import Floats, Integers, Model

SAME: float = 1 - 1e-12
"""A response is compared with a deadline after this factor: rounding's due."""


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """Which applications may meet on an accelerator.

    Attributes:
        owners: (P,) the application of each pair of (set, member), by rising set.
        others: (P, N) 1 for the other members of the set.
        begins: Where each set's pairs begin; set s is at s - 1.
        members: Each set's, the empty one first.
    """

    owners: Integers
    others: Floats
    begins: Integers
    members: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: Model) -> "Turns":
        """All sets."""
        n = len(model.applicants)
        members = tuple(tuple(a for a in range(n) if one >> a & 1) for one in range(1 << n))
        pairs = [(owner, one) for one in members for owner in one]
        others = np.zeros((len(pairs), n))
        for at, (owner, one) in enumerate(pairs):
            others[at, list(one)] = 1.0
            others[at, owner] = 0.0
        sizes = np.array([len(one) for one in members[1:]], dtype=np.int64)
        return cls(np.array([owner for owner, _ in pairs]), others, np.cumsum(sizes) - sizes, members)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Each pair of (set, member) on the accelerators.

    Attributes:
        key: (K, P, F) the least that the owner can cost by row, penalties included, for the others take a while.
        n_in_time: (P, F) how many of the owner's rows, the quickest first, can keep its deadline.
    """

    key: Floats
    n_in_time: Integers


def pairs_of(turns: Turns, cells: Cells, seen: Figures, key: Floats, unit: float) -> Pairs:
    """Reckon; `key` is that of all cells when nobody else is there."""
    shape = (-1, cells.n_applications, cells.n_clocks[1])
    of_turns = slice(cells.n_divided, None)
    waiting_ms = turns.others @ seen.latency_ms[0, of_turns].reshape(shape[1:])
    left_ms = (cells.deadline_ms[of_turns] - seen.promised_ms[:, of_turns] * SAME).reshape(shape)
    more = np.maximum(cells.late_penalty[of_turns] - seen.penalty[:, of_turns], 0.0)
    more *= unit
    is_late = left_ms.take(turns.owners, axis=1) < waiting_ms
    total = more.reshape(shape).take(turns.owners, axis=1)
    total *= is_late
    total += key[:, of_turns].reshape(shape).take(turns.owners, axis=1)
    n_rows = cells.n_rows[of_turns].reshape(shape[1:]).take(turns.owners, axis=0)
    return Pairs(total, np.minimum(len(key) - np.count_nonzero(is_late, axis=0), n_rows))
