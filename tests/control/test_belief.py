"""Belief: what one inference teaches."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control._belief import LEAST_SHARE, Belief, Prior, begin, learn, look, spread_of_profile, under
from tenuto.control._ceiling import PATIENCE, UNSEEN_PATIENCE


def prior_for(miss_share: float, *, longest_ms: float = 12.0) -> Prior:
    return Prior(*spread_of_profile(1.05, 1.15, miss_share), miss_share, 2.33, 1.0, longest_ms)


PRIOR = prior_for(0.01)


def taught(
    belief: Belief,
    latencies_ms: list[float],
    *,
    median_ms: float = 10.0,
    available_ms: float = 15.0,
    load: float | None = None,
) -> Belief:
    for latency_ms in latencies_ms:
        belief = learn(belief, PRIOR, median_ms, latency_ms, available_ms)
        belief = belief if load is None else look(belief, PRIOR, load)
    return belief


def test_a_quiet_machine_is_believed_to_be_as_profiled() -> None:
    belief = taught(begin(PRIOR), [10.0, 10.1, 9.9] * 20)
    assert belief.slowdown == pytest.approx(1.0, abs=0.02)
    assert 1.0 <= belief.margin < 1.2
    assert belief.ceiling_ms == math.inf


def test_one_inference_is_enough_to_notice_a_slowdown() -> None:
    belief = taught(begin(PRIOR), [20.0], available_ms=30.0)
    assert belief.slowdown == pytest.approx(2.0, rel=0.05)
    assert belief.margin > 2.0, "right after a jump little is sure"


def test_the_doubt_after_a_jump_fades_while_the_slowdown_stays() -> None:
    belief = taught(begin(PRIOR), [20.0] * 12, available_ms=30.0)
    assert belief.slowdown == pytest.approx(2.0, rel=0.05)
    assert belief.margin < 1.25


def test_the_calm_of_a_short_work_does_not_bring_back_a_long_one_that_was_late() -> None:
    late = taught(begin(PRIOR), [24.0], median_ms=12.0)
    assert late.ceiling_ms < 12.0 * 15 / 24
    calm = taught(late, [2.0] * (PATIENCE * UNSEEN_PATIENCE - 1), median_ms=2.0)
    assert calm.slowdown == pytest.approx(1.0, rel=0.1)
    assert calm.ceiling_ms == late.ceiling_ms


def test_the_ceiling_rises_step_by_step_and_goes() -> None:
    belief = taught(begin(PRIOR), [24.0], median_ms=12.0, load=5.0)
    heights = deque([belief.ceiling_ms])
    for _ in range(10 * PATIENCE):
        belief = taught(belief, [2.0], median_ms=2.0, load=5.0)
        if belief.ceiling_ms != heights[-1]:
            heights.append(belief.ceiling_ms)
    assert heights[-1] == math.inf
    assert list(heights) == sorted(heights)
    assert len(heights) >= 3


def test_every_further_failure_doubles_the_patience() -> None:
    belief = taught(begin(PRIOR), [24.0], median_ms=12.0)
    assert belief.ceiling.patience == PATIENCE
    belief = taught(taught(belief, [2.0] * 9, median_ms=2.0), [24.0], median_ms=3.0)
    assert belief.ceiling.patience == 2 * PATIENCE


def test_what_was_learned_under_a_load_is_void_when_the_load_goes() -> None:
    belief = taught(begin(PRIOR), [24.0], median_ms=12.0, load=5.0)
    belief = taught(belief, [9.0] * 10, median_ms=4.0, load=95.0)
    assert look(belief, PRIOR, 90.0) is belief
    assert look(belief, PRIOR, 10.0) == begin(PRIOR)


def test_the_load_seen_after_a_failure_counts_as_its_cause() -> None:
    """A reading is up to a tenth of a second old, so the one at hand when a work is late is of before."""
    late = taught(begin(PRIOR), [24.0], median_ms=12.0, load=5.0)
    quiet = taught(late, [2.0] * 2 * PATIENCE, median_ms=2.0, load=5.0)
    busy = taught(late, [2.0] * 2 * PATIENCE, median_ms=2.0, load=95.0)
    assert busy.ceiling_ms < quiet.ceiling_ms


def test_the_shortest_work_stays_allowed_after_a_long_stall() -> None:
    belief = taught(begin(PRIOR), [450.0], median_ms=1.0)
    assert belief.ceiling_ms >= PRIOR.shortest_ms


def test_a_ceiling_moves_with_the_deadline() -> None:
    late = taught(begin(PRIOR), [24.0], median_ms=12.0, available_ms=15.0)
    assert under(late, (15.0, 30.0)).ceiling_ms == pytest.approx(2 * late.ceiling_ms)
    assert under(late, (15.0, math.inf)).ceiling_ms == math.inf
    assert under(late, (15.0, 15.0)) is late
    never_late = begin(PRIOR)
    assert under(never_late, (math.inf, 15.0)) is never_late


def test_being_late_without_a_choice_is_no_failure() -> None:
    """An input that had waited too long was late whatever ran: no work is to blame."""
    before = begin(PRIOR)
    after = taught(before, [1.0], median_ms=1.0, available_ms=0.5)
    assert after.ceiling is before.ceiling


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
    accident = taught(taught(begin(PRIOR), [60.0], available_ms=90.0), [10.0] * 30)
    assert accident.upper < 1.5
    repeated = begin(PRIOR)
    for _ in range(5):
        repeated = taught(repeated, [60.0, 10.0, 10.0, 10.0], available_ms=90.0)
    assert repeated.slowdown * repeated.upper > 4


def test_a_spread_that_has_opened_closes_again() -> None:
    opened = begin(PRIOR)
    for _ in range(5):
        opened = taught(opened, [60.0, 10.0, 10.0, 10.0], available_ms=90.0)
    closed = taught(opened, [10.0, 10.3, 9.7] * 200)
    assert closed.upper < 1.25


@given(
    st.lists(
        st.tuples(st.floats(0.1, 50), st.floats(0.01, 500), st.floats(-5, 50), st.none() | st.floats(0, 100)),
        max_size=200,
    )
)
def test_no_history_breaks_a_belief(history: list[tuple[float, float, float, float | None]]) -> None:
    """Whatever happens the figures stay figures, and the spread holds what is expected."""
    belief = begin(PRIOR)
    for median_ms, latency_ms, available_ms, load in history:
        belief = taught(belief, [latency_ms], median_ms=median_ms, available_ms=available_ms, load=load)
    assert math.isfinite(belief.slowdown)
    assert belief.slowdown > 0
    assert belief.margin > 0
    assert not math.isnan(belief.margin)
    assert belief.ceiling_ms >= 0
    assert 0 < belief.lower <= 1 <= belief.upper <= belief.margin


@pytest.mark.parametrize("miss_share", [0.05, 0.01])
def test_heavy_tailed_noise_stays_within_the_miss_budget(miss_share: float) -> None:
    """The promise (slowdown x margin) is broken about as often as allowed, Gaussian or not."""
    generator = np.random.default_rng(11)
    prior = prior_for(miss_share, longest_ms=math.inf)
    belief = begin(prior)
    n, n_broken = 6000, 0
    for noise in np.exp(0.05 * generator.standard_t(3, n)):
        promised_ms = 10 * belief.slowdown * belief.margin
        latency_ms = 10 * float(noise)
        n_broken += latency_ms > promised_ms
        belief = learn(belief, prior, 10.0, latency_ms, promised_ms)
    assert n_broken / n < 1.5 * miss_share
