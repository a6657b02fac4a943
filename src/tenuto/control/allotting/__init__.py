"""The slow tier: clusters, cores and clocks for several applications together.

`Allotter` is prepared once for a set of applications and answers in about a millisecond; `allot_exactly` solves the
same model to the optimum, slowly, with scipy. docs/allotting.md says what is minimised, and how.
"""

from tenuto.control.allotting._allotter import Allotter
from tenuto.control.allotting._exact import allot_exactly
from tenuto.control.allotting._model import resources_of
from tenuto.control.allotting._values import (
    Allotments,
    Applicant,
    Budget,
    Pace,
    Paced,
    Place,
    Prices,
    Resource,
)
from tenuto.control.allotting._words import explain

__all__ = [
    "Allotments",
    "Allotter",
    "Applicant",
    "Budget",
    "Pace",
    "Paced",
    "Place",
    "Prices",
    "Resource",
    "allot_exactly",
    "explain",
    "resources_of",
]
