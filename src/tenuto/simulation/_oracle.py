"""The clairvoyant: it knows how slow everything is now and what noise the inference to come will have.

For each inference every point of the table is tried, with its true latency and energy, and the best one is taken; so no
policy that must choose a point for that inference does better by its own objective and requirements. Where what is
chosen now changes what can be had later, it looks ahead: where inputs wait for each other they are planned together
(`_behind`), and for a mission's energy it pays a price per millijoule, the same all along, that makes the whole mission
come out (found by bisection over whole passages: the Lagrangian of the mission). Of several applications each looks
whom of those that run it would make late (`_harm`); an optimum over all of them and all times together is not known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Constraint, Requirements
from tenuto.simulation._behind import LATE


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """The inference to come, at every row.

    Attributes:
        latency_ms: (N,); infinite where the row's cluster is gone.
        energy_mj: (N,) of the inference and the idle time to the end of its period.
        stays_cool: (N,) whether the row could be kept up for ever under the temperature bound; None without one.
        harmed: (N,) how many inferences of others that run already the row would make late.
        behind: Given the cost of each row (N,), infinite where it may not be used: what the inputs that come before
            this one is done would cost at best if it ran at each row (N,), `LATE` for each that is missed.
    """

    latency_ms: NDArray[np.float64]
    energy_mj: NDArray[np.float64]
    stays_cool: NDArray[np.bool_] | None
    harmed: NDArray[np.float64]
    behind: Callable[[NDArray[np.float64]], NDArray[np.float64]]


_ALIKE: Final = 1e-9

_BROKEN: Final = 1e3
"""What breaking a constraint costs that gives way before the deadline does, in objectives between 0 and 1."""

_State: TypeAlias = tuple[OperatingTable, Requirements]


class OraclePolicy:
    """The best point for each inference, in hindsight.

    Args:
        foresee: What the world tells it, and nobody else.
        price_per_mj: Of energy, in the unit of the objective; 0 but for missions.
    """

    name = "oracle"

    def __init__(self, foresee: Callable[[], Foreseen], *, price_per_mj: float = 0.0) -> None:
        self._foresee, self._price = foresee, price_per_mj

    @property
    def parameters(self) -> dict[str, Any]:
        """The price of energy."""
        return {"price_per_mj": self._price}

    def start(self, table: OperatingTable, requirements: Requirements, previous: object = None) -> _State:
        """Everything but the foresight."""
        del previous
        return table, requirements

    def decide(self, state: _State, observation: Observation) -> tuple[Decision, _State]:
        """Try every point."""
        table, requirements = state
        seen = self._foresee()
        cost = self._cost(table, requirements.objective.metric, seen)
        keeps = np.isfinite(seen.latency_ms) & ~np.isnan(cost)
        if not keeps.any():  # every cluster that it knows is gone: the kernel runs it somewhere
            row = int(np.nanargmin(table.column("latency_ms").value))
            return Decision(row, tuple(one.metric for one in reversed(requirements.constraints))), state
        given_up: list[str] = []
        behind = np.zeros(len(table))
        for index, constraint in enumerate(requirements.constraints):
            excess = _excess(constraint, table, seen, observation.waited_ms)
            if constraint.metric == "latency_ms":
                lower = requirements.constraints[index + 1 :]
                behind = seen.behind(np.where(keeps, self._worth(table, seen, cost, lower), np.inf))
                late = (excess > 0) + behind // LATE + seen.harmed
                keeps &= late <= late[keeps].min()
            least = np.min(excess[keeps], initial=np.inf)
            if least > 0:
                given_up.append(constraint.metric)
            keeps &= excess <= max(least, 0.0) * (1 + _ALIKE)
        rows = np.flatnonzero(keeps)
        worth = _scaled(cost)[rows] + behind[rows] % LATE
        alike = rows[worth <= worth.min() + _ALIKE]
        row = int(alike[np.argmin(seen.energy_mj[alike])])
        return Decision(row, tuple(reversed(given_up)), latency_ms=float(seen.latency_ms[row])), state

    def _worth(
        self, table: OperatingTable, seen: Foreseen, cost: NDArray[np.float64], constraints: Sequence[Constraint]
    ) -> NDArray[np.float64]:
        """The objective between 0 and 1, and the constraints that a row breaks (N,)."""
        broken = sum((_excess(one, table, seen, 0.0) > 0 for one in constraints), np.zeros(len(table)))
        return _scaled(cost) + _BROKEN * broken

    def _cost(self, table: OperatingTable, objective: str, seen: Foreseen) -> NDArray[np.float64]:
        """The objective, lower is better."""
        if objective == "energy_mj":
            cost = seen.energy_mj
        elif objective == "latency_ms":
            cost = seen.latency_ms
        else:
            value = table.column(objective).value
            cost = -value if objective == "accuracy_pct" else value
        return cost + self._price * seen.energy_mj if self._price else cost


def _scaled(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 for the best row to 1 for the worst."""
    known = cost[np.isfinite(cost)]
    span: NDArray[np.float64] = (cost - known.min()) / (float(np.ptp(known)) or 1.0)
    return span


def _excess(constraint: Constraint, table: OperatingTable, seen: Foreseen, waited_ms: float) -> NDArray[np.float64]:
    """How far each row is from keeping a constraint (N,); 0 or less where it keeps it."""
    if constraint.metric == "latency_ms":
        return seen.latency_ms + waited_ms - constraint.bound
    if constraint.metric == "energy_mj":
        return seen.energy_mj - constraint.bound
    if constraint.metric == "temperature_c":
        # Of those that get too warm the one that draws least.
        return np.zeros(len(table)) if seen.stays_cool is None else np.where(seen.stays_cool, 0.0, seen.energy_mj)
    value = table.column(constraint.metric).value
    excess = constraint.bound - value if constraint.relation == ">=" else value - constraint.bound
    return np.where(np.isnan(excess), np.inf, excess)
