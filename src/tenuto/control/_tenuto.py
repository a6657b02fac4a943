"""Our policy."""

import math
from collections.abc import Sequence
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


class Allowed(msgspec.Struct, frozen=True, gc=False):
    """What a plan is told of one place."""

    slowdown: float
    margin: float
    ceiling_ms: float


class TenutoState(msgspec.Struct, frozen=True):
    """A plan, and what is believed.

    Attributes:
        plan: The table and the requirements, prepared.
        priors: Where each place's belief starts.
        extents: Each cluster's works, profiled: the longest of its places' shortest, and the longest.
        beliefs: One per place.
        ceilings: One per cluster: what one of its places teaches of long works holds for the others.
        busiest_pct: Highest load of other programs since the beliefs began; None where it cannot be read.
        allowed: What follows from beliefs and ceilings, one per place.
    """

    plan: Plan
    priors: tuple[Prior, ...]
    extents: tuple[tuple[float, float], ...]
    beliefs: tuple[Belief, ...]
    ceilings: tuple[Ceiling, ...]
    busiest_pct: float | None
    allowed: tuple[Allowed, ...]


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
        priors = tuple(_prior(plan, place) for place in range(len(plan.places)))
        extents = tuple(_extent(plan, cluster) for cluster in range(len(table.clusters)))
        if previous is None or previous.plan.table is not table:
            return _fresh(plan, priors, extents, None)
        factor = plan.deadline_ms / previous.plan.deadline_ms
        ceilings = tuple(scaled(ceiling, factor) for ceiling in previous.ceilings)
        allowed = _allowed(plan, previous.beliefs, ceilings)
        return TenutoState(plan, priors, extents, previous.beliefs, ceilings, previous.busiest_pct, allowed)

    def decide(self, state: TenutoState, observation: Observation) -> tuple[Decision, TenutoState]:
        """Learn from the last inference, then choose."""
        plan, load_pct = state.plan, observation.readings.get("other_load_pct")
        if observation.in_force is not None and observation.latency_ms is not None:
            available_ms = plan.deadline_ms - observation.last_waited_ms
            state = _learned(state, observation.in_force, max(observation.latency_ms, 1e-6), available_ms, load_pct)
        if load_pct is not None and load_pct != state.busiest_pct:
            state = _looked(state, load_pct)
        return plan.choose(state.allowed, observation.waited_ms), state


def _fresh(
    plan: Plan, priors: tuple[Prior, ...], extents: tuple[tuple[float, float], ...], load_pct: float | None
) -> TenutoState:
    """The state before any inference: the profile holds."""
    beliefs, ceilings = tuple(begin(prior) for prior in priors), (OPEN,) * len(extents)
    return TenutoState(plan, priors, extents, beliefs, ceilings, load_pct, _allowed(plan, beliefs, ceilings))


def _allowed(plan: Plan, beliefs: Sequence[Belief], ceilings: Sequence[Ceiling]) -> tuple[Allowed, ...]:
    return tuple(
        Allowed(belief.slowdown, belief.margin, ceilings[cluster].limit_ms)
        for (cluster, _), belief in zip(plan.places, beliefs, strict=True)
    )


def _learned(
    state: TenutoState, row: int, latency_ms: float, available_ms: float, load_pct: float | None
) -> TenutoState:
    """The state after an inference."""
    plan, beliefs, ceilings, allowed = state.plan, state.beliefs, state.ceilings, state.allowed
    place, median_ms = plan.place_of[row], plan.latency_ms[row]
    cluster = plan.places[place][0]
    before, ceiling = allowed[place], ceilings[cluster]
    if latency_ms > available_ms:
        # Unless it was known to be too long, for want of anything shorter: that it was late teaches nothing.
        if median_ms * before.slowdown * before.margin <= available_ms * PROMISED:
            ceiling = lowered(ceiling, median_ms, latency_ms, available_ms, state.extents[cluster][0])
    elif ceiling is not OPEN:
        ceiling = raised(ceiling, state.extents[cluster][1], load_pct)
    belief = learn(beliefs[place], state.priors[place], median_ms, latency_ms)
    beliefs = (*beliefs[:place], belief, *beliefs[place + 1 :])
    if ceiling.limit_ms == before.ceiling_ms:
        now = Allowed(belief.slowdown, belief.margin, ceiling.limit_ms)
        allowed = (*allowed[:place], now, *allowed[place + 1 :])
        if ceiling is not ceilings[cluster]:
            ceilings = (*ceilings[:cluster], ceiling, *ceilings[cluster + 1 :])
    else:
        ceilings = (*ceilings[:cluster], ceiling, *ceilings[cluster + 1 :])
        allowed = _allowed(plan, beliefs, ceilings)
    return TenutoState(plan, state.priors, state.extents, beliefs, ceilings, state.busiest_pct, allowed)


def _looked(state: TenutoState, load_pct: float) -> TenutoState:
    """The state after a look at the load of other programs: afresh if what was learned was learned under much more."""
    if state.busiest_pct is None or load_pct > state.busiest_pct:
        return msgspec.structs.replace(state, busiest_pct=load_pct)
    if load_pct > state.busiest_pct - LOAD_DROP_PCT:
        return state
    return _fresh(state.plan, state.priors, state.extents, load_pct)


def _extent(plan: Plan, cluster: int) -> tuple[float, float]:
    """Of a cluster's profiled latencies, the longest of its places' shortest, and the longest."""
    latency_ms, place_of = plan.table.column("latency_ms").value, np.array(plan.place_of)
    places = [place for place, (of, _) in enumerate(plan.places) if of == cluster]
    known = [latency_ms[(place_of == place) & np.isfinite(latency_ms)] for place in places]
    shortest_ms = max((float(each.min()) for each in known if len(each)), default=math.inf)
    return shortest_ms, max((float(each.max()) for each in known if len(each)), default=0.0)


def _prior(plan: Plan, place: int) -> Prior:
    rows = np.flatnonzero(np.array(plan.place_of) == place)
    p90_ratio = _typical_ratio(plan.table, "latency_p90_ms", rows, assumed=ASSUMED_P90_RATIO)
    p99_ratio = _typical_ratio(plan.table, "latency_p99_ms", rows, assumed=ASSUMED_P99_RATIO)
    miss_share = max(plan.miss_share, LEAST_SHARE)
    return Prior(
        *spread_of_profile(p90_ratio, p99_ratio, miss_share),
        miss_share,
        NormalDist().inv_cdf(1 - min(miss_share, 0.5)),
    )


def _typical_ratio(table: OperatingTable, metric: str, rows: NDArray[np.intp], *, assumed: float) -> float:
    """The median over `rows` of a latency quantile over the median latency."""
    if metric not in table.metrics:
        return assumed
    ratio = table.metrics[metric].value[rows] / table.column("latency_ms").value[rows]
    known = ratio[np.isfinite(ratio)]
    return float(np.median(known)) if len(known) else assumed
