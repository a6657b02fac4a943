"""What the inputs behind the coming one would cost at best, by when it is done: a queue is planned as a whole.

Model:
    Dynamic programming, backwards over the inputs to come, whose arrivals and noise are known: for every delay with
    which an input may start, the row that costs it and those behind it least. A missed deadline costs more than
    everything else together, as does waiting beyond it, after which an input takes no time any more. Rows take what
    they would take now in the long run, times each input's noise; what changing them costs is an allowance. Delays are
    counted in steps of a part of the deadline, rounded up. That one may dawdle with a row that is slower and no
    cheaper, until the next input need not be answered any more, is left out.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATE: Final = 1e6
"""The cost of one missed deadline, in which costs of rows are small."""

MOST_AHEAD: Final = 48
"""Inputs: beyond so many the present choice makes no difference."""

_STEPS: Final = 320
"""Of a deadline."""

Floats = NDArray[np.float64]


def cost_behind(
    ends_s: Floats,
    latency_ms: Floats,
    cost: Floats,
    *,
    arrivals_s: Sequence[float],
    factors: Sequence[float],
    deadline_ms: float,
    allowance_ms: float = 0.0,
) -> Floats:
    """The least cost of the inputs behind the coming one, for each time at which it may be done.

    Args:
        ends_s: (N,) when the coming one may be done.
        latency_ms: (M,) of rows, without noise; infinite where there is none.
        cost: (M,) of rows, each between 0 and `LATE` over the number of inputs.
        arrivals_s: Of the inputs behind, ascending.
        factors: Their noise.
        deadline_ms: From arrival to answer, above 0 and finite.
        allowance_ms: What each takes longer because something was changed.

    Returns:
        (N,), `LATE` for each input that is late, and the rows' costs.
    """
    n = _linked(arrivals_s, deadline_ms / 1000, float(ends_s.max()))
    if n == 0:
        return np.zeros(len(ends_s))
    takes_ms, row_cost = _worth_it(latency_ms, cost)
    step_ms = deadline_ms / _STEPS
    delays: Floats = np.arange(2 * _STEPS + 1, dtype=np.float64)
    after = np.zeros(len(delays))
    for index in range(n - 1, -1, -1):
        gap = math.inf if index + 1 == n else 1000 * (arrivals_s[index + 1] - arrivals_s[index]) / step_ms
        takes = (takes_ms * factors[index] + allowance_ms) / step_ms
        done = delays + takes[:, None]
        total = row_cost[:, None] + LATE * (done > _STEPS) + after[_cells(done - gap)]
        skipped = LATE + after[_cells(delays - gap)]
        after = np.where(delays < _STEPS, total.min(axis=0), skipped)
    delay: Floats = 1000 * (ends_s - arrivals_s[0]) / step_ms
    least: Floats = after[_cells(delay)]
    return least


def _cells(delays: Floats) -> NDArray[np.int64]:
    return np.ceil(np.clip(delays, 0, 2 * _STEPS) - 1e-9).astype(np.int64)


def _linked(arrivals_s: Sequence[float], deadline_s: float, end_s: float) -> int:
    """How many inputs may have to wait for one before them."""
    for index, arrival_s in enumerate(arrivals_s):
        if arrival_s >= end_s:
            return index
        end_s = arrival_s + deadline_s
    return len(arrivals_s)


def _worth_it(latency_ms: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """Rows that no other is both quicker and cheaper than."""
    order = np.lexsort((cost, latency_ms))
    order = order[np.isfinite(latency_ms[order])]
    before = np.concatenate([[np.inf], np.minimum.accumulate(cost[order])[:-1]])
    kept = order[cost[order] < before]
    return latency_ms[kept], cost[kept]
