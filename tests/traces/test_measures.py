"""The measures of a stream, on streams small enough to count by hand, and their laws."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_stream import DEADLINE_MS, PERIOD_S, step

from tenuto.traces import RECOVERY_HOLD, Event, Step, measure

LATE_MS = DEADLINE_MS + 1
OUTCOMES = st.lists(st.sampled_from([5.0, DEADLINE_MS, LATE_MS, None]), max_size=40)


def stream(outcomes: list[float | None], **changes: object) -> list[Step]:
    return [step(index, latency_ms, **changes) for index, latency_ms in enumerate(outcomes)]


def held_then(pattern: str) -> list[Step]:
    """A letter a step: `x` missed, `.` held."""
    return stream([LATE_MS if letter == "x" else 5.0 for letter in pattern])


def lasting(first: int, end: int | None) -> Event:
    """A disturbance over the steps from `first` to before `end`."""
    return Event((first - 0.5) * PERIOD_S, "co-runner", None if end is None else (end - 0.5) * PERIOD_S)


def test_an_empty_stream_has_no_figures() -> None:
    measures = measure([], disturbances=[lasting(0, 9)])
    counts = {name: value for name, value in dataclasses.asdict(measures).items() if value is not None}
    expected = dict.fromkeys(("n", "n_missed", "longest_miss_run", "n_disturbed", "n_failed", "n_fallback"), 0)
    assert expected == counts


def test_a_stream_without_deadlines_labels_or_meters_has_none_of_their_figures() -> None:
    measures = measure(
        stream([5.0, 6.0], deadline_ms=None, correct=None, n_inputs=None, decide_us=None),
    )
    absent = ("miss_pct", "accuracy_pct", "decision_median_us", "decision_p99_us", "energy_mj", "recovery_frames")
    assert [None] * len(absent) == [getattr(measures, name) for name in absent]
    assert (measures.latency_mean_ms, measures.n_missed) == (5.5, 0)


def test_waiting_counts_towards_the_deadline_and_the_latency() -> None:
    measures = measure(stream([15.0], waited_ms=6.0))
    assert (measures.n_missed, measures.latency_mean_ms) == (1, 21.0)


def test_a_deadline_met_to_the_dot_is_met() -> None:
    assert measure(stream([DEADLINE_MS])).n_missed == 0


def test_a_late_answer_is_a_wrong_one_and_so_is_none_at_all() -> None:
    measures = measure(stream([5.0, LATE_MS, None, 5.0]))
    assert pytest.approx(100 * 30 / 64) == measures.accuracy_pct


def test_an_answer_that_nobody_checked_says_nothing_of_accuracy() -> None:
    measures = measure([step(0), step(1, correct=None), step(2, correct=8)])
    assert pytest.approx(100 * 23 / 32) == measures.accuracy_pct


def test_a_switch_is_counted_once_even_across_an_uncertain_step() -> None:
    rows = [0, 0, None, 2, 2, None, 2, 1]
    measures = measure([step(index, applied=row) for index, row in enumerate(rows)])
    assert pytest.approx(2 * 60 / (7 * PERIOD_S)) == measures.switches_per_min


def test_energy_failures_fallbacks_and_what_was_given_up_are_counted() -> None:
    steps = [
        step(0, energy_mj=2.0),
        step(1, None, error="out of memory", is_fallback=True),
        step(2, energy_mj=4.0, decision=step(2).decision.__class__(0)),
        step(3),
    ]
    measures = measure(steps)
    assert (measures.energy_mj, measures.n_failed, measures.n_fallback, measures.given_up_pct) == (3.0, 1, 1, 75.0)


@pytest.mark.parametrize(
    ("pattern", "first", "end", "frames"),
    [
        pytest.param("." * 30, 5, 20, 0, id="never missed"),
        pytest.param("xxx" + "." * 27, 5, 20, 0, id="missed before it only"),
        pytest.param("....." + "x" + "." * 24, 5, 25, 1, id="one miss"),
        pytest.param("....." + "xx" + "." * 23, 5, 25, 2, id="two misses"),
        pytest.param("....." + "...xx" + "." * 20, 5, 25, 2, id="it took a while to bite"),
        pytest.param("....." + "x.x" + "." * 22, 5, 25, 3, id="a miss among the next ones"),
        pytest.param("....." + "x" + "." * (RECOVERY_HOLD - 1) + "x" + "." * 20, 5, 36, 11, id="held one too few"),
        pytest.param("....." + "x" + "." * RECOVERY_HOLD + "x" + "." * 20, 5, 36, 1, id="held just enough"),
        pytest.param("....." + "xxxx" + "...." + "xxx", 5, 13, 4, id="held until it ended"),
        pytest.param("....." + "xxxxx" + "....", 5, 10, None, id="held only after it ended"),
        pytest.param("....." + "xxxxx", 5, None, None, id="never held again"),
        pytest.param("....." + "xxx..", 5, None, 3, id="lasting to the end of the stream"),
    ],
)
def test_recovery_counts_from_the_first_miss_until_the_deadline_holds_again(
    pattern: str, first: int, end: int | None, frames: int | None
) -> None:
    measures = measure(held_then(pattern), disturbances=[lasting(first, end)])
    assert frames == measures.recovery_frames
    assert (None if frames is None else pytest.approx(frames * PERIOD_S)) == measures.recovery_s


def test_of_two_disturbances_the_worse_counts() -> None:
    steps = held_then("..x....xxx....")
    both = [lasting(1, 6), lasting(6, 14)]
    assert (measure(steps, disturbances=both).recovery_frames, measure(steps, disturbances=both).n_disturbed) == (3, 13)
    never = held_then("..x....xxxxxxx")
    assert measure(never, disturbances=both).recovery_frames is None


def test_a_disturbance_outside_the_stream_disturbs_nothing() -> None:
    measures = measure(held_then("xx.."), disturbances=[lasting(90, 95)])
    assert (measures.n_disturbed, measures.recovery_frames) == (0, None)


@given(outcomes=OUTCOMES)
def test_shares_are_shares_and_runs_fit(outcomes: list[float | None]) -> None:
    measures = measure(stream(outcomes))
    n_missed = sum(latency_ms is None or latency_ms > DEADLINE_MS for latency_ms in outcomes)
    assert (len(outcomes), n_missed) == (measures.n, measures.n_missed)
    assert min(1, n_missed) <= measures.longest_miss_run <= n_missed
    if outcomes:
        assert pytest.approx(100 * n_missed / len(outcomes)) == measures.miss_pct
        assert measures.accuracy_pct is not None
        assert pytest.approx((100 - measures.miss_pct) * 15 / 16) == measures.accuracy_pct


@given(outcomes=OUTCOMES, extra=st.integers(0, 39))
def test_one_more_miss_never_betters_a_measure(outcomes: list[float | None], extra: int) -> None:
    if not outcomes:
        return
    worse = list(outcomes)
    worse[extra % len(worse)] = LATE_MS
    before, after = measure(stream(outcomes)), measure(stream(worse))
    assert before.n_missed <= after.n_missed
    assert before.longest_miss_run <= after.longest_miss_run
    assert (before.accuracy_pct or 0) >= (after.accuracy_pct or 0)


@given(outcomes=OUTCOMES, first=st.integers(0, 20), length=st.integers(1, 20))
def test_recovery_is_nought_only_if_the_deadline_held_throughout(
    outcomes: list[float | None], first: int, length: int
) -> None:
    steps = stream(outcomes)
    measures = measure(steps, disturbances=[lasting(first, first + length)])
    within = steps[first : first + length]
    assert len(within) == measures.n_disturbed
    if within:
        assert (not any(each.is_missed for each in within)) == (measures.recovery_frames == 0)
        if measures.recovery_frames is None:
            assert within[-1].is_missed
