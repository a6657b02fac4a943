"""The longest work to try: what a miss teaches that a slowdown cannot.

A work that is short enough slips between a co-runner's time slices and looks undisturbed, so the calm of a small
network says nothing about a large one. After a miss longer works are left alone. If shorter ones then turn out as slow
as the late one was, slowness does not depend on length, the slowdown says it all, and the ceiling goes; so it does
when no other program is busy, for then it was an accident. Otherwise it rises step by step while nothing is late, and
more patiently after each failure: the additive increase and multiplicative decrease of congestion control (Chiu and
Jain, 1989), turned to the length of works.
"""

import math
from typing import Final

import msgspec

PATIENCE: Final = 10
"""Inferences in time before the ceiling rises, at first."""

MAX_PATIENCE: Final = 320
STEP: Final = 1.4
"""The ceiling rises by this factor: about one step of a ladder of ten."""

IDLE_PATIENCE: Final = 3
"""Inferences in time until it goes when no other program is busy."""

CONFIRMED: Final = 0.75
"""A shorter work that is slowed by so much of what the late one was tells that length does not matter."""

BUSY_PCT: Final = 30.0
"""Other programs are busy above this load."""

BUSY_PATIENCE: Final = 8
"""While other programs are busy, the ceiling takes this many times longer to rise."""

UNSEEN_PATIENCE: Final = 3
"""The same where the load of other programs cannot be read."""


class Ceiling(msgspec.Struct, frozen=True, gc=False):
    """A bound on profiled latency, and when to raise it.

    Attributes:
        limit_ms: Longest profiled latency to try; infinite when nothing was late for long.
        patience: Inferences in time before it rises.
        n_in_time: Inferences in time since it was set or raised.
        ratio: Latency over profiled median of the work that was late.
    """

    limit_ms: float = math.inf
    patience: int = PATIENCE
    n_in_time: int = 0
    ratio: float = math.inf


OPEN: Final = Ceiling()
"""No ceiling."""


def lowered(ceiling: Ceiling, median_ms: float, latency_ms: float, available_ms: float, shortest_ms: float) -> Ceiling:
    """The ceiling after a work came late: half of what would have fitted, for the slowdown may still be rising.

    The cluster's shortest work always stays allowed: below it there is nothing to retreat to.
    """
    fitting_ms, ratio = max(median_ms * available_ms / latency_ms / 2, shortest_ms), latency_ms / median_ms
    if ceiling.limit_ms == math.inf:
        return Ceiling(fitting_ms, ratio=ratio)
    return Ceiling(min(ceiling.limit_ms, fitting_ms), min(2 * ceiling.patience, MAX_PATIENCE), ratio=ratio)


def raised(ceiling: Ceiling, ratio: float, longest_ms: float, load_pct: float | None) -> Ceiling:
    """The ceiling after a work came in time.

    Args:
        ceiling: Before.
        ratio: Latency over profiled median of that work.
        longest_ms: The longest work of the cluster.
        load_pct: Of other programs; None if it cannot be read.
    """
    if ceiling.limit_ms == math.inf:
        return ceiling
    n_in_time = ceiling.n_in_time + 1
    is_idle = load_pct is not None and load_pct <= BUSY_PCT
    if ratio >= CONFIRMED * ceiling.ratio or (is_idle and n_in_time >= IDLE_PATIENCE):
        return OPEN
    if n_in_time < ceiling.patience * (UNSEEN_PATIENCE if load_pct is None else BUSY_PATIENCE):
        return Ceiling(ceiling.limit_ms, ceiling.patience, n_in_time, ceiling.ratio)
    limit_ms = ceiling.limit_ms * STEP
    return OPEN if limit_ms >= longest_ms else Ceiling(limit_ms, ceiling.patience, 0, ceiling.ratio)


def scaled(ceiling: Ceiling, factor: float) -> Ceiling:
    """The ceiling under a deadline `factor` times as long: what would have fitted grows with it."""
    if ceiling.limit_ms == math.inf or not 0 < factor < math.inf:
        return OPEN
    return Ceiling(ceiling.limit_ms * factor, ceiling.patience, ceiling.n_in_time, ceiling.ratio)
