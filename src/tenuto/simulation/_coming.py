"""What the rest of the world does to an inference while it runs: the clairvoyant knows that, too."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.platforms.simulated import QUIET, BoardSpec, Conditions, SimulatedPlatform
from tenuto.simulation._runner import Row

_LONG: Final = 1e4
"""Times an inference: so long that settling counts for nothing."""

_SETTLED_S: Final = 1.0
"""Until a new memory clock is in force."""


class Coming:
    """Changes of the world to come.

    Args:
        spec: The board.
        world: What holds from when on.

    Model:
        What is left of an inference when the world changes takes as much longer as a whole one does after the change
        than before it, each alone on the board. Only the first change within an inference is looked at, and its energy
        is not changed. Where a row's cluster is going to be taken away it counts as never done.
    """

    def __init__(self, spec: BoardSpec, world: Sequence[tuple[float, Conditions]]) -> None:
        self._spec, self._world = spec, world
        self._board: SimulatedPlatform | None = None
        self._places: dict[int, Any] = {}
        self._longer: dict[tuple[int, int], NDArray[np.float64]] = {}

    def latency_ms(
        self, latency_ms: NDArray[np.float64], now_s: float, owner: int, rows: Sequence[Row]
    ) -> NDArray[np.float64]:
        """Latencies of an inference that begins now, which the present world alone would let take `latency_ms`.

        Args:
            latency_ms: (N,) by row.
            now_s: When.
            owner: Which application's, whose rows are always the same.
            rows: (N,) where it may run.
        """
        which = bisect_right(self._world, now_s, key=itemgetter(0))
        if which == len(self._world):
            return latency_ms
        until_ms = 1000 * (self._world[which][0] - now_s)
        later = np.isfinite(latency_ms) & (latency_ms > until_ms)
        if not later.any():
            return latency_ms
        changed = latency_ms.copy()
        changed[later] = until_ms + (latency_ms[later] - until_ms) * self._longer_by(which, owner, rows)[later]
        return changed

    def _longer_by(self, which: int, owner: int, rows: Sequence[Row]) -> NDArray[np.float64]:
        """How many times longer a whole inference takes after a change than before it (N,)."""
        found = self._longer.get((which, owner))
        if found is None:
            before = self._alone_ms(self._world[which - 1][1] if which else QUIET, owner, rows)
            after = self._alone_ms(self._world[which][1], owner, rows)
            is_there = np.isfinite(before)
            found = np.where(is_there, after / np.where(is_there, before, 1.0), np.inf)
            self._longer[which, owner] = found
        return found

    def _alone_ms(self, conditions: Conditions, owner: int, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Latencies on a board of its own, on which these conditions hold."""
        if self._board is None:
            self._board = SimulatedPlatform(self._spec)
        board = self._board
        if owner not in self._places:
            self._places[owner] = board.places(rows)
        board.disturb(conditions)
        board.advance(board.clock.now_s() + _SETTLED_S)
        return board.foresee(self._places[owner], factor=_LONG)[0]
