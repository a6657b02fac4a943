"""Whole streams on a clock that is moved: the same every time, and without waiting."""

import random

import pytest
from streams import Stream

from tenuto.control import FixedPolicy, LevelStepPolicy
from tenuto.platforms import HeldBoard
from tenuto.traces import Event, Measures, measure

QUIET, DISTURBED = 60, 120
SLOWDOWNS = [1.0] * QUIET + [2.5] * DISTURBED + [1.0] * QUIET


def measures_of(stream: Stream) -> Measures:
    stream.run(SLOWDOWNS)
    began_s, ended_s = stream.steps[QUIET].time_s, stream.steps[QUIET + DISTURBED].time_s
    return measure(stream.steps, disturbances=[Event(began_s, "co-runner", ended_s)])


def test_tenuto_misses_one_frame_of_a_disturbance(board: HeldBoard) -> None:
    stream = Stream(board)
    measures = measures_of(stream)
    late = [step.index for step in stream.steps if step.is_missed]
    assert late == [QUIET]
    assert measures.recovery_frames == 1
    assert stream.steps[QUIET - 1].applied == len(stream.table) - 1, "the largest while nobody disturbs"


def test_a_fixed_large_network_misses_as_long_as_it_lasts(board: HeldBoard) -> None:
    measures = measures_of(Stream(board, policy=FixedPolicy("largest")))
    assert measures.n_missed == DISTURBED
    assert measures.recovery_frames is None


def test_a_fixed_small_network_misses_nothing_and_is_never_better_than_itself(board: HeldBoard) -> None:
    stream = Stream(board, policy=FixedPolicy("smallest"))
    assert measures_of(stream).n_missed == 0
    assert {step.applied for step in stream.steps} == {0}


def test_level_stepping_needs_a_window_of_misses(board: HeldBoard) -> None:
    measures = measures_of(Stream(board, policy=LevelStepPolicy()))
    assert 20 <= (measures.recovery_frames or 0) <= 60
    assert measures.n_missed >= 20


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_disturbance_gives_the_same_stream(board: HeldBoard, seed: int) -> None:
    generator = random.Random(seed)
    slowdowns = [generator.uniform(0.9, 1.1) * (2 if 50 <= index < 120 else 1) for index in range(200)]
    streams = [Stream(board), Stream(board)]
    for stream in streams:
        stream.run(slowdowns)
    assert streams[0].steps == streams[1].steps
    assert sum(step.is_missed for step in streams[0].steps) <= 6
