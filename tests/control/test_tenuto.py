"""Our policy: what it makes of a stream."""

import math

import pytest

from tenuto.control import TenutoPolicy
from tenuto.control._ceiling import IDLE_PATIENCE, PATIENCE, UNSEEN_PATIENCE
from tenuto.control._tenuto import TenutoState
from tenuto.decisions import Decision, Observation
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements

SHORT, MIDDLE, LONG = 0, 1, 2
PROFILED_MS = (2.0, 4.0, 12.0)


def table() -> OperatingTable:
    """Three sub-networks on one core."""
    return OperatingTable.from_points(
        [
            OperatingPoint(
                Configuration(SubNetwork("toy", (("depth", (index,)),)), "cpu", 1),
                {"latency_ms": Estimate(ms, "assumed"), "accuracy_pct": Estimate(80.0 + index, "assumed")},
            )
            for index, ms in enumerate(PROFILED_MS)
        ]
    )


class Stream:
    """A policy at work."""

    def __init__(self, deadline_ms: float = 15.0) -> None:
        self.policy, self.table, self.deadline_ms = TenutoPolicy(), table(), deadline_ms
        self.state: TenutoState = self.policy.start(self.table, Requirements.of(latency_ms=deadline_ms))
        self.decision, self.state = self.policy.decide(self.state, Observation(0.0))

    def tell(self, row: int, latency_ms: float, *, load: float | None = None, waited_ms: float = 0.0) -> Decision:
        """One inference of `row`, whatever was decided."""
        readings = {} if load is None else {"other_load_pct": load}
        observation = Observation(0.0, row, latency_ms, waited_ms, 0.0, readings)
        self.decision, self.state = self.policy.decide(self.state, observation)
        return self.decision

    @property
    def ceiling_ms(self) -> float:
        return self.state.believed[0].ceiling_ms


def test_the_best_that_the_deadline_allows_is_chosen() -> None:
    assert Stream().decision.point == LONG
    assert Stream(deadline_ms=6.0).decision.point == MIDDLE


def test_after_one_miss_the_next_is_much_shorter() -> None:
    stream = Stream()
    assert stream.tell(LONG, 24.0).point == SHORT


def test_the_calm_of_a_short_work_does_not_bring_back_a_long_one_that_was_late() -> None:
    stream = Stream()
    stream.tell(LONG, 24.0)
    ceiling_ms = stream.ceiling_ms
    assert ceiling_ms < 12.0 * 15 / 24
    for _ in range(PATIENCE * UNSEEN_PATIENCE - 1):
        stream.tell(SHORT, 2.0)
    assert stream.state.believed[0].slowdown == pytest.approx(1.0, rel=0.1)
    assert stream.ceiling_ms == ceiling_ms
    assert stream.decision.point != LONG


def test_the_ceiling_rises_step_by_step_and_goes() -> None:
    stream = Stream()
    stream.tell(LONG, 24.0)
    heights = [stream.ceiling_ms]
    for _ in range(10 * PATIENCE * UNSEEN_PATIENCE):
        stream.tell(SHORT, 2.0)
        if stream.ceiling_ms != heights[-1]:
            heights.append(stream.ceiling_ms)
    assert heights[-1] == math.inf
    assert heights == sorted(heights)
    assert len(heights) >= 3
    assert stream.decision.point == LONG


def test_on_an_idle_machine_a_late_one_was_an_accident() -> None:
    stream = Stream()
    stream.tell(LONG, 24.0, load=5.0)
    for _ in range(IDLE_PATIENCE):
        assert stream.ceiling_ms < 12.0
        stream.tell(SHORT, 2.0, load=5.0)
    assert stream.ceiling_ms == math.inf
    assert stream.decision.point == LONG


def test_a_short_work_that_is_slowed_as_much_shows_that_length_does_not_matter() -> None:
    stream = Stream(deadline_ms=15.0)
    stream.tell(LONG, 18.0)
    assert stream.ceiling_ms < 12.0
    stream.tell(SHORT, 3.0)
    assert stream.ceiling_ms == math.inf
    assert stream.decision.point == MIDDLE


def test_every_further_failure_doubles_the_patience() -> None:
    stream = Stream()
    stream.tell(LONG, 24.0)
    assert stream.state.believed[0].ceiling.patience == PATIENCE
    for _ in range(9):
        stream.tell(SHORT, 2.0)
    stream.tell(MIDDLE, 24.0)
    assert stream.state.believed[0].ceiling.patience == 2 * PATIENCE


def test_while_others_are_busy_the_ceiling_rises_more_slowly() -> None:
    heights = {}
    for load in (5.0, 95.0):
        stream = Stream()
        stream.tell(LONG, 24.0, load=load)
        for _ in range(2 * PATIENCE):
            stream.tell(SHORT, 2.0, load=load)
        heights[load] = stream.ceiling_ms
    assert heights[95.0] < heights[5.0]


def test_what_was_learned_under_a_load_is_void_when_the_load_goes() -> None:
    """Also where stalls have opened the spread and no ceiling stands."""
    stream = Stream()
    for _ in range(10):
        stream.tell(SHORT, 14.0, load=95.0)
        stream.tell(SHORT, 2.0, load=95.0)
    assert stream.decision.point == SHORT
    assert stream.tell(SHORT, 2.0, load=90.0).point == SHORT
    assert stream.tell(SHORT, 2.0, load=10.0).point == LONG


def test_the_shortest_work_stays_allowed_after_a_long_stall() -> None:
    stream = Stream()
    stream.tell(SHORT, 450.0)
    assert stream.ceiling_ms >= PROFILED_MS[SHORT]


def test_being_late_without_a_choice_is_no_failure() -> None:
    """An input that had waited too long was late whatever ran: no work is to blame."""
    stream = Stream()
    stream.tell(SHORT, 2.0, waited_ms=14.5)
    assert stream.ceiling_ms == math.inf


def test_a_ceiling_moves_with_the_deadline() -> None:
    stream = Stream()
    stream.tell(LONG, 24.0)
    before_ms = stream.ceiling_ms
    for deadline_ms, expected_ms in ((30.0, 2 * before_ms), (15.0, before_ms), (None, math.inf)):
        needs = Requirements.of(latency_ms=deadline_ms)
        state = stream.policy.start(stream.table, needs, stream.state)
        assert state.believed[0].ceiling_ms == pytest.approx(expected_ms)
        assert state.believed[0].belief == stream.state.believed[0].belief


def test_of_equals_the_one_that_is_sooner_done_is_chosen() -> None:
    points = [
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (0,)),)), "cpu", n_cores),
            {"latency_ms": Estimate(ms, "assumed"), "accuracy_pct": Estimate(80.0, "assumed")},
        )
        for n_cores, ms in ((1, 12.0), (2, 7.0))
    ]
    policy = TenutoPolicy()
    state = policy.start(OperatingTable.from_points(points), Requirements.of(latency_ms=20))
    decision, _ = policy.decide(state, Observation(0.0))
    assert decision.point == 1
    assert decision.reason is not None
    assert decision.reason.runner_up == 0
