"""What is left to choose from when some constraints are given up, prepared so that a decision only looks it up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenuto.control._front import BoundedFront, Front
from tenuto.points import OperatingTable
from tenuto.requirements import Constraint
from tenuto.units import QUANTITIES

SCALED = frozenset({"latency_ms", "energy_mj"})
"""The metrics that grow with a slowdown; the others stay as profiled."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """What is left to choose from when some constraints are given up.

    Attributes:
        given_up: Constraints given up, lowest priority first.
        names: Their metrics.
        deadline_holds: Whether the latency constraint is still kept.
        is_delivered: Whether the objective is accuracy and a late answer counts as wrong.
        energy_bound_mj: The energy constraint still kept, or None.
        fronts: One per cluster; None where no point keeps the constraints that slowdown does not touch.
    """

    given_up: tuple[Constraint, ...]
    names: tuple[str, ...]
    deadline_holds: bool
    is_delivered: bool
    energy_bound_mj: float | None
    fronts: tuple[Front | BoundedFront | None, ...]

    @classmethod
    def of(
        cls,
        table: OperatingTable,
        rows_of: Sequence[NDArray[np.intp]],
        kept: Sequence[Constraint],
        given_up: Sequence[Constraint],
        metric: str,
    ) -> "Level":
        """Prepare; `rows_of` each cluster, and `metric` of the objective."""
        cost = cost_of(table, metric)
        latency_ms = table.column("latency_ms").value
        energy_bound = next((c.bound for c in kept if c.metric == "energy_mj"), None)
        allowed = ~np.isnan(latency_ms) & ~np.isnan(cost) & keeps_static(table, kept)
        if energy_bound is not None:
            allowed &= ~np.isnan(table.column("energy_mj").value)
        rank = _rank(table, given_up, cost)
        fronts: list[Front | BoundedFront | None] = []
        for cluster_rows in rows_of:
            rows = cluster_rows[allowed[cluster_rows]]
            if not len(rows):
                fronts.append(None)
            elif energy_bound is None:
                fronts.append(Front.of(rows, latency_ms[rows], rank[rows]))
            else:
                energy_mj = table.column("energy_mj").value[rows]
                fronts.append(BoundedFront.of(rows, latency_ms[rows], energy_mj, rank[rows]))
        holds = any(constraint.metric == "latency_ms" for constraint in kept)
        names = tuple(constraint.metric for constraint in reversed(given_up))
        is_delivered = holds and not given_up and metric == "accuracy_pct"
        return cls(tuple(reversed(given_up)), names, holds, is_delivered, energy_bound, tuple(fronts))


def keeps_static(table: OperatingTable, constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
    """Rows that keep the constraints that slowdown does not touch; a figure that is absent keeps nothing."""
    keeps = np.ones(len(table), dtype=np.bool_)
    for constraint in constraints:
        value = table.column(constraint.metric).value
        if constraint.metric not in SCALED:
            keeps &= value >= constraint.bound if constraint.relation == ">=" else value <= constraint.bound
    return keeps


def _rank(table: OperatingTable, given_up: Sequence[Constraint], cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Each row's place, 0 the best: least violation, most important first, then least cost, then least latency.

    Of a given-up metric that slowdown scales, a lower figure is a lower violation whatever the slowdown.
    """
    keys = [table.column("latency_ms").value, cost]
    for constraint in reversed(given_up):
        value = table.column(constraint.metric).value
        if constraint.metric in SCALED:
            violation = value
        else:
            excess = constraint.bound - value if constraint.relation == ">=" else value - constraint.bound
            violation = np.maximum(excess, 0.0)
        keys.append(np.where(np.isnan(violation), np.inf, violation))
    rank = np.empty(len(table), dtype=np.int64)
    rank[np.lexsort(keys)] = np.arange(len(table))
    return rank


def cost_of(table: OperatingTable, metric: str) -> NDArray[np.float64]:
    """The objective's column, lower is better."""
    value = table.column(metric).value
    return -value if QUANTITIES[metric].higher_is_better else value
