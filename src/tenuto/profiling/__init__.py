"""Every sub-network x cluster x cores x clock into an operating table: measured here, or modelled for a board."""

from tenuto.profiling._cells import cells_of
from tenuto.profiling._modelled import DEFAULT_TEMPERATURE_C, model_table, operators_without_rule
from tenuto.profiling._profile import METRICS, Progress, default_table_path, engine_for, profile
from tenuto.profiling._samples import SampleLog, Visit

__all__ = [
    "DEFAULT_TEMPERATURE_C",
    "METRICS",
    "Progress",
    "SampleLog",
    "Visit",
    "cells_of",
    "default_table_path",
    "engine_for",
    "model_table",
    "operators_without_rule",
    "profile",
]
