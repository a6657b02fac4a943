"""Others slow us down, and not by a factor that the clock knows nothing of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.platforms.simulated.contention import (
    LEAST_BANDWIDTH_SHARE,
    core_slowdown,
    memory_clock_share,
    memory_share,
    queue_slowdown,
)

CLOCK_RATIO = 1109.25 / 803.25
"""Of the two clocks of the Xavier NX GPU that were published."""

CLOCK_ALONE, PROGRAM_ALONE, BOTH = 49.9 / 43.4, 49.9 / 43.4, 69.1 / 43.4
"""Times as long at the lower clock, beside one program, and both: read off the figure in Dynamic-OFA's repository."""


def both(busy_share: float) -> float:
    """What the queue predicts for both, given the two alone."""
    queue_share = (PROGRAM_ALONE - 1) * (1 - busy_share) / busy_share
    assert queue_slowdown(queue_share, busy_share, 1.0, 1.0) == pytest.approx(PROGRAM_ALONE)
    return CLOCK_ALONE * queue_slowdown(queue_share, busy_share, CLOCK_RATIO, CLOCK_ALONE)


@pytest.mark.parametrize("busy_share", [0.1, 0.3, 0.48, 0.5, 0.55])
def test_the_queue_predicts_the_published_both_within_ten_per_cent(busy_share: float) -> None:
    assert both(busy_share) == pytest.approx(BOTH, rel=0.10)


def test_other_forms_miss_the_published_both() -> None:
    """So that nobody comes back to them."""
    independent = CLOCK_ALONE * PROGRAM_ALONE
    shared = CLOCK_ALONE / (1 - (1 - 1 / PROGRAM_ALONE) * CLOCK_RATIO)
    assert independent / BOTH < 0.85
    assert shared / BOTH < 0.90


def test_threads_share_cores_fairly() -> None:
    assert core_slowdown(4, 4, 4) == 2.0  # published for all cores beside one program: 1.97
    assert core_slowdown(1, 3, 4) == 1.0
    assert core_slowdown(1, 4, 4) == 1.25
    assert core_slowdown(4, 0.5, 4) == 1.125


def test_memory_leaves_us_half_at_least() -> None:
    assert memory_share(0.0, 10, 1.0, 1.0) == 1.0
    assert memory_share(3.0, 10, 1.0, 1.0) == pytest.approx(0.7)
    assert memory_share(30.0, 10, 1.0, 1.0) == LEAST_BANDWIDTH_SHARE
    assert memory_share(3.0, 10, 1.0, 0.5) == pytest.approx(0.85)
    assert memory_share(3.0, 10, 0.5, 1.0) == pytest.approx(0.5 * LEAST_BANDWIDTH_SHARE)
    assert memory_clock_share(400, 800, 1.0) == 0.5


shares = st.floats(0, 1)
ratios = st.floats(1, 10)


@given(shares, shares, ratios, ratios)
def test_a_queue_slows_us_down_but_leaves_us_half(queue: float, busy: float, clock: float, own: float) -> None:
    assert 1 <= queue_slowdown(queue, busy, clock, own) <= 2
    assert queue_slowdown(queue, 0.0, clock, own) == 1
    assert queue_slowdown(queue, busy, clock, own) <= queue_slowdown(queue, min(1.0, busy + 0.1), clock, own)


@given(st.floats(0.01, 0.3), st.floats(0.05, 0.3), st.floats(1.1, 2))
def test_a_lower_clock_makes_contention_worse(queue: float, busy: float, clock: float) -> None:
    """Even where all of our own time follows the clock."""
    assert queue_slowdown(queue, busy, clock, clock) > queue_slowdown(queue, busy, 1.0, 1.0)


@given(st.floats(0, 100), st.floats(1, 100), st.floats(0.1, 1), shares)
def test_what_is_left_of_memory_is_never_nothing(others: float, all_gb_s: float, clock: float, feels: float) -> None:
    left = memory_share(others, all_gb_s, clock, feels)
    assert LEAST_BANDWIDTH_SHARE * clock - 1e-12 <= left <= clock


@given(st.integers(1, 8), st.floats(0, 8), st.integers(1, 8))
def test_more_of_others_never_helps(ours: int, others: float, n_cores: int) -> None:
    assert 1 <= core_slowdown(ours, others, n_cores) <= core_slowdown(ours, others + 0.5, n_cores)
