"""Constraints, priorities and the objective."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import UnknownMetricError, UsageError
from tenuto.requirements import CONSTRAINABLE, DEFAULT_PRIORITY, Constraint, Objective, Requirements
from tenuto.testing.strategies import requirements
from tenuto.units import QUANTITIES


def test_requirements_in_one_call() -> None:
    asked = Requirements.of(latency_ms=20, miss_pct=0.5, accuracy_pct=90, minimise="energy_mj")
    assert asked.constraint("latency_ms") == Constraint("latency_ms", "<=", 20.0, 40, 0.5)
    assert asked.constraint("accuracy_pct") == Constraint("accuracy_pct", ">=", 90.0, 10)
    assert asked.constraint("power_w") is None
    assert asked.objective == Objective("energy_mj", "minimise")


def test_nothing_asked_means_the_best_accuracy() -> None:
    assert Requirements.of() == Requirements((), Objective("accuracy_pct", "maximise"))


@given(requirements())
def test_constraints_stand_by_falling_priority_one_for_each_metric(asked: Requirements) -> None:
    priorities = [constraint.priority for constraint in asked.constraints]
    assert priorities == sorted(priorities, reverse=True)
    metrics = [constraint.metric for constraint in asked.constraints]
    assert len(metrics) == len(set(metrics))


@given(requirements(), st.randoms(use_true_random=False))
def test_the_order_of_constraints_does_not_matter(asked: Requirements, random: Any) -> None:
    shuffled = list(asked.constraints)
    random.shuffle(shuffled)
    again = Requirements(tuple(shuffled), asked.objective)
    assert asked == again
    assert hash(asked) == hash(again)


@given(requirements())
def test_only_latency_has_a_miss_budget(asked: Requirements) -> None:
    assert all(not constraint.miss_pct or constraint.metric == "latency_ms" for constraint in asked.constraints)


def test_by_default_the_device_comes_first_and_accuracy_gives_way_first() -> None:
    asked = Requirements.of(**dict.fromkeys(CONSTRAINABLE, 50.0))
    assert set(DEFAULT_PRIORITY) == set(CONSTRAINABLE)
    assert asked.constraints[0].metric == "temperature_c"
    assert asked.constraints[-1].metric == "accuracy_pct"


def test_priorities_can_be_changed_one_by_one() -> None:
    asked = Requirements.of(latency_ms=20, accuracy_pct=90, power_w=3, priorities={"accuracy_pct": 99})
    assert [constraint.metric for constraint in asked.constraints] == ["accuracy_pct", "latency_ms", "power_w"]


@pytest.mark.parametrize("metric", [*CONSTRAINABLE, "miss_pct"])
@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf, "20", True, [20], 1j])
def test_a_bound_that_is_no_finite_number_is_refused(metric: str, bound: object) -> None:
    with pytest.raises(UsageError):
        Requirements.of(**{metric: bound})  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", [*(set(CONSTRAINABLE) - {"temperature_c"}), "miss_pct"])
def test_a_negative_bound_is_refused(metric: str) -> None:
    with pytest.raises(UsageError):
        Requirements.of(**{metric: -1.0})  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [{"latency_ms": 0}, {"accuracy_pct": 100.1}, {"miss_pct": 100}])
def test_an_absurd_bound_is_refused(asked: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Requirements.of(**asked)  # type: ignore[arg-type]


def test_a_temperature_limit_may_be_below_zero_and_numpy_numbers_are_numbers() -> None:
    asked = Requirements.of(temperature_c=-10, latency_ms=np.float32(20), memory_mb=np.int64(64))  # type: ignore[arg-type]
    assert {constraint.metric: constraint.bound for constraint in asked.constraints} == {
        "temperature_c": -10.0,
        "latency_ms": 20.0,
        "memory_mb": 64.0,
    }
    assert {type(constraint.bound) for constraint in asked.constraints} == {float}


def test_two_objectives_are_refused() -> None:
    with pytest.raises(UsageError):
        Requirements.of(maximise="accuracy_pct", minimise="energy_mj")


@pytest.mark.parametrize("metric", CONSTRAINABLE)
def test_an_objective_goes_the_better_way_only(metric: str) -> None:
    better, worse = ("maximise", "minimise") if QUANTITIES[metric].higher_is_better else ("minimise", "maximise")
    assert Requirements.of(**{better: metric}).objective.sense == better  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Requirements.of(**{worse: metric})  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [{"maximise": "accuracy"}, {"minimise": ""}, {"priorities": {"accuracy": 1}}])
def test_an_unknown_metric_is_answered_with_the_known(asked: dict[str, Any]) -> None:
    with pytest.raises(UnknownMetricError) as caught:
        Requirements.of(**asked)
    assert caught.value.available == tuple(sorted(CONSTRAINABLE))


@pytest.mark.parametrize(
    "constraint",
    [
        ("latency_ms", ">=", 20.0, 1),
        ("accuracy_pct", "<=", 90.0, 1),
        ("latency_ms", "==", 20.0, 1),
        ("latency_ms", "<=", 20.0, 1.5),
        ("latency_ms", "<=", 20.0, True),
        ("power_w", "<=", 3.0, 1, 5.0),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused(constraint: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError):
        Constraint(*constraint)


def test_two_constraints_on_one_metric_are_refused() -> None:
    twice = tuple(Constraint("power_w", "<=", bound, 1) for bound in (2.0, 3.0))
    with pytest.raises(UsageError):
        Requirements(twice, Objective("accuracy_pct", "maximise"))
