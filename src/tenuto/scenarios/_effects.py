"""What an event says, as figures of the world."""

import math
from collections.abc import Iterator
from typing import Final

from tenuto.platforms.simulated import BackgroundLoad
from tenuto.scenarios._format import BackgroundTable, EventTable

_AIR_STEP_C: Final = 0.5
"""A ramp of the air's temperature goes in steps of so much at most."""


def end_s(event: EventTable) -> float:
    """When it ends; never, if it does not say."""
    return math.inf if event.until_s is None else event.until_s


def airs(event: EventTable) -> Iterator[tuple[float, float]]:
    """From when on it makes the air how warm: a ramp in steps, the last one its end."""
    if isinstance(event.ambient_c, float):
        yield event.at_s, event.ambient_c
    elif event.ambient_c is not None and event.until_s is not None:
        begin_c, end_c = event.ambient_c.begin, event.ambient_c.end
        n = max(1, math.ceil(abs(end_c - begin_c) / _AIR_STEP_C))
        for step in range(n + 1):
            yield event.at_s + (event.until_s - event.at_s) * step / n, begin_c + (end_c - begin_c) * step / n


def load_of(table: BackgroundTable, n_cores: int) -> BackgroundLoad:
    """Programs of others on a cluster of so many cores.

    Raises:
        UsageError: Fewer threads than busy cores.
    """
    busy = table.busy_cores or 0.0
    if table.busy_share is not None:
        busy = table.busy_share * n_cores
    return BackgroundLoad(busy, table.n_threads, table.memory_gb_s)


def sum_of(one: BackgroundLoad, other: BackgroundLoad) -> BackgroundLoad:
    """Both at once."""
    threads = None
    if one.n_threads is not None or other.n_threads is not None:
        threads = sum(math.ceil(load.busy_cores) if load.n_threads is None else load.n_threads for load in (one, other))
    return BackgroundLoad(one.busy_cores + other.busy_cores, threads, one.memory_gb_s + other.memory_gb_s)
