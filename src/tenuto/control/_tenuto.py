"""Our policy."""

import math
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.control._belief import LEAST_SHARE, Belief, Prior, begin, learn, spread_of_profile
from tenuto.control._ceiling import OPEN, Ceiling, lowered, raised, scaled
from tenuto.control._plan import Plan
from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

ASSUMED_P90_RATIO = 1.05
ASSUMED_P99_RATIO = 1.15
"""Quantiles over the median, where a table does not carry them."""

LOAD_DROP_PCT = 30.0
"""A fall of other programs' load by so much voids what was learned before it."""

PROMISED = 1 + 1e-9
"""Rounding's due when a promise is compared with what was available."""


class Believed(msgspec.Struct, frozen=True, gc=False):
    """What is believed of one cluster, as a plan needs it.

    Attributes:
        belief: Learned from each inference.
        ceiling: Learned from late ones.
        slowdown: The belief's.
        margin: The belief's.
        ceiling_ms: The ceiling's limit.
    """

    belief: Belief
    ceiling: Ceiling
    slowdown: float
    margin: float
    ceiling_ms: float

    @classmethod
    def of(cls, belief: Belief, ceiling: Ceiling) -> "Believed":
        """Both, flat."""
        return cls(belief, ceiling, belief.slowdown, belief.margin, ceiling.limit_ms)


class TenutoState(msgspec.Struct, frozen=True):
    """A plan, and what is believed.

    Attributes:
        plan: The table and the requirements, prepared.
        priors: Where each cluster's belief starts.
        believed: One per cluster.
        busiest_pct: Highest load of other programs since the beliefs began; None where it cannot be read.
    """

    plan: Plan
    priors: tuple[Prior, ...]
    believed: tuple[Believed, ...]
    busiest_pct: float | None


class TenutoPolicy:
    """The best point among those that keep every constraint under what is believed of each cluster.

    Model:
        A point's latency is profiled median x slowdown of its cluster x margin. Slowdown and margin are learned per
        cluster from the latencies seen (see `_belief`); power, accuracy and memory are as profiled. Changing to a
        resident sub-network is taken as free (0.1 ms measured).

    Source:
        docs/decision.md; the papers are named in `_belief` and `_ceiling`.
    """

    name = "tenuto"

    @property
    def parameters(self) -> dict[str, Any]:
        """None to set: what it needs it takes from the profile and the requirements."""
        return {}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: TenutoState | None = None
    ) -> TenutoState:
        """Prepare the fronts; a belief so far is kept when only requirements change."""
        plan = Plan.of(table, requirements)
        priors = tuple(_prior(plan, cluster) for cluster in range(len(table.clusters)))
        if previous is None or previous.plan.table is not table:
            return _fresh(plan, priors, None)
        factor = plan.deadline_ms / previous.plan.deadline_ms
        believed = tuple(Believed.of(one.belief, scaled(one.ceiling, factor)) for one in previous.believed)
        return TenutoState(plan, priors, believed, previous.busiest_pct)

    def decide(self, state: TenutoState, observation: Observation) -> tuple[Decision, TenutoState]:
        """Learn from the last inference, then choose."""
        plan, load_pct = state.plan, observation.readings.get("other_load_pct")
        if observation.in_force is not None and observation.latency_ms is not None:
            available_ms = plan.deadline_ms - observation.last_waited_ms
            state = _learned(state, observation.in_force, max(observation.latency_ms, 1e-6), available_ms, load_pct)
        if load_pct is not None and load_pct != state.busiest_pct:
            state = _looked(state, load_pct)
        return plan.choose(state.believed, observation.waited_ms), state


def _fresh(plan: Plan, priors: tuple[Prior, ...], load_pct: float | None) -> TenutoState:
    """The state before any inference: the profile holds."""
    return TenutoState(plan, priors, tuple(Believed.of(begin(prior), OPEN) for prior in priors), load_pct)


def _learned(
    state: TenutoState, row: int, latency_ms: float, available_ms: float, load_pct: float | None
) -> TenutoState:
    """The state after an inference."""
    plan, believed = state.plan, state.believed
    cluster, median_ms = plan.cluster_of[row], plan.latency_ms[row]
    before, prior = believed[cluster], state.priors[cluster]
    ceiling = before.ceiling
    if latency_ms > available_ms:
        # Unless it was known to be too long, for want of anything shorter: that it was late teaches nothing.
        if median_ms * before.slowdown * before.margin <= available_ms * PROMISED:
            ceiling = lowered(ceiling, median_ms, latency_ms, available_ms, prior.shortest_ms)
    elif ceiling is not OPEN:
        ceiling = raised(ceiling, prior.longest_ms, load_pct)
    after = Believed.of(learn(before.belief, prior, median_ms, latency_ms), ceiling)
    believed = (*believed[:cluster], after, *believed[cluster + 1 :])
    return TenutoState(plan, state.priors, believed, state.busiest_pct)


def _looked(state: TenutoState, load_pct: float) -> TenutoState:
    """The state after a look at the load of other programs: afresh if what was learned was learned under much more."""
    if state.busiest_pct is None or load_pct > state.busiest_pct:
        return msgspec.structs.replace(state, busiest_pct=load_pct)
    if load_pct > state.busiest_pct - LOAD_DROP_PCT:
        return state
    return _fresh(state.plan, state.priors, load_pct)


def _prior(plan: Plan, cluster: int) -> Prior:
    rows = np.flatnonzero(plan.table.cluster_index == cluster)
    latency_ms = plan.table.column("latency_ms").value[rows]
    p90_ratio = _typical_ratio(plan.table, "latency_p90_ms", rows, assumed=ASSUMED_P90_RATIO)
    p99_ratio = _typical_ratio(plan.table, "latency_p99_ms", rows, assumed=ASSUMED_P99_RATIO)
    miss_share = max(plan.miss_share, LEAST_SHARE)
    return Prior(
        *spread_of_profile(p90_ratio, p99_ratio, miss_share),
        miss_share,
        NormalDist().inv_cdf(1 - min(miss_share, 0.5)),
        float(np.nanmin(latency_ms, initial=math.inf)),
        float(np.nanmax(latency_ms, initial=0.0)),
    )


def _typical_ratio(table: OperatingTable, metric: str, rows: NDArray[np.intp], *, assumed: float) -> float:
    """The median over `rows` of a latency quantile over the median latency."""
    if metric not in table.metrics:
        return assumed
    ratio = table.metrics[metric].value[rows] / table.column("latency_ms").value[rows]
    known = ratio[np.isfinite(ratio)]
    return float(np.median(known)) if len(known) else assumed
