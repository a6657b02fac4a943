"""Belief: what one inference teaches."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control._belief import LASTING, LEAST_SHARE, Belief, Prior, begin, learn, learner, scatter_of_profile


def prior_for(miss_share: float) -> Prior:
    return Prior(*scatter_of_profile(1.05, 1.15, miss_share), miss_share, 1.0, 12.0)


def promised(belief: Belief) -> float:
    """Over the profiled median."""
    return belief.slowdown * belief.margin


PRIOR = prior_for(0.01)


def taught(belief: Belief, latencies_ms: list[float]) -> Belief:
    for latency_ms in latencies_ms:
        belief = learn(belief, PRIOR, 10.0, latency_ms)
    return belief


def test_a_quiet_machine_is_believed_to_be_as_profiled() -> None:
    belief = taught(begin(PRIOR), [10.0, 10.1, 9.9] * 20)
    assert belief.slowdown == pytest.approx(1.0, abs=0.02)
    assert 1.0 <= belief.margin < 1.2


def test_a_surprise_is_expected_to_be_repeated() -> None:
    belief = taught(begin(PRIOR), [10.0] * 20 + [20.0])
    assert promised(belief) > 2.0
    assert belief.lasting == pytest.approx(1.0, rel=0.05)


def test_it_is_forgotten_when_it_was_an_accident() -> None:
    belief = taught(begin(PRIOR), [10.0] * 20 + [20.0, 10.0])
    assert belief.slowdown == pytest.approx(1.0, rel=0.05)
    assert promised(belief) < 1.3


def test_one_that_stays_becomes_the_slowdown() -> None:
    belief = taught(begin(PRIOR), [20.0] * (LASTING + 8))
    assert belief.lasting == pytest.approx(2.0, rel=0.05)
    assert belief.depth == 1.0
    assert belief.margin < 1.4


def test_a_disturbance_within_a_slowdown_is_on_top_of_it() -> None:
    belief = taught(begin(PRIOR), [20.0] * 40 + [30.0])
    assert belief.lasting == pytest.approx(2.0, rel=0.05)
    assert promised(belief) > 3.0


def test_a_slowdown_that_ends_is_forgotten_as_quickly() -> None:
    belief = taught(begin(PRIOR), [20.0] * 30 + [10.0] * 3)
    assert belief.slowdown == pytest.approx(1.0, rel=0.05)


def test_a_single_quick_one_is_luck() -> None:
    belief = taught(begin(PRIOR), [20.0] * 30 + [10.0])
    assert belief.slowdown == pytest.approx(2.0, rel=0.05)


def test_surprises_that_never_repeat_are_soon_no_longer_expected_to() -> None:
    stalls = taught(begin(PRIOR), ([20.0] + [10.0] * 9) * 40)
    again = taught(begin(PRIOR), ([20.0, 20.0] + [10.0] * 8) * 40)
    assert stalls.persistence < 0.05
    assert again.persistence > 0.9


def test_disturbances_more_frequent_than_the_miss_budget_are_reckoned_with_beforehand() -> None:
    """One in ten inferences is 1.5 times as long: a promise that all but 1 % keep has room for it."""
    belief = taught(begin(PRIOR), ([15.0] + [10.0] * 9) * 12)
    assert belief.depth == 1.0
    assert promised(belief) > 1.45


def test_after_calm_the_room_is_given_back() -> None:
    belief = taught(begin(PRIOR), ([15.0] + [10.0] * 9) * 5 + [10.0, 10.2, 9.8] * 400)
    assert promised(belief) < 1.2


def test_without_disturbances_whatever_comes_suddenly_is_the_slowdown() -> None:
    belief = begin(PRIOR)
    less = learner(has_disturbances=False)
    for latency_ms in [10.0] * 20 + [20.0]:
        belief = less(belief, PRIOR, 10.0, latency_ms)
    assert belief.lasting == pytest.approx(2.0, rel=0.05)


def test_without_the_conformal_quantile_broken_promises_change_nothing_but_the_scatter() -> None:
    belief = begin(PRIOR)
    less = learner(is_conformal=False)
    for latency_ms in ([10.0] * 9 + [11.5]) * 20:
        belief = less(belief, PRIOR, 10.0, latency_ms)
    assert belief.quantile == pytest.approx(2.326, abs=0.01)


@given(st.floats(1.01, 5), st.floats(1, 5))
def test_a_profile_s_scatter_has_its_quantiles(p90: float, p99_over_p90: float) -> None:
    for share, ratio in ((0.1, p90), (0.01, p90 * p99_over_p90)):
        sigma, quantile = scatter_of_profile(p90, p90 * p99_over_p90, share)
        assert math.exp(sigma * quantile) == pytest.approx(max(ratio, math.exp(0.5 * sigma)))


@given(st.floats(1, 5), st.floats(1, 5), st.floats(LEAST_SHARE, 1))
def test_the_room_for_scatter_never_narrows_when_less_is_allowed(
    p90: float, p99_over_p90: float, miss_share: float
) -> None:
    sigma, quantile = scatter_of_profile(p90, p90 * p99_over_p90, miss_share)
    assert scatter_of_profile(p90, p90 * p99_over_p90, miss_share / 2)[1] >= quantile
    assert sigma > 0 < quantile


@given(st.lists(st.tuples(st.floats(0.1, 50), st.floats(0.01, 500)), max_size=200))
def test_no_history_breaks_a_belief(history: list[tuple[float, float]]) -> None:
    """Whatever happens the figures stay figures."""
    belief = begin(PRIOR)
    for median_ms, latency_ms in history:
        belief = learn(belief, PRIOR, median_ms, latency_ms)
    assert math.isfinite(belief.slowdown)
    assert belief.slowdown > 0
    assert math.isfinite(belief.margin)
    assert belief.margin >= 1
    assert 0 <= belief.persistence <= 1


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
