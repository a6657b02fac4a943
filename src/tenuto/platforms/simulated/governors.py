"""The kernel's frequency governors, as pure functions: what runs a cluster's clock while nobody holds the board.

Each takes what the governor remembers, what it sees of the last period, and the ladder; and gives what it remembers
next, the clock it asks for in it. A *cap* is the kernel's `policy->max`: what heat or others leave of the ladder.

Source:
    Documentation/admin-guide/pm/cpufreq.rst (thresholds, periods); Linux drivers/cpufreq/cpufreq_ondemand.c,
    cpufreq_conservative.c, cpufreq_governor.c, kernel/sched/cpufreq_schedutil.c, kernel/sched/pelt.c and
    drivers/devfreq/governor_simpleondemand.c (order of steps, and to which step of the ladder each rounds).

Model:
    Left out: fine-grained idle accounting's other threshold (95), `powersave_bias`, the IO-wait boost of schedutil and
    its rule for a core that was never idle, and what dbs governors assume after a long sleep.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tenuto.platforms.simulated._spec import Governor

FLOOR_S: Final = 0.010
"""dbs governors sample no faster; it is also the period where a board declares no transition latency."""

LATENCY_MULTIPLIER: Final = 1000
"""A CPU governor's period / the declared transition latency: 140 µs make 140 ms."""

DEVFREQ_POLLING_S: Final = 0.050
"""Period of `simple_ondemand`. Assumed: a device's driver sets it, panfrost to 50 ms."""

ONDEMAND_UP_PCT: Final = 80
CONSERVATIVE_UP_PCT: Final = 80
CONSERVATIVE_DOWN_PCT: Final = 20
CONSERVATIVE_STEP_PCT: Final = 5
SIMPLE_ONDEMAND_UP_PCT: Final = 90
SIMPLE_ONDEMAND_DOWN_PCT: Final = 5

PELT_HALF_LIFE_S: Final = 0.032
CAPACITY: Final = 1024
"""The scheduler counts utilisation in parts of this."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a governor sees at the end of a period.

    Attributes:
        busy_share: Of the period, 0 to 1; the greatest over the cluster's cores.
        frequency_hz: The clock in force.
        elapsed_s: Since the last sample.
    """

    busy_share: float
    frequency_hz: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class GovernorState:
    """What a governor remembers.

    Attributes:
        frequency_hz: The clock that it asks for, a step of the ladder.
        wanted_hz: conservative's own target, which need not be a step.
        periods: The next sample comes after so many periods (ondemand's `sampling_down_factor`).
        n_skipped: Periods that conservative let pass before it goes down.
        utilisation: schedutil's, 0 to `CAPACITY`, of the highest clock.
    """

    frequency_hz: int
    wanted_hz: int
    periods: int = 1
    n_skipped: int = 0
    utilisation: float = 0.0


def begin(governor: Governor, frequency_hz: int, ladder_hz: tuple[int, ...], *, cap_hz: int) -> GovernorState:
    """What a governor asks for at once when it takes over at a clock."""
    asked_hz = {"performance": at_or_below(ladder_hz, cap_hz), "powersave": ladder_hz[0]}.get(governor, frequency_hz)
    asked_hz = at_or_below(ladder_hz, min(asked_hz, cap_hz))
    return GovernorState(asked_hz, asked_hz)


def period_s(governor: Governor, transition_latency_us: float | None) -> float:
    """From sample to sample; infinite for those that act only when limits change."""
    if governor in {"performance", "powersave"}:
        return math.inf
    if governor == "simple_ondemand":
        return DEVFREQ_POLLING_S
    return max(FLOOR_S, LATENCY_MULTIPLIER * (transition_latency_us or 0.0) / 1e6)


def step(
    governor: Governor, state: GovernorState, sample: Sample, ladder_hz: tuple[int, ...], *, cap_hz: int
) -> GovernorState:
    """One period of a governor.

    Args:
        governor: Which.
        state: What it remembers.
        sample: What it sees.
        ladder_hz: All clocks, slowest first.
        cap_hz: The highest that is allowed now, at least the slowest clock.

    Returns:
        What it remembers next; `frequency_hz` is a step of the ladder, at most `cap_hz`.
    """
    return _STEPS[governor](state, sample, ladder_hz, at_or_below(ladder_hz, cap_hz))


def ondemand(
    state: GovernorState,
    sample: Sample,
    ladder_hz: tuple[int, ...],
    top_hz: int,
    *,
    up_threshold_pct: int = ONDEMAND_UP_PCT,
    sampling_down_factor: int = 1,
) -> GovernorState:
    """Above the threshold to the top; else in proportion to the load, between the ends of the ladder."""
    load_pct = _percent(sample.busy_share)
    if load_pct > up_threshold_pct:
        periods = sampling_down_factor if sample.frequency_hz < top_hz else state.periods
        return replace(state, frequency_hz=top_hz, periods=periods)
    low_hz, high_hz = ladder_hz[0], ladder_hz[-1]
    wanted_hz = min(low_hz + load_pct * (high_hz - low_hz) // 100, top_hz)
    return replace(state, frequency_hz=closest(ladder_hz, wanted_hz), periods=1)


def conservative(
    state: GovernorState,
    sample: Sample,
    ladder_hz: tuple[int, ...],
    top_hz: int,
    *,
    step_pct: int = CONSERVATIVE_STEP_PCT,
    sampling_down_factor: int = 1,
) -> GovernorState:
    """A small step up above 80 % load, a small step down below 20 %."""
    load_pct = _percent(sample.busy_share)
    wanted_hz = state.wanted_hz if ladder_hz[0] <= state.wanted_hz <= top_hz else sample.frequency_hz
    step_hz = step_pct * top_hz // 100
    if load_pct > CONSERVATIVE_UP_PCT:
        if wanted_hz == top_hz:
            return replace(state, frequency_hz=top_hz, wanted_hz=wanted_hz, n_skipped=0)
        wanted_hz = min(wanted_hz + step_hz, top_hz)
        return replace(state, frequency_hz=at_or_below(ladder_hz, wanted_hz), wanted_hz=wanted_hz, n_skipped=0)
    if state.n_skipped + 1 < sampling_down_factor:
        return replace(state, wanted_hz=wanted_hz, n_skipped=state.n_skipped + 1)
    if load_pct < CONSERVATIVE_DOWN_PCT and wanted_hz != ladder_hz[0]:
        wanted_hz = max(wanted_hz - step_hz, ladder_hz[0])
        # At or above what is wanted: several periods may pass before a step of the ladder is left.
        frequency_hz = min(at_or_above(ladder_hz, wanted_hz), top_hz)
        return replace(state, frequency_hz=frequency_hz, wanted_hz=wanted_hz, n_skipped=0)
    return replace(state, frequency_hz=min(state.frequency_hz, top_hz), wanted_hz=wanted_hz, n_skipped=0)


def schedutil(state: GovernorState, sample: Sample, ladder_hz: tuple[int, ...], top_hz: int) -> GovernorState:
    """A quarter more than the utilisation needs, which fades with a half-life of 32 ms and does not know of clocks."""
    kept = 0.5 ** (sample.elapsed_s / PELT_HALF_LIFE_S)
    running = CAPACITY * sample.busy_share * sample.frequency_hz / ladder_hz[-1]
    utilisation = kept * state.utilisation + (1 - kept) * running
    if abs(utilisation - running) < 1:  # the kernel counts in whole numbers, and would have arrived, too
        utilisation = running
    wanted_hz = (ladder_hz[-1] + ladder_hz[-1] // 4) * int(utilisation) // CAPACITY
    frequency_hz = min(at_or_above(ladder_hz, wanted_hz), top_hz)
    return replace(state, frequency_hz=frequency_hz, utilisation=utilisation)


def simple_ondemand(
    state: GovernorState,
    sample: Sample,
    ladder_hz: tuple[int, ...],
    top_hz: int,
    *,
    up_threshold_pct: int = SIMPLE_ONDEMAND_UP_PCT,
    down_differential_pct: int = SIMPLE_ONDEMAND_DOWN_PCT,
) -> GovernorState:
    """Busy to the top; nearly busy stays; else so that the load would be a little under the threshold."""
    total_us = max(round(1e6 * sample.elapsed_s), 1)
    busy_us = min(round(1e6 * sample.elapsed_s * sample.busy_share), total_us)
    if busy_us * 100 > total_us * up_threshold_pct:
        return replace(state, frequency_hz=top_hz)
    if busy_us * 100 > total_us * (up_threshold_pct - down_differential_pct):
        return replace(state, frequency_hz=min(sample.frequency_hz, top_hz))
    divisor = up_threshold_pct - down_differential_pct // 2  # 88 with the kernel's 90 and 5
    wanted_hz = busy_us * sample.frequency_hz // total_us * 100 // divisor
    return replace(state, frequency_hz=min(at_or_above(ladder_hz, wanted_hz), top_hz))


def performance(state: GovernorState, sample: Sample, ladder_hz: tuple[int, ...], top_hz: int) -> GovernorState:
    """The top, always."""
    del sample, ladder_hz
    return replace(state, frequency_hz=top_hz)


def powersave(state: GovernorState, sample: Sample, ladder_hz: tuple[int, ...], top_hz: int) -> GovernorState:
    """The slowest, always."""
    del sample, top_hz
    return replace(state, frequency_hz=ladder_hz[0])


_Step = Callable[[GovernorState, Sample, tuple[int, ...], int], GovernorState]

_STEPS: Final[dict[Governor, _Step]] = {
    "performance": performance,
    "powersave": powersave,
    "ondemand": ondemand,
    "conservative": conservative,
    "schedutil": schedutil,
    "simple_ondemand": simple_ondemand,
}


def at_or_below(ladder_hz: tuple[int, ...], frequency_hz: float) -> int:
    """The highest step at or below a clock, or else the lowest (CPUFREQ_RELATION_H)."""
    return ladder_hz[max(bisect_right(ladder_hz, frequency_hz) - 1, 0)]


def at_or_above(ladder_hz: tuple[int, ...], frequency_hz: float) -> int:
    """The lowest step at or above a clock, or else the highest (CPUFREQ_RELATION_L)."""
    return ladder_hz[min(bisect_left(ladder_hz, frequency_hz), len(ladder_hz) - 1)]


def closest(ladder_hz: tuple[int, ...], frequency_hz: float) -> int:
    """The nearest step, of two equally near the lower (CPUFREQ_RELATION_C)."""
    below, above = at_or_below(ladder_hz, frequency_hz), at_or_above(ladder_hz, frequency_hz)
    return above if above - frequency_hz < frequency_hz - below else below


def _percent(share: float) -> int:
    """Whole per cents, cut as the kernel cuts them; a share that is only rounded below one counts as that one."""
    return min(int(100 * share + 1e-9), 100)
