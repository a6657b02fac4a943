"""ALERT by its equations: the filter by hand, and every choice against an enumeration of all points."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import AlertPolicy
from tenuto.control._alert_plan import period_mj, plan_of
from tenuto.decisions import Allotment, Observation
from tenuto.errors import UnknownMetricError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.testing.policies import sample_table


@dataclass(frozen=True)
class Row:
    """One point of a table to enumerate."""

    latency_ms: float
    accuracy_pct: float
    power_w: float
    idle_power_w: float | None = None
    memory_mb: float | None = None


def table_of(rows: list[Row], *, drop: tuple[str, ...] = ()) -> OperatingTable:
    def metrics(row: Row) -> dict[str, Estimate]:
        figures = {name: getattr(row, name) for name in Row.__dataclass_fields__ if name not in drop}
        return {name: Estimate(value, "assumed") for name, value in figures.items() if value is not None}

    return OperatingTable.from_points(
        OperatingPoint(Configuration(SubNetwork("toy", (("depth", (index,)),)), "cpu"), metrics(row))
        for index, row in enumerate(rows)
    )


def figures() -> st.SearchStrategy[Row]:
    """Any point."""
    return st.builds(
        Row,
        latency_ms=st.floats(0.5, 50),
        accuracy_pct=st.floats(50, 99),
        power_w=st.floats(0.1, 9),
        idle_power_w=st.none() | st.floats(0.01, 9),
    )


THREE = [Row(2.0, 80.0, 3.0, 0.3), Row(4.0, 90.0, 3.0, 0.3), Row(8.0, 95.0, 3.0, 0.3)]


def after(policy: AlertPolicy, table: OperatingTable, requirements: Requirements, *seen: Observation) -> Any:
    state = policy.start(table, requirements)
    for observation in seen:
        _, state = policy.decide(state, observation)
    return state


def test_the_filter_follows_its_equations_by_hand() -> None:
    """Two observations of 1.5 and 1.2 times the profile, worked out with the constants as published."""
    policy, table = AlertPolicy(), table_of(THREE)
    state = after(policy, table, Requirements.of(latency_ms=50), Observation(0.0, 0, 3.0))
    # Q = max(0.1, 0.3 * 0.1 + 0) = 0.1; variance = (1 - 0.5) * 0.1 + 0.1 = 0.15; K = 0.15 / 0.151
    first_gain = 0.15 / 0.151
    assert state.filter.process_variance == pytest.approx(0.1)
    assert state.filter.variance == pytest.approx(0.15)
    assert state.filter.gain == pytest.approx(first_gain)
    assert state.filter.mean == pytest.approx(1 + first_gain * 0.5)
    _, state = policy.decide(state, Observation(0.1, 1, 4.8))
    # Q = max(0.1, 0.3 * 0.1 + 0.7 * (K y)^2) with the K and y of the first one
    process = 0.3 * 0.1 + 0.7 * (first_gain * 0.5) ** 2
    variance = (1 - first_gain) * 0.15 + process
    assert process > 0.1
    assert state.filter.process_variance == pytest.approx(process)
    assert state.filter.variance == pytest.approx(variance)
    mean = 1 + first_gain * 0.5
    assert state.filter.mean == pytest.approx(mean + variance / (variance + 0.001) * (1.2 - mean))


def test_one_observation_moves_what_is_believed_of_every_point() -> None:
    """The key idea: a single slowdown for all."""
    policy, table = AlertPolicy(), table_of(THREE)
    state = after(policy, table, Requirements.of(minimise="latency_ms"), *[Observation(0.0, 2, 16.0)] * 5)
    decision, _ = policy.decide(state, Observation(0.0))
    assert decision.point == 0
    assert decision.slowdown == pytest.approx(2.0, rel=0.01)
    assert decision.latency_ms == pytest.approx(4.0, rel=0.01)


def test_the_idle_ratio_is_learned_from_the_table() -> None:
    rows = [Row(2.0, 80.0, 4.0, 2.0), Row(4.0, 90.0, 4.0, 0.4)]
    policy, table = AlertPolicy(), table_of(rows)
    state = after(policy, table, Requirements.of(latency_ms=50))
    assert state.filter.idle_ratio == pytest.approx(0.3), "the median before anything ran"
    _, state = policy.decide(state, Observation(0.0, 1, 4.0))
    weight = (0.01 + 1e-4) / (0.01 + 1e-4 + 1e-3)
    assert state.filter.idle_ratio == pytest.approx(0.3 + weight * (0.1 - 0.3))


def test_a_power_sensor_of_the_same_rail_counts_before_the_table() -> None:
    """Half of the period at 4 W and half idle, 2.5 W on average: 1 W idle."""
    policy, table = AlertPolicy(), table_of([Row(10.0, 80.0, 4.0, 3.9)])
    needs = Requirements.of(minimise="energy_mj", period_ms=20)
    state = after(policy, table, needs, *[Observation(0.0, 0, 10.0, readings={"power_w": 2.5})] * 300)
    assert state.filter.idle_ratio == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("power_w", [9.0, math.nan, -1.0, math.inf])
def test_a_power_that_cannot_be_the_same_rails_does_not_count(power_w: float) -> None:
    policy, table = AlertPolicy(), table_of([Row(10.0, 80.0, 4.0, 1.0)])
    needs = Requirements.of(minimise="energy_mj", period_ms=20)
    state = after(policy, table, needs, *[Observation(0.0, 0, 10.0, readings={"power_w": power_w})] * 50)
    assert state.filter.idle_ratio == pytest.approx(0.25)


def test_most_expected_accuracy_is_not_most_accuracy() -> None:
    """Equation 8: a network that is hardly better and often late is expected to be worse."""
    rows = [Row(5.0, 90.0, 1.0), Row(10.0, 90.5, 1.0)]
    table = table_of(rows)
    policy, needs = AlertPolicy(), Requirements.of(latency_ms=13, miss_pct=30)
    decision, _ = policy.decide(policy.start(table, needs), Observation(0.0))
    assert decision.point == 0
    lenient = AlertPolicy(late_accuracy_pct=90.4)
    assert lenient.decide(lenient.start(table, needs), Observation(0.0))[0].point == 1


def test_the_miss_budget_asks_for_its_percentile() -> None:
    """With sigma 0.316 at the start, 10 ms fit a deadline of 15 ms with 94 %."""
    table = table_of([Row(1.0, 10.0, 1.0), Row(10.0, 90.0, 1.0)])
    policy = AlertPolicy()
    points = [
        policy.decide(policy.start(table, Requirements.of(latency_ms=15, miss_pct=miss_pct)), Observation(0.0))[0].point
        for miss_pct in (10, 5)
    ]
    assert points == [1, 0]


def test_the_controllers_own_time_is_taken_off_the_deadline() -> None:
    table, needs = table_of(THREE), Requirements.of(latency_ms=14)
    for overhead_ms, point in ((0.0, 2), (1.0, 1)):
        policy = AlertPolicy(overhead_ms=overhead_ms)
        assert policy.decide(policy.start(table, needs), Observation(0.0))[0].point == point
    policy = AlertPolicy()
    assert policy.decide(policy.start(table, needs), Observation(0.0, waited_ms=1.0))[0].point == 1


def test_energy_is_that_of_a_period() -> None:
    """4 W for 2 ms or 1 W for 6 ms: with a high idle power of the first the long one is cheaper, alone it is not."""
    rows = [Row(2.0, 80.0, 2.9, 2.9), Row(6.0, 80.0, 1.0, 0.1)]
    policy, table = AlertPolicy(), table_of(rows)
    for needs, point in (
        (Requirements.of(minimise="energy_mj"), 0),
        (Requirements.of(minimise="energy_mj", period_ms=50), 1),
        (Requirements.of(minimise="energy_mj", latency_ms=50), 1),
    ):
        assert policy.decide(policy.start(table, needs), Observation(0.0))[0].point == point


@given(
    rows=st.lists(figures(), min_size=1, max_size=12),
    mean=st.floats(0.2, 5),
    idle_ratio=st.floats(0, 1),
    period_ms=st.none() | st.floats(1, 100),
)
def test_the_energy_of_a_period_is_equation_ten(
    rows: list[Row], mean: float, idle_ratio: float, period_ms: float | None
) -> None:
    plan = plan_of(table_of(rows), Requirements.of(minimise="energy_mj", period_ms=period_ms))
    these = plan.anywhere
    found = period_mj(plan, these, len(these.rows), mean, idle_ratio)
    for row, energy_mj in zip(these.rows, found.tolist(), strict=True):
        running_ms, power_w = mean * rows[row].latency_ms, rows[row].power_w
        idle_ms = 0.0 if period_ms is None else max(period_ms - running_ms, 0.0)
        assert energy_mj == pytest.approx(power_w * running_ms + idle_ratio * power_w * idle_ms)


def test_what_cannot_be_kept_is_given_up_power_first_and_latency_last() -> None:
    """The deadline leaves two points, the floor only the second, and the power bound only the first."""
    rows = [Row(2.0, 80.0, 1.0), Row(4.0, 90.0, 3.0), Row(50.0, 95.0, 0.5)]
    policy, table = AlertPolicy(), table_of(rows)

    def decided(**needs: Any) -> tuple[int, tuple[str, ...]]:
        requirements = Requirements.of(minimise="energy_mj", miss_pct=5, **needs)
        decision, _ = policy.decide(policy.start(table, requirements), Observation(0.0))
        return decision.point, decision.given_up

    assert decided(latency_ms=20, accuracy_pct=85, power_w=2) == (1, ("power_w",))
    assert decided(latency_ms=20, accuracy_pct=93) == (1, ("accuracy_pct",))
    assert decided(latency_ms=20, accuracy_pct=93, power_w=2) == (1, ("power_w", "accuracy_pct"))
    assert decided(latency_ms=1, accuracy_pct=85, power_w=0.7) == (0, ("power_w", "accuracy_pct", "latency_ms"))


def test_an_energy_budget_is_kept_and_when_it_cannot_be_missed_by_little() -> None:
    policy, table = AlertPolicy(), table_of(THREE)
    for budget_mj, point, given_up in ((13.0, 1, ()), (7.0, 0, ()), (1.0, 0, ("energy_mj",))):
        needs = Requirements.of(energy_mj=budget_mj, maximise="accuracy_pct")
        decision, _ = policy.decide(policy.start(table, needs), Observation(0.0))
        assert (decision.point, decision.given_up) == (point, given_up)


def test_memory_and_temperature_are_of_the_profile() -> None:
    rows = [Row(2.0, 80.0, 1.0, memory_mb=1.0), Row(4.0, 90.0, 1.0, memory_mb=5.0), Row(8.0, 95.0, 1.0, memory_mb=9.0)]
    policy, table = AlertPolicy(), table_of(rows)
    for bound_mb, point, given_up in ((9.0, 2, ()), (6.0, 1, ()), (0.5, 2, ("memory_mb",))):
        needs = Requirements.of(memory_mb=bound_mb, latency_ms=100)
        decision, _ = policy.decide(policy.start(table, needs), Observation(0.0))
        assert (decision.point, decision.given_up) == (point, given_up)
    needs = Requirements.of(accuracy_pct=85, latency_ms=100, minimise="memory_mb")
    assert policy.decide(policy.start(table, needs), Observation(0.0))[0].point == 1


def test_the_reason_is_the_deadline_where_the_next_longer_point_would_be_better() -> None:
    policy, table = AlertPolicy(), table_of(THREE)
    decision, _ = policy.decide(policy.start(table, Requirements.of(latency_ms=10)), Observation(0.0, waited_ms=1.0))
    reason = decision.reason
    assert reason is not None
    assert (decision.point, reason.binding, reason.excluded) == (1, "latency_ms", 2)
    assert reason.relaxed_bound is not None
    again, _ = policy.decide(
        policy.start(table, Requirements.of(latency_ms=reason.relaxed_bound + 1e-6)), Observation(0.0, waited_ms=1.0)
    )
    assert again.point == 2
    assert policy.decide(policy.start(table, Requirements.of(latency_ms=90)), Observation(0.0))[0].reason is None


def test_new_requirements_keep_what_was_learned_and_another_table_does_not() -> None:
    policy, table = AlertPolicy(), table_of(THREE)
    state = after(policy, table, Requirements.of(latency_ms=50), *[Observation(0.0, 0, 4.0)] * 9)
    assert policy.start(table, Requirements.of(latency_ms=9), state).filter == state.filter
    assert policy.start(table_of(THREE), Requirements.of(latency_ms=9), state).filter.mean == 1.0


def test_energy_without_any_power_in_the_table_is_refused() -> None:
    table = table_of(THREE, drop=("power_w", "idle_power_w"))
    with pytest.raises(UnknownMetricError) as caught:
        AlertPolicy().start(table, Requirements.of(minimise="energy_mj"))
    assert caught.value.metric == "power_w"
    assert AlertPolicy().start(table, Requirements.of(latency_ms=5)).plan.power_w[0] != 0, "not known, so not zero"


def test_power_is_worked_out_of_energy_where_the_table_does_not_say() -> None:
    table = OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (depth,)),)), "cpu"),
            {"latency_ms": Estimate(depth * 1.0, "assumed"), "energy_mj": Estimate(8.0 - depth, "assumed")},
        )
        for depth in (1, 2, 4)
    )
    policy = AlertPolicy()
    decision, _ = policy.decide(policy.start(table, Requirements.of(minimise="energy_mj")), Observation(0.0))
    assert decision.point == 2


def test_an_allotment_is_kept_to_and_left_again() -> None:
    table, policy = sample_table(), AlertPolicy()
    state = policy.start(table, Requirements.of(latency_ms=100))
    clusters = []
    for place in (None, Allotment("little", 1), Allotment("big", 1, 1_000_000_000), Allotment("little", 1), None):
        decision, state = policy.decide(state, Observation(0.0, allotment=place))
        where = table.configuration(decision.point)
        clusters.append((where.cluster, where.frequency_hz))
    assert clusters == [
        ("big", 2_000_000_000),
        ("little", None),
        ("big", 1_000_000_000),
        ("little", None),
        ("big", 2_000_000_000),
    ]


class Enumerated:
    """The same choice by plain loops over every point, as the equations are written."""

    def __init__(self, rows: list[Row], requirements: Requirements) -> None:
        self.rows = rows
        self.bounds = {one.metric: one.bound for one in requirements.constraints}
        self.objective = requirements.objective.metric
        deadline = requirements.constraint("latency_ms")
        self.deadline_ms = math.inf if deadline is None else deadline.bound
        self.quantile = 0.0 if deadline is None else NormalDist().inv_cdf(1 - max(deadline.miss_pct / 100, 1e-4))
        self.period_ms = requirements.period_ms or (None if deadline is None else deadline.bound)

    def expected_pct(self, row: Row, mean: float, sigma: float, available_ms: float) -> float:
        z = (available_ms - mean * row.latency_ms) / (sigma * row.latency_ms)
        return row.accuracy_pct * 0.5 * math.erfc(-z / math.sqrt(2))

    def energy_mj(self, row: Row, mean: float, idle_ratio: float) -> float:
        running_ms = mean * row.latency_ms
        idle_ms = 0.0 if self.period_ms is None else max(self.period_ms - running_ms, 0.0)
        return row.power_w * running_ms + idle_ratio * row.power_w * idle_ms

    def choose(self, mean: float, sigma: float, idle_ratio: float, waited_ms: float) -> tuple[float, ...]:
        """The violations of the best row, latency first, and its objective: what any equal choice reaches."""
        return min(self.reached(row, mean, sigma, idle_ratio, waited_ms) for row in range(len(self.rows)))

    def reached(self, index: int, mean: float, sigma: float, idle_ratio: float, waited_ms: float) -> tuple[float, ...]:
        row, available_ms = self.rows[index], self.deadline_ms - waited_ms
        if row.latency_ms * (mean + self.quantile * sigma) > available_ms:
            return (1.0, row.latency_ms, 0.0, 0.0, 0.0)
        value_pct = self.expected_pct(row, mean, sigma, available_ms)
        energy_mj = self.energy_mj(row, mean, idle_ratio)
        cost = {
            "accuracy_pct": -value_pct,
            "energy_mj": energy_mj,
            "latency_ms": row.latency_ms,
            "power_w": row.power_w,
        }
        return (
            0.0,
            max(self.bounds.get("accuracy_pct", 0.0) - value_pct, 0.0),
            max(energy_mj - self.bounds.get("energy_mj", math.inf), 0.0),
            max(row.power_w - self.bounds.get("power_w", math.inf), 0.0),
            cost[self.objective],
        )


needs = st.builds(
    lambda bounds, pushed: Requirements.of(**bounds, **pushed),
    st.fixed_dictionaries(
        {},
        optional={
            "latency_ms": st.floats(1, 100),
            "accuracy_pct": st.floats(40, 99),
            "energy_mj": st.floats(1, 300),
            "power_w": st.floats(0.1, 9),
            "period_ms": st.floats(1, 100),
            "miss_pct": st.sampled_from((0.0, 0.1, 1.0, 5.0, 30.0)),
        },
    ),
    st.sampled_from(
        ({"maximise": "accuracy_pct"}, {"minimise": "energy_mj"}, {"minimise": "latency_ms"}, {"minimise": "power_w"})
    ),
)


@given(
    rows=st.lists(figures(), min_size=1, max_size=12),
    requirements=needs,
    slowdowns=st.lists(st.floats(0.5, 4), max_size=6),
    waited_ms=st.sampled_from((0.0, 0.5, 20.0)),
)
def test_every_choice_reaches_what_an_enumeration_of_all_points_reaches(
    rows: list[Row], requirements: Requirements, slowdowns: list[float], waited_ms: float
) -> None:
    policy = AlertPolicy()
    seen = [Observation(0.0, 0, rows[0].latency_ms * slowdown) for slowdown in slowdowns]
    state = after(policy, table_of(rows), requirements, *seen)
    decision, state = policy.decide(state, Observation(0.0, waited_ms=waited_ms))
    learned = state.filter
    plain = Enumerated(rows, requirements)
    believed = (learned.mean, math.sqrt(learned.variance), learned.idle_ratio, waited_ms)
    best, found = plain.choose(*believed), plain.reached(decision.point, *believed)
    for one, other in zip(found, best, strict=True):
        # The normal distribution is interpolated: off by 5e-7 of an accuracy, which is 5e-5 per cent.
        assert one == pytest.approx(other, rel=1e-6, abs=1e-4)
        if abs(one - other) > 1e-9:
            break
