"""What is left to choose from when some constraints are given up, prepared so that a decision only looks it up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control._front import BoundedFront, Front
from tenuto.control._situation import ANYWHERE, NO_CAP, SLOWDOWN_STEP, Floats, Key, Places, Spending, situate, unbeaten
from tenuto.points import OperatingTable
from tenuto.requirements import Constraint
from tenuto.units import QUANTITIES

SCALED = frozenset({"latency_ms", "energy_mj"})
"""The metrics that grow with a slowdown; the others stay as profiled."""


_MOST_FRONTS: Final = 4096
"""Made beforehand and kept; a stream that meets more situations begins anew."""


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
    _table: OperatingTable
    _rows_of: tuple[NDArray[np.intp], ...]
    _order: tuple[Floats, ...]
    _is_energy: bool
    _is_last: bool
    _spending: Spending | None
    _places: Places
    _situated: dict[tuple[int, Key], Front | None] = field(default_factory=dict)
    _unbeaten: dict[int, NDArray[np.intp]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        table: OperatingTable,
        rows_of: Sequence[NDArray[np.intp]],
        kept: Sequence[Constraint],
        given_up: Sequence[Constraint],
        *,
        metric: str,
        spending: Spending | None,
        places: Places,
        has_look_ahead: bool = False,
    ) -> "Level":
        """Prepare; `rows_of` each cluster, and `metric` of the objective."""
        cost = cost_of(table, metric)
        latency_ms = table.column("latency_ms").value
        energy_bound = next((c.bound for c in kept if c.metric == "energy_mj"), None)
        static = [one for one in kept if not (has_look_ahead and one.metric == "temperature_c")]
        allowed = ~np.isnan(latency_ms) & ~np.isnan(cost) & keeps_static(table, static)
        if energy_bound is not None:
            allowed &= ~np.isnan(table.column("energy_mj").value)
        violations = _violations(table, given_up)
        rank = _rank(latency_ms, cost, violations)
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
        is_energy = metric == "energy_mj" and not given_up
        return cls(
            tuple(reversed(given_up)),
            names,
            holds,
            is_delivered,
            energy_bound,
            tuple(fronts),
            table,
            tuple(rows[allowed[rows]] for rows in rows_of),
            tuple(violations) if is_energy else (*violations, cost),
            is_energy,
            not kept or (has_look_ahead and [one.metric for one in kept] == ["temperature_c"]),
            spending,
            places,
        )

    def situated(self, cluster: int, key: Key) -> Front | None:
        """One cluster's front in a situation."""
        found = self._situated.get((cluster, key), self)
        if found is not self:
            return found  # type: ignore[return-value]
        if len(self._situated) >= _MOST_FRONTS:
            self._situated.clear()
        rows = self._rows_of[cluster]
        if key[2] == NO_CAP and key[3] == ANYWHERE:
            if cluster not in self._unbeaten:
                self._unbeaten[cluster] = unbeaten(self._table, rows, self._spending, self._order)
            rows = self._unbeaten[cluster]
        if self.energy_bound_mj is not None:
            slowdown = math.exp((key[0] + 0.5) * SLOWDOWN_STEP)
            rows = rows[self._table.column("energy_mj").value[rows] * slowdown <= self.energy_bound_mj]
        front = None
        if len(rows):
            one = situate(
                self._table,
                rows,
                key,
                self._spending,
                self._places,
                order=self._order,
                is_energy=self._is_energy,
                is_last=self._is_last,
            )
            if len(one.rows):
                front = Front.of(one.rows, one.latency_ms, one.rank)
        self._situated[cluster, key] = front
        return front


def keeps_static(table: OperatingTable, constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
    """Rows that keep the constraints that slowdown does not touch; a figure that is absent keeps nothing."""
    keeps = np.ones(len(table), dtype=np.bool_)
    for constraint in constraints:
        value = table.column(constraint.metric).value
        if constraint.metric not in SCALED:
            keeps &= value >= constraint.bound if constraint.relation == ">=" else value <= constraint.bound
    return keeps


def _violations(table: OperatingTable, given_up: Sequence[Constraint]) -> list[Floats]:
    """How far each row is from keeping what is given up, the most important first.

    Of a given-up metric that slowdown scales, a lower figure is a lower violation whatever the slowdown.
    """
    violations = []
    for constraint in given_up:
        value = table.column(constraint.metric).value
        if constraint.metric in SCALED:
            violation = value
        else:
            excess = constraint.bound - value if constraint.relation == ">=" else value - constraint.bound
            violation = np.maximum(excess, 0.0)
        violations.append(np.where(np.isnan(violation), np.inf, violation))
    return violations


def _rank(latency_ms: Floats, cost: Floats, violations: Sequence[Floats]) -> NDArray[np.int64]:
    """Each row's place, 0 the best: least violation, most important first, then least cost, then least latency."""
    rank = np.empty(len(cost), dtype=np.int64)
    rank[np.lexsort([latency_ms, cost, *reversed(violations)])] = np.arange(len(cost))
    return rank


def cost_of(table: OperatingTable, metric: str) -> NDArray[np.float64]:
    """The objective's column, lower is better."""
    value = table.column(metric).value
    return -value if QUANTITIES[metric].higher_is_better else value
