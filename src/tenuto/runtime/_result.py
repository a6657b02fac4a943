"""What an application gets for an input."""

from typing import Any

import msgspec
from numpy.typing import NDArray

from tenuto.control import explain
from tenuto.decisions import Decision
from tenuto.points import OperatingTable, SubNetwork
from tenuto.traces import Step


class Result(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One answered input.

    Attributes:
        output: What the network says, (n, classes).
        latency_ms: From the call to the answer, deciding and switching included.
        sub_network: Which answered.
        decision: What the policy decided.
        is_late: Whether the deadline, from the input's arrival, was missed.
        error: What went wrong on the way to this answer: what the engine threw before the fallback answered, or why
            the board could not be set this time; None if nothing did.
        step: The record, as the trace has it.
    """

    output: NDArray[Any]
    latency_ms: float
    sub_network: SubNetwork
    decision: Decision
    is_late: bool
    error: str | None
    step: Step
    _table: OperatingTable
    _objective: str

    @property
    def reason(self) -> str:
        """Why, in words."""
        if self.error is not None:
            return f"{self.sub_network.name}; {'fallback' if self.step.is_fallback else 'trouble'}: {self.error}"
        words = explain(self._table, self.decision, self._objective)
        if self.step.is_fallback:
            return f"{self.sub_network.name}; fallback while what was decided has a rest after failing; {words}"
        if self.sub_network != self._table.configuration(self.decision.point).sub_network:
            return f"{self.sub_network.name}; goes on until what was decided is open; {words}"
        return words
