"""The conformance suite of policies."""

from typing import Any

import msgspec

from tenuto.control import Policy
from tenuto.decisions import Decision, Observation
from tenuto.points import Configuration as Where
from tenuto.points import Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements


def check_policy(policy: Policy[Any]) -> None:
    """Drive a policy through calm, slow, late, waiting and unknown inputs, and say what is wrong with it.

    Raises:
        AssertionError: It breaks a promise of `tenuto.control.Policy`; the message says which.
    """
    _demand(isinstance(policy.name, str) and policy.name != "", "name must be a word")
    try:
        msgspec.json.encode(policy.parameters)
    except TypeError as error:
        raise AssertionError(f"{policy.name}: parameters must be plain JSON values: {error}") from error
    table = sample_table()
    requirements = Requirements.of(latency_ms=20, miss_pct=1, maximise="accuracy_pct")
    first = _drive(policy, table, requirements)
    _demand(
        first == _drive(policy, table, requirements),
        f"{policy.name}: the same observations must give the same decisions",
    )
    state = policy.start(table, requirements)
    once, _ = policy.decide(state, Observation(0.0))
    again, _ = policy.decide(state, Observation(0.0))
    _demand(once == again, f"{policy.name}: decide must not change the state it is given")
    tighter = policy.start(table, Requirements.of(latency_ms=5, minimise="latency_ms"), state)
    _check_decision(policy, table, policy.decide(tighter, Observation(1.0))[0])


def sample_table() -> OperatingTable:
    """A table of eight points on two clusters; its figures are assumed, for tests alone."""
    points = [
        OperatingPoint(
            Where(SubNetwork("sample", (("depth", (depth,)),)), cluster, 1),
            {
                "latency_ms": Estimate(4.0 * depth * slower, "assumed"),
                "accuracy_pct": Estimate(80.0 + 3 * depth, "assumed"),
                "energy_mj": Estimate(4.0 * depth * slower * watts, "assumed"),
                "power_w": Estimate(watts, "assumed"),
            },
        )
        for cluster, slower, watts in (("little", 3.0, 0.5), ("big", 1.0, 3.0))
        for depth in (1, 2, 3, 4)
    ]
    return OperatingTable.from_points(points)


def _drive(policy: Policy[Any], table: OperatingTable, requirements: Requirements) -> list[Decision]:
    """A short stream with everything in it that a stream can have."""
    state = policy.start(table, requirements)
    decisions: list[Decision] = []
    latency_ms = table.column("latency_ms").value
    point: int | None = None
    for index in range(120):
        slowdown = 3.0 if 40 <= index < 80 else 1.0 + 0.05 * (index % 3)
        is_known = point is not None and index % 17 != 5
        observation = Observation(
            time_s=index / 30,
            in_force=point if is_known else None,
            latency_ms=None if point is None or not is_known else float(latency_ms[point]) * slowdown,
            last_waited_ms=0.0,
            waited_ms=50.0 if index % 23 == 7 else 0.0,
            readings={"other_load_pct": 90.0 if 40 <= index < 80 else 5.0} if index % 2 else {},
        )
        decision, state = policy.decide(state, observation)
        _check_decision(policy, table, decision)
        decisions.append(decision)
        point = decision.point
    return decisions


def _check_decision(policy: Policy[Any], table: OperatingTable, decision: Decision) -> None:
    _demand(isinstance(decision, Decision), f"{policy.name}: decide must return a Decision and a state")
    _demand(
        0 <= decision.point < len(table), f"{policy.name}: chose row {decision.point} of a table of {len(table)} points"
    )


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)
