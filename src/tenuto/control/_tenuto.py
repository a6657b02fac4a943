"""Our policy."""

import math
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.control._belief import LEAST_SHARE, Belief, Prior, begin, learn, look, spread_of_profile, under
from tenuto.control._ceiling import OPEN
from tenuto.control._plan import Plan
from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

ASSUMED_P90_RATIO = 1.05
ASSUMED_P99_RATIO = 1.15
"""Quantiles over the median, where a table does not carry them."""


class TenutoState(msgspec.Struct, frozen=True):
    """A plan, and a belief for each of its clusters."""

    plan: Plan
    priors: tuple[Prior, ...]
    beliefs: tuple[Belief, ...]


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
        if previous is not None and previous.plan.table is table:
            deadlines_ms = previous.plan.deadline_ms, plan.deadline_ms
            return TenutoState(plan, priors, tuple(under(belief, deadlines_ms) for belief in previous.beliefs))
        return TenutoState(plan, priors, tuple(begin(prior) for prior in priors))

    def decide(self, state: TenutoState, observation: Observation) -> tuple[Decision, TenutoState]:
        """Learn from the last inference, then choose."""
        plan, priors, beliefs = state.plan, state.priors, state.beliefs
        row, latency_ms = observation.in_force, observation.latency_ms
        if row is not None and latency_ms is not None:
            cluster = plan.cluster_of[row]
            available_ms = plan.deadline_ms - observation.last_waited_ms
            belief = learn(beliefs[cluster], priors[cluster], plan.latency_ms[row], max(latency_ms, 1e-6), available_ms)
            beliefs = (*beliefs[:cluster], belief, *beliefs[cluster + 1 :])
        load_pct = observation.readings.get("other_load_pct")
        if load_pct is not None:
            for cluster, belief in enumerate(beliefs):
                if belief.ceiling is not OPEN:
                    seen = look(belief, priors[cluster], load_pct)
                    beliefs = (*beliefs[:cluster], seen, *beliefs[cluster + 1 :])
        if beliefs is not state.beliefs:
            state = TenutoState(plan, priors, beliefs)
        return plan.choose(beliefs, observation.waited_ms), state


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
