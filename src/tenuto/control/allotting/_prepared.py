"""All that is reckoned once for a set of applications, and the arrays that one question adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._cells import Cells, Figures, figures
from tenuto.control.allotting._division import Divisions
from tenuto.control.allotting._model import NEVER, Floats, Integers, Model
from tenuto.control.allotting._turns import Turns
from tenuto.control.allotting._values import Asked, Pace
from tenuto.errors import UnknownMetricError, UnknownNameError

MOST_PARTITIONS: Final = 20_000
"""Ways to spread the applications over the clusters that are all looked at; beyond, only the most promising."""

_AS_PROFILED: Final = Pace()


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What does not change from one question to the next.

    Attributes:
        model: The figures.
        cells: Their rows laid out.
        divisions: Ways to divide cores.
        turns: Who may meet on an accelerator.
        clocks_of: Each cluster's slice of the clocks of those divided, or of the others.
        begins: Where each cluster's clocks begin: of the divided ones, of the others.
        cluster_of_clock: (F,) of all clocks, the divided clusters' first.
        partitions: (Q, clusters) sets of applications, one row for each way to spread them.
        waiting: (Q,) penalty of those that wait.
        place_of: Index of each cluster by name.
        empty_w: (clusters,) what a cluster without applications draws.
        idle_flat: (F,) the model's `idle_w`.
        usual_price: Points per W that the tables pay on average, from a quarter of their rows to the best.
        penalty_price: The same for one unit of penalty, in units.
        steepness: How many times as much the most important penalty pays.
        least_w: (clusters, sets) the least power of each set as profiled.
        partitions_w: (Q, clusters) the same of each partition.
        plans: Where to look figures up, by cluster and set; filled as they are asked for, always the same.
    """

    model: Model
    cells: Cells
    divisions: Divisions
    turns: Turns
    clocks_of: tuple[slice, ...]
    begins: tuple[NDArray[np.intp], NDArray[np.intp]]
    cluster_of_clock: NDArray[np.intp]
    partitions: Integers
    waiting: Floats
    place_of: Mapping[str, int]
    empty_w: Floats
    idle_flat: Floats
    usual_price: float
    penalty_price: float
    steepness: float
    least_w: Floats
    partitions_w: Floats
    plans: dict[tuple[int, int], Any]

    @classmethod
    def of(cls, model: Model) -> "Prepared":
        """Reckon it."""
        n_divided = model.n_divided
        sizes = [len(ladder) for ladder in model.ladders]
        clocks_of, begins = [], []
        for group in (sizes[:n_divided], sizes[n_divided:]):
            ends = np.cumsum([0, *group])
            begins.append(ends[:-1].astype(np.intp))
            clocks_of += [slice(a, b) for a, b in pairwise(ends.tolist())]
        divisions = Divisions.of(model)
        partitions, waiting = _partitions(model, divisions)
        cells = Cells.of(model)
        least_w = _least_w(model, cells, divisions, begins)
        return cls(
            model,
            cells,
            divisions,
            Turns.of(model),
            tuple(clocks_of),
            (begins[0], begins[1]),
            np.repeat(np.arange(len(sizes)), sizes),
            partitions,
            waiting,
            {one.cluster: index for index, one in enumerate(model.resources)},
            np.array([float(idle_w.min()) for idle_w in model.idle_w]),
            np.concatenate(model.idle_w),
            *_usual_prices(model),
            10 * max(float(model.wait_penalty.max()), 1.0),
            least_w,
            np.column_stack([each[sets] for each, sets in zip(least_w, partitions.T, strict=True)]),
            {},
        )


def _usual_prices(model: Model) -> tuple[float, float]:
    """Where the search for the price of power begins: points per W, and penalties per W."""
    rows, spans = model.rows, []
    power_w = max(float(np.median(rows.extra_w)), 1e-6) if len(rows) else 1.0
    for index in range(len(model.applicants)):
        mine = (rows.app == index) & (rows.penalty == 0)
        if mine.any():
            goal = np.sort(rows.fixed[mine] + rows.scaled[mine])
            spans.append(float(goal[3 * len(goal) // 4] - goal[0]))
    return max(float(np.mean(spans)) if spans else 1.0, 1e-3) / power_w, 1 / power_w


def _least_w(model: Model, cells: Cells, divisions: Divisions, begins: Sequence[NDArray[np.intp]]) -> Floats:
    """(clusters, sets) of power when nothing else counts and all is as profiled."""
    n, first, n_d = len(model.applicants), model.n_divided, cells.n_divided
    least_w = np.full((len(model.resources), 1 << n), NEVER)
    least_w[:, 0] = [float(idle_w.min()) for idle_w in model.idle_w]
    idle_w = np.concatenate(model.idle_w)
    busy = np.minimum(cells.latency_ms * cells.rate, 1.0)
    extra_w = np.where(cells.fixed < NEVER / 2, cells.extra_w * busy, NEVER).min(axis=0)
    if first:
        size = n * cells.most_cores
        best = np.zeros((size + 1, cells.n_clocks[0]))
        best[:-1] = extra_w[:n_d].reshape(size, -1)
        divided = divisions.priced(best) + idle_w[: cells.n_clocks[0]]
        if divisions.barred is not None:
            divided += divisions.barred
        of_set = np.minimum.reduceat(divided, divisions.begins[:-1], axis=0)
        least_w[:first, divisions.sets] = np.minimum.reduceat(of_set, begins[0], axis=1).T
    if first < len(model.resources):
        owned = extra_w[n_d:].reshape(n, -1)
        members = (np.arange(1, 1 << n)[:, None] >> np.arange(n)) & 1
        turned = members @ owned + idle_w[cells.n_clocks[0] :]
        least_w[first:, 1:] = np.minimum.reduceat(turned, begins[1], axis=1).T
    return least_w


def _partitions(model: Model, divisions: Divisions) -> tuple[Integers, Floats]:
    """Every way to spread the applications over the clusters, or to let them wait; none if there are too many."""
    n, n_clusters = len(model.applicants), len(model.resources)
    if (n_clusters + 1) ** n > MOST_PARTITIONS:
        return np.empty((0, n_clusters), np.int64), np.empty(0)
    where = np.indices((n_clusters + 1,) * n).reshape(n, -1)
    bits = 1 << np.arange(n)
    sets = np.column_stack([bits @ (where == cluster) for cluster in range(n_clusters + 1)])
    fits = np.ones(len(sets), np.bool_)
    for cluster in range(model.n_divided):
        fits &= (sets[:, cluster] == 0) | (divisions.at[sets[:, cluster]] >= 0)
    waiting = model.wait_penalty @ (where == n_clusters)
    return sets[fits][:, :n_clusters], waiting[fits]


@dataclass(frozen=True, slots=True, eq=False)
class Now:
    """One question in numbers.

    Attributes:
        unit: Points for one unit of penalty.
        seen: Figures of the cells.
        cost: (K, cells) points, moving included.
        key: (K, cells) the same and penalties.
        base: By cluster, (clocks,) points of idling and of a change of clock; `NEVER` above a cap.
        idle_w: By cluster, (clocks,).
        base_flat: (F,) all of `base`.
        idle_flat: (F,) all of `idle_w`.
        empty_cost: (clusters,) points of a cluster without applications.
        empty_w: (clusters,) power of one, at the clock that draws least.
        least_share: No row draws less than this share of what it draws as profiled.
        weights: (budgets, clusters).
        bounds: (budgets,) what can be kept: no less than what an empty board draws.
    """

    unit: float
    seen: Figures
    cost: Floats
    key: Floats
    base: tuple[Floats, ...]
    idle_w: tuple[Floats, ...]
    base_flat: Floats
    idle_flat: Floats
    empty_cost: Floats
    empty_w: Floats
    least_share: float
    weights: Floats
    bounds: Floats

    @classmethod
    def of(cls, prepared: Prepared, asked: Asked) -> "Now":
        """Reckon it.

        Raises:
            UnknownNameError: Something is said of an application or a cluster that there is none of.
            UnknownMetricError: There are budgets, and a table does not say what its points draw.
        """
        model = prepared.model
        _check(prepared, asked)
        slowdown, margin = _beliefs(model, asked)
        unit = model.unit(max(float(slowdown.max(initial=1.0)), 1.0))
        seen = figures(prepared.cells, slowdown, margin)
        cost = seen.cost
        if asked.current and model.prices.move:
            cost = cost + _moving(prepared, asked)
        key = seen.penalty * unit
        key += cost
        base = [model.idle_price * idle_w for idle_w in model.idle_w]
        _clocks(prepared, asked, base)
        empty_w = prepared.empty_w
        weights = np.array(
            [
                [one.weight.get(resource.cluster, 0.0) if one.weight else 1.0 for resource in model.resources]
                for one in asked.budgets
            ]
        ).reshape(len(asked.budgets), len(model.resources))
        bounds = np.array([one.bound for one in asked.budgets])
        bounds = np.maximum(bounds, weights @ empty_w)
        return cls(
            unit,
            seen,
            cost,
            key,
            tuple(base),
            model.idle_w,
            np.concatenate(base),
            prepared.idle_flat,
            model.idle_price * empty_w,
            empty_w,
            min(float(slowdown.min(initial=1.0)), 1.0),
            weights,
            bounds + 1e-9 * np.abs(bounds),
        )


def _check(prepared: Prepared, asked: Asked) -> None:
    names = [one.name for one in prepared.model.applicants]
    for name in (*asked.beliefs, *asked.current):
        if name not in names:
            raise UnknownNameError("application", name, names)
    for cluster in (*asked.caps_hz, *(cluster for budget in asked.budgets for cluster in budget.weight)):
        if cluster not in prepared.model.clusters:
            raise UnknownNameError("cluster", cluster, prepared.model.clusters)
    if asked.budgets and not prepared.model.knows_power.all():
        one = prepared.model.applicants[int(np.argmin(prepared.model.knows_power))]
        raise UnknownMetricError("power_w", one.table.metrics)


def _beliefs(model: Model, asked: Asked) -> tuple[Floats, Floats]:
    slowdown, margin = [], []
    for one in model.applicants:
        believed = asked.beliefs.get(one.name)
        for resource in model.resources:
            pace = _AS_PROFILED if believed is None else believed.get(resource.cluster, _AS_PROFILED)
            slowdown.append(pace.slowdown)
            margin.append(pace.margin)
    return np.array(slowdown), np.array(margin)


def _moving(prepared: Prepared, asked: Asked) -> Floats:
    """(cells,) points. An application without a place yet moves for nothing."""
    model, cells = prepared.model, prepared.cells
    moving = np.zeros(len(cells.pair))
    divided = moving[: cells.n_divided].reshape(cells.n_applications, cells.most_cores, cells.n_clocks[0])
    turned = moving[cells.n_divided :].reshape(cells.n_applications, cells.n_clocks[1])
    for index, one in enumerate(model.applicants):
        has = asked.current.get(one.name)
        if has is None:
            continue
        divided[index] = turned[index] = model.prices.move
        cluster = prepared.place_of.get(has.cluster)
        if cluster is None:
            continue
        if cluster >= model.n_divided:
            turned[index, prepared.clocks_of[cluster]] = 0.0
        elif 1 <= has.n_cores <= cells.most_cores:
            divided[index, has.n_cores - 1, prepared.clocks_of[cluster]] = 0.0
    return moving


def _clocks(prepared: Prepared, asked: Asked, base: list[Floats]) -> None:
    """Adds what a change of clock costs, and bars the clocks above a cap."""
    model = prepared.model
    for name, cap_hz in asked.caps_hz.items():
        if name not in prepared.place_of:
            continue
        cluster = prepared.place_of[name]
        ladder = model.ladders[cluster]
        base[cluster] = base[cluster] + np.where((ladder > cap_hz) | (cap_hz == 0), NEVER, 0.0)
    if not model.prices.clock:
        return
    current_hz = {
        has.cluster: has.frequency_hz
        for one in model.applicants
        if (has := asked.current.get(one.name)) is not None and has.frequency_hz is not None
    }
    for name, frequency_hz in current_hz.items():
        if name in prepared.place_of:
            cluster = prepared.place_of[name]
            base[cluster] = base[cluster] + np.where(model.ladders[cluster] != frequency_hz, model.prices.clock, 0.0)
