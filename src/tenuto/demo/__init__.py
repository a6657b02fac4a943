"""The demonstration: a conveyor belt, a co-runner, and four policies on the same stream."""

from tenuto.demo._belt import Belt
from tenuto.demo._compare import (
    FPS,
    PER_FRAME,
    Comparison,
    Outcome,
    check_seconds,
    compare,
    deadline_ms,
    machine,
    policies,
)
from tenuto.demo._live import LiveView
from tenuto.demo._stream import Pass, Schedule, run_pass

__all__ = [
    "FPS",
    "PER_FRAME",
    "Belt",
    "Comparison",
    "LiveView",
    "Outcome",
    "Pass",
    "Schedule",
    "check_seconds",
    "compare",
    "deadline_ms",
    "machine",
    "policies",
    "run_pass",
]
