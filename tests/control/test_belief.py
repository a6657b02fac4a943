"""Belief: what one inference teaches."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control._belief import LEAST_SHARE, Belief, Prior, begin, learn, spread_of_profile


def prior_for(miss_share: float) -> Prior:
    return Prior(*spread_of_profile(1.05, 1.15, miss_share), miss_share, 2.33, 1.0, 12.0)


PRIOR = prior_for(0.01)


def taught(belief: Belief, latencies_ms: list[float]) -> Belief:
    for latency_ms in latencies_ms:
        belief = learn(belief, PRIOR, 10.0, latency_ms)
    return belief


def test_a_quiet_machine_is_believed_to_be_as_profiled() -> None:
    belief = taught(begin(PRIOR), [10.0, 10.1, 9.9] * 20)
    assert belief.slowdown == pytest.approx(1.0, abs=0.02)
    assert 1.0 <= belief.margin < 1.2


def test_one_late_inference_may_be_a_stall_but_casts_doubt() -> None:
    belief = taught(begin(PRIOR), [20.0])
    assert belief.slowdown == pytest.approx(1.0, rel=0.05)
    assert belief.margin > 2.0


def test_two_in_a_row_are_a_slowdown() -> None:
    belief = taught(begin(PRIOR), [20.0, 20.0])
    assert belief.slowdown == pytest.approx(2.0, rel=0.05)
    assert belief.margin > 2.0, "right after a jump little is sure"


def test_the_doubt_after_a_jump_fades_while_the_slowdown_stays() -> None:
    belief = taught(begin(PRIOR), [20.0] * 12)
    assert belief.slowdown == pytest.approx(2.0, rel=0.05)
    assert belief.margin < 1.4


def test_a_slowdown_that_ends_is_forgotten_as_quickly() -> None:
    belief = taught(begin(PRIOR), [20.0] * 30 + [10.0] * 3)
    assert belief.slowdown == pytest.approx(1.0, rel=0.05)


@given(st.floats(1, 5), st.floats(1, 5))
def test_a_profile_s_spread_has_its_quantiles(p90: float, p99_over_p90: float) -> None:
    p99 = p90 * p99_over_p90
    assert spread_of_profile(p90, p99, 0.1)[1] == pytest.approx(p90)
    assert spread_of_profile(p90, p99, 0.01)[1] == pytest.approx(p99)


@given(st.floats(1, 5), st.floats(1, 5), st.floats(LEAST_SHARE, 1))
def test_the_spread_never_narrows_when_less_is_allowed(p90: float, p99_over_p90: float, miss_share: float) -> None:
    lower, upper = spread_of_profile(p90, p90 * p99_over_p90, miss_share)
    assert spread_of_profile(p90, p90 * p99_over_p90, miss_share / 2)[1] >= upper
    assert 0 < lower <= 1 <= upper


def test_one_long_stall_is_an_accident_and_several_are_not() -> None:
    accident = taught(begin(PRIOR), [60.0] + [10.0] * 30)
    assert accident.upper < 1.5
    repeated = begin(PRIOR)
    for _ in range(5):
        repeated = taught(repeated, [60.0, 10.0, 10.0, 10.0])
    assert repeated.slowdown * repeated.upper > 4


def test_a_spread_that_has_opened_closes_again() -> None:
    opened = begin(PRIOR)
    for _ in range(5):
        opened = taught(opened, [60.0, 10.0, 10.0, 10.0])
    closed = taught(opened, [10.0, 10.3, 9.7] * 200)
    assert closed.upper < 1.25


@given(st.lists(st.tuples(st.floats(0.1, 50), st.floats(0.01, 500)), max_size=200))
def test_no_history_breaks_a_belief(history: list[tuple[float, float]]) -> None:
    """Whatever happens the figures stay figures, and the spread holds what is expected."""
    belief = begin(PRIOR)
    for median_ms, latency_ms in history:
        belief = learn(belief, PRIOR, median_ms, latency_ms)
    assert math.isfinite(belief.slowdown)
    assert belief.slowdown > 0
    assert math.isfinite(belief.margin)
    assert 0 < belief.lower <= 1 <= belief.upper <= belief.margin


@pytest.mark.parametrize("miss_share", [0.05, 0.01])
def test_heavy_tailed_noise_stays_within_the_miss_budget(miss_share: float) -> None:
    """The promise (slowdown x margin) is broken about as often as allowed, Gaussian or not."""
    generator = np.random.default_rng(11)
    prior = prior_for(miss_share)
    belief = begin(prior)
    n, n_broken = 6000, 0
    for noise in np.exp(0.05 * generator.standard_t(3, n)):
        promised_ms = 10 * belief.slowdown * belief.margin
        latency_ms = 10 * float(noise)
        n_broken += latency_ms > promised_ms
        belief = learn(belief, prior, 10.0, latency_ms)
    assert n_broken / n < 1.5 * miss_share
