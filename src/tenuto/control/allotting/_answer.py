"""From cells and clocks back to names, rows and units."""

import math
from dataclasses import dataclass

import numpy as np

from tenuto.control.allotting._model import Model
from tenuto.control.allotting._prepared import Now, Prepared
from tenuto.control.allotting._search import Found
from tenuto.control.allotting._turns import SAME
from tenuto.control.allotting._values import Allotments, Place
from tenuto.decisions import Allotment
from tenuto.points import NO_FREQUENCY
from tenuto.requirements import Constraint


@dataclass(frozen=True, slots=True)
class Binding:
    """The budget that keeps a better answer out, and the price of it."""

    name: str
    price: float


def answer(
    prepared: Prepared, now: Now, found: Found, *, names: tuple[str, ...], binding: Binding | None, is_exact: bool
) -> Allotments:
    """What an application's author understands; `names` in the order asked."""
    model, cells, seen = prepared.model, prepared.cells, now.seen
    together: dict[int, float] = {}
    for one in found.cells:
        if one is not None and one[1] >= cells.n_divided:
            cluster = int(model.rows.cluster[cells.index[one]])
            together[cluster] = together.get(cluster, 0.0) + float(seen.latency_ms[one])
    places, penalty = {}, 0.0
    cost = sum(float(empty) for empty, clock in zip(now.empty_cost, found.clocks, strict=True) if clock is None)
    cost += sum(float(base[clock]) for base, clock in zip(now.base, found.clocks, strict=True) if clock is not None)
    for index, (applicant, one) in enumerate(zip(model.applicants, found.cells, strict=True)):
        constraints = applicant.requirements.constraints
        if one is None:
            places[applicant.name] = Place(None, None, tuple(c.metric for c in reversed(constraints)), None, None, 0.0)
            penalty += float(model.wait_penalty[index])
            continue
        among = int(cells.index[one])
        at, cluster = int(model.rows.row[among]), int(model.rows.cluster[among])
        waiting_ms = together[cluster] - float(seen.latency_ms[one]) if cluster in together else 0.0
        response_ms = float(seen.promised_ms[one]) + waiting_ms
        mine = float(seen.penalty[one])
        if response_ms * SAME > model.deadline_ms[index]:
            mine = max(mine, float(model.late_penalty[index]))
        penalty += mine
        points = float(now.cost[one])
        cost += points
        table = applicant.table
        frequency_hz = int(table.frequency_hz[at])
        name = model.resources[cluster].cluster
        energy_mj = float(cells.energy_mj[one] * seen.latency_ms[one] / cells.latency_ms[one])
        given_up = tuple(
            constraint.metric
            for constraint in reversed(constraints)
            if not _keeps(constraint, float(table.metrics[constraint.metric].value[at]), response_ms, energy_mj)
        )
        places[applicant.name] = Place(
            Allotment(name, int(table.n_cores[at]), None if frequency_hz == NO_FREQUENCY else frequency_hz),
            at,
            given_up,
            response_ms,
            float(seen.power_w[one]) if model.knows_power[index] else None,
            points,
        )
    return Allotments(
        {name: places[name] for name in names},
        _clocks_hz(model, found),
        {one.cluster: watts for one, watts in zip(model.resources, found.power_w, strict=True)},
        penalty,
        cost,
        None if binding is None else binding.name,
        None if binding is None else binding.price,
        is_exact,
    )


def _clocks_hz(model: Model, found: Found) -> dict[str, int | None]:
    clocks_hz: dict[str, int | None] = {}
    for cluster, (resource, clock) in enumerate(zip(model.resources, found.clocks, strict=True)):
        at = int(np.argmin(model.idle_w[cluster])) if clock is None else clock
        frequency_hz = int(model.ladders[cluster][at])
        clocks_hz[resource.cluster] = None if frequency_hz == NO_FREQUENCY else frequency_hz
    return clocks_hz


def _keeps(constraint: Constraint, figure: float, response_ms: float, energy_mj: float) -> bool:
    if constraint.metric == "latency_ms":
        return response_ms * SAME <= constraint.bound
    if constraint.metric == "energy_mj":
        return energy_mj <= constraint.bound and not math.isnan(figure)
    return figure >= constraint.bound if constraint.relation == ">=" else figure <= constraint.bound
