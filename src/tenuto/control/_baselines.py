"""The policies that ours is compared with."""

from typing import Any

import msgspec

from tenuto.decisions import Decision, Observation
from tenuto.errors import UnknownNameError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements


class FixedState(msgspec.Struct, frozen=True):
    """The row chosen at the start."""

    point: int


class FixedPolicy:
    """One sub-network for ever, in its fastest configuration: the usual answer.

    Args:
        choice: `largest` or `smallest` (see `fastest_rows`), or a sub-network's name.
    """

    def __init__(self, choice: str) -> None:
        self.choice = choice

    @property
    def name(self) -> str:
        """`fixed-largest`, `fixed-smallest`, or `fixed-` and the sub-network's name."""
        return f"fixed-{self.choice}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The choice."""
        return {"choice": self.choice}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: FixedState | None = None
    ) -> FixedState:
        """Find the row.

        Raises:
            UnknownNameError: The table has no such sub-network.
        """
        del requirements, previous
        ladder = fastest_rows(table)
        if self.choice == "largest":
            return FixedState(ladder[-1])
        if self.choice == "smallest":
            return FixedState(ladder[0])
        by_name = {table.configuration(row).sub_network.name: row for row in ladder}
        if self.choice not in by_name:
            raise UnknownNameError("sub-network", self.choice, by_name)
        return FixedState(by_name[self.choice])

    def decide(self, state: FixedState, observation: Observation) -> tuple[Decision, FixedState]:
        """The same again."""
        del observation
        return Decision(state.point), state


class LevelStepState(msgspec.Struct, frozen=True):
    """Where the level-stepping manager is.

    Attributes:
        ladder: Rows, fastest first.
        deadline_ms: The latency limit, or None.
        floor_pct: The accuracy wanted: below it, one level up.
        accuracy_pct: Of each level.
        level: Index in `ladder`.
        window_ms: Latencies of this level that count, newest last.
        n_seen: Inferences at this level.
        left: The last two levels that were left, newest last.
    """

    ladder: tuple[int, ...]
    deadline_ms: float | None
    floor_pct: float
    accuracy_pct: tuple[float, ...]
    level: int
    window_ms: tuple[float, ...] = ()
    n_seen: int = 0
    left: tuple[int, ...] = ()


class LevelStepPolicy:
    """Dynamic-OFA's released manager: the mean of the last latencies, one level at a time.

    Args:
        window: Latencies averaged, and as many ignored after a change of level (20 as released).
        outlier_ms: Latencies of so much or more do not count (90 as released).

    Model:
        Over the limit on average: one level down. Within it and below the accuracy wanted: one level up, but not
        back to a level left within the last two changes. As released it also starts a new process for every change,
        which takes seconds; here a change costs it nothing, in its favour.

    Source:
        Xun et al., Dynamic-OFA, 2021, and the demonstrator's released code, described in our own words.
    """

    name = "level-step"

    def __init__(self, *, window: int = 20, outlier_ms: float = 90.0) -> None:
        self.window = window
        self.outlier_ms = outlier_ms

    @property
    def parameters(self) -> dict[str, Any]:
        """The window and the outlier bound."""
        return {"window": self.window, "outlier_ms": self.outlier_ms}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: LevelStepState | None = None
    ) -> LevelStepState:
        """Begin at the top level (the released manager begins at the fifth of six)."""
        ladder = fastest_rows(table)
        accuracy = table.column("accuracy_pct").value
        accuracies = tuple(float(accuracy[row]) for row in ladder)
        deadline, floor = requirements.constraint("latency_ms"), requirements.constraint("accuracy_pct")
        return LevelStepState(
            ladder,
            None if deadline is None else deadline.bound,
            max(accuracies) if floor is None else floor.bound,
            accuracies,
            len(ladder) - 1 if previous is None else min(previous.level, len(ladder) - 1),
        )

    def decide(self, state: LevelStepState, observation: Observation) -> tuple[Decision, LevelStepState]:
        """Count the last latency, and step if the window says so."""
        if observation.in_force == state.ladder[state.level] and observation.latency_ms is not None:
            state = self._counted(state, observation.latency_ms)
        return Decision(state.ladder[state.level]), state

    def _counted(self, state: LevelStepState, latency_ms: float) -> LevelStepState:
        n_seen = state.n_seen + 1
        window = state.window_ms
        if n_seen > self.window and latency_ms < self.outlier_ms:
            window = (*window, latency_ms)[-self.window :]
        state = msgspec.structs.replace(state, n_seen=n_seen, window_ms=window)
        if len(window) < self.window or state.deadline_ms is None:
            return state
        if sum(window) / len(window) > state.deadline_ms:
            return _moved(state, -1)
        if state.accuracy_pct[state.level] < state.floor_pct and state.level + 1 not in state.left:
            return _moved(state, +1)
        return state


def _moved(state: LevelStepState, step: int) -> LevelStepState:
    level = state.level + step
    if not 0 <= level < len(state.ladder):
        return state
    left = (*state.left, state.level)[-2:]
    return msgspec.structs.replace(state, level=level, window_ms=(), n_seen=0, left=left)


def fastest_rows(table: OperatingTable) -> tuple[int, ...]:
    """Each sub-network's fastest row, the smallest sub-network first.

    Smallest is fewest multiply-accumulates where the table says, for noise may swap two latencies; else it is fastest.
    """
    latency_ms = table.column("latency_ms").value
    size = table.metrics["macs_m"].value if "macs_m" in table.metrics else latency_ms
    fastest: dict[int, int] = {}
    for row in range(len(table)):
        index = int(table.sub_network_index[row])
        if index not in fastest or latency_ms[row] < latency_ms[fastest[index]]:
            fastest[index] = row
    return tuple(sorted(fastest.values(), key=lambda row: (float(size[row]), float(latency_ms[row]))))
