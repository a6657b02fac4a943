"""A bad policy stops nothing: something sensible runs, the trace says so, and one that recovers is used again."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from streams import BATCH, DEADLINE_MS, FRAME, LARGE, LARGEST, SMALLEST, Stream, bare_machine, ladder

from tenuto.control import TenutoPolicy
from tenuto.decisions import Allotment, Decision, Observation, Reason
from tenuto.engines import TableEngine
from tenuto.errors import UnknownMetricError, UsageError
from tenuto.platforms import HeldBoard
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.runtime import FAILURES_IN_A_ROW, LONGEST_DECISION_MS, REST_S, Answer, Guarded, Session
from tenuto.testing import ManualClock
from tenuto.testing.policies import sample_table
from tenuto.traces import TraceHeader, TraceWriter, read_trace

NEEDS = Requirements.of(latency_ms=DEADLINE_MS)
BEST, LARGE_ROW = 3, 2
"""Rows of the ladder."""


class Scripted:
    """Does what it is told at each decision; else it chooses the second-largest. Its state counts decisions."""

    name = "scripted"
    parameters: ClassVar[dict[str, Any]] = {}

    def __init__(self, *script: Any, on_start: Callable[[int], None] | None = None) -> None:
        self.script = list(script)
        self.on_start = on_start
        self.n_started = 0

    def start(self, table: OperatingTable, requirements: Requirements, previous: int | None = None) -> int:
        del table, requirements
        self.n_started += 1
        if self.on_start is not None:
            self.on_start(self.n_started)
        return 0 if previous is None else previous

    def decide(self, state: int, observation: Observation) -> Any:
        del observation
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer()
        return (Decision(LARGE_ROW) if answer is None else answer), state + 1


class Nothing:
    """Returned as a decision."""


def guarded(policy: Any, **options: Any) -> Guarded:
    return Guarded(policy, ladder(), NEEDS, **options)


def asked(guard: Guarded, n: int, *, from_s: float = 0.0, step_s: float = 0.01) -> list[Answer]:
    answers = []
    for index in range(n):
        answers.append(guard.decide(Observation(from_s + index * step_s)))
        guard.keep()
    return answers


BAD = [
    RuntimeError("out of ideas"),
    KeyError("temperature_c"),
    Nothing(),
    Decision(10**6),
    Decision(-1),
    Decision(4),
    Decision(True),
    Decision(1.0),  # type: ignore[arg-type]
    Decision(None),  # type: ignore[arg-type]
    Decision(2, latency_ms=math.nan),
    Decision(2, latency_ms=math.inf),
    Decision(2, slowdown=math.nan),
    Decision(2, slowdown=-1.0),
    Decision(2, slowdown="fast"),  # type: ignore[arg-type]
    Decision(2, given_up="latency_ms"),  # type: ignore[arg-type]
    Decision(2, given_up=(1,)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_the_last_decision_that_worked_stands_in_for_a_bad_one(bad: Any) -> None:
    guard = guarded(Scripted(Decision(BEST), bad))
    first, second, third = asked(guard, 3)
    assert (first.decision.point, first.error, first.is_fallback) == (BEST, None, False)
    assert (second.decision, second.is_fallback) == (Decision(BEST), True)
    assert "scripted" in (second.error or "")
    assert (third.decision.point, third.error, third.is_fallback) == (LARGE_ROW, None, False)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_where_nothing_worked_yet_it_is_the_fastest_point(bad: Any) -> None:
    (answer,) = asked(guarded(Scripted(bad)), 1)
    assert (answer.decision, answer.is_fallback) == (Decision(0), True)


@pytest.mark.parametrize("answer", [None, 7, (Decision(1),), Decision(1), "ab"])
def test_what_is_no_pair_is_bad(answer: Any) -> None:
    class Terse(Scripted):
        def decide(self, state: int, observation: Observation) -> Any:
            del state, observation
            return answer

    (found,) = asked(guarded(Terse()), 1)
    assert (found.decision, found.is_fallback) == (Decision(0), True)
    assert found.error is not None


def test_what_is_told_of_a_failure_is_whose_and_which() -> None:
    _, second = asked(guarded(Scripted(None, KeyError("temperature_c"))), 2)
    assert second.error == "policy 'scripted' failed to decide: KeyError: 'temperature_c'"
    _, second = asked(guarded(Scripted(None, Decision(10**6))), 2)
    assert second.error == "policy 'scripted' chose row 1000000 of a table of 4 points"


def test_numbers_of_numpy_are_made_pythons_own_and_a_reason_that_is_none_is_dropped() -> None:
    """They cannot be recorded; nothing runs differently for it."""
    odd = Decision(np.int64(1), (), np.float64(1.5), np.float32(2.0), reason="because")  # type: ignore[arg-type]
    (answer,) = asked(guarded(Scripted(odd)), 1)
    assert answer.decision == Decision(1, (), 1.5, 2.0)
    assert [type(figure) for figure in (answer.decision.point, answer.decision.slowdown)] == [int, float]
    assert (answer.error, answer.is_fallback) == (None, False)


def test_a_sound_decision_is_handed_on_as_it_is() -> None:
    decision = Decision(1, ("accuracy_pct",), 1.5, 3.0, Reason("latency_ms"))
    (answer,) = asked(guarded(Scripted(decision)), 1)
    assert answer.decision is decision


def test_after_some_failures_in_a_row_it_is_left_alone_and_told_once() -> None:
    policy = Scripted(None, *[RuntimeError("no")] * 10**3)
    guard = guarded(policy)
    answers = asked(guard, 1 + FAILURES_IN_A_ROW + 50)
    failing, resting = answers[1 : 1 + FAILURES_IN_A_ROW], answers[1 + FAILURES_IN_A_ROW :]
    assert all("RuntimeError: no" in (one.error or "") for one in failing)
    assert "left alone" in (failing[-1].error or "")
    assert [one.decision.point for one in failing] == [LARGE_ROW] * (FAILURES_IN_A_ROW - 1) + [0]
    assert all(one == Answer(Decision(0), None, True, 0.0) for one in resting)
    assert len(policy.script) == 10**3 - FAILURES_IN_A_ROW, "nobody asked it meanwhile"


def test_a_policy_that_recovers_is_used_again_from_a_new_start() -> None:
    policy = Scripted(*[RuntimeError("no")] * FAILURES_IN_A_ROW)
    guard = guarded(policy)
    asked(guard, FAILURES_IN_A_ROW)
    (resting,) = asked(guard, 1, from_s=REST_S - 0.1)
    (again,) = asked(guard, 1, from_s=REST_S + 0.1)
    assert resting.is_fallback
    assert (again.decision.point, again.error, again.is_fallback) == (LARGE_ROW, None, False)
    assert policy.n_started == 2
    assert asked(guard, 5, from_s=REST_S + 1)[-1].error is None


def test_a_policy_that_does_not_recover_rests_again_at_once() -> None:
    policy = Scripted(*[RuntimeError("no")] * (FAILURES_IN_A_ROW + 1))
    guard = guarded(policy)
    asked(guard, FAILURES_IN_A_ROW)
    first, second = asked(guard, 2, from_s=REST_S + 0.1)
    assert "left alone" in (first.error or "")
    assert (second.error, second.is_fallback) == (None, True)
    (recovered,) = asked(guard, 1, from_s=2 * REST_S + 0.2)
    assert not recovered.is_fallback


def test_failures_that_are_not_in_a_row_do_not_add_up() -> None:
    guard = guarded(Scripted(*[RuntimeError("no"), None] * 20))
    assert [one.is_fallback for one in asked(guard, 40)] == [True, False] * 20


@pytest.mark.parametrize("jumped_s", [-1e6, 1e6, math.nan, math.inf, -math.inf])
def test_a_rest_ends_when_the_clock_jumps(jumped_s: float) -> None:
    guard = guarded(Scripted(*[RuntimeError("no")] * FAILURES_IN_A_ROW))
    asked(guard, FAILURES_IN_A_ROW)
    assert not guard.decide(Observation(jumped_s)).is_fallback


def test_a_slow_decision_is_used_and_told_and_after_some_it_rests_with_its_state_kept() -> None:
    clock = ManualClock(0.0)

    def ponder() -> Decision:
        clock.advance(2 * LONGEST_DECISION_MS / 1000)
        return Decision(BEST)

    policy = Scripted(None, *[ponder] * FAILURES_IN_A_ROW)
    guard = guarded(policy, now_s=clock.now_s)
    answers = asked(guard, 1 + FAILURES_IN_A_ROW + 3)
    slow, resting = answers[1 : 1 + FAILURES_IN_A_ROW], answers[1 + FAILURES_IN_A_ROW :]
    assert all((one.decision.point, one.is_fallback) == (BEST, False) for one in slow)
    assert all("100 ms" in (one.error or "") for one in slow)
    assert slow[0].decide_us == pytest.approx(100_000)
    assert "left alone" in (slow[-1].error or "")
    assert [(one.decision.point, one.error, one.is_fallback) for one in resting] == [(0, None, True)] * 3
    (again,) = asked(guard, 1, from_s=REST_S + 1)
    assert not again.is_fallback
    assert policy.n_started == 1


def test_a_policy_that_really_sleeps_is_told() -> None:
    def sleep() -> Decision:
        time.sleep(0.03)
        return Decision(BEST)

    (answer,) = asked(guarded(Scripted(sleep), longest_ms=10.0), 1)
    assert (answer.decision.point, answer.is_fallback) == (BEST, False)
    assert "to decide, 10 ms is the most" in (answer.error or "")
    (answer,) = asked(guarded(Scripted(sleep), longest_ms=math.inf), 1)
    assert answer.error is None, "a simulation does not depend on this machine"
    assert answer.decide_us > 10_000


def test_what_is_not_kept_leaves_no_trace() -> None:
    class Counting(Scripted):
        def decide(self, state: int, observation: Observation) -> Any:
            del observation
            return Decision(state % 4), state + 1

    guard = guarded(Counting())
    points = []
    for index in range(6):
        points.append(guard.decide(Observation(0.0)).decision.point)
        if index % 2:
            guard.keep()
        else:
            guard.forget()
    assert points == [0, 0, 1, 1, 2, 2]


def test_a_failure_that_is_not_kept_is_not_counted() -> None:
    guard = guarded(Scripted(*[RuntimeError("no")] * (FAILURES_IN_A_ROW + 1)))
    for _ in range(FAILURES_IN_A_ROW + 1):
        assert guard.decide(Observation(0.0)).is_fallback
    assert not guard.decide(Observation(0.0)).is_fallback


def test_a_stand_in_keeps_to_the_allotment() -> None:
    table = sample_table()
    guard = Guarded(Scripted(Decision(11), *[RuntimeError("no")] * 9), table, NEEDS)
    asked(guard, 1)
    for place in (Allotment("little", 1), Allotment("big", 1, 1_000_000_000)):
        where = table.configuration(guard.decide(Observation(0.0, allotment=place)).decision.point)
        assert (where.cluster, where.frequency_hz) == (place.cluster, place.frequency_hz)
    assert guard.decide(Observation(0.0, allotment=Allotment("big", 1))).decision.point == 11
    assert guard.decide(Observation(0.0)).decision.point == 11


def raising(*at: int) -> Callable[[int], None]:
    def on_start(n: int) -> None:
        if n in at:
            raise ZeroDivisionError("at the start")

    return on_start


def test_a_policy_that_cannot_start_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError) as caught:
        guarded(Scripted(on_start=raising(1)))
    assert "ZeroDivisionError: at the start" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_the_table_does_not_carry_is_told_as_it_is() -> None:
    guard = guarded(TenutoPolicy())
    with pytest.raises(UnknownMetricError):
        guard.require(Requirements.of(power_w=3))
    assert guard.requirements is NEEDS


def test_new_requirements_that_break_a_policy_make_it_start_anew_and_are_told() -> None:
    policy = Scripted(on_start=raising(2))
    guard = guarded(policy)
    asked(guard, 3)
    others = Requirements.of(latency_ms=5)
    guard.require(others)
    assert guard.requirements is others
    first, second = asked(guard, 2)
    assert "failed to start: ZeroDivisionError" in (first.error or "")
    assert (first.decision.point, first.is_fallback) == (LARGE_ROW, False)
    assert second.error is None


def test_what_was_decided_under_other_requirements_does_not_stand_in() -> None:
    guard = guarded(Scripted(Decision(BEST), RuntimeError("no")))
    asked(guard, 1)
    guard.require(Requirements.of(latency_ms=5))
    (answer,) = asked(guard, 1)
    assert (answer.decision.point, answer.is_fallback) == (0, True)


def test_new_requirements_under_which_it_cannot_start_at_all_put_it_to_rest() -> None:
    policy = Scripted(on_start=raising(2, 3, 4))
    guard = guarded(policy)
    asked(guard, 3)
    guard.require(Requirements.of(latency_ms=5))
    first, second = asked(guard, 2)
    assert "failed to start" in (first.error or "")
    assert "left alone" in (first.error or "")
    assert [(one.decision.point, one.is_fallback) for one in (first, second)] == [(0, True)] * 2
    assert second.error is None
    (third,) = asked(guard, 1, from_s=REST_S + 1)
    assert "at the start" in (third.error or ""), "it still cannot"
    (fourth,) = asked(guard, 1, from_s=2 * REST_S + 3)
    assert (fourth.decision.point, fourth.error, fourth.is_fallback) == (LARGE_ROW, None, False)


def test_an_interruption_by_the_user_is_no_failure() -> None:
    def interrupt() -> Decision:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(Scripted(interrupt)).decide(Observation(0.0))


def test_our_policy_decides_under_guard_as_it_does_alone() -> None:
    policy, table = TenutoPolicy(), ladder()
    guard, state = Guarded(policy, table, NEEDS), policy.start(table, NEEDS)
    seen = Observation(0.0)
    for index in range(100):
        expected, state = policy.decide(state, seen)
        answer = guard.decide(seen)
        guard.keep()
        assert answer.decision == expected
        slowdown = 2.0 if 30 <= index < 60 else 1.0
        seen = Observation(
            index / 30, expected.point, slowdown * float(table.column("latency_ms").value[expected.point])
        )


# In the loop.


def test_a_stream_goes_on_under_a_policy_that_throws_in_its_midst_and_says_so(board: HeldBoard) -> None:
    policy = Scripted(None, None, *[RuntimeError("no")] * FAILURES_IN_A_ROW)
    stream = Stream(board, policy=policy)
    results = [stream.manager(FRAME) for _ in range(2 + FAILURES_IN_A_ROW + 2)]
    assert [result.sub_network for result in results] == [LARGE] * (1 + FAILURES_IN_A_ROW) + [SMALLEST] * 3
    assert [step.is_fallback for step in stream.steps] == [False] * 2 + [True] * (FAILURES_IN_A_ROW + 2)
    assert [step.error is not None for step in stream.steps] == [False] * 2 + [True] * FAILURES_IN_A_ROW + [False] * 2
    assert "RuntimeError: no" in (stream.steps[2].error or "")
    assert "fallback" in results[2].reason
    assert "RuntimeError: no" in results[2].reason
    assert all(step.latency_ms is not None for step in stream.steps)
    stream.clock.advance(REST_S)
    assert stream.manager(FRAME).sub_network == LARGE


def test_what_runs_in_place_of_a_bad_decision_is_what_is_recorded_and_learned_of(board: HeldBoard) -> None:
    stream = Stream(board, policy=Scripted(None, Decision(10**6)))
    for _ in range(3):
        stream.manager(FRAME)
    bad, after = stream.steps[1:]
    assert (bad.decision, bad.applied) == (Decision(LARGE_ROW), LARGE_ROW)
    assert (after.observation.in_force, after.observation.latency_ms) == (LARGE_ROW, pytest.approx(7.0))


def test_a_policy_and_an_engine_that_fail_together_are_both_named(board: HeldBoard) -> None:
    stream = Stream(board, policy=Scripted(None, RuntimeError("no idea")))
    stream.manager(FRAME)
    stream.engine.failing = {LARGE}
    result = stream.manager(FRAME)
    assert result.sub_network == SMALLEST
    assert "no idea" in (result.error or "")
    assert "d3 broke" in (result.error or "")


def test_a_skipped_input_asks_a_bad_policy_as_well(board: HeldBoard) -> None:
    stream = Stream(board, policy=Scripted(Nothing()))
    step = stream.manager.skip(waited_ms=99.0)
    assert step.is_fallback
    assert "Nothing" in (step.error or "")
    assert "skipped" in (step.error or "")


def test_a_trace_of_a_bad_policy_can_be_read_again(board: HeldBoard, tmp_path: Path) -> None:
    """NumPy's numbers, NaN and rows that are not there: the file has what ran."""
    odd = [Decision(np.int64(1)), Decision(2, latency_ms=math.nan), Decision(10**6), RuntimeError("no")]  # type: ignore[arg-type]
    stream = Stream(board, policy=Scripted(*odd))
    header = TraceHeader(network="toy", platform="files", policy="scripted", requirements=NEEDS, table=stream.table)
    with TraceWriter(tmp_path / "bad.trace.jsonl", header) as writer:
        for _ in range(6):
            writer.record(stream.manager(FRAME).step)
    read = read_trace(tmp_path / "bad.trace.jsonl")
    assert [step.decision.point for step in read.steps] == [1, 1, 1, 0, 0, 0]
    assert [step.is_fallback for step in read.steps] == [False] + [True] * 5
    assert [step.error is None for step in read.steps] == [True, False, False, False, True, True]


@pytest.fixture
def session(tmp_path: Path) -> Callable[[Any], Session]:
    """A session on a bare machine and a table."""

    def made(policy: Any) -> Session:
        clock, stream_table = ManualClock(0.0), ladder()
        engine = TableEngine(
            stream_table,
            cluster="cpu",
            n_cores=2,
            input_shape=(1, 4, 4),
            output_shape=(10,),
            sleep=clock.advance,
        )
        engine.load(stream_table.sub_networks)
        return Session(
            None, bare_machine(tmp_path / "machine"), stream_table, NEEDS, policy=policy, engine=engine, clock=clock
        )

    return made


def test_a_session_refuses_a_policy_that_cannot_start_and_holds_no_board(
    session: Callable[[Any], Session],
) -> None:
    with pytest.raises(UsageError):
        session(Scripted(on_start=raising(1)))


def test_a_session_survives_a_policy_of_no_use(session: Callable[[Any], Session]) -> None:
    class Useless(Scripted):
        def decide(self, state: int, observation: Observation) -> Any:
            del state, observation
            raise NotImplementedError

    with session(Useless()) as net:
        results = [net(FRAME) for _ in range(20)]
    assert {result.sub_network for result in results} == {SMALLEST}
    assert results[0].output.shape == (BATCH, 10)
    assert LARGEST != SMALLEST
