"""The network alone, or the place alone: our policy over fewer rows."""

from typing import Any

import pytest

from tenuto.control import NarrowedPolicy, TenutoPolicy, application_only, fastest_rows, system_only
from tenuto.decisions import Allotment, Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.testing.policies import sample_table

BIG = 2_000_000_000


def place(table: OperatingTable, row: int) -> tuple[str, int | None]:
    where = table.configuration(row)
    return where.cluster, where.frequency_hz


def driven(policy: NarrowedPolicy, requirements: Requirements, slowdowns: list[float]) -> list[Decision]:
    table = sample_table()
    latency_ms = table.column("latency_ms").value
    state = policy.start(table, requirements)
    decision, state = policy.decide(state, Observation(0.0))
    decisions = [decision]
    for index, slowdown in enumerate(slowdowns):
        seen = Observation(index / 30, decision.point, float(latency_ms[decision.point]) * slowdown)
        decision, state = policy.decide(state, seen)
        decisions.append(decision)
    return decisions


def test_application_only_changes_the_network_and_nothing_else() -> None:
    table = sample_table()
    decisions = driven(application_only(), Requirements.of(latency_ms=20), [1.0] * 20 + [2.0] * 40)
    assert {place(table, one.point) for one in decisions} == {("big", BIG)}
    names = [table.configuration(one.point).sub_network.name for one in decisions]
    assert names[20] == "d4"
    assert names[-1] in ("d1", "d2")
    assert decisions[-1].slowdown == pytest.approx(2.0, rel=0.05)


def test_system_only_changes_the_place_and_nothing_else() -> None:
    table = sample_table()
    needs = Requirements.of(latency_ms=50, minimise="energy_mj")
    decisions = driven(system_only(), needs, [1.0] * 20 + [2.0] * 40)
    assert {table.configuration(one.point).sub_network.name for one in decisions} == {"d4"}
    assert {place(table, one.point) for one in decisions} > {("big", BIG)}


def test_reasons_name_rows_of_the_whole_table() -> None:
    table = sample_table()
    for policy in (application_only(), system_only()):
        (decision,) = driven(policy, Requirements.of(latency_ms=15, minimise="energy_mj"), [])
        allowed = {fastest_rows(table)[-1], *range(len(table))}
        rows = [decision.point]
        if decision.reason is not None:
            rows += [row for row in (decision.reason.runner_up, decision.reason.excluded) if row is not None]
        narrow = [table.configuration(row) for row in rows]
        same = {one.sub_network for one in narrow} if policy.name == "system-only" else {one.cluster for one in narrow}
        assert set(rows) <= allowed
        assert len(same) == 1


def test_it_decides_as_the_policy_inside_does_over_the_rows_alone() -> None:
    """The same stream through both: equal rows, beliefs and promises."""
    table, needs = sample_table(), Requirements.of(latency_ms=20)
    rows = [8, 9, 10, 11]
    inside, narrowed = TenutoPolicy(), application_only()
    one, other = inside.start(table.take(rows), needs), narrowed.start(table, needs)
    point = None
    for index in range(90):
        latency_ms = None if point is None else (1.0 if index % 50 < 25 else 2.2) * 4.0 * (point + 1)
        expected, one = inside.decide(one, Observation(index / 30, point, latency_ms))
        found, other = narrowed.decide(
            other, Observation(index / 30, None if point is None else rows[point], latency_ms)
        )
        assert found.point == rows[expected.point]
        assert (found.slowdown, found.latency_ms) == (expected.slowdown, expected.latency_ms)
        point = expected.point


def test_who_adapts_the_network_alone_sees_a_capped_clock_as_a_slowdown() -> None:
    """The board runs the same sub-network at half the clock: a row that it does not have."""
    table, policy = sample_table(), application_only()
    state = policy.start(table, Requirements.of(latency_ms=20))
    decision, state = policy.decide(state, Observation(0.0))
    for index in range(40):
        row = decision.point - 4
        assert place(table, row) == ("big", BIG // 2)
        seen = Observation(index / 30, row, float(table.column("latency_ms").value[row]))
        decision, state = policy.decide(state, seen)
    assert decision.slowdown == pytest.approx(2.0, rel=0.05)
    assert table.configuration(decision.point).sub_network.name in ("d1", "d2")


def test_a_row_of_another_network_is_no_evidence_for_who_adapts_the_place_alone() -> None:
    table, policy = sample_table(), system_only()
    state = policy.start(table, Requirements.of(latency_ms=20))
    before, state = policy.decide(state, Observation(0.0))
    for _ in range(20):
        after, state = policy.decide(state, Observation(0.1, 8, 400.0))
    assert after == before


def test_what_was_learned_outlives_new_requirements_and_other_allotments() -> None:
    table, policy = sample_table(), application_only()
    state = policy.start(table, Requirements.of(latency_ms=40))
    little = Allotment("little", 1)
    decision, state = policy.decide(state, Observation(0.0))
    for _ in range(30):
        seen = Observation(0.1, decision.point, 2 * float(table.column("latency_ms").value[decision.point]))
        decision, state = policy.decide(state, seen)
    moved, state = policy.decide(state, Observation(0.2, allotment=little))
    assert place(table, moved.point) == ("little", None)
    assert moved.slowdown == pytest.approx(1.0), "nothing is known of it there yet"
    state = policy.start(table, Requirements.of(latency_ms=20), state)
    back, state = policy.decide(state, Observation(0.3))
    assert back.slowdown == pytest.approx(2.0, rel=0.05)
    assert table.configuration(back.point).sub_network.name in ("d1", "d2")


@pytest.mark.parametrize("made", [application_only, system_only])
def test_an_allotment_is_kept_to(made: Any) -> None:
    table, policy = sample_table(), made()
    state = policy.start(table, Requirements.of(latency_ms=100))
    for allotment, expected in (
        (Allotment("little", 1), ("little", None)),
        (Allotment("big", 1, BIG // 2), ("big", BIG // 2)),
        (None, ("big", BIG)),
    ):
        decision, state = policy.decide(state, Observation(0.0, allotment=allotment))
        if made is application_only or allotment is not None:
            assert place(table, decision.point) == expected


def test_its_parameters_name_the_policy_inside() -> None:
    assert system_only().parameters["policy"] == "tenuto"
