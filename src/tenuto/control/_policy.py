"""The boundary of a policy."""

from typing import Any, Protocol, TypeVar, runtime_checkable

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

State = TypeVar("State")


@runtime_checkable
class Policy(Protocol[State]):
    """A pure function from (state, observation) to (decision, state).

    What a policy has learned is a value that it gets and gives back, so a recorded stream replays to equal decisions.
    A policy never reads a clock, draws an unseeded number, touches hardware or logs.
    A new policy is these two verbs and passes `tenuto.testing.check_policy`.
    """

    @property
    def name(self) -> str:
        """What it is called in tables and reports."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """Its settings, as plain values, for the trace."""
        ...

    def start(self, table: OperatingTable, requirements: Requirements, previous: State | None = None) -> State:
        """Prepare for a table and requirements; all that depends on them alone is computed here.

        Args:
            table: The profile of this platform.
            requirements: What must hold from now on.
            previous: The state so far, when requirements change in the middle of a stream over the same table.

        Raises:
            UnknownMetricError: A requirement needs a metric that the table does not carry.
        """
        ...

    def decide(self, state: State, observation: Observation) -> tuple[Decision, State]:
        """Learn from the last inference and choose the point for the next one."""
        ...
