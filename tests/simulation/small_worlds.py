"""Small scenarios for tests: a few seconds of a board, one network of four sizes, few rows."""

from pathlib import Path
from typing import Any

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.scenarios import Scenario, read_scenario

CAMERA = """
name = "camera"
network = "dynamic-ofa-gpu"
n_cores = [4]
"""


def scenario(
    folder: Path,
    *events: str,
    board: str = "raspberry-pi-5@1",
    duration_s: float = 4,
    needs: str = 'period_ms = 100\nlatency_ms = 60\nminimise = "energy_mj"\naccuracy_pct = 77',
    application: str = CAMERA,
    more: str = "",
    others: tuple[str, ...] = (),
) -> Scenario:
    """A scenario of one application (and `others`), with these events."""
    path = folder / "small.toml"
    head = (
        f'id = "small@1"\ntitle = "Small"\ndescription = "A test"\nboard = "{board}"\nduration_s = {duration_s}\n{more}'
    )
    applications = "".join(f"\n[[applications]]\n{one}\n" for one in (f"{application}\n{needs}", *others))
    path.write_text(head + applications + "".join(f"\n[[events]]\n{one}\n" for one in events), encoding="utf-8")
    return read_scenario(path)


class Recording:
    """A policy of one row that keeps what it is told.

    Args:
        row: Of the table.
    """

    name = "recording"

    def __init__(self, row: int = 0) -> None:
        self.row = row
        self.seen: list[Observation] = []
        self.started: list[Requirements] = []

    @property
    def parameters(self) -> dict[str, Any]:
        return {}

    def start(self, table: OperatingTable, requirements: Requirements, previous: object = None) -> int:
        del table, previous
        self.started.append(requirements)
        return 0

    def decide(self, state: int, observation: Observation) -> tuple[Decision, int]:
        self.seen.append(observation)
        return Decision(self.row), state + 1
