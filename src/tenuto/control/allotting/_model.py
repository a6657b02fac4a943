"""The joint problem in numbers: every row of every application with what it costs as profiled.

All that depends on tables, requirements and prices alone is here; beliefs, budgets and what is in force come with each
question. Both solvers, the quick and the exact one, start from these figures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._values import Applicant, Prices, Resource
from tenuto.control.allotting._weights import AMOUNT, AMOUNT_BASE, Weight, weigh
from tenuto.errors import UnknownMetricError, UsageError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

NEVER: Final = 1e15
"""The cost of what cannot be, in points: finite, for it is multiplied by 0."""

NEVER_W: Final = 1e9
"""The power of what cannot be."""

NEVER_MS: Final = 1e12
"""Its latency."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of all applications that some cluster has room for; every array is (R,).

    Attributes:
        app: Index of the application.
        cluster: Index of the cluster.
        n_cores: On so many cores.
        clock: Index into the cluster's ladder.
        row: Index in the application's table.
        latency_ms: Profiled.
        extra_w: What running adds to idling.
        fixed: Points, whatever the slowdown: objective and what static constraints are exceeded by.
        scaled: Points, to be multiplied by the slowdown.
        late_weight: Points lost if all inferences were late, times the miss budget's share (delivered accuracy).
        energy_mj: As a constraint on it counts it; 0 where there is none.
        penalty: Of the static constraints given up.
    """

    app: Integers
    cluster: Integers
    n_cores: Integers
    clock: Integers
    row: Integers
    latency_ms: Floats
    extra_w: Floats
    fixed: Floats
    scaled: Floats
    late_weight: Floats
    energy_mj: Floats
    penalty: Floats

    def __len__(self) -> int:
        return len(self.app)

    def take(self, indices: NDArray[np.intp]) -> "Rows":
        """Those at `indices`."""
        return Rows(*(getattr(self, name)[indices] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Applications in canonical order (most important first, then by name), clusters, and their rows.

    Attributes:
        applicants: In canonical order.
        clusters: Names of all clusters that were spoken of.
        resources: Clusters with rows: those cores are shared out, then those on which applications take turns; by name.
        n_divided: How many of the former.
        ladders: Each cluster's clocks, ascending; `NO_FREQUENCY` is one, too.
        idle_w: Each clock's idle power; 0 where no table knows it, so that it is not counted.
        rows: All.
        deadline_ms: (N,), infinite without one.
        rate: (N,) inputs per ms; infinite where one follows the other.
        energy_bound_mj: (N,), infinite without one.
        late_penalty: (N,) of a deadline given up.
        late_amount: (N,) points for how late, at most.
        energy_penalty: (N,) of a bound on energy given up.
        energy_amount: (N,) points for how much energy too many.
        wait_penalty: (N,) of waiting.
        knows_power: (N,) whether its table says what it draws.
        idle_price: Points for one watt of idling.
        fixed_range: Points between the best and the worst answer at no slowdown, without penalties: the fixed part.
        scaled_range: The part that grows with the slowdown.
        prices: As asked.
    """

    applicants: tuple[Applicant, ...]
    clusters: frozenset[str]
    resources: tuple[Resource, ...]
    n_divided: int
    ladders: tuple[Integers, ...]
    idle_w: tuple[Floats, ...]
    rows: Rows
    deadline_ms: Floats
    rate: Floats
    energy_bound_mj: Floats
    late_penalty: Floats
    late_amount: Floats
    energy_penalty: Floats
    energy_amount: Floats
    wait_penalty: Floats
    knows_power: NDArray[np.bool_]
    idle_price: float
    fixed_range: float
    scaled_range: float
    prices: Prices

    @classmethod
    def of(cls, applicants: Sequence[Applicant], resources: Sequence[Resource] | None, prices: Prices) -> "Model":
        """Put together.

        Raises:
            UsageError: No applicants, two of one name, or two resources of one cluster.
            UnknownMetricError: A table lacks a metric that its requirements name.
        """
        names = [one.name for one in applicants]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"asked for a place for {', '.join(names) or 'nobody'}; give each applicant its own name")
        ordered = tuple(sorted(applicants, key=lambda one: (-one.priority, one.name)))
        found = resources_of([one.table for one in ordered]) if resources is None else tuple(resources)
        if len({one.cluster for one in found}) != len(found):
            raise UsageError("resources: found a cluster twice; list each once")
        divided = sorted((one for one in found if not one.is_shared), key=lambda one: one.cluster)
        taken_in_turns = sorted((one for one in found if one.is_shared), key=lambda one: one.cluster)
        found = (*divided, *taken_in_turns)
        clusters = [*(one.cluster for one in found), *(cluster for one in ordered for cluster in one.table.clusters)]
        found = tuple(one for one in found if len(_ladder(one.cluster, ordered)))
        ladders = tuple(_ladder(one.cluster, ordered) for one in found)
        idle_w = tuple(_idle_w(one.cluster, ladder, ordered) for one, ladder in zip(found, ladders, strict=True))
        weights = weigh(ordered)
        parts = [
            _rows(index, one, Room(found, ladders, idle_w), weight, prices)
            for index, (one, weight) in enumerate(zip(ordered, weights.each, strict=True))
        ]
        rows = Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__))
        per_watt = any(one.requirements.objective.metric in ("energy_mj", "power_w") for one in ordered)
        idle_price = prices.per_w if per_watt else 0.0
        idle_range = sum(float(np.ptp(one)) for one in idle_w if len(one)) * idle_price
        amounts = sum(AMOUNT * AMOUNT_BASE ** len(one.requirements.constraints) for one in ordered)
        switching = prices.move * len(ordered) + prices.clock * len(found)
        fixed_range = 1 + amounts + idle_range + switching + sum(_reach(p.fixed) + _reach(p.late_weight) for p in parts)
        bounds = [_deadline(one.requirements) for one in ordered]
        return cls(
            ordered,
            frozenset(clusters),
            found,
            sum(not one.is_shared for one in found),
            ladders,
            idle_w,
            rows,
            np.array(bounds),
            np.array(
                [1 / _spacing_ms(one.requirements) if _is_spaced(one.requirements) else np.inf for one in ordered]
            ),
            np.array([_bound(one.requirements, "energy_mj") for one in ordered]),
            np.array([weight.penalty("latency_ms") for weight in weights.each]),
            np.array([weight.amount("latency_ms") for weight in weights.each]),
            np.array([weight.penalty("energy_mj") for weight in weights.each]),
            np.array([weight.amount("energy_mj") for weight in weights.each]),
            np.array(weights.wait),
            np.array([not {"power_w", "energy_mj"}.isdisjoint(one.table.metrics) for one in ordered]),
            idle_price,
            fixed_range,
            sum(float(np.abs(part.scaled).max(initial=0.0)) for part in parts),
            prices,
        )

    def unit(self, slowest: float) -> float:
        """Points for one unit of penalty: more than all objectives together can differ by."""
        return self.fixed_range + self.scaled_range * slowest


def resources_of(tables: Sequence[OperatingTable]) -> tuple[Resource, ...]:
    """What the tables themselves tell: as many cores as a point uses at most; a cluster of one is taken in turns."""
    most: dict[str, int] = {}
    for table in tables:
        for index, cluster in enumerate(table.clusters):
            here = table.n_cores[table.cluster_index == index]
            most[cluster] = max(most.get(cluster, 0), int(here.max(initial=0)))
    return tuple(Resource(cluster, n, n == 1) for cluster, n in most.items() if n)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """The clusters, each one's clocks, and what it draws at them when idle."""

    resources: Sequence[Resource]
    ladders: Sequence[Integers]
    idle_w: Sequence[Floats]


def _ladder(cluster: str, applicants: Sequence[Applicant]) -> Integers:
    """The clocks that any table has there."""
    found = [
        one.table.frequency_hz[one.table.cluster_index == one.table.clusters.index(cluster)]
        for one in applicants
        if cluster in one.table.clusters
    ]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _idle_w(cluster: str, ladder: Integers, applicants: Sequence[Applicant]) -> Floats:
    """The mean of what the tables know, by clock; 0 where none does."""
    total, count = np.zeros(len(ladder)), np.zeros(len(ladder))
    for one in applicants:
        table = one.table
        if cluster not in table.clusters or "idle_power_w" not in table.metrics:
            continue
        idle_w = table.metrics["idle_power_w"].value
        here = (table.cluster_index == table.clusters.index(cluster)) & ~np.isnan(idle_w)
        clock = np.searchsorted(ladder, table.frequency_hz[here])
        total += np.bincount(clock, idle_w[here], len(ladder))
        count += np.bincount(clock, minlength=len(ladder))
    return np.where(count > 0, total / np.maximum(count, 1), 0.0)


def _rows(
    index: int,
    applicant: Applicant,
    board: Room,
    weight: Weight,
    prices: Prices,
) -> Rows:
    """The rows of one application."""
    resources, ladders, idle_w = board.resources, board.ladders, board.idle_w
    table, needs = applicant.table, applicant.requirements
    latency_ms = table.column("latency_ms").value
    place = {one.cluster: at for at, one in enumerate(resources)}
    to_cluster = np.array([place.get(name, -1) for name in table.clusters])[table.cluster_index]
    room = np.array([one.n_cores for one in resources] + [0])
    metric = needs.objective.metric
    goal = table.column(metric).value
    usable = (latency_ms > 0) & ~np.isnan(goal) & (table.n_cores <= room[to_cluster])
    if not (~np.isnan(latency_ms) & ~np.isnan(goal)).any():
        raise UnknownMetricError(metric, (name for name in table.metrics if name != metric))
    rows = np.flatnonzero(usable)
    cluster = to_cluster[rows]
    clock = np.zeros(len(rows), np.int64)
    idle = np.zeros(len(rows))
    for at, ladder in enumerate(ladders):
        here = cluster == at
        clock[here] = np.searchsorted(ladder, table.frequency_hz[rows[here]])
        idle[here] = idle_w[at][clock[here]]
    latency_ms = latency_ms[rows]
    fixed, scaled = _objective(table, rows, needs, idle, prices)
    deadline = needs.constraint("latency_ms")
    late_weight = np.zeros(len(rows))
    if metric == "accuracy_pct" and deadline is not None:
        late_weight = goal[rows] * deadline.miss_pct / 100
    penalty = np.zeros(len(rows))
    for constraint in needs.constraints:
        value = table.column(constraint.metric).value[rows]
        if constraint.metric == "latency_ms":
            continue
        excess = constraint.bound - value if constraint.relation == ">=" else value - constraint.bound
        if constraint.metric == "energy_mj":
            excess = np.where(np.isnan(value), np.inf, 0.0)  # the rest depends on the slowdown
        excess = np.where(np.isnan(excess), np.inf, np.maximum(excess, 0.0))
        with np.errstate(invalid="ignore"):
            share = np.where(np.isinf(excess), 1.0, excess / (excess + max(abs(constraint.bound), 1e-9)))
        fixed = fixed + weight.amount(constraint.metric) * share
        penalty = np.maximum(penalty, np.where(excess > 0, weight.penalty(constraint.metric), 0.0))
    return Rows(
        np.full(len(rows), index, np.int64),
        cluster.astype(np.int64),
        table.n_cores[rows].astype(np.int64),
        clock,
        rows.astype(np.int64),
        latency_ms,
        _extra_w(table, rows, idle),
        fixed,
        scaled,
        late_weight,
        np.nan_to_num(table.metrics["energy_mj"].value[rows]) if "energy_mj" in table.metrics else np.zeros(len(rows)),
        penalty,
    )


def _objective(
    table: OperatingTable, rows: NDArray[np.intp], needs: Requirements, idle_w: Floats, prices: Prices
) -> tuple[Floats, Floats]:
    """Points of each row: the fixed part, and the part that grows with the slowdown."""
    metric = needs.objective.metric
    value, nothing = table.column(metric).value[rows], np.zeros(len(rows))
    latency_ms = table.column("latency_ms").value[rows]
    longest_ms = float(latency_ms.max(initial=1e-9))
    apart_ms = _spacing_ms(needs) if _is_spaced(needs) else longest_ms
    if metric == "accuracy_pct":
        return value.max(initial=0.0) - value, nothing
    if metric == "energy_mj":
        # Over a period: active, and idling for the rest of it. What idling draws all along is the cluster's, so only
        # what the inference adds to it is this row's.
        return nothing, prices.per_w * (value - idle_w * latency_ms) / apart_ms
    if metric == "power_w":
        return prices.per_w * value, nothing
    if metric == "latency_ms":
        return nothing, 100 * value / apart_ms
    if metric == "temperature_c":
        return value - value.min(initial=math.inf), nothing
    return 100 * value / max(float(value.max(initial=0.0)), 1e-9), nothing


def _extra_w(table: OperatingTable, rows: NDArray[np.intp], idle_w: Floats) -> Floats:
    """What running adds to idling: `NEVER_W` where the table has no figure, 0 if it has none at all."""
    metrics = table.metrics
    if "power_w" in metrics:
        power_w = metrics["power_w"].value[rows]
    elif "energy_mj" in metrics:
        power_w = metrics["energy_mj"].value[rows] / table.column("latency_ms").value[rows]
    else:
        return np.zeros(len(rows))
    return np.where(np.isnan(power_w), NEVER_W, np.maximum(power_w - idle_w, 0.0))


def _deadline(needs: Requirements) -> float:
    return _bound(needs, "latency_ms")


def _bound(needs: Requirements, metric: str) -> float:
    constraint = needs.constraint(metric)
    return math.inf if constraint is None else constraint.bound


def _is_spaced(needs: Requirements) -> bool:
    return needs.period_ms is not None or math.isfinite(_deadline(needs))


def _spacing_ms(needs: Requirements) -> float:
    """From one input to the next."""
    return _deadline(needs) if needs.period_ms is None else needs.period_ms


def _reach(value: Floats) -> float:
    return float(np.ptp(value)) if len(value) else 0.0
