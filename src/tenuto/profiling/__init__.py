"""Every sub-network x cluster x cores x clock into an operating table, measured on this machine.

`tenuto.profiling.modelled` calculates one for a simulated board instead.
"""

from tenuto.profiling._cells import cells_of
from tenuto.profiling._profile import METRICS, Progress, default_table_path, engine_for, profile
from tenuto.profiling._samples import SampleLog, Visit

__all__ = [
    "METRICS",
    "Progress",
    "SampleLog",
    "Visit",
    "cells_of",
    "default_table_path",
    "engine_for",
    "profile",
]
