"""Ask a policy again what it was asked."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.traces._file import encode_decision
from tenuto.traces._step import Step, Trace

_State = TypeVar("_State")


class Decides(Protocol[_State]):
    """The part of a policy that a replay needs: it is pure, so the same observations give the same decisions."""

    def start(self, table: OperatingTable, requirements: Requirements, previous: _State | None = None) -> _State:
        """The state before the first observation, or after a change of requirements."""
        ...

    def decide(self, state: _State, observation: Observation) -> tuple[Decision, _State]:
        """The decision, and the state after it."""
        ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """One step of a replay.

    Attributes:
        step: What was recorded.
        decision: What the policy answers to the same observation now.
    """

    step: Step
    decision: Decision

    @property
    def is_equal(self) -> bool:
        """Whether the policy answers what it answered then, to the last bit of every figure."""
        return encode_decision(self.step.decision) == encode_decision(self.decision)


def replay(trace: Trace, policy: Decides[_State]) -> Iterator[Replayed]:
    """Show a policy the observations of a trace, one after the other, and the changes of requirements between them.

    The same policy gives the same decisions. Another one tells what it would have said to what *this* stream saw: the
    latencies stay those of the points that were in force then.
    """
    state = policy.start(trace.header.table, trace.header.requirements)
    changes = deque((event.from_index or 0, event.requirements) for event in trace.events if event.requirements)
    for step in trace.steps:
        while changes and changes[0][0] <= step.index:
            state = policy.start(trace.header.table, changes.popleft()[1], state)
        decision, state = policy.decide(state, step.observation)
        yield Replayed(step, decision)
