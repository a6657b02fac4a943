"""Traces: what happened at each inference, its file, its replay, and its measures.

A scenario is what is going to happen to a stream from outside; a trace is what did happen, and is enough to replay it.
"""

from tenuto.traces._file import read_trace
from tenuto.traces._measures import RECOVERY_HOLD, Measures, measure
from tenuto.traces._replay import Decides, Replayed, replay
from tenuto.traces._step import SCHEMA, Event, Step, Trace, TraceHeader
from tenuto.traces._writer import MAX_PENDING, TraceWriter

__all__ = [
    "MAX_PENDING",
    "RECOVERY_HOLD",
    "SCHEMA",
    "Decides",
    "Event",
    "Measures",
    "Replayed",
    "Step",
    "Trace",
    "TraceHeader",
    "TraceWriter",
    "measure",
    "read_trace",
    "replay",
]
