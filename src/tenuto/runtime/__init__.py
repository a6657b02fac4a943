"""The loop: observe, decide, apply, infer, record; in five lines of an application."""

from tenuto.runtime._clock import Clock, MonotonicClock
from tenuto.runtime._manage import Session, check_table, manage, open_engine
from tenuto.runtime._manager import QUARANTINE_S, REFUSED_S, Manager
from tenuto.runtime._result import Result
from tenuto.runtime._watch import Watch

__all__ = [
    "QUARANTINE_S",
    "REFUSED_S",
    "Clock",
    "Manager",
    "MonotonicClock",
    "Result",
    "Session",
    "Watch",
    "check_table",
    "manage",
    "open_engine",
]
