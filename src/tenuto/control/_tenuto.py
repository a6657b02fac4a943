"""Our policy."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.control._belief import LEAST_SHARE, Belief, Prior, begin, learner, scatter_of_profile
from tenuto.control._ceiling import OPEN, Ceiling, lowered, raised, scaled
from tenuto.control._heat import MOST_W, Heat, HeatModel, begin_heat, heat_limits_w, warmed
from tenuto.control._mission import Account, begin_account, mission_limit_w, spent
from tenuto.control._plan import Plan
from tenuto.control._situation import GONE, NO_CAP, UNKNOWN, Situation
from tenuto.control._sound import evidence_ms, reading, waited_ms
from tenuto.decisions import Decision, Observation
from tenuto.errors import UnknownNameError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

ASSUMED_P90_RATIO = 1.05
ASSUMED_P99_RATIO = 1.1
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


FIRST_CAP_S: Final = 1.0
LONGEST_CAP_S: Final = 60.0


class Cap(msgspec.Struct, frozen=True, gc=False):
    """A clock that the board was seen not to go beyond.

    Attributes:
        highest_hz: That clock.
        until_s: When a higher one is tried again.
        lasts_s: How long it was taken to last; twice as long the next time.
    """

    highest_hz: int
    until_s: float
    lasts_s: float


class TenutoState(msgspec.Struct, frozen=True):
    """A plan, and what is believed.

    Attributes:
        plan: The table and the requirements, prepared.
        priors: Where each cluster's belief starts.
        believed: One per cluster.
        busiest_pct: Highest load of other programs since the beliefs began; None where it cannot be read.
        heat_model: How the board warms; None where no temperature is bounded, or nothing is known of it.
        heat: Where that stands.
        account: What of a mission's energy is spent; None without a mission.
        caps: The clocks that the board was seen not to go beyond, by cluster; empty while there are none.
        asked: The row that was decided last.
    """

    plan: Plan
    priors: tuple[Prior, ...]
    believed: tuple[Believed, ...]
    busiest_pct: float | None
    heat_model: HeatModel | None = None
    heat: Heat | None = None
    account: Account | None = None
    caps: tuple[Cap | None, ...] = ()
    asked: int = UNKNOWN


BEYOND: Final = 1.25
"""A mission's limit that leaves too little is raised by this factor until it leaves enough."""

_LEAST_W: Final = 0.01
_MOST_STEPS: Final = 52
"""From there to `MOST_W`."""

PARTS: Final = ("conformal", "disturbances", "per-cluster", "switching", "look-ahead")
"""What an ablation can switch off, one at a time."""


class TenutoPolicy:
    """The best point among those that keep every constraint under what is believed of each cluster.

    Args:
        without: Of `PARTS`, those to switch off, so that each is seen to earn its lines: `conformal` leaves a Gaussian
            quantile; `disturbances` takes what comes suddenly for a slowdown that lasts; `per-cluster` believes one
            thing of all clusters; `switching` takes a new clock as in force at once; `look-ahead` judges temperature
            by the table alone and does not ration a mission's energy.

    Raises:
        UnknownNameError: No such part.

    Model:
        A point's latency is profiled median x slowdown of its cluster x margin. Slowdown and margin are learned per
        cluster from the latencies seen (see `_belief`); power, accuracy and memory are as profiled. Changing to a
        resident sub-network is taken as free (0.1 ms measured); a new clock costs what the table says. Temperature and
        a mission's energy bound the mean power (see `_heat` and `_mission`).

    Source:
        docs/decision.md; the papers are named in the modules.
    """

    def __init__(self, *, without: Collection[str] = ()) -> None:
        for part in without:
            if part not in PARTS:
                raise UnknownNameError("part", part, PARTS)
        self._without = tuple(part for part in PARTS if part in without)
        self._is_shared = "per-cluster" in without
        self._looks_ahead = "look-ahead" not in without
        self._minds_switching = "switching" not in without
        self._learn = learner(is_conformal="conformal" not in without, has_disturbances="disturbances" not in without)

    @property
    def name(self) -> str:
        """`tenuto`, and what it is without."""
        return "-without-".join(("tenuto", *self._without))

    @property
    def parameters(self) -> dict[str, Any]:
        """What is switched off; all else it takes from the profile and the requirements."""
        return {"without": list(self._without)} if self._without else {}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: TenutoState | None = None
    ) -> TenutoState:
        """Prepare the fronts; what was learned so far is kept when only requirements change."""
        warmest = requirements.constraint("temperature_c")
        model = None
        knows_power = requirements.period_ms is not None and "energy_mj" in table.metrics
        if warmest is not None and self._looks_ahead and knows_power:
            model = HeatModel.of(table.about, table.clusters, warmest.bound)
        plan = Plan.of(table, requirements, has_look_ahead=model is not None)
        priors = tuple(_prior(plan, cluster) for cluster in range(len(table.clusters)))
        state = TenutoState(plan, priors, tuple(Believed.of(begin(prior), OPEN) for prior in priors), None, model)
        if previous is None or previous.plan.table is not table:
            return state
        factor = plan.deadline_ms / previous.plan.deadline_ms
        is_same_mission = requirements.mission == previous.plan.requirements.mission
        return msgspec.structs.replace(
            state,
            believed=tuple(Believed.of(one.belief, scaled(one.ceiling, factor)) for one in previous.believed),
            busiest_pct=previous.busiest_pct,
            heat=None if previous.heat_model is None else previous.heat,
            account=previous.account if is_same_mission else None,
            caps=previous.caps,
            asked=previous.asked,
        )

    def decide(self, state: TenutoState, observation: Observation) -> tuple[Decision, TenutoState]:
        """Learn from the last inference, then choose."""
        plan, load_pct = state.plan, reading(observation.readings, "other_load_pct")
        latency_ms = evidence_ms(observation, len(plan.latency_ms))
        row = None if latency_ms is None else observation.in_force
        if row is not None and latency_ms is not None:
            available_ms = plan.deadline_ms - observation.last_waited_ms
            state = self._learned(state, row, latency_ms, available_ms, load_pct)
        if load_pct is not None and load_pct != state.busiest_pct:
            state = _looked(state, load_pct)
        caps_hz = None
        if row != state.asked or state.caps:  # else the board did as it was told
            state, caps_hz = _capped(state, observation, row)
        limits_w = None
        if state.heat_model is not None or plan.requirements.mission is not None:
            state, limits_w = self._rationed(state, observation, row, latency_ms)
        situation = None
        if plan.is_situated or limits_w is not None or caps_hz is not None or observation.allotment is not None:
            now = row if row is not None and self._minds_switching else UNKNOWN
            situation = Situation(now, limits_w, caps_hz, plan.places.number(observation.allotment))
        gone_ms = observation.waited_ms
        if gone_ms or observation.n_queued:
            gone_ms = _gone_ms(observation, plan.deadline_ms)
        decision = plan.choose(state.believed, gone_ms, situation)
        if decision.given_up and situation is not None and situation.limits_w is not None:
            decision = self._beyond_the_mission(state, decision, gone_ms, situation)
        if decision.point != state.asked:
            state = msgspec.structs.replace(state, asked=decision.point)
        return decision, state

    def _learned(
        self, state: TenutoState, row: int, latency_ms: float, available_ms: float, load_pct: float | None
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
            ceiling = raised(ceiling, latency_ms / median_ms, prior.longest_ms, load_pct)
        after = Believed.of(self._learn(before.belief, prior, median_ms, latency_ms), ceiling)
        if self._is_shared:
            believed = (after,) * len(believed)
        else:
            believed = (*believed[:cluster], after, *believed[cluster + 1 :])
        return TenutoState(
            plan,
            state.priors,
            believed,
            state.busiest_pct,
            state.heat_model,
            state.heat,
            state.account,
            state.caps,
            state.asked,
        )

    def _beyond_the_mission(
        self, state: TenutoState, decision: Decision, gone_ms: float, situation: Situation
    ) -> Decision:
        """What draws little more than a mission leaves, where it leaves too little for what else must hold.

        What is asked of each answer comes before how long there are answers; heat comes before both.
        """
        plan = state.plan
        limits_w = situation.limits_w
        if plan.requirements.mission is None or limits_w is None:
            return decision
        hottest_w = (MOST_W,) * len(limits_w)
        if state.heat_model is not None and state.heat is not None:
            hottest_w = heat_limits_w(state.heat, state.heat_model)
        without = plan.choose(state.believed, gone_ms, replace(situation, limits_w=hottest_w))
        for _ in range(_MOST_STEPS):
            if decision.given_up == without.given_up:
                return decision
            limits_w = tuple(
                min(max(one, _LEAST_W) * BEYOND, hottest) for one, hottest in zip(limits_w, hottest_w, strict=True)
            )
            decision = plan.choose(state.believed, gone_ms, replace(situation, limits_w=limits_w))
        return without

    def _rationed(
        self, state: TenutoState, observation: Observation, row: int | None, latency_ms: float | None
    ) -> tuple[TenutoState, tuple[float, ...] | None]:
        """What heat and a mission leave to draw on average, after what was drawn until now."""
        plan, now_s = state.plan, observation.time_s
        mission = plan.requirements.mission if self._looks_ahead else None
        model, heat, account = state.heat_model, state.heat, state.account
        since_s = heat.time_s if heat is not None else account.time_s if account is not None else now_s
        cluster, drawn_w = 0, 0.0
        if row is not None and latency_ms is not None and now_s > since_s:
            cluster, drawn_w = plan.cluster_of[row], plan.drawn_w(row, latency_ms, 1000 * (now_s - since_s))
        limits_w: tuple[float, ...] | None = None
        if model is not None:
            heat = begin_heat(model, now_s) if heat is None else heat
            shown_c = reading(observation.readings, "temperature_c")
            heat = warmed(heat, model, cluster, drawn_w, time_s=now_s, shown_c=shown_c)
            limits_w = heat_limits_w(heat, model)
        if mission is not None:
            account = begin_account(mission, now_s, plan.rest_power_w) if account is None else account
            account = spent(account, mission, drawn_w, now_s, reading(observation.readings, "battery_mj"))
            limit_w = min(mission_limit_w(account, mission), MOST_W)
            limits_w = tuple(min(one, limit_w) for one in limits_w or (MOST_W,) * len(plan.table.clusters))
        return msgspec.structs.replace(state, heat=heat, account=account), limits_w


def _capped(
    state: TenutoState, observation: Observation, row: int | None
) -> tuple[TenutoState, tuple[int, ...] | None]:
    """The clocks that the board does not go beyond at present: heat or others hold them down, or the cluster is gone.

    That shows when another row than the one asked for was in force, or none that is known. The cap is taken to last for
    a while, longer each time that it is met again.
    """
    plan, asked, now_s = state.plan, state.asked, observation.time_s
    caps = state.caps
    if asked != UNKNOWN and observation.in_force is None and observation.latency_ms is not None:
        # It ran, but not where it was asked to: that cluster is gone.
        caps = _with_cap(caps, len(state.believed), plan.cluster_of[asked], GONE, now_s)
    if row is not None and asked != UNKNOWN and plan.cluster_of[row] == plan.cluster_of[asked]:
        found_hz, cluster = plan.frequency_of[row], plan.cluster_of[row]
        if found_hz < plan.frequency_of[asked]:
            caps = _with_cap(caps, len(state.believed), cluster, found_hz, now_s)
        elif caps and (before := caps[cluster]) is not None and found_hz > before.highest_hz:
            caps = (*caps[:cluster], None, *caps[cluster + 1 :])
            caps = caps if any(caps) else ()
    if caps is not state.caps:
        state = msgspec.structs.replace(state, caps=caps)
    caps_hz = tuple(NO_CAP if cap is None or now_s >= cap.until_s else cap.highest_hz for cap in caps)
    # Where all clusters are gone it must run somewhere.
    return state, caps_hz if any(caps_hz) and min(caps_hz) < NO_CAP else None


def _with_cap(
    caps: tuple[Cap | None, ...], n_clusters: int, cluster: int, highest_hz: int, now_s: float
) -> tuple[Cap | None, ...]:
    caps = caps or (None,) * n_clusters
    before = caps[cluster]
    lasts_s = FIRST_CAP_S if before is None else min(2 * before.lasts_s, LONGEST_CAP_S)
    return (*caps[:cluster], Cap(highest_hz, now_s + lasts_s, lasts_s), *caps[cluster + 1 :])


def _gone_ms(observation: Observation, deadline_ms: float) -> float:
    """What of the coming input's deadline is gone: what it has waited, and the shares of those that wait behind it.

    They came later, so that their deadlines are later, too; with equal shares there is time for those still to come.
    """
    waited = waited_ms(observation)
    if observation.n_queued <= 0 or deadline_ms == math.inf:
        return waited
    return deadline_ms - max(deadline_ms - waited, 0.0) / (1 + observation.n_queued)


def _looked(state: TenutoState, load_pct: float) -> TenutoState:
    """The state after a look at the load of other programs: afresh if what was learned was learned under much more."""
    if state.busiest_pct is None or load_pct > state.busiest_pct:
        return msgspec.structs.replace(state, busiest_pct=load_pct)
    if load_pct > state.busiest_pct - LOAD_DROP_PCT:
        return state
    fresh = tuple(Believed.of(begin(prior), OPEN) for prior in state.priors)
    return msgspec.structs.replace(state, believed=fresh, busiest_pct=load_pct)


def _prior(plan: Plan, cluster: int) -> Prior:
    rows = np.flatnonzero(plan.table.cluster_index == cluster)
    latency_ms = plan.table.column("latency_ms").value[rows]
    p90_ratio = _typical_ratio(plan.table, "latency_p90_ms", rows, assumed=ASSUMED_P90_RATIO)
    p99_ratio = _typical_ratio(plan.table, "latency_p99_ms", rows, assumed=ASSUMED_P99_RATIO)
    miss_share = max(plan.miss_share, LEAST_SHARE)
    return Prior(
        *scatter_of_profile(p90_ratio, p99_ratio, miss_share),
        miss_share,
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
