"""ALERT, the best published controller, by its own equations and with its own constants."""

import math
from bisect import bisect_right
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.control._alert_plan import (
    AlertPlan,
    Candidates,
    given_up_if_late,
    keeps,
    limits_broken,
    longer,
    period_mj,
    plan_of,
    relaxed,
)
from tenuto.control._sound import evidence_ms, reading, waited_ms
from tenuto.decisions import Allotment, Decision, Observation, Reason
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

FIRST_MEAN: Final = 1.0
FIRST_VARIANCE: Final = 0.1
FIRST_GAIN: Final = 0.5
FIRST_PROCESS_VARIANCE: Final = 0.1
MEASUREMENT_VARIANCE: Final = 0.001
FORGETTING: Final = 0.3
"""Equations 3 to 6: mean, variance, gain, process noise (which never falls below this), measurement noise, alpha.

From memory of the paper, not checked in it. A public re-implementation by others has the same forgetting factor, the
same least process noise and the same first gain; its measurement noise is 0.5.
"""

FIRST_IDLE_VARIANCE: Final = 0.01
IDLE_PROCESS_VARIANCE: Final = 1e-4
IDLE_MEASUREMENT_VARIANCE: Final = 1e-3
"""Equation 9: M(0), S and V. From memory as well; the re-implementation has the first two."""

MOST_RATIO: Final = 1e6
"""Latencies so many times over or under the profile are a broken clock's, and would overflow the filter."""

LONGEST_SHARE: Final = 0.95
"""Of the period: where an inference takes more of it, too little is left to tell idle power from."""

PLACES_KEPT: Final = 8
"""Allotments that stay prepared."""

_GRID: Final = np.linspace(-8.0, 8.0, 8193)
_NORMAL: Final = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in _GRID.tolist()])
"""The standard normal's distribution, for interpolation: off by 5e-7 at most."""


class Filter(msgspec.Struct, frozen=True, gc=False):
    """What has been learned, one for the whole machine.

    Attributes:
        mean: Of the slowdown: latency / profiled latency.
        variance: Of it, predicted for the next inference.
        gain: The last one.
        process_variance: How far the slowdown may move by itself.
        innovation: The last one.
        idle_ratio: Idle power / power while running.
        idle_variance: Of it.
    """

    mean: float
    variance: float
    gain: float
    process_variance: float
    innovation: float
    idle_ratio: float
    idle_variance: float


class AlertState(msgspec.Struct, frozen=True):
    """A plan, and what has been learned.

    Attributes:
        plan: The table and the requirements, prepared.
        filter: What has been learned.
        allotment: For which `candidates` are.
        candidates: Those to choose from.
        parked: Other allotments seen, and theirs.
    """

    plan: AlertPlan
    filter: Filter
    allotment: Allotment | None
    candidates: Candidates
    parked: tuple[tuple[Allotment | None, Candidates], ...] = ()


class AlertPolicy:
    """ALERT: one Gaussian slowdown for the whole machine, and expected accuracy and energy from it.

    Args:
        overhead_ms: The controller's own worst case, taken off every deadline (equation 13). A policy reads no clock,
            so it is told: measure it on the board.
        late_accuracy_pct: What a late answer is worth; 0, for a late answer counts as wrong.
        measurement_variance: R of equation 4.
        process_variance: Q(0) of equation 3, below which the process noise never falls.
        forgetting: Alpha of equation 3.

    Model:
        Latency is normal with mean `slowdown x profile` and standard deviation `sigma x profile` (equations 1 to 7).
        Expected accuracy is that of answers in time (8, for networks with one answer: an operating table knows no
        intermediate ones, so the form for anytime networks has no use here). Energy is that of a period: running, then
        idle (9, 10). The period is `requirements.period_ms`, or the deadline where nobody says; without either it is
        the inference's alone. Least energy under an accuracy floor and a deadline, or most expected accuracy under an
        energy budget and a deadline, the deadline with the probability that the miss budget asks for (11). When
        nothing keeps all of it, power and energy are given up first, then accuracy, and the deadline last (12); what
        is given up is missed by as little as can be.

        The power sensor's figure counts for idle power only where it can be the same rail's: a mean over running and
        idling that is above the row's power while running is of a larger part of the board. Else the table's
        `idle_power_w` counts.

        Beyond the paper, which knows latency, accuracy and power alone: least latency and least power as objectives, an
        upper bound on power, and bounds on temperature and memory, of which the profile decides. As in the paper,
        switching is free, the machine has one slowdown, and nothing looks ahead.

        With the constants as published the variance never falls below 0.1: a deadline that may be missed by 1 % needs
        1.7 times the expected latency, however quiet the machine is. `process_variance` is there to see what less does.

    Source:
        C. Wan, M. Santriaji, E. Rogers, H. Hoffmann, M. Maire, S. Lu, ALERT: Accurate Learning for Energy and
        Timeliness, USENIX ATC 2020, section 3. The equations' numbers are those of docs/policies/alert.md. Equations
        and constants are from memory and partly corroborated by others' code; no official code was found.
    """

    name = "alert"

    def __init__(
        self,
        *,
        overhead_ms: float = 0.0,
        late_accuracy_pct: float = 0.0,
        measurement_variance: float = MEASUREMENT_VARIANCE,
        process_variance: float = FIRST_PROCESS_VARIANCE,
        forgetting: float = FORGETTING,
    ) -> None:
        self.overhead_ms = overhead_ms
        self.late_accuracy_pct = late_accuracy_pct
        self.measurement_variance = measurement_variance
        self.process_variance = process_variance
        self.forgetting = forgetting

    @property
    def parameters(self) -> dict[str, Any]:
        """All of its settings."""
        return {
            "overhead_ms": self.overhead_ms,
            "late_accuracy_pct": self.late_accuracy_pct,
            "measurement_variance": self.measurement_variance,
            "process_variance": self.process_variance,
            "forgetting": self.forgetting,
        }

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: AlertState | None = None
    ) -> AlertState:
        """Prepare; what was learned is kept when only requirements change.

        Raises:
            UnknownMetricError: A requirement needs a metric that the table does not carry. Energy needs `power_w`, or
                `energy_mj` to work it out from.
        """
        plan = plan_of(table, requirements)
        if previous is not None and previous.plan.table is table:
            learned = previous.filter
        else:
            known = [ratio for ratio in plan.idle_ratio if not math.isnan(ratio)]
            learned = Filter(
                mean=FIRST_MEAN,
                variance=FIRST_VARIANCE,
                gain=FIRST_GAIN,
                process_variance=self.process_variance,
                innovation=0.0,
                idle_ratio=float(np.median(known)) if known else 0.0,
                idle_variance=FIRST_IDLE_VARIANCE,
            )
        return AlertState(plan, learned, None, plan.anywhere)

    def decide(self, state: AlertState, observation: Observation) -> tuple[Decision, AlertState]:
        """Learn from the last inference, then choose."""
        plan, learned = state.plan, state.filter
        took_ms = evidence_ms(observation, len(plan.latency_ms))
        allotment = observation.allotment
        if took_ms is not None and observation.in_force is not None:
            learned = self._learned(plan, learned, observation.in_force, took_ms, observation)
        if allotment == state.allotment:
            state = AlertState(plan, learned, allotment, state.candidates, state.parked)
        else:
            state = _moved(state, learned, allotment)
        available_ms = plan.deadline_ms - waited_ms(observation) - self.overhead_ms
        return self._chosen(plan, state.candidates, learned, available_ms), state

    def _learned(self, plan: AlertPlan, before: Filter, row: int, took_ms: float, observation: Observation) -> Filter:
        """Equations 1 to 6, and 9."""
        ratio = took_ms / plan.latency_ms[row]
        if not 1 / MOST_RATIO < ratio < MOST_RATIO:  # NaN, where the profile has no latency, is not
            return before
        innovation = ratio - before.mean
        process_variance = max(
            self.process_variance,
            self.forgetting * before.process_variance + (1 - self.forgetting) * (before.gain * before.innovation) ** 2,
        )
        variance = (1 - before.gain) * before.variance + process_variance
        gain = variance / (variance + self.measurement_variance)
        idle_ratio, idle_variance = before.idle_ratio, before.idle_variance
        seen = _idle_ratio(plan, row, took_ms, observation)
        if seen is not None:
            predicted = idle_variance + IDLE_PROCESS_VARIANCE
            weight = predicted / (predicted + IDLE_MEASUREMENT_VARIANCE)
            idle_ratio += weight * (seen - idle_ratio)
            idle_variance = (1 - weight) * predicted
        return Filter(
            before.mean + gain * innovation, variance, gain, process_variance, innovation, idle_ratio, idle_variance
        )

    def _chosen(self, plan: AlertPlan, these: Candidates, learned: Filter, available_ms: float) -> Decision:
        """Equations 7, 8 and 10 to 12."""
        mean, sigma = learned.mean, math.sqrt(learned.variance)
        spread = max(mean + plan.quantile * sigma, 1e-9)  # below 0 where most may be late: any latency will do
        n = bisect_right(these.latencies_ms, available_ms / spread)
        if not n:
            return Decision(these.rows[0], given_up_if_late(plan, these, mean), mean, these.latencies_ms[0] * spread)
        value_pct = energy_mj = None
        if plan.counts_accuracy:
            value_pct = self._expected_pct(these, n, mean, sigma, available_ms)
        if plan.counts_energy:
            energy_mj = period_mj(plan, these, n, mean, learned.idle_ratio)
        if plan.objective == "accuracy_pct" and value_pct is not None:
            cost = -value_pct
        elif plan.objective == "energy_mj" and energy_mj is not None:
            cost = energy_mj
        else:
            cost = these.cost[:n]
        feasible = keeps(plan, these, n, value_pct, energy_mj)
        best = int((cost if feasible is None else np.where(feasible, cost, np.inf)).argmin())
        reason = None
        if feasible is not None and not feasible[best]:
            best, given_up = relaxed(plan, these, n, (value_pct, energy_mj, cost))
        else:
            given_up = () if these.keeps_limits else limits_broken(plan, these.rows[best])
            if n < len(these.rows):
                reason = longer(plan, these, n, learned.mean, learned.idle_ratio, better_than=float(cost[best]))
        if reason is not None:
            excluded, gain = reason
            bound_ms = these.latencies_ms[n] * spread + (plan.deadline_ms - available_ms)
            return Decision(
                these.rows[best],
                given_up,
                mean,
                these.latencies_ms[best] * spread,
                Reason("latency_ms", None, excluded, bound_ms, gain),
            )
        return Decision(these.rows[best], given_up, mean, these.latencies_ms[best] * spread)

    def _expected_pct(
        self, these: Candidates, n: int, mean: float, sigma: float, available_ms: float
    ) -> NDArray[np.float64]:
        """Equations 7 and 8, of the first `n` candidates."""
        accuracy_pct = these.accuracy_pct[:n]
        if available_ms == math.inf:
            return accuracy_pct
        deviations = these.per_latency[:n] * (available_ms / sigma) - mean / sigma
        share = np.interp(deviations, _GRID, _NORMAL)
        late_pct = self.late_accuracy_pct
        expected_pct: NDArray[np.float64] = late_pct + (accuracy_pct - late_pct) * share
        return expected_pct


def _idle_ratio(plan: AlertPlan, row: int, took_ms: float, observation: Observation) -> float | None:
    """Idle power over the row's power while running, as the last period shows it; None where nobody knows."""
    power_w, from_table = plan.power_w[row], plan.idle_ratio[row]
    seen_w, period_ms = reading(observation.readings, "power_w"), plan.period_ms
    if seen_w is not None and period_ms is not None and took_ms < LONGEST_SHARE * period_ms and 0 < seen_w <= power_w:
        # The sensor's figure is a mean over running and idling.
        share = took_ms / period_ms
        return min(max((seen_w - share * power_w) / ((1 - share) * power_w), 0.0), 1.0)
    return None if math.isnan(from_table) else from_table


def _moved(state: AlertState, learned: Filter, allotment: Allotment | None) -> AlertState:
    """The state under another allotment."""
    parked = [(state.allotment, state.candidates), *(one for one in state.parked if one[0] != state.allotment)]
    found = next((these for known, these in parked if known == allotment), None)
    if found is None:
        found = state.plan.for_allotment(allotment)
    return AlertState(state.plan, learned, allotment, found, tuple(parked[:PLACES_KEPT]))
