"""The loop goes on whatever breaks, says so in the trace, and learns from nothing that did not happen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streams import DEADLINE_MS, FRAME, LARGE, LARGEST, SMALL, SMALLEST, FailingBoard, Stream, ladder

from tenuto.control import FixedPolicy, TenutoPolicy
from tenuto.engines import Engine
from tenuto.errors import (
    DeniedError,
    EngineError,
    KnobRejectedError,
    TransientError,
    UnknownMetricError,
    UnknownNameError,
    UsageError,
)
from tenuto.platforms import HeldBoard, Monitor, Snapshot
from tenuto.points import Estimate, OperatingPoint, OperatingTable
from tenuto.requirements import Requirements
from tenuto.runtime import QUARANTINE_S, REFUSED_S, Manager, Watch
from tenuto.testing import ManualClock
from tenuto.traces import Event, Trace, TraceHeader, replay


def as_trace(stream: Stream) -> Trace:
    header = TraceHeader(
        network="toy",
        platform="files",
        policy=stream.policy.name,
        requirements=stream.requirements,
        table=stream.table,
    )
    events = tuple(record for record in stream.records if isinstance(record, Event))
    return Trace(header, tuple(stream.steps), events, is_complete=True)


def test_a_result_says_what_ran_how_long_it_took_and_why(board: HeldBoard) -> None:
    stream = Stream(board)
    result = stream.manager(FRAME, waited_ms=1.0, labels=np.zeros(4, dtype=np.int64))
    assert result.output.shape == (4, 10)
    assert result.sub_network == LARGEST
    assert result.latency_ms == pytest.approx(12.0)
    assert not result.is_late
    assert result.error is None
    assert "d4 on cpu, 2 cores" in result.reason
    (step,) = stream.steps
    assert step is result.step
    assert (step.correct, step.n_inputs, step.deadline_ms, step.waited_ms) == (4, 4, DEADLINE_MS, 1.0)
    assert step.latency_ms == pytest.approx(12.0)
    assert stream.table.configuration(step.applied or 0).sub_network == LARGEST


def test_an_input_that_waited_too_long_is_late_even_if_its_inference_is_short(board: HeldBoard) -> None:
    stream = Stream(board, policy=FixedPolicy("largest"))
    assert not stream.manager(FRAME, waited_ms=3.9).is_late
    assert stream.manager(FRAME, waited_ms=4.1).is_late
    assert [step.is_missed for step in stream.steps] == [False, True]


def test_without_a_deadline_nothing_is_late(board: HeldBoard) -> None:
    stream = Stream(board, requirements=Requirements.of(maximise="accuracy_pct"))
    result = stream.manager(FRAME, waited_ms=1e9)
    assert not result.is_late
    assert result.step.deadline_ms is None


def test_a_failing_engine_falls_back_to_the_smallest_and_rests_for_the_quarantine(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.run([1.0] * 3)
    stream.engine.failing = {LARGEST}
    result = stream.manager(FRAME)
    assert result.sub_network == SMALLEST
    assert result.step.is_fallback
    assert result.error == "RuntimeError: d4 broke"
    assert result.step.error == result.error
    assert result.reason == "d1; fallback: RuntimeError: d4 broke"

    failed_s = stream.clock.now_s()
    n_failures = stream.engine.n_failures
    while stream.clock.now_s() < failed_s + QUARANTINE_S - 0.1:
        resting = stream.manager(FRAME)
        assert (resting.sub_network, resting.error, resting.step.is_fallback) == (SMALLEST, None, True)
        assert "rest" in resting.reason
        stream.clock.advance(0.05)
    assert stream.engine.n_failures == n_failures, "nobody asked the one that failed"

    stream.engine.failing = set()
    stream.clock.advance(0.2)
    recovered = stream.manager(FRAME)
    assert recovered.sub_network == LARGEST
    assert not recovered.step.is_fallback


def test_a_sub_network_that_still_fails_after_its_quarantine_goes_back_into_it(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.engine.failing = {LARGEST}
    for _ in range(3):
        stream.manager(FRAME)
        stream.clock.advance(QUARANTINE_S + 0.1)
    assert stream.engine.n_failures == 3
    assert all(step.is_fallback and step.latency_ms is not None for step in stream.steps)


def test_a_failure_teaches_nothing_about_speed(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.manager(FRAME)
    stream.engine.failing = {LARGEST}
    stream.manager(FRAME)
    stream.manager(FRAME)
    observation = stream.steps[-1].observation
    assert (observation.in_force, observation.latency_ms) == (None, None)


def test_when_the_fallback_fails_too_the_step_is_recorded_and_then_the_error_comes(board: HeldBoard) -> None:
    stream = Stream(board, problem=EngineError)
    stream.engine.failing = {LARGEST, SMALLEST}
    with pytest.raises(EngineError) as caught:
        stream.manager(FRAME)
    assert isinstance(caught.value.__cause__, EngineError)
    (step,) = stream.steps
    assert (step.latency_ms, step.applied, step.is_fallback, step.is_missed) == (None, None, True, True)
    assert step.error == "d4 broke"
    assert stream.manager(FRAME).sub_network == SMALL, "the next one that is sound"
    assert [step.index for step in stream.steps] == [0, 1]


def test_when_all_are_in_quarantine_the_smallest_is_tried_again(board: HeldBoard) -> None:
    stream = Stream(board, resident=[LARGEST, SMALLEST])
    stream.engine.failing = {LARGEST, SMALLEST}
    with pytest.raises(EngineError):
        stream.manager(FRAME)
    stream.engine.failing = set()
    assert stream.manager(FRAME).sub_network == SMALLEST


def test_a_sub_network_that_would_not_open_is_replaced_and_the_trace_says_so(board: HeldBoard) -> None:
    stream = Stream(board, resident=[SMALL, SMALLEST])
    stream.engine.shut = {LARGEST}
    result = stream.manager(FRAME)
    assert result.sub_network == SMALL, "what was active goes on"
    assert (result.error, result.step.is_fallback) == ("RuntimeError: d4 would not open", True)
    assert stream.manager(FRAME).sub_network == SMALLEST
    assert stream.engine.n_failures == 1


def test_a_sub_network_that_opens_in_the_background_does_not_stop_the_stream(board: HeldBoard) -> None:
    stream = Stream(board, resident=[SMALLEST])
    first, second = stream.manager(FRAME), stream.manager(FRAME)
    assert first.sub_network == SMALLEST
    assert stream.table.configuration(first.decision.point).sub_network == LARGEST
    assert not first.step.is_fallback
    assert "until what was decided is open" in first.reason
    assert second.sub_network == LARGEST
    rows = [step.applied for step in stream.steps]
    assert [stream.table.configuration(row or 0).sub_network for row in rows] == [SMALLEST, LARGEST]


@pytest.mark.parametrize(
    "refused",
    [
        lambda manager: manager(FRAME[:3]),
        lambda manager: manager(FRAME.astype(np.float64)),
        lambda manager: manager(FRAME.tolist()),
        lambda manager: manager(None),
        lambda manager: manager(FRAME, waited_ms=float("nan")),
        lambda manager: manager(FRAME, waited_ms=float("inf")),
        lambda manager: manager(FRAME, waited_ms=-1.0),
        lambda manager: manager(FRAME, labels=np.zeros(3)),
        lambda manager: manager.skip(waited_ms=float("nan")),
    ],
    ids=["shape", "type", "list", "none", "nan", "infinite", "negative", "labels", "skip"],
)
def test_a_refused_input_changes_nothing(board: HeldBoard, refused: Callable[[Any], object]) -> None:
    """The stream with a refused input in its midst decides as the stream without."""
    stream, untouched = Stream(board), Stream(board)
    for one in (stream, untouched):
        one.run([1.0] * 5 + [2.0] * 3)
        if one is stream:
            with pytest.raises(UsageError):
                refused(one.manager)
        one.run([2.0] * 5)
    assert stream.steps == untouched.steps


def test_the_refusal_of_a_frame_says_what_was_expected(board: HeldBoard) -> None:
    with pytest.raises(UsageError, match=r"\(3, 1, 4, 4\).*\(4, 1, 4, 4\)"):
        Stream(board).manager(FRAME[:3])


def test_a_transient_error_of_the_board_costs_one_step(board: HeldBoard) -> None:
    failing = FailingBoard(board, TransientError("try again", platform="files"))
    stream = Stream(failing)
    failing.n_left = 1
    first, second, third = (stream.manager(FRAME) for _ in range(3))
    assert first.error == "try again"
    assert "try again" in first.reason
    assert first.step.applied is None, "nobody knows where it ran"
    assert second.step.observation.in_force is None, "so it is no evidence"
    assert second.error is None
    assert third.step.observation.in_force == second.step.applied == second.decision.point
    assert len(failing.applied) == 1, "set once, and not again while it stays"


def too_hot(found: object) -> KnobRejectedError:
    return KnobRejectedError(platform="files", part="cpu.frequency_hz", asked=2, found=found, hint="too hot")


def at_clocks(*frequencies_hz: int) -> OperatingTable:
    """The ladder at several clocks."""
    return OperatingTable.from_points(
        OperatingPoint(
            replace(point.configuration, frequency_hz=frequency_hz),
            {
                **point.metrics,
                "latency_ms": Estimate(
                    point.metrics["latency_ms"].value * max(frequencies_hz) / frequency_hz, "assumed"
                ),
            },
        )
        for point in ladder()
        for frequency_hz in frequencies_hz
    )


def test_a_clock_that_the_board_refuses_is_not_the_end_and_what_it_keeps_is_what_is_learned_of(
    board: HeldBoard,
) -> None:
    failing = FailingBoard(board, too_hot(found=1))
    table = at_clocks(1, 2)
    stream = Stream(failing, table=table, policy=FixedPolicy("largest"))
    failing.n_left = 10**9
    first, second = stream.manager(FRAME), stream.manager(FRAME)
    assert "too hot" in (first.error or "")
    assert second.error is None, "it is not asked for again at once"
    for result in (first, second):
        assert table.configuration(result.decision.point).frequency_hz == 2
        assert result.step.applied is not None
        in_force = table.configuration(result.step.applied)
        assert (in_force.frequency_hz, in_force.sub_network) == (1, LARGEST)
    stream.clock.advance(REFUSED_S)
    assert "too hot" in (stream.manager(FRAME).error or ""), "but after a while"


def test_a_cluster_that_was_taken_away_is_not_the_end_and_no_evidence(board: HeldBoard) -> None:
    failing = FailingBoard(board, too_hot(found=[]))
    stream = Stream(failing)
    failing.n_left = 1
    first, second = stream.manager(FRAME), stream.manager(FRAME)
    assert "too hot" in (first.error or "")
    assert second.step.observation.in_force is None
    assert second.error is None
    assert failing.applied == []
    stream.clock.advance(REFUSED_S)
    assert stream.manager(FRAME).step.applied is not None
    assert len(failing.applied) == 1


def test_a_board_that_refuses_is_recorded_and_reported(board: HeldBoard) -> None:
    failing = FailingBoard(board, DeniedError("no permission", platform="files"))
    stream = Stream(failing)
    failing.n_left = 1
    with pytest.raises(DeniedError):
        stream.manager(FRAME)
    assert [(step.error, step.latency_ms) for step in stream.steps] == [("no permission", None)]
    assert stream.manager(FRAME).error is None


def test_the_board_is_set_again_only_when_the_place_changes(board: HeldBoard) -> None:
    watched = FailingBoard(board, RuntimeError())
    stream = Stream(watched, table=ladder(cores=(1, 2)))
    stream.run([1.0] * 20)
    assert len(watched.applied) == 1


def test_an_engine_that_somebody_else_switched_is_switched_back(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.manager(FRAME)
    stream.engine.activate(SMALLEST)
    result = stream.manager(FRAME)
    assert result.sub_network == stream.engine.active == LARGEST
    assert result.step.latency_ms == pytest.approx(12.0)


def test_requirements_may_change_and_what_was_learned_is_kept(board: HeldBoard) -> None:
    stream = Stream(board, requirements=Requirements.of(latency_ms=40))
    stream.run([2.0] * 30)
    stream.manager.requirements = Requirements.of(latency_ms=23)
    result = stream.manager(FRAME)
    assert result.decision.slowdown == pytest.approx(2.0, rel=0.1)
    assert result.sub_network in {SMALL, LARGE}, "without what was learned it would be the largest"
    assert result.step.deadline_ms == 23
    (event,) = [record for record in stream.records if isinstance(record, Event)]
    assert event.label == "requirements: latency_ms <= 23, maximise accuracy_pct"
    assert event.time_s <= result.step.time_s


def test_requirements_that_the_table_cannot_serve_leave_the_old_ones(board: HeldBoard) -> None:
    stream = Stream(board)
    with pytest.raises(UnknownMetricError) as caught:
        stream.manager.requirements = Requirements.of(power_w=3)
    assert caught.value.metric == "power_w"
    assert stream.manager.requirements is stream.requirements
    assert stream.manager(FRAME).step.deadline_ms == DEADLINE_MS


def test_a_skipped_input_is_a_miss_and_the_policy_hears_of_it(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.manager(FRAME)
    step = stream.manager.skip(waited_ms=20.0, n_inputs=4)
    assert step.is_missed
    assert (step.index, step.latency_ms, step.applied, step.n_inputs) == (1, None, None, 4)
    assert step.observation.latency_ms == pytest.approx(12.0)
    assert "latency_ms" in step.decision.given_up
    after = stream.manager(FRAME)
    assert after.step.observation.latency_ms is None, "learned once"


def test_all_that_may_happen_replays_to_equal_decisions(board: HeldBoard) -> None:
    failing = FailingBoard(board, TransientError("try again", platform="files"))
    stream = Stream(failing)
    stream.run([1.0] * 10 + [3.0] * 10)
    stream.engine.failing = {SMALL}
    stream.run([2.0] * 10)
    stream.manager.skip(waited_ms=50.0)
    with pytest.raises(UsageError):
        stream.manager(FRAME[:1])
    failing.n_left = 1
    stream.run([1.0] * 50)
    stream.manager.requirements = Requirements.of(latency_ms=9, miss_pct=5)
    stream.manager.requirements = Requirements.of(latency_ms=23, minimise="latency_ms")
    stream.run([1.5] * 150)
    assert [one.step.index for one in replay(as_trace(stream), TenutoPolicy()) if not one.is_equal] == []


def test_a_sub_network_that_the_engine_does_not_know_is_named(board: HeldBoard) -> None:
    def unknown(message: str) -> Exception:
        del message
        return UnknownNameError("sub-network", "d4", ["d1"])

    stream = Stream(board, problem=unknown)
    stream.engine.shut = {LARGEST}
    with pytest.raises(UnknownNameError):
        stream.manager(FRAME)
    assert stream.steps == []


def test_the_engine_of_these_tests_is_one(board: HeldBoard) -> None:
    assert isinstance(Stream(board).engine, Engine)


class Jumping:
    """A clock that goes by another's and is now and then set elsewhere."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self.ahead_s = clock, 0.0

    def now_s(self) -> float:
        """The other's, and what it was set ahead."""
        return self._clock.now_s() + self.ahead_s

    def sleep_until(self, time_s: float) -> None:
        """As the other does."""
        self._clock.sleep_until(time_s - self.ahead_s)


def jumping(board: HeldBoard) -> tuple[Stream, Jumping]:
    """A stream whose manager goes by such a clock."""
    stream = Stream(board)
    clock = Jumping(stream.clock)
    stream.manager = Manager(
        engine=stream.engine,
        board=board,
        policy=stream.policy,
        table=stream.table,
        requirements=stream.requirements,
        clock=clock,
        record=stream.records.append,
    )
    return stream, clock


def test_a_clock_that_goes_back_between_inputs_leaves_the_streams_time_going_on(board: HeldBoard) -> None:
    stream, clock = jumping(board)
    for index in range(30):
        if index % 10 == 9:
            clock.ahead_s -= 1000.0
        stream.manager(FRAME)
        stream.clock.advance(0.02)
    times_s = [step.time_s for step in stream.steps]
    assert times_s == sorted(times_s)
    assert all(step.latency_ms == pytest.approx(12.0) for step in stream.steps)
    assert stream.steps[-1].time_s == pytest.approx(29 * 0.032, abs=3 * 0.032)
    assert stream.manager(FRAME).decision.slowdown == pytest.approx(1.0)


@pytest.mark.parametrize("jumped_s", [-1000.0, -0.02, 3600.0])
def test_an_inference_in_which_the_clock_jumped_teaches_nothing(board: HeldBoard, jumped_s: float) -> None:
    stream, clock = jumping(board)

    def broken_infer(frame: Any) -> Any:
        clock.ahead_s += jumped_s
        return infer(frame)

    for _ in range(5):
        stream.manager(FRAME)
    infer = stream.engine.infer
    stream.engine.infer = broken_infer  # type: ignore[method-assign]
    result = stream.manager(FRAME)
    stream.engine.infer = infer  # type: ignore[method-assign]
    after = stream.manager(FRAME)
    assert result.output.shape == (4, 10)
    assert (after.step.observation.in_force, after.step.observation.latency_ms) == (None, None)
    assert after.decision == result.decision
    assert (result.error is None) == (jumped_s > 0), "where it went back, it is seen and told"


def test_a_quarantine_ends_even_if_the_clock_goes_back(board: HeldBoard) -> None:
    stream, clock = jumping(board)
    stream.engine.failing = {LARGEST}
    stream.manager(FRAME)
    stream.engine.failing = set()
    clock.ahead_s -= 1e6
    for _ in range(200):
        result = stream.manager(FRAME)
        stream.clock.advance(0.05)
    assert result.sub_network == LARGEST


def test_an_inference_that_took_no_time_at_all_teaches_nothing(board: HeldBoard) -> None:
    stream = Stream(board)
    stream.slowed.slowdown = 0.0
    first, second = stream.manager(FRAME), stream.manager(FRAME)
    assert first.step.latency_ms == 0
    assert (second.step.observation.in_force, second.step.observation.latency_ms) == (None, None)


class Sensors:
    """A held board whose monitors say what they are told to."""

    own_s = staticmethod(lambda: 0.0)
    n_processors = 2

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def snapshot(self) -> Snapshot:
        """What it was told."""
        return Snapshot(0.0, self.found)

    def apply(self, configuration: Any) -> Any:
        """Nothing to set."""
        return configuration


def test_what_a_monitor_gives_that_is_no_number_is_absent() -> None:
    clock, sensors = ManualClock(0.0), Sensors()
    monitors = [Monitor(name, quantity) for name, quantity in (("load_pct", "load_pct"), ("soc", "temperature_c"))]
    watch = Watch(sensors, monitors, clock, None)
    found = []
    for load_pct, celsius in ((40.0, 50.0), (float("nan"), 51.0), (float("inf"), float("nan"))):
        clock.advance(1.0)
        sensors.found = {"load_pct": load_pct, "soc": celsius}
        watch.look()
        found.append(dict(watch.readings))
    sensors.found = {}
    watch.look()
    assert found[0] == {"load_pct": 40.0, "other_load_pct": 40.0, "temperature_c": 50.0}
    assert found[1] == {"temperature_c": 51.0}
    assert found[2] == {}
    assert dict(watch.readings) == {}
