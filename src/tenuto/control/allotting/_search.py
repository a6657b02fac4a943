"""The search for one answer.

Without budgets every way to spread the applications over the clusters is a sum of table look-ups. With budgets the
points that a partition may have on each cluster are combined; what they show about the worth of a watt prices power,
and at that price all other partitions show which of them could be better.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._columns import Columns, columns
from tenuto.control.allotting._fronts import (
    Candidates,
    Cell,
    Front,
    Points,
    divided_points,
    turned_points,
)
from tenuto.control.allotting._model import NEVER, Floats, Integers
from tenuto.control.allotting._prepared import Now, Prepared
from tenuto.control.allotting._turns import Pairs, pairs_of

NEAR: Final = 0.01
"""A partition that can better the answer by no more than this share of its cost is not looked at."""

NEAR_POINTS: Final = 0.02
"""The same in points."""

FAR: Final = 0.5
"""An answer further from its bound than this share of its cost is worth a second, wider look."""

MOST_TRIED: Final = (10, 24)
"""Partitions that are looked at under budgets; at the second look."""

MOST_NEAR: Final[tuple[Mapping[int, int], ...]] = (
    {1: 200, 2: 24, 3: 12, 4: 8},
    {1: 999, 2: 64, 3: 24, 4: 12},
)
"""Points of each cluster that are combined, by how many clusters are in use; of more than four, five each."""

SMALL: Final = 64
"""With no more rows than these in all, everything is looked at, and the answer is the best there is."""

_USUAL: Final = np.geomspace(0.05, 20, 9)
_STEPS: Final = np.linspace(0.0, 1.0, 7)
"""Prices of power at which a partition's points are compared, in multiples of what is usual, and up to the steepest."""


@dataclass(frozen=True, slots=True)
class Found:
    """An answer.

    Attributes:
        cells: By application; None for one that waits.
        clocks: By cluster, index into its ladder; None where nobody is.
        total: Points and penalties together.
        power_w: By cluster.
    """

    cells: tuple[Cell | None, ...]
    clocks: tuple[int | None, ...]
    total: float
    power_w: tuple[float, ...]


class Search:
    """One question being answered.

    Attributes:
        lower: What no answer is below, as far as is known.
        is_whole: Whether all that could be had was looked at where it mattered.
    """

    def __init__(self, prepared: Prepared, now: Now) -> None:
        self.prepared, self.now = prepared, now
        self.lower, self.is_whole = -NEVER, True
        self._look, self._at_no_price = 0, np.empty(0)
        self._is_small = len(prepared.model.rows) <= SMALL
        self._points: dict[tuple[int, int], Points] = {}
        self._fronts: dict[tuple[int, int], Front] = {}
        self._candidates: Candidates | None = None
        self._pairs = Pairs(np.empty((0, 0, 0)), np.empty((0, 0), np.int64))
        if prepared.cells.n_clocks[1]:
            self._pairs = pairs_of(prepared.turns, prepared.cells, now.seen, now.key, now.unit)

    # -- without budgets ---------------------------------------------------------------------------------------------

    def free(self) -> tuple[Found, list[int]]:
        """The best answer if there were no budgets, and its sets."""
        prepared, now, first = self.prepared, self.now, self.prepared.model.n_divided
        seen = columns(prepared, now, self._pairs.key, None)
        value, known = seen.value, set[tuple[int, int]]()
        while True:
            sets, total = self._cheapest(value)
            unknown = [
                (cluster, members)
                for cluster, members in enumerate(sets)
                if cluster >= first and members & (members - 1) and (cluster, members) not in known
            ]
            if not unknown:
                break
            for cluster, members in unknown:
                known.add((cluster, members))
                value[cluster, members] = self._all(cluster, members).total.min()
        self.lower = total
        cells: list[Cell | None] = [None] * prepared.cells.n_applications
        clocks: list[int | None] = [None] * len(sets)
        power_w = now.empty_w.tolist()
        for cluster, members in enumerate(sets):
            if not members:
                continue
            who = prepared.turns.members[members]
            if cluster < first:
                clock, mine = self._least_divided(seen, cluster, members)
            else:
                points = self._all(cluster, members)
                clock, mine = points.decode(int(points.total.argmin()))
            clocks[cluster] = clock
            power_w[cluster] = float(now.idle_w[cluster][clock]) + sum(float(now.seen.power_w[one]) for one in mine)
            for application, one in zip(who, mine, strict=True):
                cells[application] = one
        return Found(tuple(cells), tuple(clocks), total, tuple(power_w)), sets

    def _least_divided(self, seen: Columns, cluster: int, members: int) -> tuple[int, list[Cell]]:
        """The best division of a cluster, and its clock."""
        prepared, now = self.prepared, self.now
        clocks, divisions = prepared.clocks_of[cluster], prepared.divisions
        at = int(divisions.at[members])
        begin, end = int(divisions.begins[at]), int(divisions.begins[at + 1])
        totals = seen.divided[begin:end, clocks]
        division, clock = divmod(int(totals.argmin()), totals.shape[1])
        mine = []
        for application in prepared.turns.members[members]:
            key = int(divisions.keys[begin + division, application])
            cell = key * prepared.cells.n_clocks[0] + clocks.start + clock
            mine.append((int(now.key[:, cell].argmin()), cell))
        return clock, mine

    def _cheapest(self, value: Floats) -> tuple[list[int], float]:
        """The best partition's sets, by cluster."""
        partitions = self.prepared.partitions
        if not len(partitions):
            return _cheapest_by_sets(self.prepared, self.now, value)
        total = self.prepared.waiting * self.now.unit
        for cluster in range(len(value)):
            total += value[cluster].take(partitions[:, cluster])
        best = int(total.argmin())
        self._at_no_price = total
        return partitions[best].tolist(), float(total[best])

    # -- with budgets ------------------------------------------------------------------------------------------------

    def bounded(self, sets: list[int], over: list[int]) -> Found:
        """The best answer found that keeps all budgets; the best one without is of `sets` and is `over` some."""
        best: Found | None = None
        price = self._price(sets, over)
        for look in range(len(MOST_TRIED)):
            self._look = look
            best, sets, price = self._looked(best, sets, price, over)
            if best is not None and (self._is_small or best.total - self.lower <= self._far(best)):
                break
        return self._meagre(sets, price) if best is None else best

    def _looked(
        self, best: Found | None, sets: list[int], price: Floats, over: list[int]
    ) -> tuple[Found | None, list[int], Floats]:
        """The best answer of the most promising partitions, its sets, and the price of power there."""
        tried = {tuple(sets)}
        found = self._combined(sets, best, price)
        best = best if found is None else found
        for _ in range(2):
            if best is not None and best.total - self._near(best) <= self.lower:
                break
            had = best is not None
            order, least = self._outlook(price)
            self.lower = max(self.lower, float(least[0]) if len(least) else NEVER)
            for other, at_least in zip(order, least.tolist(), strict=True):
                if best is not None and at_least >= best.total - self._near(best):
                    break
                if best is not None and len(tried) >= MOST_TRIED[self._look] and not self._is_small:
                    break
                if tuple(other) not in tried:
                    tried.add(tuple(other))
                    found = self._combined(other, best, price)
                    if found is not None:
                        best, sets = found, other
            if had:
                break
            price = self._price(sets, over)
        return best, sets, price

    def _far(self, best: Found) -> float:
        return max(NEAR_POINTS, FAR * (best.total % self.now.unit))

    def _meagre(self, sets: list[int], price: Floats) -> Found:
        """An answer for when none was found: applications wait, the least important first, until the budgets hold."""
        order, _ = self._outlook(price)
        for other in [*order, *([cluster & ~((1 << n) - 1 << a) for cluster in sets] for n, a in self._tails())]:
            found = self._combined(other, None, price)
            if found is not None:
                return found
        raise AssertionError("an empty board keeps every budget")

    def _tails(self) -> list[tuple[int, int]]:
        """How many of the least important applications, which are the last ones, and where they begin."""
        n = self.prepared.cells.n_applications
        return [(one, n - one) for one in range(1, n + 1)]

    def _near(self, best: Found) -> float:
        if self._is_small:
            return 1e-9
        return max(NEAR_POINTS, NEAR * (best.total % self.now.unit))

    def _price(self, sets: list[int], over: list[int]) -> Floats:
        """(budgets,) prices at which this partition seems to cost most: of what is in the way, each by its size."""
        now, usual = self.now, self.prepared.usual_price
        ray = np.zeros(len(now.bounds))
        ray[over] = 1 / np.maximum(now.bounds[over], 1e-9)
        weights = ray @ now.weights
        mean = max(float(weights.sum()) / len(weights), 1e-12)
        ray, per_w = ray / mean, (weights / mean).tolist()
        steep = 0.1 * self.prepared.penalty_price * now.unit
        values = np.concatenate([_USUAL * usual, steep * self.prepared.steepness**_STEPS])
        dual = -values * float(ray @ now.bounds)
        for cluster, members in enumerate(sets):
            front = self._front(cluster, members) if members else None
            if front is not None and len(front.total):
                dual += (front.total + (values * per_w[cluster])[:, None] * front.power_w).min(axis=1)
        price: Floats = ray * values[int(dual.argmax())]
        return price

    def _outlook(self, price: Floats) -> tuple[list[list[int]], Floats]:
        """Partitions by what they cost at least at this price; those that cannot keep a budget are left out."""
        prepared, now = self.prepared, self.now
        seen = columns(prepared, now, self._pairs.key, price @ now.weights)
        spent = float(price @ now.bounds)
        if not len(prepared.partitions):
            sets, total = _cheapest_by_sets(prepared, now, seen.value)
            frugal, _ = _cheapest_by_sets(prepared, now, prepared.least_w)
            return [sets, frugal], np.full(2, total - spent)
        least = prepared.waiting * now.unit
        least -= spent
        for cluster in range(len(now.base)):
            least += seen.value[cluster].take(prepared.partitions[:, cluster])
        np.maximum(least, self._at_no_price, out=least)
        least_w = now.least_share * prepared.partitions_w @ now.weights.T
        least[(least_w > now.bounds).any(axis=1)] = NEVER
        order = least.argsort(kind="stable")
        if not self._is_small:
            order = order[: 4 * MOST_TRIED[self._look]]
        order = order[least[order] < NEVER / 2]
        return prepared.partitions[order].tolist(), least[order]

    def _combined(self, sets: list[int], best: Found | None, price: Floats) -> Found | None:
        """The best answer of one partition, if it is better than the best so far."""
        fronts = [self._front(cluster, members) for cluster, members in enumerate(sets)]
        if any(not len(front.total) for front in fronts):
            return None
        limit = NEVER / 2 if best is None else best.total - 1e-9
        rest = sum(float(front.total[0]) for front in fronts) + self._waits(sets)
        if rest >= limit:
            return None
        used = [cluster for cluster, members in enumerate(sets) if members]
        per_w = (price @ self.now.weights).tolist()
        most = len(self.prepared.model.rows) ** 2 if self._is_small else MOST_NEAR[self._look].get(len(used), 5)
        found = self._of_points(sets, [fronts[one].nearest(per_w[one], most) for one in used], limit)
        if found is None and best is None:
            found = self._of_points(sets, [fronts[one].nearest(per_w[one], 4 * most) for one in used], limit)
        return found

    def _of_points(self, sets: list[int], points: list[tuple[Floats, Floats, Integers]], limit: float) -> Found | None:
        """The best combination of one point of each cluster in use that keeps all budgets."""
        now = self.now
        used = [cluster for cluster, members in enumerate(sets) if members]
        empty = [cluster for cluster, members in enumerate(sets) if not members]
        total: Floats = np.array(self._waits(sets) + sum(float(now.empty_cost[one]) for one in empty))
        for totals, _, _ in points:
            total = total[..., None] + totals
        keep = total < limit
        for weights, bound in zip(now.weights.tolist(), now.bounds.tolist(), strict=True):
            spent: Floats = np.array(sum(weights[one] * float(now.empty_w[one]) for one in empty))
            for cluster, (_, power_w, _) in zip(used, points, strict=True):
                spent = spent[..., None] + weights[cluster] * power_w
            keep &= spent <= bound
        total = np.where(keep, total, NEVER)
        way = int(total.argmin())
        least = float(total.flat[way])
        if least >= limit:
            return None
        cells: list[Cell | None] = [None] * self.prepared.cells.n_applications
        clocks: list[int | None] = [None] * len(sets)
        all_w = now.empty_w.tolist()
        for cluster, (totals, power_w, where) in zip(used[::-1], points[::-1], strict=True):
            way, point = divmod(way, len(totals))
            all_w[cluster] = float(power_w[point])
            clocks[cluster], mine = self._all(cluster, sets[cluster]).decode(int(where[point]))
            for application, one in zip(self.prepared.turns.members[sets[cluster]], mine, strict=True):
                cells[application] = one
        return Found(tuple(cells), tuple(clocks), least, tuple(all_w))

    def _waits(self, sets: list[int]) -> float:
        placed = 0
        for members in sets:
            placed |= members
        penalties: list[float] = self.prepared.model.wait_penalty.tolist()
        return self.now.unit * sum(one for a, one in enumerate(penalties) if not placed >> a & 1)

    def _front(self, cluster: int, members: int) -> Front:
        known = self._fronts.get((cluster, members))
        if known is None:
            points = self._all(cluster, members) if members else self._empty(cluster)
            known = self._fronts[cluster, members] = Front.of(points, self.prepared.usual_price)
        return known

    def _empty(self, cluster: int) -> Points:
        at = slice(cluster, cluster + 1)
        return Points(self.now.empty_cost[at], self.now.empty_w[at], lambda _: (0, []), True)

    def _all(self, cluster: int, members: int) -> Points:
        known = self._points.get((cluster, members))
        if known is None:
            if cluster < self.prepared.model.n_divided:
                if members & (members - 1) and self._candidates is None and not self._is_small:
                    self._candidates = Candidates.of(self.prepared, self.now)
                known = divided_points(self.prepared, self.now, self._candidates, cluster, members)
            else:
                known = turned_points(self.prepared, self.now, self._pairs, cluster, members, is_whole=self._is_small)
            self.is_whole &= known.is_whole
            self._points[cluster, members] = known
        return known


def _cheapest_by_sets(prepared: Prepared, now: Now, value: Floats) -> tuple[list[int], float]:
    """The best partition's sets, cluster after cluster for the best of each set: 3^N instead of (clusters + 1)^N."""
    n = prepared.cells.n_applications
    waits = prepared.model.wait_penalty * now.unit
    best = np.array([float(sum(waits[a] for a in one)) for one in prepared.turns.members])
    whole, part, begins = _subsets(n)
    chosen = []
    for of_cluster in value:
        sums = best[whole ^ part] + of_cluster[part]
        best = np.minimum.reduceat(sums, begins)
        hit = np.flatnonzero(sums == best[whole])[::-1]
        first = np.zeros(1 << n, np.int64)
        first[whole[hit]] = part[hit]
        chosen.append(first)
    members, sets = (1 << n) - 1, [0] * len(value)
    for cluster in range(len(value) - 1, -1, -1):
        sets[cluster] = int(chosen[cluster][members])
        members ^= sets[cluster]
    return sets, float(best[-1])


def _subsets(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Every set with every part of it, by set; and where each set begins."""
    wholes: list[int] = []
    parts: list[int] = []
    begins: list[int] = []
    for whole in range(1 << n):
        begins.append(len(wholes))
        part = whole
        while part >= 0:
            wholes.append(whole)
            parts.append(part)
            part = (part - 1) & whole if part else -1
    return np.array(wholes), np.array(parts), np.array(begins)
