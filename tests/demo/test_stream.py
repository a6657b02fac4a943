"""The stream that the policies share: its schedule, its frames and its deadline."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tenuto.demo import FPS, PER_FRAME, Belt, Schedule, check_seconds, deadline_ms
from tenuto.demo._compare import DEADLINE_FACTOR
from tenuto.demo._stream import FEWEST_FRAMES
from tenuto.errors import UsageError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork

NOT_A_TIME = [0.0, -1.0, math.nan, math.inf, -math.inf]


@given(st.floats(1, 600), st.floats(12, 240), st.floats(0.1, 1000))
def test_the_middle_third_of_a_schedule_is_disturbed(seconds: float, fps: float, bound_ms: float) -> None:
    schedule = Schedule.of(seconds=seconds, fps=fps, deadline_ms=bound_ms)
    first, last = schedule.disturbed
    assert 0 < first < last < schedule.n_frames
    thirds = (first, last - first, schedule.n_frames - last)
    assert max(thirds) - min(thirds) <= 1
    assert schedule.n_frames * schedule.period_s == pytest.approx(seconds, abs=schedule.period_s)
    assert schedule.deadline_ms == bound_ms


@pytest.mark.parametrize("figure", NOT_A_TIME)
@pytest.mark.parametrize("name", ["seconds", "fps", "deadline_ms"])
def test_a_schedule_of_no_time_is_refused(name: str, figure: float) -> None:
    with pytest.raises(UsageError, match=name):
        Schedule.of(**{"seconds": 10.0, "fps": 30.0, "deadline_ms": 5.0, name: figure})


def test_a_schedule_too_short_for_thirds_is_refused() -> None:
    with pytest.raises(UsageError, match=str(FEWEST_FRAMES)):
        Schedule.of(seconds=0.1, fps=30, deadline_ms=5)


@pytest.mark.parametrize("seconds", [*NOT_A_TIME, 1.0])
def test_seconds_that_cannot_be_shared_are_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="seconds"):
        check_seconds(seconds, n_policies=4)


@given(st.floats(0.01, 100), st.integers(1, 8))
def test_seconds_that_can_be_shared_make_a_schedule(seconds: float, n_policies: int) -> None:
    try:
        check_seconds(seconds, n_policies=n_policies)
    except UsageError:
        assume(False)
    assert Schedule.of(seconds=seconds / n_policies, fps=FPS, deadline_ms=1).n_frames >= FEWEST_FRAMES


@given(st.lists(st.floats(0.01, 200), min_size=1, max_size=8, unique=True), st.floats(5, 240))
def test_the_deadline_lies_within_the_frame_period_and_is_explained(latencies_ms: list[float], fps: float) -> None:
    table = OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (index,)),)), "cpu"), {"latency_ms": Estimate(value, "assumed")}
        )
        for index, value in enumerate(latencies_ms)
    )
    bound_ms, note = deadline_ms(table, fps=fps)
    largest_ms = max(latencies_ms)
    assert bound_ms == pytest.approx(min(0.95 * 1000 / fps, DEADLINE_FACTOR * largest_ms))
    assert note.startswith(f"{bound_ms:.2f} ms")


def test_the_belt_shows_every_garment_once_a_round_with_its_label() -> None:
    belt = Belt.shipped(per_frame=PER_FRAME, seed=3)
    n_frames = len(belt.labels) // PER_FRAME
    assert n_frames * PER_FRAME == 2048
    frames = [belt.frame(index) for index in range(n_frames)]
    assert all(images.shape == (PER_FRAME, 1, 28, 28) and images.dtype == np.float32 for images, _ in frames)
    labels = np.concatenate([labels for _, labels in frames])
    assert np.bincount(labels).tolist() == np.bincount(belt.labels).tolist()
    assert min(float(images.min()) for images, _ in frames) == 0.0
    assert max(float(images.max()) for images, _ in frames) == 1.0
    again = belt.frame(n_frames)
    assert np.array_equal(again[0], frames[0][0])


def test_the_seed_orders_the_garments() -> None:
    one, same, other = (Belt.shipped(per_frame=PER_FRAME, seed=seed).frame(0)[1] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
