"""Measures of a passage, worked out by hand, and confidence intervals over seeds."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import scenario

from tenuto.decisions import Decision, Observation
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.simulation import ApplicationRun, Interval, Outcome, against, interval, measures_of, rounded, summarise
from tenuto.traces import Event, Step


def table() -> OperatingTable:
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("level", (level,)),)), "cpu", 1),
            {"latency_ms": Estimate(10.0 * level, "assumed"), "accuracy_pct": Estimate(50.0 + 10 * level, "assumed")},
        )
        for level in (1, 2)
    )


def step(index: int, latency_ms: float | None, point: int = 0, **more: Any) -> Step:
    """One of a stream of ten a second, with a deadline of 25 ms."""
    return Step(
        index=index,
        time_s=0.1 * index,
        observation=Observation(0.1 * index),
        decision=Decision(point, more.pop("given_up", ())),
        applied=None if latency_ms is None else point,
        latency_ms=latency_ms,
        deadline_ms=25.0,
        decide_us=float(index),
        **more,
    )


STEPS = (
    step(0, 10.0),
    step(1, 20.0, 1),
    step(2, 30.0, 1),
    step(3, None, 1),
    step(4, 20.0, waited_ms=4.0, given_up=("accuracy_pct",)),
    step(5, 10.0, is_fallback=True),
)


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    small = replace(scenario(tmp_path), duration_s=0.6)
    run = ApplicationRun("toy", table(), Requirements.of(latency_ms=25), STEPS, (Event(0.15, "load", 0.55),))
    return Outcome(small, "mine", {}, 7, (run,), 600.0, 900.0, None, (), 0.2, 61.0, None)


def test_a_passage_is_measured_as_by_hand(outcome: Outcome) -> None:
    found = measures_of([outcome])
    assert (found.policy, found.seed, found.n) == ("mine", 7, 6)
    assert found.miss_pct == pytest.approx(100 * 2 / 6)
    assert found.longest_miss_run == 2
    assert found.recovery_s == pytest.approx(0.2), "from the miss at 0.2 s to the answer in time at 0.4 s"
    assert found.latency_mean_ms == pytest.approx((10 + 20 + 30 + 24 + 10) / 5)
    assert found.latency_p99_ms == pytest.approx(np.quantile([10, 20, 30, 24, 10], 0.99))
    assert found.energy_mj_per_inference == 100
    assert found.board_energy_mj_per_inference == 150
    assert found.accuracy_pct == pytest.approx((60 + 70 + 60 + 60) / 6), "late and missing answers are wrong"
    assert found.switches_per_min == pytest.approx(60 * 2 / 0.6)
    assert found.decision_median_us == 2.5
    assert found.given_up_pct == pytest.approx(100 / 6)
    assert (found.n_fallback, found.throttled_s, found.hottest_c) == (1, 0.2, 61.0)
    assert (found.battery_pct, found.off_s, found.energy_over_oracle_pct) == (None, None, None)


def test_variants_and_applications_count_together_and_the_worst_of_what_is_a_limit(outcome: Outcome) -> None:
    (run,) = outcome.runs
    calm = replace(run, steps=tuple(step(index, 10.0) for index in range(4)))
    other = replace(outcome, runs=(run, calm), energy_mj=400.0, hottest_c=80.0, battery_pct=3.0, off_s=0.5)
    found = measures_of([outcome, other])
    assert found.n == 16
    assert found.miss_pct == pytest.approx(100 * 4 / 16)
    assert found.energy_mj_per_inference == pytest.approx(1000 / 16)
    assert (found.hottest_c, found.battery_pct, found.off_s, found.throttled_s) == (80.0, 3.0, 0.5, 0.4)
    assert found.switches_per_min == pytest.approx(60 * 4 / 1.2)


def test_a_disturbance_that_never_lets_go_has_no_recovery(outcome: Outcome) -> None:
    (run,) = outcome.runs
    never = replace(run, steps=tuple(step(index, 30.0) for index in range(6)))
    assert measures_of([replace(outcome, runs=(never,))]).recovery_s is None


def test_an_outcome_without_any_input_has_no_figures(outcome: Outcome) -> None:
    (run,) = outcome.runs
    found = measures_of([replace(outcome, runs=(replace(run, steps=()),))])
    assert found.n == 0
    for name in ("miss_pct", "latency_mean_ms", "energy_mj_per_inference", "accuracy_pct", "decision_median_us"):
        assert getattr(found, name) is None


def test_against_the_oracle_energy_is_in_per_cent_and_accuracy_in_points(outcome: Outcome) -> None:
    ruler = measures_of([replace(outcome, energy_mj=500.0)])
    found = against(measures_of([outcome]), ruler)
    assert found.energy_over_oracle_pct == pytest.approx(20)
    assert found.accuracy_under_oracle_pct == pytest.approx(0)


@pytest.mark.parametrize(
    ("values", "half"),
    [
        ([1.0, 3.0], 12.706 * math.sqrt(2) / math.sqrt(2)),
        ([1.0, 2.0, 3.0], 4.303 / math.sqrt(3)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 2.776 * math.sqrt(2.5) / math.sqrt(5)),
    ],
)
def test_confidence_intervals_are_those_of_the_tables(values: list[float], half: float) -> None:
    found = interval(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.high - found.mean == pytest.approx(half, rel=2e-3)
    assert found.mean - found.low == pytest.approx(half, rel=2e-3)


def test_one_seed_has_no_interval() -> None:
    assert interval([4.0]) == Interval(4.0, None, None)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60))
@settings(max_examples=25)
def test_confidence_intervals_are_those_of_students_distribution(values: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = interval(values)
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * spread
    assert found.high - found.low == pytest.approx(2 * half, rel=0.005, abs=1e-9)


def test_a_summary_leaves_out_seeds_without_the_figure(outcome: Outcome) -> None:
    one = measures_of([outcome])
    two = measures_of([replace(outcome, battery_pct=4.0, seed=8, energy_mj=1200.0)])
    summary = summarise([one, two])
    assert summary["battery_pct"] == Interval(4.0, None, None)
    assert summary["off_s"] is None
    assert summary["energy_mj_per_inference"].mean == 150
    assert not {"policy", "seed"} & summary.keys()


def test_figures_are_printed_with_six_digits(outcome: Outcome) -> None:
    plain = rounded(measures_of([outcome]))
    assert plain["miss_pct"] == 33.3333
    assert plain["policy"] == "mine"
    assert plain["off_s"] is None
