"""What every set of applications costs on every cluster at several prices of power at once."""

from dataclasses import dataclass

import numpy as np

from tenuto.control.allotting._model import NEVER, Floats
from tenuto.control.allotting._prepared import Now, Prepared


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What is minimised is cost + price x power.

    Attributes:
        value: (clusters, sets) the least; for sets that take turns a lower bound.
        divided: (D, F) every division at every clock, idling included.
    """

    value: Floats
    divided: Floats


def columns(prepared: Prepared, now: Now, pair_keys: Floats, price: Floats | None) -> Columns:
    """Reckon.

    Args:
        prepared: What does not change.
        now: The question.
        pair_keys: (K, P, F) of those that take turns.
        price: (clusters,) of power, in points per W; None where it has none.
    """
    model, cells, divisions, turns = prepared.model, prepared.cells, prepared.divisions, prepared.turns
    first, n_d, n_f = model.n_divided, cells.n_divided, cells.n_clocks[0]
    value = np.full((len(model.resources), 1 << len(model.applicants)), NEVER)
    value[:, 0] = now.empty_cost if price is None else now.empty_cost + price * now.empty_w
    overhead, by_clock = now.base_flat, np.empty(0)
    if price is not None:
        by_clock = price[prepared.cluster_of_clock]
        overhead = overhead + by_clock * now.idle_flat

    divided = np.empty((0, 0))
    if first:
        size = cells.n_applications * cells.most_cores
        best = np.zeros((size + 1, n_f))
        if price is None:
            now.key[:, :n_d].min(axis=0, out=best[:-1].reshape(n_d))
        else:
            total = now.seen.power_w[:, :n_d].reshape(-1, size, n_f) * by_clock[:n_f]
            total += now.key[:, :n_d].reshape(-1, size, n_f)
            total.min(axis=0, out=best[:-1])
        divided = divisions.priced(best)
        divided += overhead[:n_f]
        if divisions.barred is not None:
            divided += divisions.barred
        of_set = np.minimum.reduceat(divided, divisions.begins[:-1], axis=0)
        value[:first, divisions.sets] = np.minimum.reduceat(of_set, prepared.begins[0], axis=1).T

    if first < len(model.resources):
        if price is None:
            pairs = pair_keys.min(axis=0)
        else:
            shape = (-1, cells.n_applications, cells.n_clocks[1])
            watts = (now.seen.power_w[:, n_d:].reshape(shape) * by_clock[n_f:]).take(turns.owners, axis=1)
            watts += pair_keys
            pairs = watts.min(axis=0)
        turned = np.add.reduceat(pairs, turns.begins, axis=0)
        turned += overhead[n_f:]
        value[first:, 1:] = np.minimum.reduceat(turned, prepared.begins[1], axis=1).T
    return Columns(value, divided)
