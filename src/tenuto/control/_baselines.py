"""The policies that ours is compared with."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from tenuto.control._sound import evidence_ms, rows_allotted
from tenuto.decisions import Allotment, Decision, Observation
from tenuto.errors import UnknownMetricError, UnknownNameError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

PLACES_KEPT: Final = 8
"""Allotments whose ladders are kept while another is in force."""


OUTLIER_SHARE: Final = 1.5
"""Of the deadline: 90 ms of 60 ms, as released. The bound for outliers is no lower than that."""


class FixedState(msgspec.Struct, frozen=True):
    """What was chosen at the start.

    Attributes:
        point: The row.
        network: Its index in `table.sub_networks`.
        ladders: Of the place where it may run.
    """

    point: int
    network: int
    ladders: "Ladders"


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
        ladders = Ladders.of(table)
        if self.choice == "largest":
            point = ladders.rows[-1]
        elif self.choice == "smallest":
            point = ladders.rows[0]
        else:
            by_name = {table.configuration(row).sub_network.name: row for row in ladders.rows}
            if self.choice not in by_name:
                raise UnknownNameError("sub-network", self.choice, by_name)
            point = by_name[self.choice]
        return FixedState(point, int(table.sub_network_index[point]), ladders)

    def decide(self, state: FixedState, observation: Observation) -> tuple[Decision, FixedState]:
        """The same again; in the place allotted, if there is one."""
        if observation.allotment != state.ladders.allotment:
            ladders = state.ladders.under(observation.allotment)
            index = ladders.table.sub_network_index
            # Where none of the allotted points has it, the smallest there is.
            point = next((row for row in ladders.rows if index[row] == state.network), ladders.rows[0])
            state = FixedState(point, state.network, ladders)
        return Decision(state.point), state


class LevelStepState(msgspec.Struct, frozen=True):
    """Where the level-stepping manager is.

    Attributes:
        ladders: Of the place where it may run; its rows are the levels.
        deadline_ms: The latency limit, or None.
        floor_pct: The accuracy wanted: below it, one level up.
        accuracy_pct: Of each level.
        level: Which of them it is at.
        window_ms: Latencies of this level that count, newest last.
        n_seen: Inferences at this level.
        left: The last two levels that were left, newest last.
    """

    ladders: "Ladders"
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
        outlier_ms: Latencies of so much or more do not count (90 as released), with deadlines of up to 60 ms.

    Model:
        Over the limit on average: one level down. Within it and below the accuracy wanted: one level up, but not
        back to a level left within the last two changes. As released it also starts a new process for every change,
        which takes seconds; here a change costs it nothing, in its favour. The released limit is 60 ms, and the bound
        for outliers half as much again; with a longer limit the bound grows in proportion, likewise in its favour.

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
        ladders = Ladders.of(table)
        accuracies = _accuracies_pct(ladders)
        deadline, floor = requirements.constraint("latency_ms"), requirements.constraint("accuracy_pct")
        top = len(ladders.rows) - 1
        return LevelStepState(
            ladders,
            None if deadline is None else deadline.bound,
            max(accuracies) if floor is None else floor.bound,
            accuracies,
            top if previous is None else min(previous.level, top),
        )

    def decide(self, state: LevelStepState, observation: Observation) -> tuple[Decision, LevelStepState]:
        """Count the last latency, and step if the window says so."""
        if observation.allotment != state.ladders.allotment:
            ladders = state.ladders.under(observation.allotment)
            level = min(state.level, len(ladders.rows) - 1)
            state = msgspec.structs.replace(
                state, ladders=ladders, accuracy_pct=_accuracies_pct(ladders), level=level, window_ms=(), n_seen=0
            )
        index = state.ladders.table.sub_network_index
        latency_ms, row = evidence_ms(observation, len(index)), observation.in_force
        # It knows levels, not clocks: a latency counts wherever the level ran.
        if latency_ms is not None and row is not None and index[row] == index[state.ladders.rows[state.level]]:
            state = self._counted(state, latency_ms)
        return Decision(state.ladders.rows[state.level]), state

    def _counted(self, state: LevelStepState, latency_ms: float) -> LevelStepState:
        n_seen = state.n_seen + 1
        window = state.window_ms
        outlier_ms = self.outlier_ms
        if state.deadline_ms is not None:
            outlier_ms = max(outlier_ms, OUTLIER_SHARE * state.deadline_ms)
        if n_seen > self.window and latency_ms < outlier_ms:
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
    if not 0 <= level < len(state.ladders.rows):
        return state
    left = (*state.left, state.level)[-2:]
    return msgspec.structs.replace(state, level=level, window_ms=(), n_seen=0, left=left)


def _accuracies_pct(ladders: "Ladders") -> tuple[float, ...]:
    accuracy_pct = ladders.table.column("accuracy_pct").value
    return tuple(float(accuracy_pct[row]) for row in ladders.rows)


def fastest_rows(table: OperatingTable, rows: Iterable[int] | None = None) -> tuple[int, ...]:
    """Each sub-network's fastest row, the smallest sub-network first.

    Smallest is fewest multiply-accumulates where the table says, for noise may swap two latencies; else it is fastest.

    Args:
        table: Rows without a latency do not count.
        rows: Only these; None for all.

    Raises:
        UnknownMetricError: No row has a latency.
    """
    latency_ms = table.column("latency_ms").value
    size = table.metrics["macs_m"].value if "macs_m" in table.metrics else latency_ms
    fastest: dict[int, int] = {}
    for row in range(len(table)) if rows is None else rows:
        index = int(table.sub_network_index[row])
        if latency_ms[row] < (latency_ms[fastest[index]] if index in fastest else math.inf):
            fastest[index] = int(row)
    if not fastest:
        raise UnknownMetricError("latency_ms", (name for name in table.metrics if name != "latency_ms"))
    return tuple(sorted(fastest.values(), key=lambda row: (float(size[row]), float(latency_ms[row]))))


Chosen: TypeAlias = Callable[[OperatingTable, tuple[int, ...]], tuple[int, ...]]
"""Picks and sorts some of a ladder's rows."""


class Ladders(msgspec.Struct, frozen=True):
    """A ladder for the allotment in force, and those of allotments before it.

    Attributes:
        table: The profile.
        chosen: What becomes of the fastest rows of each sub-network; None leaves them.
        allotment: In force.
        rows: Its ladder.
        latency_ms: Of each step.
        parked: Ladders of other allotments.
    """

    table: OperatingTable
    chosen: Chosen | None
    allotment: Allotment | None
    rows: tuple[int, ...]
    latency_ms: tuple[float, ...]
    parked: tuple[tuple[Allotment | None, tuple[int, ...]], ...] = ()

    @classmethod
    def of(cls, table: OperatingTable, chosen: Chosen | None = None) -> "Ladders":
        """The ladder where there is no allotment.

        Raises:
            UnknownMetricError: No row has a latency.
        """
        rows = fastest_rows(table)
        rows = rows if chosen is None else chosen(table, rows)
        return cls(table, chosen, None, rows, _latencies_ms(table, rows))

    def under(self, allotment: Allotment | None) -> "Ladders":
        """The ladder for an allotment; for any place, where no row of the allotted ones has a latency."""
        if allotment == self.allotment:
            return self
        parked = ((self.allotment, self.rows), *(one for one in self.parked if one[0] != self.allotment))[:PLACES_KEPT]
        rows = next((rows for known, rows in parked if known == allotment), None)
        if rows is None:
            allotted = rows_allotted(self.table, allotment)
            if np.isnan(self.table.column("latency_ms").value[allotted]).all():
                allotted = rows_allotted(self.table, None)
            rows = fastest_rows(self.table, allotted.tolist())
            rows = rows if self.chosen is None else self.chosen(self.table, rows)
        return Ladders(self.table, self.chosen, allotment, rows, _latencies_ms(self.table, rows), parked)


def _latencies_ms(table: OperatingTable, rows: tuple[int, ...]) -> tuple[float, ...]:
    latency_ms = table.column("latency_ms").value
    return tuple(float(latency_ms[row]) for row in rows)
