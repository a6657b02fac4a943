"""The loop: observe, decide, apply, infer, record; in five lines of an application."""

from tenuto.runtime._clock import Clock, MonotonicClock, SteadyClock
from tenuto.runtime._guard import FAILURES_IN_A_ROW, LONGEST_DECISION_MS, REST_S, Answer, Guarded
from tenuto.runtime._manage import Session, check_table, manage, open_engine
from tenuto.runtime._manager import QUARANTINE_S, REFUSED_S, Manager
from tenuto.runtime._result import Result
from tenuto.runtime._watch import Watch

__all__ = [
    "FAILURES_IN_A_ROW",
    "LONGEST_DECISION_MS",
    "QUARANTINE_S",
    "REFUSED_S",
    "REST_S",
    "Answer",
    "Clock",
    "Guarded",
    "Manager",
    "MonotonicClock",
    "Result",
    "Session",
    "SteadyClock",
    "Watch",
    "check_table",
    "manage",
    "open_engine",
]
