"""Simulation: policies on identical simulated worlds, and how they fared."""

from tenuto.simulation._arranged import GOVERNORS, arranged_names, simulate
from tenuto.simulation._campaign import Replay, passages_of, replay
from tenuto.simulation._choose import choose_static
from tenuto.simulation._measures import Interval, SeedMeasures, against, interval, measures_of, rounded, summarise
from tenuto.simulation._oracle import Foreseen, OraclePolicy
from tenuto.simulation._outcome import ApplicationRun, Outcome, Sample
from tenuto.simulation._recorded import write_traces

__all__ = [
    "GOVERNORS",
    "ApplicationRun",
    "Foreseen",
    "Interval",
    "OraclePolicy",
    "Outcome",
    "Replay",
    "Sample",
    "SeedMeasures",
    "against",
    "arranged_names",
    "choose_static",
    "interval",
    "measures_of",
    "passages_of",
    "replay",
    "rounded",
    "simulate",
    "summarise",
    "write_traces",
]
