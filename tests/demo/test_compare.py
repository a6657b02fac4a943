"""Four policies on one stream, on a clock that is moved; only the co-runner is real."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from tenuto.demo import Comparison, LiveView, Schedule, compare, machine, policies
from tenuto.engines import TableEngine
from tenuto.errors import UsageError
from tenuto.nets.package import NetworkPackage, open_package
from tenuto.platforms import CoRunner, LinuxPlatform
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable
from tenuto.testing import ManualClock
from tenuto.testing.trees import BARE_VM, write_tree
from tenuto.traces import Step

SECONDS = 16.0
NAMES = ["tenuto", "fixed-largest", "fixed-smallest", "level-step"]


class Conveyor:
    """A comparison whose engine takes twice as long or more in the middle third of each pass."""

    def __init__(self, folder: Path) -> None:
        write_tree(folder, BARE_VM)
        self.package: NetworkPackage = open_package("fashion")
        self.platform = LinuxPlatform(folder)
        self.table = OperatingTable.from_points(
            OperatingPoint(
                Configuration(one.sub_network, "cpu", 2),
                {"latency_ms": Estimate(2.0 + 1.5 * index, "assumed"), "accuracy_pct": one.accuracy_pct},
            )
            for index, one in enumerate(sorted(self.package.sub_networks, key=lambda one: one.macs))
        )
        self.clock = ManualClock()
        self.slowdown = 1.0
        self.n_frames = 0
        self.schedule: Schedule | None = None
        self.passes: list[str] = []

    def run(self, while_idle: Callable[[str, Step, float], None] | None = None, **options: Any) -> Comparison:
        engine = TableEngine(
            self.table,
            cluster="cpu",
            n_cores=2,
            input_shape=self.package.input_shape,
            output_shape=(10,),
            sleep=lambda seconds: self.clock.advance(seconds * self.slowdown),
        )
        engine.load(self.table.sub_networks)

        def on_pass(name: str, schedule: Schedule) -> None:
            self.passes.append(name)
            self.schedule, self.n_frames, self.slowdown = schedule, 0, 1.0

        def on_frame(name: str, step: Step, left_s: float) -> None:
            assert self.schedule is not None
            first, last = self.schedule.disturbed
            self.n_frames += 1
            self.slowdown = 2.5 if first <= self.n_frames < last else 1.0
            if while_idle is not None:
                while_idle(name, step, left_s)

        return compare(
            self.package,
            self.platform,
            engine,
            self.table,
            **{
                "contenders": policies(),
                "seconds": SECONDS,
                "clock": self.clock,
                "on_pass": on_pass,
                "while_idle": on_frame,
                **options,
            },
        )


@pytest.fixture
def conveyor(tmp_path: Path) -> Conveyor:
    return Conveyor(tmp_path)


def test_ours_recovers_at_once_where_the_others_miss_or_give_accuracy_away(conveyor: Conveyor) -> None:
    comparison = conveyor.run()
    by_name = {outcome.header.policy: outcome.measures for outcome in comparison.outcomes}
    assert list(by_name) == NAMES
    n_disturbed = by_name["tenuto"].n_disturbed
    assert n_disturbed == pytest.approx(SECONDS / 4 * 30 / 3, abs=1)
    assert by_name["tenuto"].n_missed <= 2
    assert (by_name["tenuto"].recovery_frames or 0) <= 2
    assert by_name["fixed-largest"].n_missed >= n_disturbed
    assert by_name["fixed-largest"].recovery_frames is None
    assert by_name["fixed-smallest"].n_missed == 0
    assert by_name["level-step"].n_missed >= 20
    assert all(len(outcome.steps) == comparison.schedule.n_frames for outcome in comparison.outcomes)


def test_every_policy_gets_the_same_frames_and_the_same_disturbance(conveyor: Conveyor) -> None:
    comparison = conveyor.run(seed=5)
    assert sorted(conveyor.passes) == sorted(NAMES)
    for outcome in comparison.outcomes:
        first, last = comparison.schedule.disturbed
        assert outcome.passed.disturbance.until_s is not None
        assert outcome.steps[first - 1].time_s < outcome.passed.disturbance.time_s + comparison.schedule.period_s
        assert outcome.passed.disturbance.time_s <= outcome.steps[first].time_s
        assert outcome.passed.disturbance.until_s <= outcome.steps[last].time_s
        assert outcome.header.events == (outcome.passed.disturbance,)
    assert any("seed 5" in note for note in comparison.notes)


def test_the_seed_orders_the_turns_but_not_the_table(tmp_path: Path) -> None:
    turns = []
    for seed in range(4):
        conveyor = Conveyor(tmp_path / str(seed))
        comparison = conveyor.run(seed=seed, seconds=2.0)
        assert [outcome.header.policy for outcome in comparison.outcomes] == NAMES
        turns.append(tuple(conveyor.passes))
    assert len(set(turns)) > 1


def test_a_co_runner_that_dies_is_noted_once_and_the_comparison_goes_on(
    conveyor: Conveyor, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[CoRunner] = []
    enter = CoRunner.__enter__

    def remember(self: CoRunner) -> CoRunner:
        entered.append(self)
        return enter(self)

    monkeypatch.setattr(CoRunner, "__enter__", remember)
    killed: list[int] = []

    def kill(name: str, step: Step, left_s: float) -> None:
        del name, step, left_s
        (co_runner,) = entered
        if co_runner.is_running and not killed:
            killed.extend(co_runner.pids[:1])
            os.kill(killed[0], signal.SIGKILL)
            gives_up_at = time.monotonic() + 20
            while killed[0] in co_runner.pids:
                assert time.monotonic() < gives_up_at
                time.sleep(0.005)

    comparison = conveyor.run(kill)
    assert len(killed) == 1
    assert sum(outcome.passed.n_died for outcome in comparison.outcomes) == 1
    assert any("1 co-runner processes died" in note for note in comparison.notes)
    assert len(comparison.outcomes) == 4


def test_nobody_dies_in_an_ordinary_run(conveyor: Conveyor) -> None:
    assert not any("died" in note for note in conveyor.run(seconds=2.0).notes)


def test_an_interruption_ends_the_co_runner_and_gives_the_board_back(
    conveyor: Conveyor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    start = CoRunner.start

    def remember(self: CoRunner) -> int:
        pids.extend(self.pids)
        return start(self)

    monkeypatch.setattr(CoRunner, "start", remember)

    def interrupt(name: str, step: Step, left_s: float) -> None:
        del name, step, left_s
        if pids:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conveyor.run(interrupt)
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with conveyor.platform.hold():
        pass


def test_a_frame_that_is_stale_before_its_turn_is_skipped(conveyor: Conveyor) -> None:
    """The fixed largest takes so long that its backlog grows beyond the deadline."""
    stuck = {"n": 0}

    def stall(name: str, step: Step, left_s: float) -> None:
        del step, left_s
        if name == "fixed-largest":
            stuck["n"] += 1
            if stuck["n"] == 5:
                conveyor.clock.advance(0.1)

    comparison = conveyor.run(stall, seconds=2.0)
    (largest,) = [one for one in comparison.outcomes if one.header.policy == "fixed-largest"]
    skipped = [step for step in largest.steps if step.latency_ms is None]
    assert 1 <= len(skipped) <= 4
    assert skipped[0].index == 5
    assert all(step.is_missed and step.n_inputs == 16 for step in skipped)


@pytest.mark.parametrize("seconds", [0.0, float("nan"), 0.5])
def test_too_short_a_stream_is_refused(conveyor: Conveyor, seconds: float) -> None:
    with pytest.raises(UsageError, match="seconds"):
        conveyor.run(seconds=seconds)


def test_the_live_view_shows_every_policy_and_what_runs(conveyor: Conveyor) -> None:
    console = Console(record=True, width=140, force_terminal=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    with console.file, LiveView(console, conveyor.table, NAMES) as view:
        schedule = Schedule.of(seconds=1, fps=30, deadline_ms=10)
        view.on_pass("tenuto", schedule)
        comparison = conveyor.run(seconds=2.0)
        for step in comparison.outcomes[0].steps:
            view.while_idle("tenuto", step, 0.0)
        view.on_pass("fixed-largest", schedule)
        shown = console.export_text()
    assert all(name in shown for name in NAMES)
    assert "deadline 10.0 ms" in shown
    assert conveyor.package.sub_networks[0].sub_network.network == "fashion"


def test_a_machine_is_described(conveyor: Conveyor) -> None:
    facts = machine(conveyor.platform)
    assert facts["platform"] == conveyor.platform.name
    assert facts["cluster cpu"] == "2 cores, clock not settable here"
    assert "load_pct" in facts["monitors"]


def test_a_late_answer_counts_as_wrong(conveyor: Conveyor) -> None:
    """The table engine always answers class 0, so accuracy in time is the share of that class."""
    comparison = conveyor.run()
    frames: NDArray[np.bool_] = np.array([not step.is_missed for step in comparison.outcomes[1].steps])
    right = sum(step.correct or 0 for step in comparison.outcomes[1].steps if not step.is_missed)
    assert comparison.outcomes[1].measures.accuracy_pct == pytest.approx(100 * right / (16 * len(frames)))
