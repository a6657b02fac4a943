"""A trace replays to equal decisions, and a policy that differs is told apart."""

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from small_stream import header, small_table, step

from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.traces import Step, Trace, TraceWriter, read_trace, replay


@dataclass(frozen=True)
class Averaging:
    """A real, if simple, policy with a state: the best point whose latency, scaled by a moving average, is in time."""

    weight: float
    latencies_ms: list[float] = field(default_factory=list)

    def start(
        self,
        table: OperatingTable,
        requirements: Requirements,
        previous: tuple[OperatingTable, float, float] | None = None,
    ) -> tuple[OperatingTable, float, float]:
        bound = requirements.constraint("latency_ms")
        assert bound is not None
        return table, bound.bound, 1.0 if previous is None else previous[2]

    def decide(
        self, state: tuple[OperatingTable, float, float], observation: Observation
    ) -> tuple[Decision, tuple[OperatingTable, float, float]]:
        table, bound_ms, slowdown = state
        latency_ms = table.column("latency_ms").value
        if observation.latency_ms is not None and observation.in_force is not None:
            seen = observation.latency_ms / float(latency_ms[observation.in_force])
            slowdown += self.weight * (seen - slowdown)
        point = max((row for row in range(len(table)) if latency_ms[row] * slowdown <= bound_ms), default=0)
        return Decision(point, (), slowdown, float(latency_ms[point]) * slowdown), (table, bound_ms, slowdown)


def stream(policy: Averaging, slowdowns: list[float]) -> list[Step]:
    """Run the policy on a stream whose latencies are the table's, times a slowdown each."""
    table = small_table()
    state = policy.start(table, header().requirements)
    observation = Observation(0.0)
    steps = []
    for index, slowdown in enumerate(slowdowns):
        decision, state = policy.decide(state, observation)
        latency_ms = float(table.column("latency_ms").value[decision.point]) * slowdown
        steps.append(step(index, latency_ms, observation=observation, decision=decision, applied=decision.point))
        observation = Observation(index + 1.0, decision.point, latency_ms)
    return steps


SLOWDOWNS = st.lists(st.floats(0.5, 6.0), min_size=2, max_size=30)


@given(slowdowns=SLOWDOWNS, weight=st.floats(0.0, 1.0))
def test_a_trace_replays_to_equal_decisions(tmp_path_factory: object, slowdowns: list[float], weight: float) -> None:
    path: Path = tmp_path_factory.mktemp("trace") / "stream.jsonl"  # type: ignore[attr-defined]
    with TraceWriter(path, header()) as writer:
        for each in stream(Averaging(weight), slowdowns):
            writer.record(each)
    replayed = list(replay(read_trace(path), Averaging(weight)))
    assert len(slowdowns) == len(replayed)
    assert all(each.is_equal for each in replayed)


def test_a_policy_that_differs_in_its_last_bit_is_told_apart() -> None:
    steps = stream(Averaging(0.5), [1.0, 3.0, 3.0, 1.0])
    replayed = list(replay(Trace(header(), tuple(steps), (), is_complete=True), Averaging(0.5 + 1e-15)))
    assert [each.is_equal for each in replayed] == [True, True, False, False]


def test_a_figure_that_is_not_finite_is_absent_and_equal_to_itself(tmp_path: Path) -> None:
    """A policy may promise an infinite latency; in the file that is no figure at all."""

    class Hopeless:
        def start(self, _table: OperatingTable, _requirements: Requirements) -> None:
            return None

        def decide(self, _state: None, _observation: Observation) -> tuple[Decision, None]:
            return Decision(0, ("latency_ms",), latency_ms=float("inf")), None

    with TraceWriter(tmp_path / "stream.jsonl", header()) as writer:
        writer.record(step(0, decision=Hopeless().decide(None, Observation(0.0))[0]))
    (replayed,) = replay(read_trace(tmp_path / "stream.jsonl"), Hopeless())
    assert replayed.is_equal
    assert replayed.step.decision.latency_ms is None
