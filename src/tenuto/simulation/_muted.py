"""A board some of whose sensors say nothing for a time."""

from collections.abc import Sequence

from tenuto.platforms import HeldBoard, Monitor, OwnTime, Snapshot
from tenuto.points import Configuration
from tenuto.scenarios import SensorLoss


class Muted:
    """A held board in a time of its own, less what a scenario takes away from its snapshots.

    Args:
        board: The board.
        monitors: Its monitors.
        losses: Which of them say nothing, from when to when, in the board's time: by name, or by quantity.
    """

    def __init__(self, board: HeldBoard, monitors: Sequence[Monitor], losses: Sequence[SensorLoss]) -> None:
        if not isinstance(board, OwnTime):
            raise AssertionError("only a simulated board loses sensors by a scenario")
        self._board, self._own_time = board, board
        self._losses = [
            (loss.time_s, loss.until_s, {one.name for one in monitors if {one.name, one.quantity} & loss.monitors})
            for loss in losses
        ]

    def snapshot(self) -> Snapshot:
        """Read every monitor that still says something."""
        found = self._board.snapshot()
        lost = {
            name
            for begin_s, until_s, names in self._losses
            if begin_s <= found.time_s and (until_s is None or found.time_s < until_s)
            for name in names
        }
        if not lost:
            return found
        return Snapshot(found.time_s, {name: value for name, value in found.readings.items() if name not in lost})

    def apply(self, configuration: Configuration) -> Configuration:
        """As the board does."""
        return self._board.apply(configuration)

    @property
    def n_processors(self) -> int:
        """As the board has."""
        return self._own_time.n_processors

    def own_s(self) -> float:
        """As the board says."""
        return self._own_time.own_s()
