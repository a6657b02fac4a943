"""A table and requirements, prepared for ALERT's choice."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control._sound import rows_allotted
from tenuto.decisions import Allotment
from tenuto.errors import UnknownMetricError
from tenuto.points import OperatingTable, pareto_indices
from tenuto.requirements import Requirements

LEAST_MISS_SHARE: Final = 1e-4
"""A Gaussian promises nothing with certainty: less than so many late is not asked of it."""

LIMITS: Final = ("memory_mb", "temperature_c")
"""Bounds unknown to ALERT: what breaks them by its profile is not offered to it while there is anything else."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The rows that can be best at all, the shortest first, and their figures in the same order.

    Every mode wants less latency, less power and more accuracy, whatever is believed: a row that another one beats in
    all of these is never chosen, so leaving it out changes no choice, and saves most of the work.
    """

    rows: tuple[int, ...]
    latencies_ms: tuple[float, ...]
    latency_ms: NDArray[np.float64]
    per_latency: NDArray[np.float64]
    accuracy_pct: NDArray[np.float64]
    power_w: NDArray[np.float64]
    work_mj: NDArray[np.float64]
    cost: NDArray[np.float64]
    keeps_limits: bool


@dataclass(frozen=True, slots=True, eq=False)
class AlertPlan:
    """A table and requirements, prepared.

    Attributes:
        table: The profile.
        requirements: What must hold.
        latency_ms: Profiled, of each row.
        idle_ratio: Of each row, as the table says; NaN where it does not.
        power_w: Of each row; NaN where it is not known.
        cluster_of: Each row's.
        deadline_ms: Infinite if there is none.
        quantile: The standard normal's at the probability with which the deadline must hold.
        floor_pct: Least accuracy expected; 0 if none is asked for.
        energy_mj: Most energy of a period; infinite if none is asked for.
        most_w: Most power; infinite if none is asked for.
        period_ms: That energy counts for; None where an inference's counts alone.
        objective: The metric to push.
        counts_accuracy: Whether the requirements ask for accuracy at all.
        counts_energy: Whether they ask for energy.
        counts_power: Whether they ask for energy or power.
        anywhere: The candidates where no allotment says otherwise.
    """

    table: OperatingTable
    requirements: Requirements
    latency_ms: tuple[float, ...]
    idle_ratio: tuple[float, ...]
    power_w: tuple[float, ...]
    cluster_of: tuple[int, ...]
    deadline_ms: float
    quantile: float
    floor_pct: float
    energy_mj: float
    most_w: float
    period_ms: float | None
    objective: str
    counts_accuracy: bool
    counts_energy: bool
    counts_power: bool
    anywhere: Candidates

    def for_allotment(self, allotment: Allotment | None) -> Candidates:
        """The candidates where an application may run; anywhere, where none of the rows there has the figures."""
        if allotment is None:
            return self.anywhere
        these = self.within(rows_allotted(self.table, allotment))
        return these if these.rows else self.anywhere

    def within(self, rows: NDArray[np.intp]) -> Candidates:
        """The candidates among some rows; none where no row has the figures that count."""
        keeps = np.ones(len(rows), dtype=np.bool_)
        for metric in LIMITS:
            if bound := self.requirements.constraint(metric):
                keeps &= self.table.column(metric).value[rows] <= bound.bound
        kept = self._best(rows[keeps])
        return (
            self._gathered(kept, keeps_limits=True)
            if len(kept)
            else self._gathered(self._best(rows), keeps_limits=bool(keeps.all()))
        )

    def _best(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The rows that no other one beats, the shortest first."""
        table, objective = self.table, self.objective
        costs = [table.column("latency_ms").value[rows]]
        if self.counts_accuracy:
            costs.append(-table.column("accuracy_pct").value[rows])
        if self.counts_power:
            costs.append(np.array(self.power_w)[rows])
        if objective in LIMITS:
            costs.append(table.column(objective).value[rows])
        return rows[pareto_indices(np.column_stack(costs))] if len(rows) else rows

    def _gathered(self, rows: NDArray[np.intp], *, keeps_limits: bool) -> Candidates:
        table, objective = self.table, self.objective
        latency_ms = table.column("latency_ms").value[rows]
        power_w = np.array(self.power_w)[rows]
        unknown = np.full(len(rows), np.nan)
        accuracy_pct = table.metrics["accuracy_pct"].value[rows] if self.counts_accuracy else unknown
        if objective == "power_w":
            cost = power_w
        elif objective in ("energy_mj", "accuracy_pct"):
            cost = unknown  # depends on what is believed
        else:
            cost = table.column(objective).value[rows]
        with np.errstate(divide="ignore"):
            per_latency = 1 / latency_ms
        return Candidates(
            rows=tuple(rows.tolist()),
            latencies_ms=tuple(latency_ms.tolist()),
            latency_ms=latency_ms,
            per_latency=per_latency,
            accuracy_pct=accuracy_pct,
            power_w=power_w,
            work_mj=power_w * latency_ms,
            cost=cost,
            keeps_limits=keeps_limits,
        )


def plan_of(table: OperatingTable, requirements: Requirements) -> AlertPlan:
    """Prepare.

    Raises:
        UnknownMetricError: A requirement needs a metric that the table does not carry, or that no row has.
    """
    objective = requirements.objective.metric
    bounds = {constraint.metric: constraint.bound for constraint in requirements.constraints}
    asked = {objective, *bounds}
    for metric in sorted(asked - {"energy_mj", "power_w"}):
        table.column(metric)
    latency_ms = table.column("latency_ms").value
    power_w = _power_w(table)
    if power_w is None:
        if asked & {"energy_mj", "power_w"}:
            raise UnknownMetricError("power_w", table.metrics)
        power_w = np.full(len(table), np.nan)
    idle_ratio = np.full(len(table), np.nan)
    if "idle_power_w" in table.metrics:
        known = power_w > 0
        idle_ratio[known] = np.clip(table.metrics["idle_power_w"].value[known] / power_w[known], 0.0, 1.0)
    deadline = requirements.constraint("latency_ms")
    miss_share = 0.5 if deadline is None else max(deadline.miss_pct / 100, LEAST_MISS_SHARE)
    period_ms = requirements.period_ms
    if period_ms is None and deadline is not None:
        period_ms = deadline.bound
    plan = AlertPlan(
        table=table,
        requirements=requirements,
        latency_ms=tuple(latency_ms.tolist()),
        idle_ratio=tuple(idle_ratio.tolist()),
        power_w=tuple(power_w.tolist()),
        cluster_of=tuple(table.cluster_index.tolist()),
        deadline_ms=math.inf if deadline is None else deadline.bound,
        quantile=NormalDist().inv_cdf(1 - miss_share),
        floor_pct=bounds.get("accuracy_pct", 0.0),
        energy_mj=bounds.get("energy_mj", math.inf),
        most_w=bounds.get("power_w", math.inf),
        period_ms=period_ms,
        objective=objective,
        counts_accuracy="accuracy_pct" in asked,
        counts_energy="energy_mj" in asked,
        counts_power=bool(asked & {"energy_mj", "power_w"}),
        anywhere=_NONE,
    )
    anywhere = plan.within(np.arange(len(table)))
    if not anywhere.rows:
        raise UnknownMetricError(objective, (name for name in table.metrics if name != objective))
    object.__setattr__(plan, "anywhere", anywhere)
    return plan


def period_mj(plan: AlertPlan, these: Candidates, n: int, mean: float, idle_ratio: float) -> NDArray[np.float64]:
    """Equation 10, of the first `n` candidates."""
    if plan.period_ms is None:
        return these.work_mj[:n] * mean
    if these.latencies_ms[n - 1] * mean <= plan.period_ms:
        # p mu t + phi p (T - mu t), sorted by what is known beforehand.
        return these.work_mj[:n] * (mean * (1 - idle_ratio)) + these.power_w[:n] * (idle_ratio * plan.period_ms)
    running_ms = these.latency_ms[:n] * mean
    idle_ms = np.maximum(plan.period_ms - running_ms, 0.0)
    return these.power_w[:n] * (running_ms + idle_ratio * idle_ms)


def keeps(
    plan: AlertPlan,
    these: Candidates,
    n: int,
    value_pct: NDArray[np.float64] | None,
    energy_mj: NDArray[np.float64] | None,
) -> NDArray[np.bool_] | None:
    """Which of the first `n` keep accuracy, energy and power; None where none of them is bounded."""
    kept: NDArray[np.bool_] | None = None
    if plan.floor_pct > 0 and value_pct is not None:
        kept = value_pct >= plan.floor_pct
    if plan.energy_mj < math.inf and energy_mj is not None:
        is_cheap = energy_mj <= plan.energy_mj
        kept = is_cheap if kept is None else kept & is_cheap
    if plan.most_w < math.inf:
        is_cool = these.power_w[:n] <= plan.most_w
        kept = is_cool if kept is None else kept & is_cool
    return kept


def longer(
    plan: AlertPlan, these: Candidates, index: int, mean: float, idle_ratio: float, *, better_than: float
) -> tuple[int, float] | None:
    """The row of one candidate and what it would gain, were it in time; None where it would gain nothing.

    Only the next longer one is looked at: that costs next to nothing. So None does not say that no bound binds.
    """
    energy_mj = 0.0
    if plan.counts_energy:
        running_ms = these.latencies_ms[index] * mean
        idle_ms = 0.0 if plan.period_ms is None else max(plan.period_ms - running_ms, 0.0)
        energy_mj = float(these.power_w[index]) * (running_ms + idle_ratio * idle_ms)
    if plan.objective == "accuracy_pct":
        cost = -float(these.accuracy_pct[index])
    else:
        cost = energy_mj if plan.objective == "energy_mj" else float(these.cost[index])
    # Figures that do not count are NaN, and bounds that are not asked for are 0 or infinite.
    is_out = (
        energy_mj > plan.energy_mj
        or these.accuracy_pct[index] < plan.floor_pct
        or these.power_w[index] > plan.most_w
        or cost >= better_than
    )
    return None if is_out else (these.rows[index], better_than - cost)


def given_up_if_late(plan: AlertPlan, these: Candidates, mean: float) -> tuple[str, ...]:
    """What the shortest candidate gives up when not even that is in time as often as it should be."""
    broken = [] if these.keeps_limits else list(limits_broken(plan, these.rows[0]))
    power_w = float(these.power_w[0])
    if power_w > plan.most_w:
        broken.append("power_w")
    if power_w * these.latencies_ms[0] * mean > plan.energy_mj:
        broken.append("energy_mj")
    if plan.floor_pct > 0 and float(these.accuracy_pct[0]) < plan.floor_pct:
        broken.append("accuracy_pct")
    return (*broken, "latency_ms")


def relaxed(
    plan: AlertPlan,
    these: Candidates,
    n: int,
    expected: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64]],
) -> tuple[int, tuple[str, ...]]:
    """Equation 12, when none of the first `n` keeps all: which candidate, and what it gives up.

    Args:
        plan: Prepared.
        these: The candidates.
        n: So many of them are in time.
        expected: Their accuracy in per cent and energy in mJ, where they count, and what to minimise.
    """
    value_pct, energy_mj, cost = expected
    nothing = np.zeros(n)
    too_wrong = nothing if value_pct is None else np.maximum(plan.floor_pct - value_pct, 0.0)
    too_dear = nothing if energy_mj is None else np.maximum(energy_mj - plan.energy_mj, 0.0)
    too_hot = nothing if plan.most_w == math.inf else np.maximum(these.power_w[:n] - plan.most_w, 0.0)
    # The last key counts first: as accurate as can be, then within energy and power, then the objective.
    best = int(np.lexsort((cost, too_hot, too_dear, too_wrong))[0])
    broken = (("power_w", too_hot), ("energy_mj", too_dear), ("accuracy_pct", too_wrong))
    return best, tuple(metric for metric, by in broken if by[best] > 0)


def limits_broken(plan: AlertPlan, row: int) -> tuple[str, ...]:
    """The bounds on memory and temperature that a row does not keep."""
    bounds = [plan.requirements.constraint(metric) for metric in LIMITS]
    return tuple(
        bound.metric
        for bound in bounds
        if bound is not None and not plan.table.column(bound.metric).value[row] <= bound.bound
    )


def _power_w(table: OperatingTable) -> NDArray[np.float64] | None:
    """While running; from energy where the table does not say, and None where it has neither."""
    if "power_w" in table.metrics:
        return table.metrics["power_w"].value.copy()
    if "energy_mj" not in table.metrics:
        return None
    latency_ms = table.column("latency_ms").value
    power_w = np.full(len(table), np.nan)
    np.divide(table.metrics["energy_mj"].value, latency_ms, out=power_w, where=latency_ms > 0)
    return power_w


_EMPTY: Final = np.empty(0)
_NONE: Final = Candidates((), (), _EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY, keeps_limits=True)
