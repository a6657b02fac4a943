"""Policies: pure functions of values, which cannot reach hardware.

`TenutoPolicy` is ours; `FixedPolicy` and `LevelStepPolicy` are what it is compared with. `select` makes one choice with
its reasons in full, from what `available` leaves of a table.
"""

from tenuto.control._alert import AlertPolicy, AlertState
from tenuto.control._available import Available, Resources, available
from tenuto.control._baselines import FixedPolicy, LevelStepPolicy, fastest_rows
from tenuto.control._narrowed import NarrowedPolicy, application_only, system_only
from tenuto.control._plan import Allowance, Plan
from tenuto.control._policy import Policy
from tenuto.control._registry import open_policy, policy_names
from tenuto.control._select import Relaxation, Selection, select
from tenuto.control._slackfit import SlackFitPolicy
from tenuto.control._sound import evidence_ms, reading, rows_allotted, waited_ms
from tenuto.control._tenuto import TenutoPolicy, TenutoState
from tenuto.control._words import explain, reasons, titles_of

__all__ = [
    "AlertPolicy",
    "AlertState",
    "Allowance",
    "Available",
    "FixedPolicy",
    "LevelStepPolicy",
    "NarrowedPolicy",
    "Plan",
    "Policy",
    "Relaxation",
    "Resources",
    "Selection",
    "SlackFitPolicy",
    "TenutoPolicy",
    "TenutoState",
    "application_only",
    "available",
    "evidence_ms",
    "explain",
    "fastest_rows",
    "open_policy",
    "policy_names",
    "reading",
    "reasons",
    "rows_allotted",
    "select",
    "system_only",
    "titles_of",
    "waited_ms",
]
