"""Scoring simulated boards against files of measurements.

`score_power`, `score_thermal` and `score_latency` take a board and a CSV file, and return a `Score`.
"""

from tenuto.validation._score import Score, Total
from tenuto.validation.latency import score_latency
from tenuto.validation.power import score_power
from tenuto.validation.thermal import score_thermal

__all__ = ["Score", "Total", "score_latency", "score_power", "score_thermal"]
