"""What of an observation is fit to learn from, and which rows an allotment leaves."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.decisions import Allotment, Observation
from tenuto.points import NO_FREQUENCY, OperatingTable

FOREVER_MS: Final = 1e15
"""Longer than anything waits; finite, so that what is left of no deadline at all is a number, too."""


def evidence_ms(observation: Observation, n_rows: int) -> float | None:
    """The last inference's latency, where it is one and belongs to a row of the table; else None.

    NaN, infinite, negative and zero latencies come from clocks that jump and sensors that break. They teach nothing.
    """
    latency_ms, row = observation.latency_ms, observation.in_force
    if latency_ms is None or row is None or not 0.0 < latency_ms < math.inf or not 0 <= row < n_rows:
        return None
    return latency_ms


def waited_ms(observation: Observation) -> float:
    """How long the coming input has waited, finite; 0 where that is no time at all, as when a clock went back."""
    waited = observation.waited_ms
    return min(waited, FOREVER_MS) if waited > 0.0 else 0.0  # NaN is not


def reading(readings: Mapping[str, float], quantity: str) -> float | None:
    """A monitor's reading, or None where it is absent or no number."""
    value = readings.get(quantity)
    return value if value is not None and math.isfinite(value) else None


def rows_allotted(table: OperatingTable, allotment: Allotment | None) -> NDArray[np.intp]:
    """The rows that an allotment leaves, at least one.

    A clock of None leaves every clock. An allotment that the table has no point for is kept as far as the table can:
    without its clock, then with at most so many cores, then on its cluster at all; where even that is not in the
    table, everything is left, for an application has to run somewhere.
    """
    if allotment is None:
        return np.arange(len(table))
    if allotment.cluster not in table.clusters:
        return np.arange(len(table))
    here = table.cluster_index == table.clusters.index(allotment.cluster)
    cores = here & (table.n_cores == allotment.n_cores)
    at_clock = cores
    if allotment.frequency_hz is not None:
        at_clock = cores & np.isin(table.frequency_hz, (allotment.frequency_hz, NO_FREQUENCY))
    for keeps in (at_clock, cores, here & (table.n_cores <= allotment.n_cores), here):
        if keeps.any():
            return np.flatnonzero(keeps)
    return np.arange(len(table))
