"""A recorded stream still gets the decisions that it got: a change here is a change of behaviour.

To bless new decisions, after having looked at what changed and why:

    TENUTO_BLESS=1 pytest tests/test_golden_replay.py

which records the same seeded stream anew. Say in the commit what changed the decisions.
"""

import os
import random
from pathlib import Path

import numpy as np
import pytest

from tenuto.control import TenutoPolicy
from tenuto.engines import TableEngine
from tenuto.platforms import LinuxPlatform
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime import Manager
from tenuto.testing import ManualClock
from tenuto.testing.trees import BARE_VM, write_tree
from tenuto.traces import Event, Step, Trace, TraceHeader, TraceWriter, read_trace, replay

GOLDEN = Path(__file__).parent / "golden" / "toy-slowdowns@1.trace.jsonl"
SEED = 7
N_FRAMES = 240
PERIOD_S = 1 / 30
NEEDS = Requirements.of(latency_ms=18, miss_pct=1, maximise="accuracy_pct")
LADDER = ((1, 2.0, 89.0), (2, 4.0, 91.0), (3, 7.0, 92.0), (4, 12.0, 93.0))
FRAME = np.ones((4, 1, 4, 4), dtype=np.float32)


def ladder() -> OperatingTable:
    return OperatingTable.from_points(
        (
            OperatingPoint(
                Configuration(SubNetwork("toy", (("depth", (depth,)),)), "cpu", 2),
                {
                    "latency_ms": Estimate(latency_ms, "assumed"),
                    "latency_p90_ms": Estimate(1.04 * latency_ms, "assumed"),
                    "latency_p99_ms": Estimate(1.12 * latency_ms, "assumed"),
                    "accuracy_pct": Estimate(accuracy_pct, "assumed"),
                },
            )
            for depth, latency_ms, accuracy_pct in LADDER
        ),
        about={"network": "toy", "input_shape": list(FRAME.shape)},
    )


def header() -> TraceHeader:
    return TraceHeader(
        network="toy",
        platform="files",
        policy=TenutoPolicy().name,
        requirements=NEEDS,
        table=ladder(),
        seed=SEED,
        events=(Event(2.0, "slowdown", 5.0),),
        created="2026-01-01T00:00:00+00:00",
        tenuto_version="golden",
    )


def stream(folder: Path) -> list[Step]:
    """The stream that the golden trace is of: noise, a third of it at half the speed, an outlier now and then."""
    generator, clock, table, steps = random.Random(SEED), ManualClock(), ladder(), []
    slowdown = 1.0
    engine = TableEngine(
        table,
        cluster="cpu",
        n_cores=2,
        input_shape=FRAME.shape[1:],
        output_shape=(10,),
        sleep=lambda seconds: clock.advance(seconds * slowdown),
    )
    engine.load(table.sub_networks)
    write_tree(folder, BARE_VM)
    with LinuxPlatform(folder).hold() as board:
        manager = Manager(
            engine=engine,
            board=board,
            policy=TenutoPolicy(),
            table=table,
            requirements=NEEDS,
            clock=clock,
            record=steps.append,
        )
        for index in range(N_FRAMES):
            clock.sleep_until(index * PERIOD_S)
            is_disturbed = 2.0 <= index * PERIOD_S < 5.0
            slowdown = generator.uniform(0.97, 1.05) * (2.1 if is_disturbed else 1.0)
            slowdown *= 1.6 if generator.random() < 0.02 else 1.0
            waited_ms = max(1000 * (clock.now_s() - index * PERIOD_S), 0.0)
            manager(FRAME, waited_ms=waited_ms)
    return steps


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """The committed trace; recorded anew first if that was asked for."""
    if os.environ.get("TENUTO_BLESS") == "1":
        GOLDEN.parent.mkdir(exist_ok=True)
        with TraceWriter(GOLDEN, header()) as writer:
            for step in stream(tmp_path_factory.mktemp("board")):
                writer.record(step)
    return read_trace(GOLDEN)


def test_the_golden_trace_is_whole_and_goes_through_more_than_one_network(golden: Trace) -> None:
    assert golden.is_complete
    assert len(golden.steps) == N_FRAMES
    assert len({step.applied for step in golden.steps}) >= 3
    assert any(step.is_missed for step in golden.steps)


def test_the_policy_still_decides_as_it_did(golden: Trace) -> None:
    """Rows and what was given up exactly; figures but for the last bits, in which mathematical libraries differ."""
    for replayed in replay(golden, TenutoPolicy()):
        then, now = replayed.step.decision, replayed.decision
        where = f"step {replayed.step.index}"
        assert (now.point, now.given_up) == (then.point, then.given_up), where
        assert now.slowdown == pytest.approx(then.slowdown, rel=1e-9), where
        assert now.latency_ms == pytest.approx(then.latency_ms, rel=1e-9), where
        assert (now.reason is None) == (then.reason is None)
        if now.reason is not None and then.reason is not None:
            assert (now.reason.binding, now.reason.runner_up, now.reason.excluded) == (
                then.reason.binding,
                then.reason.runner_up,
                then.reason.excluded,
            ), where


def test_the_loop_still_runs_the_stream_as_it_did(golden: Trace, tmp_path: Path) -> None:
    now = stream(tmp_path)
    assert [step.applied for step in now] == [step.applied for step in golden.steps]
    assert [step.latency_ms for step in now] == pytest.approx([step.latency_ms for step in golden.steps], rel=1e-9)
    assert [step.is_missed for step in now] == [step.is_missed for step in golden.steps]
