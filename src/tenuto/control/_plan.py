"""A table and requirements, prepared once so that every decision is quick.

When not all constraints can hold, the lowest priority is given up, then the next. For each number of constraints given
up there is a *level* with its own fronts: among the points that keep the others, the violation of what was given up is
made as small as possible, the most important first, and only then does the objective count.
"""

import math
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tenuto.control._front import BoundedFront, Front
from tenuto.control._level import SCALED, Level, cost_of, keeps_static
from tenuto.control._situation import (
    ANYWHERE,
    NO_CAP,
    NO_LIMIT,
    UNKNOWN,
    Key,
    Places,
    Situation,
    Spending,
    rounded_limit,
    rounded_slowdown,
)
from tenuto.decisions import Decision, Reason
from tenuto.errors import UnknownMetricError
from tenuto.points import OperatingTable
from tenuto.requirements import Constraint, Requirements

NO_REASON = Reason()

_Found: TypeAlias = tuple[int, int, int]
"""The best row, the second-best, and the next better one that the deadline keeps out; -1 for none."""

_NOTHING: Final[_Found] = (-1, -1, -1)

_WORST: Final[tuple[float, ...]] = (math.inf,)
"""Worse than any key."""


class Allowance(Protocol):
    """What a policy believes of one cluster now."""

    @property
    def slowdown(self) -> float:
        """Latency now / latency in the profile."""
        ...

    @property
    def margin(self) -> float:
        """The quantile of latency / (slowdown x median) that the miss budget asks for."""
        ...

    @property
    def ceiling_ms(self) -> float:
        """Points with a longer profiled latency are not to be tried now."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A table and requirements, ready for `choose`.

    Attributes:
        table: The operating table.
        requirements: What must hold.
        deadline_ms: The latency bound; infinite if there is none.
        miss_share: The share of inferences that may be late, 0 to 1.
        latency_ms: Profiled median latency of each row.
        cluster_of: Each row's index in `table.clusters`.
        frequency_of: Each row's clock in Hz.
        places: Where each row runs.
        spending: What each row draws; None where the table says nothing of energy.
        is_situated: Whether what is best depends on more than latency: then `choose` wants to know the situation.
    """

    table: OperatingTable
    requirements: Requirements
    deadline_ms: float
    miss_share: float
    latency_ms: tuple[float, ...]
    cluster_of: tuple[int, ...]
    frequency_of: tuple[int, ...]
    places: Places
    spending: Spending | None
    is_situated: bool
    _at_work_mj: tuple[float, ...]
    _waiting_mj: tuple[float, ...]
    _levels: tuple[Level, ...]
    _static_reason: Reason
    _cost: tuple[float, ...]
    _is_cost_scaled: bool

    @classmethod
    def of(cls, table: OperatingTable, requirements: Requirements, *, has_look_ahead: bool = False) -> "Plan":
        """Prepare.

        Args:
            table: The operating table.
            requirements: What must hold.
            has_look_ahead: Temperature is seen to by limits of mean power (`Situation`), not by the table's figures of
                what it settles at without pause.

        Raises:
            UnknownMetricError: A constraint or the objective names a metric that the table does not carry.
        """
        deadline = requirements.constraint("latency_ms")
        latency_ms = table.column("latency_ms").value
        cost = cost_of(table, requirements.objective.metric)
        ordered = requirements.constraints
        spending, places = Spending.of(table, requirements), Places.of(table)
        rows_of = [np.flatnonzero(table.cluster_index == cluster) for cluster in range(len(table.clusters))]
        levels = tuple(
            Level.of(
                table,
                rows_of,
                ordered[: len(ordered) - n],
                ordered[len(ordered) - n :],
                metric=requirements.objective.metric,
                spending=spending,
                places=places,
                has_look_ahead=has_look_ahead,
            )
            for n in range(len(ordered) + 1)
        )
        if not any(levels[-1].fronts):
            raise UnknownMetricError(
                requirements.objective.metric, (name for name in table.metrics if name != requirements.objective.metric)
            )
        return cls(
            table,
            requirements,
            math.inf if deadline is None else deadline.bound,
            0.0 if deadline is None else deadline.miss_pct / 100,
            tuple(latency_ms.tolist()),
            tuple(table.cluster_index.tolist()),
            tuple(table.frequency_hz.tolist()),
            places,
            spending,
            (spending is not None and spending.has_idle) or any(places.settling_ms),
            () if spending is None else tuple(spending.at_work_mj.tolist()),
            () if spending is None else tuple(spending.waiting_mj.tolist()),
            levels,
            _static_reason(table, requirements, cost),
            tuple(cost.tolist()),
            requirements.objective.metric in SCALED,
        )

    @property
    def rest_power_w(self) -> float:
        """What the whole board draws at rest, as the table says; 0 where it says nothing."""
        found = self.table.about.get("rest_power_w")
        return float(found) if isinstance(found, int | float) else 0.0

    def drawn_w(self, row: int, latency_ms: float, span_ms: float) -> float:
        """What was drawn on average above rest, over a span in which one inference of a row took so long."""
        if self.spending is None or self.latency_ms[row] <= 0:
            return 0.0
        at_work_mj = self._at_work_mj[row] * latency_ms / self.latency_ms[row]
        return at_work_mj / span_ms + self._waiting_mj[row] / float(self.spending.span_ms[row])

    def choose(
        self, allowances: Sequence[Allowance], waited_ms: float = 0.0, situation: Situation | None = None
    ) -> Decision:
        """The best row under what is believed of each cluster (in the table's order).

        Args:
            allowances: Of each cluster.
            waited_ms: Of the deadline that is gone already.
            situation: What else there is to reckon with; None where nothing is.

        Model:
            A point's latency counts as profiled median x slowdown x margin and its energy as profiled x slowdown; idle
            time as `Spending` has it. Of points as good as each other the one that draws least is chosen, where that
            is known.
        """
        available_ms = self.deadline_ms - waited_ms
        keys = None if situation is None else self._keys(allowances, situation)
        for level in self._levels:
            if keys is None:
                row, runner_up, excluded = self._best(level, allowances, available_ms)
            elif situation is not None:
                row, runner_up, excluded = self._best_settled(level, allowances, available_ms, keys, situation.row)
            if row >= 0:
                allowance = allowances[self.cluster_of[row]]
                slowdown, margin = allowance.slowdown, allowance.margin
                second = runner_up if runner_up >= 0 else None
                if excluded >= 0:
                    bound_ms = self.latency_ms[excluded] * slowdown * margin + waited_ms
                    gain = max(self._cost[row] - self._cost[excluded], 0.0)
                    # Of equals in the objective the one that is kept out would only draw less.
                    is_better = keys is None or gain > 0
                    reason = Reason("latency_ms", second, *((excluded, bound_ms, gain) if is_better else ()))
                else:
                    reason = self._reason(level, second)
                return Decision(row, level.names, slowdown, self.latency_ms[row] * slowdown * margin, reason)
        if situation is not None and (situation.caps_hz is not None or situation.place != ANYWHERE):
            # Where it must run nothing is left: an application has to run somewhere.
            anywhere = Situation(
                situation.row, situation.limits_w, None, ANYWHERE if situation.caps_hz is None else situation.place
            )
            return self.choose(allowances, waited_ms, anywhere)
        raise AssertionError("the last level keeps every point that has figures")

    def _keys(self, allowances: Sequence[Allowance], situation: Situation) -> list[Key]:
        """Each cluster's situation."""
        limits_w, caps_hz, place = situation.limits_w, situation.caps_hz, situation.place
        if limits_w is None and caps_hz is None:
            return [(rounded_slowdown(one.slowdown), NO_LIMIT, NO_CAP, place) for one in allowances]
        n = len(allowances)
        limits = (NO_LIMIT,) * n if limits_w is None else [rounded_limit(limit_w) for limit_w in limits_w]
        caps = (NO_CAP,) * n if caps_hz is None else caps_hz
        return [
            (rounded_slowdown(one.slowdown), limit, cap_hz, place)
            for one, limit, cap_hz in zip(allowances, limits, caps, strict=True)
        ]

    def _best_settled(
        self, level: Level, allowances: Sequence[Allowance], available_ms: float, keys: Sequence[Key], now: int
    ) -> _Found:
        """`_best_situated`, and once more with less time where the clock that it needs is not in force in time."""
        found = self._best_situated(level, allowances, available_ms, keys)
        row = found[0]
        if now == UNKNOWN or row < 0 or not level.deadline_holds:
            return found
        cluster = self.cluster_of[row]
        settling_ms = self.places.settling_ms[cluster]
        if settling_ms == 0 or self.frequency_of[row] <= 0:
            return found
        # A cluster that comes into use has been idle at a low clock.
        there_hz = self.frequency_of[now] if self.cluster_of[now] == cluster else 0
        lost_ms = settling_ms * (1 - there_hz / self.frequency_of[row])
        allowance = allowances[cluster]
        if lost_ms <= 0 or self.latency_ms[row] * allowance.slowdown * allowance.margin + lost_ms <= available_ms:
            return found
        again = self._best_situated(level, allowances, available_ms - lost_ms, keys)
        return again if again[0] >= 0 else found

    def _best_situated(
        self, level: Level, allowances: Sequence[Allowance], available_ms: float, keys: Sequence[Key]
    ) -> _Found:
        """`_best`, in a situation: equals are told apart by what they draw."""
        best, best_key, second, second_key = _NOTHING, _WORST, -1, _WORST
        for cluster, (allowance, situated) in enumerate(zip(allowances, keys, strict=True)):
            front = level.situated(cluster, situated)
            if front is None:
                continue
            limit_ms = math.inf
            if level.deadline_holds:
                limit_ms = min(available_ms / (allowance.slowdown * allowance.margin), allowance.ceiling_ms)
            index = bisect_right(front.latency_ms, limit_ms) - 1
            if index < 0:
                continue
            found = front.found[index]
            key = self._situated_key(level, found[0], allowance, available_ms)
            if key < best_key:
                if best_key < second_key:
                    second, second_key = best[0], best_key
                best, best_key = found, key
            elif key < second_key:
                second, second_key = found[0], key
        row, candidate, longer = best
        if candidate >= 0:
            key = self._situated_key(level, candidate, allowances[self.cluster_of[candidate]], available_ms)
            second = candidate if key < second_key else second
        return row, second, longer

    def _situated_key(self, level: Level, row: int, allowance: Allowance, available_ms: float) -> tuple[float, ...]:
        drawn = self._at_work_mj[row] * allowance.slowdown + self._waiting_mj[row] if self._at_work_mj else 0.0
        if not level.given_up:
            if self.requirements.objective.metric == "energy_mj":
                return (drawn,)
            return (self._cost[row] * allowance.slowdown if self._is_cost_scaled else self._cost[row], drawn)
        return (*self._key(level, row, allowance, available_ms), drawn)

    def _best(self, level: Level, allowances: Sequence[Allowance], available_ms: float) -> _Found:
        """The best row of all clusters, the second-best, and what the deadline keeps out of the best one's cluster."""
        if level.is_delivered and level.energy_bound_mj is None:
            return self._best_delivered(level, allowances, available_ms)
        best, best_key, best_ms = _NOTHING, _WORST, math.inf
        second, second_key = -1, _WORST
        for front, allowance in zip(level.fronts, allowances, strict=True):
            if front is None:
                continue
            found = self._within(level, front, allowance, available_ms)
            row = found[0]
            if row < 0:
                continue
            if len(level.fronts) == 1:
                return found
            key = self._key(level, row, allowance, available_ms)
            promised_ms = self.latency_ms[row] * allowance.slowdown * allowance.margin
            # Of equals the one that is sooner done.
            if key < best_key or (key == best_key and promised_ms < best_ms):
                if best_key < second_key:
                    second, second_key = best[0], best_key
                best, best_key, best_ms = found, key, promised_ms
            elif key < second_key:
                second, second_key = row, key
        row, candidate, longer = best
        if candidate >= 0:
            key = self._key(level, candidate, allowances[self.cluster_of[candidate]], available_ms)
            second = candidate if key < second_key else second
        return row, second, longer

    def _best_delivered(self, level: Level, allowances: Sequence[Allowance], available_ms: float) -> _Found:
        """`_best` for the question that is asked most: accuracy under a deadline, which no energy bound complicates.

        It is unrolled, because it is most of what a decision takes, and a decision is made before every inference.
        """
        best, best_key, best_ms = _NOTHING, math.inf, math.inf
        second, second_key = -1, math.inf
        latency_ms, costs = self.latency_ms, self._cost
        for front, allowance in zip(level.fronts, allowances, strict=True):
            if not isinstance(front, Front):
                continue
            slowdown, margin = allowance.slowdown, allowance.margin
            limit_ms = min(available_ms / (slowdown * margin), allowance.ceiling_ms)
            index = bisect_right(front.latency_ms, limit_ms) - 1
            if index < 0:
                continue
            found = front.found[index]
            row = found[0]
            key = self._delivered_cost(row, allowance, available_ms)
            shorter = front.shorter[index]
            if shorter >= 0 and costs[front.found[shorter][0]] < key:  # else none can deliver more
                found = self._most_delivered(found, front.shorter_than(index), allowance, available_ms)
                row = found[0]
                key = self._delivered_cost(row, allowance, available_ms)
            promised_ms = latency_ms[row] * slowdown * margin
            if key < best_key or (key == best_key and promised_ms < best_ms):
                if best_key < second_key:
                    second, second_key = best[0], best_key
                best, best_key, best_ms = found, key, promised_ms
            elif key < second_key:
                second, second_key = row, key
        row, candidate, longer = best
        if candidate >= 0:
            allowance = allowances[self.cluster_of[candidate]]
            if self._delivered_cost(candidate, allowance, available_ms) < second_key:
                second = candidate
        return row, second, longer

    def _within(self, level: Level, front: Front | BoundedFront, allowance: Allowance, available_ms: float) -> _Found:
        """What one cluster has."""
        limit_ms = math.inf
        if level.deadline_holds:
            limit_ms = min(available_ms / (allowance.slowdown * allowance.margin), allowance.ceiling_ms)
        if isinstance(front, BoundedFront):
            bound_mj = math.inf if level.energy_bound_mj is None else level.energy_bound_mj / allowance.slowdown
            rows = front.within(limit_ms, bound_mj)
            if not rows:
                return _NOTHING
            found = rows[0], rows[1] if len(rows) > 1 else -1, -1
            return self._most_delivered(found, rows[1:], allowance, available_ms) if level.is_delivered else found
        index = bisect_right(front.latency_ms, limit_ms) - 1
        return front.found[index] if index >= 0 else _NOTHING

    def _most_delivered(
        self, found: _Found, shorter: Iterable[int], allowance: Allowance, available_ms: float
    ) -> _Found:
        """Of the best and those that are shorter, most accurate first, what delivers most."""
        best, second, longer = found
        best_cost = self._delivered_cost(best, allowance, available_ms)
        latency_ms, costs = self.latency_ms, self._cost
        stretch, margin = available_ms / allowance.slowdown, allowance.margin - 1
        weight = self.miss_share * margin * margin  # `_delivered_cost`, unrolled: this loop is most of a decision
        for row in shorter:
            cost = costs[row]
            if cost >= best_cost:
                break  # even if it were never late
            excess = stretch / latency_ms[row] - 1
            cost *= 1 - weight / (excess * excess)
            if cost < best_cost:
                best, second, best_cost = row, best, cost
        return best, second, longer

    def _delivered_cost(self, row: int, allowance: Allowance, available_ms: float) -> float:
        """The accuracy that is left when late answers count as wrong, negative.

        Model:
            `miss_share` of all inferences take longer than the margin says, and from there the share falls with the
            square of the excess over the expectation: latencies have long tails, and a stall twice as long is about a
            quarter as frequent.
        """
        excess = available_ms / (self.latency_ms[row] * allowance.slowdown) - 1
        margin = allowance.margin - 1
        if excess <= margin:
            return self._cost[row] * (1 - self.miss_share if margin > 0 else 1)
        share = margin / excess
        return self._cost[row] * (1 - self.miss_share * share * share)

    def _reason(self, level: Level, runner_up: int | None) -> Reason:
        """The reason for a choice that no deadline stands against."""
        static = self._static_reason
        if static.binding is None or level.given_up:
            return Reason(None, runner_up)
        return Reason(static.binding, runner_up, static.excluded, static.relaxed_bound, static.gain)

    def _key(self, level: Level, row: int, allowance: Allowance, available_ms: float) -> tuple[float, ...]:
        """What to minimise across clusters: violations, the most important first, then the objective."""
        if level.is_delivered:
            return (self._delivered_cost(row, allowance, available_ms),)
        cost = self._cost[row] * allowance.slowdown if self._is_cost_scaled else self._cost[row]
        if not level.given_up:
            return (cost,)
        violations = (
            _violation(constraint, self._figure(constraint.metric, row, allowance), available_ms)
            for constraint in reversed(level.given_up)
        )
        return (*violations, cost)

    def _figure(self, metric: str, row: int, allowance: Allowance) -> float:
        figure = float(self.table.metrics[metric].value[row])
        if metric == "latency_ms":
            return figure * allowance.slowdown * allowance.margin
        return figure * allowance.slowdown if metric in SCALED else figure


def _violation(constraint: Constraint, figure: float, available_ms: float) -> float:
    if math.isnan(figure):
        return sys.float_info.max  # a figure that is absent keeps nothing, and any that is there is better
    bound = min(constraint.bound, available_ms) if constraint.metric == "latency_ms" else constraint.bound
    return max(bound - figure if constraint.relation == ">=" else figure - bound, 0.0)


def _static_reason(table: OperatingTable, requirements: Requirements, cost: NDArray[np.float64]) -> Reason:
    """Which bound that slowdown does not touch keeps the next better point out, were there no deadline."""
    constraints = [constraint for constraint in requirements.constraints if constraint.metric not in SCALED]
    keeps = keeps_static(table, constraints) & ~np.isnan(cost)
    if not keeps.any():
        return NO_REASON
    best_cost = float(cost[keeps].min())
    nearest: tuple[float, Reason] | None = None
    for constraint in constraints:
        others = [other for other in constraints if other is not constraint]
        value = table.column(constraint.metric).value
        better = np.flatnonzero(keeps_static(table, others) & (cost < best_cost) & ~np.isnan(value))
        if not len(better):
            continue
        row = int(better[np.argmin(np.abs(value[better] - constraint.bound))])
        distance = abs(float(value[row]) - constraint.bound) / abs(constraint.bound or 1.0)
        if nearest is None or distance < nearest[0]:
            gain = best_cost - float(cost[row])
            nearest = distance, Reason(constraint.metric, None, row, float(value[row]), gain)
    return NO_REASON if nearest is None else nearest[1]
