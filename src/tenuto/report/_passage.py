"""A run's steps as columns, and columns of figures as columns of pixels."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tenuto.requirements import Requirements
from tenuto.simulation import ApplicationRun

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """One application's run, by column; NaN where there is no figure.

    Attributes:
        run: What it is of.
        time_s: When each inference started.
        response_ms: From arrival to answer.
        deadline_ms: From arrival.
        applied: Row in force, -1 where uncertain.
        is_missed: Late, or without an answer.
        is_told: What a reader asks about: a miss, a fallback, an error, or another point than the step before.
    """

    run: ApplicationRun
    time_s: Floats
    response_ms: Floats
    deadline_ms: Floats
    applied: NDArray[np.int64]
    is_missed: NDArray[np.bool_]
    is_told: NDArray[np.bool_]

    @classmethod
    def of(cls, run: ApplicationRun) -> Self:
        """Take the columns out of the steps."""
        steps, n = run.steps, len(run.steps)
        none = float("nan")
        latency_ms = np.fromiter((none if s.latency_ms is None else s.latency_ms for s in steps), np.float64, n)
        deadline_ms = np.fromiter((none if s.deadline_ms is None else s.deadline_ms for s in steps), np.float64, n)
        response_ms = latency_ms + np.fromiter((s.waited_ms for s in steps), np.float64, n)
        applied = np.fromiter((-1 if s.applied is None else s.applied for s in steps), np.int64, n)
        point = np.fromiter((s.decision.point for s in steps), np.int64, n)
        is_missed = np.isnan(response_ms) | (response_ms > deadline_ms)
        is_told = is_missed | np.fromiter((s.is_fallback or s.error is not None for s in steps), np.bool_, n)
        is_told[1:] |= (applied[1:] != applied[:-1]) | (point[1:] != point[:-1])
        is_told[:1] = True
        time_s = np.fromiter((s.time_s for s in steps), np.float64, n)
        return cls(run, time_s, response_ms, deadline_ms, applied, is_missed, is_told)

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def n_missed(self) -> int:
        """How many were late or got no answer."""
        return int(self.is_missed.sum())

    @property
    def gap_s(self) -> float:
        """How long a silence has to be before a line across it would pretend something."""
        return max(8 * float(np.median(np.diff(self.time_s))), 0.5) if len(self) > 1 else 0.5

    def requirements_at(self, index: int) -> Requirements:
        """What had to hold at one step."""
        now = self.run.requirements
        for event in self.run.events:
            if event.requirements is not None:
                step = self.run.steps[index]
                begun = step.time_s >= event.time_s if event.from_index is None else step.index >= event.from_index
                now = event.requirements if begun else now
        return now


@dataclass(frozen=True, slots=True)
class Columns:
    """A span of time cut into columns of equal width, so that a drawing's size does not grow with what it shows.

    Attributes:
        start_s: Of the first.
        end_s: Of the last; later than `start_s`.
        n: How many.
    """

    start_s: float
    end_s: float
    n: int

    def of(self, time_s: Floats) -> NDArray[np.int64]:
        """The column that each time falls into; what lies outside goes to the edge."""
        place = (time_s - self.start_s) / (self.end_s - self.start_s) * self.n
        return np.clip(place, 0, self.n - 1).astype(np.int64)

    @property
    def width_s(self) -> float:
        """How long a column is."""
        return (self.end_s - self.start_s) / self.n

    def extremes(self, time_s: Floats, value: Floats) -> tuple[Floats, Floats]:
        """The least and the greatest figure of each column, NaN where it has none."""
        known = ~np.isnan(value)
        column = self.of(time_s[known])
        low, high = np.full(self.n, np.inf), np.full(self.n, -np.inf)
        np.minimum.at(low, column, value[known])
        np.maximum.at(high, column, value[known])
        empty = np.isinf(low)
        low[empty], high[empty] = np.nan, np.nan
        return low, high

    def means(self, time_s: Floats, value: Floats) -> Floats:
        """The mean of each column, NaN where it has none."""
        known = ~np.isnan(value)
        column = self.of(time_s[known])
        n = np.bincount(column, minlength=self.n)
        total = np.bincount(column, weights=value[known], minlength=self.n)
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)

    def held(self, time_s: Floats, value: Floats, gap_s: float) -> tuple[Floats, Floats]:
        """The extremes of a figure that stays as it was until the next one, but not across a silence of `gap_s`.

        A value that is NaN ends the one before it.
        """
        low, high = self.extremes(time_s, value)
        if not len(time_s):
            return low, high
        centre_s = self.start_s + (np.arange(self.n) + 0.5) * self.width_s
        last = np.searchsorted(time_s, centre_s, side="right") - 1
        is_near = (last >= 0) & (centre_s - time_s[last] <= gap_s)
        carried = np.where(is_near, value[last], np.nan)
        empty = np.isnan(low)
        low[empty], high[empty] = carried[empty], carried[empty]
        return low, high


def stretches(value: Floats) -> list[tuple[int, int, float]]:
    """Columns of one value, as (first, the one after the last, value); NaN is left out."""
    if not len(value):
        return []
    same = (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
    starts = [0, *(np.flatnonzero(~same) + 1).tolist()]
    ends = [*starts[1:], len(value)]
    return [(a, b, float(value[a])) for a, b in zip(starts, ends, strict=True) if not np.isnan(value[a])]
