"""Rows laid out by cell: the sub-networks of one application that compete for one place and clock.

Every array is (K, cells), with the K rows of a cell side by side, so that one NumPy call serves all applications,
clusters, numbers of cores and clocks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenuto.control.allotting._model import NEVER, NEVER_MS, NEVER_W, Floats, Integers, Model, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All cells: first of the clusters whose cores are divided, then of those taken in turns.

    Of the former, cell (application, cores, clock) has index (application x most cores + cores - 1) x clocks + clock,
    where the clocks of all these clusters stand one after the other; of the latter, (application, clock) follows with
    n_divided + application x clocks + clock.

    Attributes:
        n_applications: N.
        most_cores: M, of the divided clusters.
        n_clocks: Of the divided clusters together, and of the others.
        n_divided: How many cells the divided clusters have.
        index: (K, cells) index into the model's rows; -1 for none.
        n_rows: (cells,) how many of the K rows there are.
        pair: (cells,) application x clusters + cluster, to look beliefs up.
        latency_ms: (K, cells), `NEVER_MS` where there is no row; the quickest first.
        extra_w: The same, `NEVER_W` where there is none.
        fixed: The same, `NEVER` where there is none.
        scaled: The same.
        late_weight: The same.
        energy_mj: The same.
        penalty: The same.
        deadline_ms: (cells,) of the application.
        rate: (cells,).
        late_penalty: (cells,).
        late_amount: (cells,).
        energy_bound_mj: (cells,).
        energy_penalty: (cells,).
        energy_amount: (cells,).
        has_deadlines: Whether any application has one.
        has_energy_bounds: The same.
        has_late_weight: Whether any counts delivered accuracy.
    """

    n_applications: int
    most_cores: int
    n_clocks: tuple[int, int]
    n_divided: int
    index: Integers
    n_rows: Integers
    pair: Integers
    latency_ms: Floats
    extra_w: Floats
    fixed: Floats
    scaled: Floats
    late_weight: Floats
    energy_mj: Floats
    penalty: Floats
    deadline_ms: Floats
    rate: Floats
    late_penalty: Floats
    late_amount: Floats
    energy_bound_mj: Floats
    energy_penalty: Floats
    energy_amount: Floats
    has_deadlines: bool
    has_energy_bounds: bool
    has_late_weight: bool

    @classmethod
    def of(cls, model: Model) -> "Cells":
        """Lay out all rows; those that another of the same cell beats whatever happens are left out."""
        rows, n, first = model.rows, len(model.applicants), model.n_divided
        sizes = np.array([len(one) for one in model.ladders], dtype=np.int64)
        begins = np.concatenate([np.cumsum(group) - group for group in (sizes[:first], sizes[first:])])
        n_clocks = int(sizes[:first].sum()), int(sizes[first:].sum())
        most = max((one.n_cores for one in model.resources[:first]), default=1)
        n_divided = n * most * n_clocks[0]
        at = begins[rows.cluster] + rows.clock
        cell = np.where(
            rows.cluster < first,
            (rows.app * most + rows.n_cores - 1) * n_clocks[0] + at,
            n_divided + rows.app * n_clocks[1] + at,
        )
        n_cells = n_divided + n * n_clocks[1]
        application = np.concatenate(
            [np.repeat(np.arange(n), most * n_clocks[0]), np.repeat(np.arange(n), n_clocks[1])]
        )
        clusters = np.arange(len(sizes))
        cluster = np.concatenate(
            [
                np.tile(np.repeat(clusters[:first], sizes[:first]), n * most),
                np.tile(np.repeat(clusters[first:], sizes[first:]), n),
            ]
        )
        keeps = _unbeaten(rows, _packed(cell, rows.latency_ms, n_cells))
        index = _packed(cell[keeps], rows.latency_ms[keeps], n_cells)
        index = np.where(index >= 0, keeps[index] if len(keeps) else -1, -1)
        padded = {
            name: _spread(getattr(rows, name), index, absent)
            for name, absent in (
                ("latency_ms", NEVER_MS),
                ("extra_w", NEVER_W),
                ("fixed", NEVER),
                ("scaled", 0.0),
                ("late_weight", 0.0),
                ("energy_mj", 0.0),
                ("penalty", 0.0),
            )
        }
        of_application = {
            name: getattr(model, name)[application]
            for name in (
                "deadline_ms",
                "rate",
                "late_penalty",
                "late_amount",
                "energy_bound_mj",
                "energy_penalty",
                "energy_amount",
            )
        }
        return cls(
            n,
            most,
            n_clocks,
            n_divided,
            index,
            (index >= 0).sum(axis=0),
            application * len(sizes) + cluster,
            **padded,
            **of_application,
            has_deadlines=bool(np.isfinite(model.deadline_ms).any()),
            has_energy_bounds=bool(np.isfinite(model.energy_bound_mj).any()),
            has_late_weight=bool((rows.late_weight > 0).any()),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """The cells' rows under what is believed now; (K, cells) each.

    Attributes:
        cost: Points: objective, and how far constraints are exceeded; `NEVER` where there is no row.
        penalty: Of the constraints given up, if nobody else takes turns.
        power_w: What the row adds to its cluster's mean power.
        latency_ms: Expected.
        promised_ms: Promised.
    """

    cost: Floats
    penalty: Floats
    power_w: Floats
    latency_ms: Floats
    promised_ms: Floats


def figures(cells: Cells, slowdown: Floats, margin: Floats) -> Figures:
    """Reckon; `slowdown` and `margin` by application x clusters + cluster."""
    slow, wide = slowdown[cells.pair], margin[cells.pair]
    latency_ms = cells.latency_ms * slow
    promised_ms = latency_ms * wide
    cost = cells.scaled * slow
    cost += cells.fixed
    penalty = cells.penalty
    if cells.has_deadlines:
        over = cells.deadline_ms / promised_ms
        penalty = np.maximum(penalty, (over < 1 - 1e-12) * cells.late_penalty)
        np.subtract(1.0, over, out=over)
        np.maximum(over, 0.0, out=over)
        over *= cells.late_amount
        cost += over
    if cells.has_late_weight:
        beyond = wide - 1
        share = cells.deadline_ms / latency_ms
        share -= 1
        np.maximum(share, np.maximum(beyond, 1e-12), out=share)
        np.divide(beyond, share, out=share)
        share *= share
        share *= cells.late_weight
        cost += share
    if cells.has_energy_bounds:
        energy_mj = cells.energy_mj * slow
        penalty = np.maximum(penalty, (energy_mj > cells.energy_bound_mj) * cells.energy_penalty)
        with np.errstate(divide="ignore"):
            cost += np.maximum(1 - cells.energy_bound_mj / energy_mj, 0.0) * cells.energy_amount
    power_w = np.minimum(latency_ms * cells.rate, 1.0)
    power_w *= cells.extra_w
    return Figures(cost, penalty, power_w, latency_ms, promised_ms)


def _packed(cell: Integers, latency_ms: Floats, n_cells: int) -> Integers:
    """(K, cells) positions in `cell`, the quickest row first; -1 for none."""
    order = np.lexsort((latency_ms, cell))
    counts = np.bincount(cell, minlength=n_cells)
    begins = np.cumsum(counts) - counts
    index = np.full((max(int(counts.max(initial=0)), 1), n_cells), -1, dtype=np.int64)
    index[np.arange(len(order)) - begins[cell[order]], cell[order]] = order
    return index


def _unbeaten(rows: Rows, index: Integers) -> NDArray[np.intp]:
    """The rows that no other of their cell beats, whatever slowdown, margin, deadline left and price of power.

    Lower is better in all: then any weighted sum of them, and any threshold on one of them, prefers it, too.
    """
    if not len(rows):
        return np.empty(0, np.intp)
    criteria = (
        rows.latency_ms,
        rows.fixed,
        rows.fixed + rows.late_weight,
        rows.scaled,
        rows.energy_mj,
        rows.penalty,
        rows.extra_w,
        rows.extra_w * rows.latency_ms,
    )
    n, n_cells = index.shape
    beaten = np.zeros((n, n_cells), dtype=np.bool_)
    columns = [_spread(one, index, np.inf) for one in criteria]
    for first in range(n):  # does row `first` of each cell beat the others?
        no_worse = np.ones((n, n_cells), dtype=np.bool_)
        better = np.zeros((n, n_cells), dtype=np.bool_)
        for column in columns:
            no_worse &= column[first] <= column
            better |= column[first] < column
        better |= np.arange(n)[:, None] > first  # of equals the first one stays
        beaten |= no_worse & better
    kept = index[~beaten & (index >= 0)]
    return np.sort(kept)


def _spread(value: Floats, index: Integers, absent: float) -> Floats:
    if not len(value):
        return np.full(index.shape, absent)
    return np.where(index >= 0, value[index], absent)
