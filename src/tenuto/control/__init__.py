"""Policies: pure functions of values, which cannot reach hardware.

`TenutoPolicy` is ours; `FixedPolicy` and `LevelStepPolicy` are what it is compared with. `select` makes one choice with
its reasons in full, from what `available` leaves of a table.
"""

from tenuto.control._available import Available, Resources, available
from tenuto.control._baselines import FixedPolicy, LevelStepPolicy, fastest_rows
from tenuto.control._plan import Allowance, Plan
from tenuto.control._policy import Policy
from tenuto.control._select import Relaxation, Selection, select
from tenuto.control._tenuto import TenutoPolicy, TenutoState
from tenuto.control._words import explain

__all__ = [
    "Allowance",
    "Available",
    "FixedPolicy",
    "LevelStepPolicy",
    "Plan",
    "Policy",
    "Relaxation",
    "Resources",
    "Selection",
    "TenutoPolicy",
    "TenutoState",
    "available",
    "explain",
    "fastest_rows",
    "select",
]
