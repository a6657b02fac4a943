"""What a set of applications may have on one cluster: the points that no other beats in both cost and power."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._model import NEVER, Floats, Integers
from tenuto.control.allotting._prepared import Now, Prepared
from tenuto.control.allotting._turns import SAME, Pairs

Cell: TypeAlias = tuple[int, int]
"""Where an application is: position of its row among the K of its cell, and the cell."""

MOST_WAYS: Final = {2: 14, 3: 7, 4: 4}
"""Rows of each application that are combined on an accelerator, by how many meet; of more than four, three each."""

PRICES: Final = (0.2, 1.0, 5.0)
"""Of power, at which each cell's best row is a candidate, in multiples of what the tables pay for a watt."""

FEW: Final = 600
"""Points that are sorted as they are."""

N_PRICES: Final = len(PRICES) + 2
"""With no price at all, and nothing but power."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Possible answers for a set on a cluster.

    Attributes:
        total: Points and penalties; `NEVER` where it cannot be.
        power_w: Idling included.
        decode: Of one of them: the index into the cluster's ladder, and each member's cell.
        is_whole: Whether these are all there are.
    """

    total: Floats
    power_w: Floats
    decode: Callable[[int], tuple[int, list[Cell]]]
    is_whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """Those of `points` that no other beats in both total and power, the cheapest first."""

    total: Floats
    power_w: Floats
    at: Integers
    points: Points

    @classmethod
    def of(cls, points: Points, usual_price: float) -> "Front":
        """Find them."""
        at = unbeaten(points.total, points.power_w, usual_price)
        return cls(points.total[at], points.power_w[at], at, points)

    def nearest(self, per_w: float, most: int) -> tuple[Floats, Floats, Integers]:
        """The `most` cheapest, power at this price included: total, power and which."""
        if len(self.total) <= most:
            return self.total, self.power_w, self.at
        some = (self.total + per_w * self.power_w).argpartition(most)[:most]
        return self.total[some], self.power_w[some], self.at[some]


def unbeaten(total: Floats, power_w: Floats, usual_price: float) -> NDArray[np.intp]:
    """The points that no other beats in both, the cheapest first."""
    possible = total < NEVER / 2
    if len(total) > FEW:  # sorting takes longest: first without those that a good one beats
        sums = power_w * usual_price
        sums += total
        good = int(sums.argmin())
        possible &= (total <= total[good]) | (power_w < power_w[good])
    among = np.flatnonzero(possible)
    order = among[total[among].argsort(kind="stable")]
    watts = power_w[order]
    keep = np.ones(len(order), np.bool_)
    np.less(watts[1:], np.minimum.accumulate(watts)[:-1], out=keep[1:])
    return order[keep]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which figures a set's points on a cluster need; the same for every question.

    Attributes:
        used: (U, clocks) cells, each once.
        position: (members, D) which of them a division gives each member; nothing where there is one member.
        clock: (points,) index into the cluster's ladder, where there is one member.
    """

    used: Integers
    position: Integers
    clock: Integers


def plan_of(prepared: Prepared, cluster: int, members: int) -> Plan:
    """The plan for a set on a cluster whose cores are divided."""
    cells, divisions = prepared.cells, prepared.divisions
    who, clocks = prepared.turns.members[members], prepared.clocks_of[cluster]
    at = int(divisions.at[members])
    keys = divisions.keys[divisions.begins[at] : divisions.begins[at + 1]]
    if divisions.barred is not None:
        keys = keys[divisions.barred[divisions.begins[at] : divisions.begins[at + 1], clocks.start] == 0]
    keys = keys[:, list(who)]
    clock = np.arange(clocks.stop - clocks.start)
    names, position = np.unique(keys, return_inverse=True)
    used = names[:, None] * cells.n_clocks[0] + clocks.start + clock
    if len(who) == 1:
        return Plan(used, np.empty((0, 0), np.int64), np.tile(clock, len(names) * len(cells.index)))
    return Plan(used, position.reshape(keys.shape).T, clock)


def divided_points(prepared: Prepared, now: Now, candidates: "Candidates | None", cluster: int, members: int) -> Points:
    """Every division at every clock; of one application every row, of several the best rows at some prices of power.

    Without `candidates` it is every row of all.
    """
    if candidates is None and members & (members - 1):
        return _all_divided_points(prepared, now, cluster, members)
    plan = prepared.plans.get((cluster, members))
    if plan is None:
        plan = prepared.plans[cluster, members] = plan_of(prepared, cluster, members)
    if candidates is None or not len(plan.position):
        here = plan.used.ravel()
        total = now.key.take(here, axis=1).ravel()
        total += now.base[cluster].take(plan.clock)
        power_w = now.seen.power_w.take(here, axis=1).ravel()
        power_w += now.idle_w[cluster].take(plan.clock)
        n_here = len(here)
        return Points(
            total, power_w, lambda point: (int(plan.clock[point]), [(point // n_here, int(here[point % n_here]))]), True
        )
    shape = (N_PRICES, *plan.used.shape)
    flat = plan.used.ravel()
    rows = candidates.rows.take(flat, axis=1).reshape(shape)
    best = candidates.key.take(flat, axis=1).reshape(shape)
    best_w = candidates.power_w.take(flat, axis=1).reshape(shape)
    total = best.take(plan.position[0], axis=1)
    power_w = best_w.take(plan.position[0], axis=1)
    for one in plan.position[1:]:
        total += best.take(one, axis=1)
        power_w += best_w.take(one, axis=1)
    total += now.base[cluster]
    power_w += now.idle_w[cluster]
    shape_of = total.shape

    def decode(point: int) -> tuple[int, list[Cell]]:
        level, division, clock = (int(one) for one in np.unravel_index(point, shape_of))
        names = plan.position[:, division]
        return clock, [(int(rows[level, name, clock]), int(plan.used[name, clock])) for name in names.tolist()]

    return Points(total.ravel(), power_w.ravel(), decode, False)


def _all_divided_points(prepared: Prepared, now: Now, cluster: int, members: int) -> Points:
    """Every combination of rows in every division at every clock: for small tables."""
    plan, n = plan_of(prepared, cluster, members), len(now.key)
    who, most = len(plan.position), plan.used.shape[1]
    shape = [plan.position.shape[1], most] + [1] * who
    total, power_w = (one.reshape(1, most, *([1] * who)) for one in (now.base[cluster], now.idle_w[cluster]))
    for position, names in enumerate(plan.position):
        cell = plan.used[names]  # (D, clocks)
        shape[2 + position] = n
        total = total + np.moveaxis(now.key[:, cell], 0, -1).reshape(shape)
        power_w = power_w + np.moveaxis(now.seen.power_w[:, cell], 0, -1).reshape(shape)
        shape[2 + position] = 1
    shape_of = total.shape

    def decode(point: int) -> tuple[int, list[Cell]]:
        division, clock, *rows = (int(one) for one in np.unravel_index(point, shape_of))
        names = plan.position[:, division].tolist()
        return clock, [(row, int(plan.used[name, clock])) for row, name in zip(rows, names, strict=True)]

    return Points(total.ravel(), power_w.ravel(), decode, True)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The best row of each divided cell at some prices of power, and the one that draws least; (L, cells) each.

    Attributes:
        rows: Positions among the K rows.
        key: Points and penalties.
        power_w: Over idling.
    """

    rows: Integers
    key: Floats
    power_w: Floats

    @classmethod
    def of(cls, prepared: Prepared, now: Now) -> "Candidates":
        """Find them."""
        n_d = prepared.cells.n_divided
        key, power_w = now.key[:, :n_d], now.seen.power_w[:, :n_d]
        rows = np.empty((N_PRICES, n_d), np.int64)
        key.argmin(axis=0, out=rows[0])
        power_w.argmin(axis=0, out=rows[-1])
        for at, price in enumerate(PRICES, 1):
            sums = power_w * (price * prepared.usual_price)
            sums += key
            sums.argmin(axis=0, out=rows[at])
        column = np.arange(n_d)
        return cls(rows, key[rows, column], power_w[rows, column])


def turned_points(prepared: Prepared, now: Now, pairs: Pairs, cluster: int, members: int, *, is_whole: bool) -> Points:
    """Every combination of the members' rows at every clock; of many rows some, spread evenly, unless `is_whole`."""
    cells, model, seen = prepared.cells, prepared.model, now.seen
    who, clocks = prepared.turns.members[members], prepared.clocks_of[cluster]
    first, n_clocks = int(prepared.turns.begins[members - 1]), clocks.stop - clocks.start
    most = len(now.key) if is_whole or len(who) == 1 else MOST_WAYS.get(len(who), 3)
    picks: list[Integers | None] = []
    shape = [1] * len(who) + [n_clocks]
    total, power_w, together_ms = now.base[cluster], now.idle_w[cluster], np.zeros(n_clocks)
    busy = np.zeros(n_clocks)
    late: list[tuple[Floats, Floats]] = []
    is_whole = True
    for position, application in enumerate(who):
        at = slice(cells.n_divided + application * cells.n_clocks[1] + clocks.start, None)
        at = slice(at.start, at.start + n_clocks)
        shape[position] = -1
        if len(now.key) <= most:
            key, watts, latency_ms = now.key[:, at], seen.power_w[:, at], seen.latency_ms[:, at]
            promised_ms, penalty = seen.promised_ms[:, at], seen.penalty[:, at]
            picks.append(None)
        else:
            count = pairs.n_in_time[first + position, clocks]
            count = np.where(count > 0, count, cells.n_rows[at])
            is_whole &= bool(count.max() <= most)
            pick = np.rint(np.linspace(0, 1, most)[:, None] * np.maximum(count - 1, 0)).astype(np.int64)
            index = pick * now.key.shape[1] + np.arange(at.start, at.stop)
            key, watts, latency_ms = now.key.take(index), seen.power_w.take(index), seen.latency_ms.take(index)
            promised_ms, penalty = seen.promised_ms.take(index), seen.penalty.take(index)
            picks.append(pick)
        total = total + key.reshape(shape)
        power_w = power_w + watts.reshape(shape)
        if len(who) > 1:
            together_ms = together_ms + latency_ms.reshape(shape)
            busy = busy + np.minimum(latency_ms * model.rate[application], 1.0).reshape(shape)
            left_ms = model.deadline_ms[application] - promised_ms * SAME + latency_ms
            more = np.maximum(model.late_penalty[application] - penalty, 0.0) * now.unit
            late.append((left_ms.reshape(shape), more.reshape(shape)))
        shape[position] = 1
    for left_ms, more in late:
        total += (together_ms > left_ms) * more
    if len(who) > 1:
        total[busy > model.prices.most_busy + 1e-12] = NEVER
    shape_of = total.shape

    def decode(point: int) -> tuple[int, list[Cell]]:
        *places, clock = (int(one) for one in np.unravel_index(point, shape_of))
        rows = [place if pick is None else int(pick[place, clock]) for place, pick in zip(places, picks, strict=True)]
        begin = cells.n_divided + clocks.start + clock
        return clock, [(row, begin + a * cells.n_clocks[1]) for row, a in zip(rows, who, strict=True)]

    return Points(total.ravel(), power_w.ravel(), decode, is_whole)
