"""What a choice depends on besides latency: idle time, mean power, where it must run, and the clock in force.

A front (`_front`) answers by one bisection, but it is made for one objective. Where energy includes the time between
inputs, where mean power is bounded or a place is given, what is best changes with the slowdown, the bound and the
place: each such *situation* has a front of its own, made when it comes up first. Slowdowns and bounds are rounded, so
that there are not too many.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tenuto.control._sound import rows_allotted
from tenuto.decisions import Allotment
from tenuto.points import OperatingTable, pareto_indices
from tenuto.requirements import Requirements

Floats: TypeAlias = NDArray[np.float64]

SLOWDOWN_STEP: Final = math.log(1.06)
"""Slowdowns are rounded to steps of 6 %: the weight of idle time against working time hardly changes within one."""

_STEPS: Final = 1 / SLOWDOWN_STEP

LIMIT_STEP: Final = math.log(1.02)
"""Bounds on mean power are rounded down to steps of 2 %."""

NO_LIMIT: Final = 1 << 30
NOTHING_ALLOWED: Final = -(1 << 30)
NO_CAP: Final = 1 << 62
GONE: Final = 0
"""The highest clock of a cluster that was switched off or taken away."""

ANYWHERE: Final = -1
UNKNOWN: Final = -1

Key: TypeAlias = tuple[int, int, int, int]
"""A situation of one cluster: slowdown, bound on mean power, highest clock, place."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to reckon with besides beliefs and the time that is left.

    Attributes:
        row: In force now, or `UNKNOWN`: another clock takes time.
        limits_w: For each cluster, what it may draw on average above its rest; None for no limit.
        caps_hz: For each cluster, its highest clock at present; None where none is known.
        place: Number of the allotment (`Places.number`), or `ANYWHERE`.
    """

    row: int = UNKNOWN
    limits_w: tuple[float, ...] | None = None
    caps_hz: tuple[int, ...] | None = None
    place: int = ANYWHERE


@dataclass(frozen=True, slots=True, eq=False)
class Spending:
    """What each row draws in a period above what its cluster draws at rest: `at_work_mj` x slowdown + `waiting_mj`.

    At rest a cluster is idle at the clock at which that takes least.

    Attributes:
        at_work_mj: (N,).
        waiting_mj: (N,), 0 where idle power or the period is not known.
        span_ms: (N,) over which that is drawn: the period, or the inference where no period is known.
        has_idle: Whether idle time counts.
    """

    at_work_mj: Floats
    waiting_mj: Floats
    span_ms: Floats
    has_idle: bool

    @classmethod
    def of(cls, table: OperatingTable, requirements: Requirements) -> "Spending | None":
        """None where the table says nothing of energy."""
        if "energy_mj" not in table.metrics:
            return None
        energy_mj, latency_ms = table.column("energy_mj").value, table.column("latency_ms").value
        period_ms, n = requirements.period_ms, len(table)
        if period_ms is None or "idle_power_w" not in table.metrics:
            return cls(energy_mj, np.zeros(n), latency_ms, has_idle=False)
        idle_w = table.column("idle_power_w").value
        rest_w = np.zeros(len(table.clusters))
        for index in range(len(table.clusters)):
            known = idle_w[(table.cluster_index == index) & ~np.isnan(idle_w)]
            rest_w[index] = known.min() if len(known) else 0.0
        idle_w = np.where(np.isnan(idle_w), rest_w[table.cluster_index], idle_w)
        waiting_mj = (idle_w - rest_w[table.cluster_index]) * period_ms
        return cls(energy_mj - idle_w * latency_ms, waiting_mj, np.full(n, period_ms), has_idle=True)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where rows run.

    Attributes:
        table: Their table.
        settling_ms: Until a new clock is in force, by cluster.
        number_of: Allotments that were met, numbered.
        rows_at: What each leaves of the table.
    """

    table: OperatingTable
    settling_ms: tuple[float, ...]
    number_of: dict[Allotment, int] = field(default_factory=dict)
    rows_at: list[NDArray[np.intp]] = field(default_factory=list)

    @classmethod
    def of(cls, table: OperatingTable) -> "Places":
        """Of a table; how long its clocks take is in `about["settling_ms"]`, by cluster."""
        return cls(table, tuple(_settling_ms(table.about, name) for name in table.clusters))

    def number(self, allotment: Allotment | None) -> int:
        """Of an allotment; `ANYWHERE` for none."""
        if allotment is None:
            return ANYWHERE
        found = self.number_of.get(allotment)
        if found is None:
            found = self.number_of[allotment] = len(self.rows_at)
            self.rows_at.append(rows_allotted(self.table, allotment))
        return found


def _settling_ms(about: Mapping[str, Any], cluster: str) -> float:
    settling = about.get("settling_ms")
    found = settling.get(cluster, 0.0) if isinstance(settling, Mapping) else 0.0
    return float(found) if isinstance(found, int | float) and found > 0 else 0.0


def rounded_slowdown(slowdown: float) -> int:
    """The number of its step."""
    return round(math.log(slowdown) * _STEPS)


def rounded_limit(limit_w: float) -> int:
    """The number of the step at or below it."""
    return math.floor(math.log(limit_w) / LIMIT_STEP) if limit_w > 1e-6 else NOTHING_ALLOWED


@dataclass(frozen=True, slots=True, eq=False)
class Situated:
    """The rows of one situation, in the order of what is best.

    Attributes:
        rows: That are left.
        latency_ms: Profiled.
        rank: 0 is the best.
    """

    rows: NDArray[np.intp]
    latency_ms: Floats
    rank: NDArray[np.int64]


def situate(
    table: OperatingTable,
    rows: NDArray[np.intp],
    key: Key,
    spending: Spending | None,
    places: Places,
    *,
    order: Sequence[Floats],
    is_energy: bool,
    is_last: bool,
) -> Situated:
    """What one cluster has in one situation.

    Args:
        table: All rows.
        rows: The cluster's that keep what slowdown does not touch.
        key: The situation.
        spending: Of all rows.
        places: Of all rows.
        order: Keys of what is best, of all rows, most important first; energy comes after them.
        is_energy: Energy is the objective, and comes first.
        is_last: Nothing more can be given up: a bound that nothing keeps is then kept as nearly as can be.
    """
    slowdown_step, limit_step, cap_hz, place = key
    if place != ANYWHERE:
        rows = np.intersect1d(rows, places.rows_at[place], assume_unique=True)
    if cap_hz == GONE:
        rows = rows[:0]
    elif cap_hz != NO_CAP:
        below = rows[table.frequency_hz[rows] <= cap_hz]
        rows = below if len(below) else rows
    keys = [one[rows] for one in order]
    if spending is None:
        energy = np.zeros(len(rows))
    else:
        energy = spending.at_work_mj[rows] * math.exp(slowdown_step * SLOWDOWN_STEP) + spending.waiting_mj[rows]
        if limit_step != NO_LIMIT:
            drawn_w = energy / spending.span_ms[rows]
            bound_w = math.exp(limit_step * LIMIT_STEP) if limit_step != NOTHING_ALLOWED else 0.0
            keeps = drawn_w <= bound_w
            if is_last:
                keys.insert(0, np.where(keeps, 0.0, drawn_w))
            else:
                rows, energy, keys = rows[keeps], energy[keeps], [one[keeps] for one in keys]
    latency_ms = table.column("latency_ms").value[rows]
    keys = [energy, *keys] if is_energy else [*keys, energy]
    rank = np.empty(len(rows), dtype=np.int64)
    rank[np.lexsort([latency_ms, *reversed(keys)])] = np.arange(len(rows))
    return Situated(rows, latency_ms, rank)


def unbeaten(
    table: OperatingTable, rows: NDArray[np.intp], spending: Spending | None, order: Sequence[Floats]
) -> NDArray[np.intp]:
    """Those of a cluster's rows that none of them beats in latency, order and all that energy consists of.

    What is best in any situation is among them, unless a place or a cap leaves only others.
    """
    if not len(rows):
        return rows
    respects = [table.column("latency_ms").value[rows], *(one[rows] for one in order)]
    if spending is not None:
        respects += [spending.at_work_mj[rows], spending.waiting_mj[rows]]
    kept: NDArray[np.intp] = rows[np.sort(pareto_indices(np.column_stack(respects)))]
    return kept
