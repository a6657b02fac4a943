"""What giving up a constraint weighs, so that the least important give way first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tenuto.control.allotting._values import Applicant
from tenuto.requirements import Constraint

AMOUNT: Final = 100.0
"""Points that the least important constraint costs, at most, for how far it is exceeded."""

AMOUNT_BASE: Final = 4.0
"""The next more important one costs so many times more."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What the constraints of one application weigh."""

    constraints: tuple[Constraint, ...]
    unit: float

    def level(self, metric: str) -> int:
        """How many constraints are given up if this is the most important of them; 0 if it is not asked for."""
        places = [index for index, one in enumerate(self.constraints) if one.metric == metric]
        return len(self.constraints) - places[0] if places else 0

    def penalty(self, metric: str) -> float:
        """Of giving it up."""
        return self.unit * self.level(metric)

    def amount(self, metric: str) -> float:
        """Points for how far it is exceeded, at most."""
        level = self.level(metric)
        return AMOUNT * AMOUNT_BASE ** (level - 1) if level else 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Each application's, and what it weighs that one waits; in the order asked."""

    each: tuple[Weight, ...]
    wait: tuple[float, ...]


def weigh(ordered: Sequence[Applicant]) -> Weights:
    """One constraint of an application weighs more than all of those less important; waiting more than any of these."""
    units: list[float] = [0.0] * len(ordered)
    waits: list[float] = [0.0] * len(ordered)
    priorities = sorted({one.priority for one in ordered})
    total = 0.0
    for priority in priorities:
        group = [index for index, one in enumerate(ordered) if one.priority == priority]
        unit = 1 + total
        for index in group:
            units[index] = unit
            total += unit * len(ordered[index].requirements.constraints)
    for priority in priorities:
        group = [index for index, one in enumerate(ordered) if one.priority == priority]
        unit = 1 + total
        for index in group:
            waits[index] = unit
            total += unit
    each = tuple(Weight(one.requirements.constraints, unit) for one, unit in zip(ordered, units, strict=True))
    return Weights(each, tuple(waits))
