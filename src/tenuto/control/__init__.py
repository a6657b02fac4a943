"""Policies: pure functions of values, which cannot reach hardware.

`TenutoPolicy` is ours; `FixedPolicy` and `LevelStepPolicy` are what it is compared with.
"""

from tenuto.control._baselines import FixedPolicy, LevelStepPolicy, fastest_rows
from tenuto.control._plan import Allowance, Plan, explain
from tenuto.control._policy import Policy
from tenuto.control._tenuto import TenutoPolicy, TenutoState

__all__ = [
    "Allowance",
    "FixedPolicy",
    "LevelStepPolicy",
    "Plan",
    "Policy",
    "TenutoPolicy",
    "TenutoState",
    "explain",
    "fastest_rows",
]
