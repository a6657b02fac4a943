"""One point for ever: what a board without a manager does, and what is best in hindsight."""

from typing import Any

import msgspec

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements


class StaticPolicy:
    """One row of the table, whatever happens.

    Args:
        name: What it is called.
        row: Of the table.
    """

    def __init__(self, name: str, row: int) -> None:
        self.name, self.row = name, row

    @property
    def parameters(self) -> dict[str, Any]:
        """The row."""
        return {"row": self.row}

    def start(self, table: OperatingTable, requirements: Requirements, previous: object = None) -> Decision:
        """Nothing to prepare."""
        del table, requirements, previous
        return Decision(self.row)

    def decide(self, state: Decision, observation: Observation) -> tuple[Decision, Decision]:
        """The same again."""
        del observation
        return state, state


class Choice(msgspec.Struct, frozen=True):
    """Which row each application runs for ever, for each variant of a scenario.

    Attributes:
        rows: By variant, then by application.
    """

    rows: tuple[tuple[int, ...], ...]
