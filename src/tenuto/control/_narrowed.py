"""Policies that adapt less: the network alone at a fixed place, or the place alone with a fixed network."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.control._baselines import fastest_rows
from tenuto.control._policy import Policy
from tenuto.control._sound import rows_allotted
from tenuto.control._tenuto import TenutoPolicy
from tenuto.decisions import Allotment, Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

Rule: TypeAlias = Callable[[OperatingTable, Allotment | None], NDArray[np.intp]]
"""Which rows of a table are left to a policy, at least one, ascending."""

PLACES_KEPT = 8
"""Allotments whose learning is kept while another is in force."""


class _Inner(msgspec.Struct, frozen=True):
    """A narrowed table and the state of the policy over it."""

    table: OperatingTable
    state: Any


class _Part(msgspec.Struct, frozen=True):
    """A policy over the rows that an allotment leaves it.

    Attributes:
        allotment: Which.
        rows: Of the whole table.
        narrow_of: For each row of the whole table, which of the rows left it is taken for; None for none.
        inner: The policy's.
    """

    allotment: Allotment | None
    rows: tuple[int, ...]
    narrow_of: tuple[int | None, ...]
    inner: _Inner


class NarrowedState(msgspec.Struct, frozen=True):
    """What is prepared and learned.

    Attributes:
        table: The whole one.
        requirements: What must hold.
        part: In force.
        parked: Those of other allotments.
    """

    table: OperatingTable
    requirements: Requirements
    part: _Part
    parked: tuple[_Part, ...] = ()


class NarrowedPolicy:
    """Another policy that sees only some of the rows.

    Args:
        policy: That policy.
        name: What the two are called together.
        rule: Which rows.

    Model:
        What ran in a row that is not among those left, because the board changed the clock or took a cluster, is taken
        for the one row left of the same sub-network, where there is exactly one: who adapts the network alone
        sees that it got slower, and no more. Otherwise it is no evidence.
    """

    def __init__(self, policy: Policy[Any], *, name: str, rule: Rule) -> None:
        self.name = name
        self._policy, self._rule = policy, rule

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the policy inside, and its name."""
        return {"policy": self._policy.name, **self._policy.parameters}

    def start(
        self, table: OperatingTable, requirements: Requirements, previous: NarrowedState | None = None
    ) -> NarrowedState:
        """Start the policy inside; what it learned is kept when only requirements change.

        Raises:
            UnknownMetricError: As the policy inside does.
        """
        if previous is None or previous.table is not table:
            return NarrowedState(table, requirements, self._begun(table, requirements, None))
        return NarrowedState(
            table,
            requirements,
            self._again(previous.part, requirements),
            tuple(self._again(one, requirements) for one in previous.parked),
        )

    def decide(self, state: NarrowedState, observation: Observation) -> tuple[Decision, NarrowedState]:
        """Ask the policy inside."""
        allotment = observation.allotment
        if allotment != state.part.allotment:
            state = self._moved(state, allotment)
        part = state.part
        if observation.in_force is not None:
            row = part.narrow_of[observation.in_force] if 0 <= observation.in_force < len(part.narrow_of) else None
            observation = msgspec.structs.replace(
                observation, in_force=row, latency_ms=None if row is None else observation.latency_ms
            )
        decision, after = self._policy.decide(part.inner.state, observation)
        part = _Part(part.allotment, part.rows, part.narrow_of, _Inner(part.inner.table, after))
        return _widened(decision, part.rows), NarrowedState(state.table, state.requirements, part, state.parked)

    def _begun(self, table: OperatingTable, requirements: Requirements, allotment: Allotment | None) -> _Part:
        rows = self._rule(table, allotment)
        narrowed = table.take(rows)
        inner = _Inner(narrowed, self._policy.start(narrowed, requirements))
        return _Part(allotment, tuple(rows.tolist()), _narrow_of(table, rows), inner)

    def _again(self, part: _Part, requirements: Requirements) -> _Part:
        """The same part with other requirements."""
        before = part.inner
        inner = _Inner(before.table, self._policy.start(before.table, requirements, before.state))
        return _Part(part.allotment, part.rows, part.narrow_of, inner)

    def _moved(self, state: NarrowedState, allotment: Allotment | None) -> NarrowedState:
        """The state under another allotment: as it was left there, or new."""
        known = next((one for one in state.parked if one.allotment == allotment), None)
        part = self._begun(state.table, state.requirements, allotment) if known is None else known
        parked = (state.part, *(one for one in state.parked if one is not known))[:PLACES_KEPT]
        return NarrowedState(state.table, state.requirements, part, parked)


def application_only() -> NarrowedPolicy:
    """Our policy with the network as its only knob: place and clock are those at which the largest is fastest.

    Under an allotment the place is what was allotted, at its fastest.
    """
    return NarrowedPolicy(TenutoPolicy(), name="application-only", rule=at_fastest_place)


def system_only() -> NarrowedPolicy:
    """Our policy with cluster, cores and clock as its only knobs: the network is the largest, for ever."""
    return NarrowedPolicy(TenutoPolicy(), name="system-only", rule=of_largest)


def at_fastest_place(table: OperatingTable, allotment: Allotment | None) -> NDArray[np.intp]:
    """The rows of the place where the largest sub-network is fastest, of those that are allotted."""
    rows = rows_allotted(table, allotment)
    best = fastest_rows(table, rows)[-1]
    here = (
        (table.cluster_index[rows] == table.cluster_index[best])
        & (table.n_cores[rows] == table.n_cores[best])
        & (table.frequency_hz[rows] == table.frequency_hz[best])
    )
    best_rows: NDArray[np.intp] = rows[here]
    return best_rows


def of_largest(table: OperatingTable, allotment: Allotment | None) -> NDArray[np.intp]:
    """The rows of the largest sub-network, of those that are allotted."""
    rows = rows_allotted(table, allotment)
    largest = table.sub_network_index[fastest_rows(table)[-1]]
    mine: NDArray[np.intp] = rows[table.sub_network_index[rows] == largest]
    return mine if len(mine) else rows


def _narrow_of(table: OperatingTable, rows: NDArray[np.intp]) -> tuple[int | None, ...]:
    index_of = {row: index for index, row in enumerate(rows.tolist())}
    by_sub_network: dict[int, list[int]] = {}
    for row, index in index_of.items():
        by_sub_network.setdefault(int(table.sub_network_index[row]), []).append(index)
    alone = {network: indices[0] for network, indices in by_sub_network.items() if len(indices) == 1}
    networks = table.sub_network_index.tolist()
    return tuple(index_of.get(row, alone.get(network)) for row, network in enumerate(networks))


def _widened(decision: Decision, rows: tuple[int, ...]) -> Decision:
    """The decision in the whole table's row numbers."""
    reason = decision.reason
    if reason is not None:
        reason = msgspec.structs.replace(
            reason,
            runner_up=None if reason.runner_up is None else rows[reason.runner_up],
            excluded=None if reason.excluded is None else rows[reason.excluded],
        )
    return msgspec.structs.replace(decision, point=rows[decision.point], reason=reason)
