"""Our policy and the baselines, driven by hand."""

from typing import Any

import pytest

from tenuto.control import FixedPolicy, LevelStepPolicy, Policy, TenutoPolicy
from tenuto.decisions import Decision, Observation
from tenuto.errors import UnknownNameError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.testing import check_policy

LEVELS = ((1, 2.0, 89.0), (2, 4.0, 91.0), (3, 7.0, 92.0), (4, 12.0, 93.0))
"""Depth, latency in ms, accuracy in per cent: a ladder like the demonstration's."""


def ladder() -> OperatingTable:
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (depth,)),)), "cpu"),
            {"latency_ms": Estimate(latency_ms, "assumed"), "accuracy_pct": Estimate(accuracy_pct, "assumed")},
        )
        for depth, latency_ms, accuracy_pct in LEVELS
    )


def drive(
    policy: Policy[Any], slowdowns: list[float], *, deadline_ms: float = 16.0, shield_ms: float = 0.0
) -> list[tuple[Decision, float]]:
    """Each frame's decision and latency. Works shorter than `shield_ms` slip between a co-runner's time slices."""
    table = ladder()
    state = policy.start(table, Requirements.of(latency_ms=deadline_ms))
    point, latency_ms = None, None
    frames = []
    for index, slowdown in enumerate(slowdowns):
        decision, state = policy.decide(state, Observation(index / 30, point, latency_ms))
        point = decision.point
        quiet_ms = LEVELS[point][1]
        latency_ms = quiet_ms if quiet_ms < shield_ms else quiet_ms * slowdown
        frames.append((decision, latency_ms))
    return frames


@pytest.mark.parametrize(
    "policy", [TenutoPolicy(), FixedPolicy("largest"), FixedPolicy("smallest"), LevelStepPolicy()], ids=lambda p: p.name
)
def test_every_shipped_policy_keeps_the_promises_of_the_boundary(policy: Policy[Any]) -> None:
    check_policy(policy)


def test_check_policy_finds_a_policy_that_keeps_secrets() -> None:
    """State outside the state value makes the same stream give other decisions."""

    class Forgetful:
        name = "forgetful"
        parameters: dict[str, Any] = {}  # noqa: RUF012 - a test's own

        def __init__(self) -> None:
            self.n = 0

        def start(self, table: OperatingTable, requirements: Requirements, previous: None = None) -> None:
            del table, requirements, previous

        def decide(self, state: None, observation: Observation) -> tuple[Decision, None]:
            del observation
            self.n += 1
            return Decision(self.n % 7), state

    with pytest.raises(AssertionError, match="same"):
        check_policy(Forgetful())


def test_check_policy_finds_a_row_that_is_not_there() -> None:
    class Wild:
        name = "wild"
        parameters: dict[str, Any] = {}  # noqa: RUF012 - a test's own

        def start(self, table: OperatingTable, requirements: Requirements, previous: None = None) -> None:
            del table, requirements, previous

        def decide(self, state: None, observation: Observation) -> tuple[Decision, None]:
            del observation
            return Decision(99), state

    with pytest.raises(AssertionError, match="row 99"):
        check_policy(Wild())


def test_tenuto_holds_the_deadline_again_after_one_late_frame() -> None:
    frames = drive(TenutoPolicy(), [1.0] * 30 + [2.0] * 60)
    late = [index for index, (_, latency_ms) in enumerate(frames) if latency_ms > 16]
    assert late == [30]
    assert frames[29][0].point == 3


def test_tenuto_is_not_lured_back_by_works_that_a_co_runner_does_not_touch() -> None:
    """Short works look undisturbed while long ones take twice as long: the trap for a single slowdown."""
    frames = drive(TenutoPolicy(), [1.0] * 30 + [2.0] * 120, shield_ms=5.0)
    n_late = sum(latency_ms > 16 for _, latency_ms in frames)
    assert n_late <= 3


def test_tenuto_returns_to_the_best_network_when_the_disturbance_ends() -> None:
    frames = drive(TenutoPolicy(), [1.0] * 30 + [2.0] * 30 + [1.0] * 200)
    assert frames[-1][0].point == 3


def test_tenuto_spends_less_when_an_input_has_waited() -> None:
    table = ladder()
    policy = TenutoPolicy()
    state = policy.start(table, Requirements.of(latency_ms=16))
    assert policy.decide(state, Observation(0.0))[0].point == 3
    assert policy.decide(state, Observation(0.0, waited_ms=6.0))[0].point == 2
    given_up = policy.decide(state, Observation(0.0, waited_ms=15.5))[0]
    assert given_up.point == 0
    assert given_up.given_up == ("latency_ms",)


def test_new_requirements_keep_what_was_learned() -> None:
    table, policy = ladder(), TenutoPolicy()
    state = policy.start(table, Requirements.of(latency_ms=40))
    decision, state = policy.decide(state, Observation(0.0))
    for index in range(20):
        decision, state = policy.decide(state, Observation(index / 30, decision.point, 2 * LEVELS[decision.point][1]))
    state = policy.start(table, Requirements.of(latency_ms=20), state)
    decision, _ = policy.decide(state, Observation(1.0))
    assert decision.slowdown == pytest.approx(2.0, rel=0.1)
    assert decision.point == 2


def test_level_step_needs_a_window_for_every_level() -> None:
    """Twenty frames ignored and twenty averaged before each step down: as released."""
    frames = drive(LevelStepPolicy(), [1.0] * 10 + [2.0] * 200, deadline_ms=9.0)
    points = [decision.point for decision, _ in frames]
    assert points[:41] == [3] * 40 + [2]
    assert points.index(1) == 80


def test_level_step_does_not_go_back_to_a_level_it_has_just_left() -> None:
    frames = drive(LevelStepPolicy(), [2.0] * 60 + [1.0] * 200)
    points = [decision.point for decision, _ in frames]
    assert points[59] == 2
    assert points[-1] == 2


def test_a_fixed_policy_of_an_unknown_sub_network_names_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        FixedPolicy("d5").start(ladder(), Requirements.of(latency_ms=5))
    assert caught.value.kind == "sub-network"
    assert "d4" in caught.value.matches
