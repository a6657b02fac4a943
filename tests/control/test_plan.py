"""Choosing: against an exhaustive search, whatever the table, the requirements and the belief."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import Plan, explain
from tenuto.decisions import Decision
from tenuto.errors import UnknownMetricError
from tenuto.points import Column, Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Constraint, Requirements

CLUSTERS = ("little", "big")


@dataclass(frozen=True)
class Believed:
    """An allowance for tests."""

    slowdown: float = 1.0
    margin: float = 1.0
    ceiling_ms: float = math.inf


figure = st.integers(1, 40).map(float)


@st.composite
def tables(draw: st.DrawFn) -> OperatingTable:
    """Small tables with many ties, where mistakes show."""
    n = draw(st.integers(1, 14))
    points = []
    for index in range(n):
        metrics = {name: draw(figure) for name in ("latency_ms", "energy_mj", "power_w", "memory_mb")}
        metrics["accuracy_pct"] = draw(st.integers(50, 99).map(float))
        points.append(
            OperatingPoint(
                Configuration(SubNetwork("toy", (("depth", (index,)),)), draw(st.sampled_from(CLUSTERS))),
                {name: Estimate(value, "assumed") for name, value in metrics.items()},
            )
        )
    return OperatingTable.from_points(points)


@st.composite
def needs(draw: st.DrawFn) -> Requirements:
    bounds = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "latency_ms": figure,
                "energy_mj": figure,
                "power_w": figure,
                "memory_mb": figure,
                "accuracy_pct": st.integers(50, 99).map(float),
            },
        )
    )
    goal = draw(st.sampled_from([("maximise", "accuracy_pct"), ("minimise", "energy_mj"), ("minimise", "latency_ms")]))
    priorities = draw(st.dictionaries(st.sampled_from(sorted(bounds) or ["power_w"]), st.integers(1, 99), max_size=3))
    return Requirements.of(**bounds, priorities=priorities, **dict([goal]))


believed = st.builds(
    Believed,
    st.sampled_from([0.5, 1.0, 1.5, 3.0]),
    st.sampled_from([1.0, 1.25, 2.0]),
    st.sampled_from([math.inf, 10.0, 25.0]),
)


def figures(table: OperatingTable, row: int, allowance: Believed) -> dict[str, float]:
    value = {name: float(column.value[row]) for name, column in table.metrics.items()}
    value["profiled_ms"] = value["latency_ms"]
    value["latency_ms"] *= allowance.slowdown * allowance.margin
    value["energy_mj"] *= allowance.slowdown
    return value


def excess(constraint: Constraint, value: dict[str, float], available_ms: float) -> float:
    bound = min(constraint.bound, available_ms) if constraint.metric == "latency_ms" else constraint.bound
    over = value[constraint.metric] - bound
    return max(-over if constraint.relation == ">=" else over, 0.0)


def keeps(constraint: Constraint, value: dict[str, float], allowance: Believed, available_ms: float) -> bool:
    if constraint.metric == "latency_ms" and value["profiled_ms"] > allowance.ceiling_ms:
        return False
    return excess(constraint, value, available_ms) <= 1e-9


def exhaustive(
    table: OperatingTable, requirements: Requirements, allowances: list[Believed], waited_ms: float
) -> tuple[list[int], tuple[Constraint, ...]]:
    """The rows that keep as many constraints as can be kept, and those that had to be given up, lowest first."""
    deadline = requirements.constraint("latency_ms")
    available_ms = (deadline.bound if deadline else math.inf) - waited_ms
    ordered = requirements.constraints
    for n in range(len(ordered) + 1):
        kept = ordered[: len(ordered) - n]
        rows = []
        for row in range(len(table)):
            allowance = allowances[table.cluster_index[row]]
            value = figures(table, row, allowance)
            if all(keeps(constraint, value, allowance, available_ms) for constraint in kept):
                rows.append(row)
        if rows:
            return rows, tuple(reversed(ordered[len(ordered) - n :]))
    raise AssertionError("with nothing left to keep every row does")


def cost(
    table: OperatingTable, requirements: Requirements, row: int, allowance: Believed, waited_ms: float = 0.0
) -> float:
    """The objective, lower is better. Accuracy is what is delivered in time: 1 % are later than the margin says."""
    metric = requirements.objective.metric
    value = float(table.metrics[metric].value[row])
    if metric in ("latency_ms", "energy_mj"):
        value *= allowance.slowdown
    deadline = requirements.constraint("latency_ms")
    if metric == "accuracy_pct" and deadline is not None:
        excess = (deadline.bound - waited_ms) / (float(table.metrics["latency_ms"].value[row]) * allowance.slowdown) - 1
        margin = allowance.margin - 1
        value *= 1 - 0.01 * (min(margin / excess, 1) ** 2 if excess > 0 else margin > 0)
    return -value if metric == "accuracy_pct" else value


@given(tables(), needs(), st.lists(believed, min_size=2, max_size=2), st.sampled_from([0.0, 3.0, 50.0]))
def test_the_choice_is_the_exhaustive_search_s(
    table: OperatingTable, requirements: Requirements, allowances: list[Believed], waited_ms: float
) -> None:
    """Feasible: as good an objective. Infeasible: the same constraints given up, and the least violation."""
    choice = Plan.of(table, requirements).choose(allowances[: len(table.clusters)], waited_ms)
    rows, given_up = exhaustive(table, requirements, allowances, waited_ms)
    assert choice.given_up == tuple(constraint.metric for constraint in given_up)
    assert choice.point in rows

    def allowance(row: int) -> Believed:
        return allowances[table.cluster_index[row]]

    if not given_up:
        best = min(cost(table, requirements, row, allowance(row), waited_ms) for row in rows)
        assert cost(table, requirements, choice.point, allowance(choice.point), waited_ms) == pytest.approx(best)
        return
    most_important = given_up[-1]
    available_ms = (d.bound if (d := requirements.constraint("latency_ms")) else math.inf) - waited_ms
    violation = {row: excess(most_important, figures(table, row, allowance(row)), available_ms) for row in rows}
    if most_important.metric != "latency_ms":
        assert violation[choice.point] == pytest.approx(min(violation.values()))
    else:  # the ceiling may be what makes it infeasible: then nothing is exceeded, and the fastest is the answer
        fastest = min(figures(table, row, allowance(row))["latency_ms"] for row in rows)
        assert violation[choice.point] == pytest.approx(max(fastest - min(most_important.bound, available_ms), 0.0))


@given(tables(), needs(), st.randoms(use_true_random=False))
def test_the_order_of_the_table_never_changes_the_objective_reached(
    table: OperatingTable, requirements: Requirements, generator: object
) -> None:
    order = list(range(len(table)))
    generator.shuffle(order)  # type: ignore[attr-defined]
    shuffled = table.take(order)
    allowances = [Believed(), Believed()]
    one = Plan.of(table, requirements).choose(allowances[: len(table.clusters)])
    other = Plan.of(shuffled, requirements).choose(allowances[: len(table.clusters)])
    assert one.given_up == other.given_up
    if not one.given_up:
        assert cost(table, requirements, one.point, Believed()) == cost(shuffled, requirements, other.point, Believed())


@given(tables(), needs(), st.sampled_from([1.1, 2.0, 5.0]))
def test_relaxing_a_bound_on_a_feasible_problem_never_worsens_the_objective(
    table: OperatingTable, requirements: Requirements, factor: float
) -> None:
    allowances = [Believed(), Believed()]
    choice = Plan.of(table, requirements).choose(allowances[: len(table.clusters)])
    if choice.given_up:
        return
    for constraint in requirements.constraints:
        bound = constraint.bound / factor if constraint.relation == ">=" else constraint.bound * factor
        others = [other for other in requirements.constraints if other is not constraint]
        relaxed = Constraint(constraint.metric, constraint.relation, bound, constraint.priority, constraint.miss_pct)
        looser = Requirements((*others, relaxed), requirements.objective)
        after = Plan.of(table, looser).choose(allowances[: len(table.clusters)])
        assert after.given_up == ()
        before_cost = cost(table, requirements, choice.point, Believed())
        assert cost(table, requirements, after.point, Believed()) <= before_cost + 1e-9


@given(tables(), needs(), st.lists(believed, min_size=2, max_size=2))
def test_the_runner_up_and_the_relaxed_bound_hold_what_they_say(
    table: OperatingTable, requirements: Requirements, allowances: list[Believed]
) -> None:
    """The runner-up keeps the constraints; with the deadline relaxed as said, the better point is chosen."""
    choice = Plan.of(table, requirements).choose(allowances[: len(table.clusters)])
    rows, _ = exhaustive(table, requirements, allowances, 0.0)
    if choice.reason.runner_up is not None:
        assert choice.reason.runner_up in rows
        assert choice.reason.runner_up != choice.point
    if choice.given_up or choice.reason.binding != "latency_ms":
        return
    assert choice.reason.relaxed_bound is not None
    excluded = choice.reason.excluded
    assert excluded is not None
    deadline = requirements.constraint("latency_ms")
    assert deadline is not None
    allowance = allowances[table.cluster_index[excluded]]
    if allowance.ceiling_ms < math.inf:
        return
    bound = max(choice.reason.relaxed_bound, deadline.bound) * (1 + 1e-9)
    relaxed = Constraint("latency_ms", "<=", bound, deadline.priority, deadline.miss_pct)
    others = [other for other in requirements.constraints if other is not deadline]
    after = Plan.of(table, Requirements((*others, relaxed), requirements.objective)).choose(
        allowances[: len(table.clusters)]
    )
    reached = cost(table, requirements, after.point, allowances[table.cluster_index[after.point]])
    assert reached <= cost(table, requirements, excluded, allowance) + 1e-9


def test_a_metric_that_the_table_lacks_is_named_with_what_there_is() -> None:
    table = OperatingTable.from_points(
        [
            OperatingPoint(
                Configuration(SubNetwork("toy", (("depth", (1,)),)), "cpu"), {"latency_ms": Estimate(5, "assumed")}
            )
        ]
    )
    with pytest.raises(UnknownMetricError) as caught:
        Plan.of(table, Requirements.of(power_w=3, minimise="latency_ms"))
    assert caught.value.metric == "power_w"
    assert caught.value.available == ("latency_ms",)
    with pytest.raises(UnknownMetricError) as caught:
        Plan.of(table, Requirements.of(latency_ms=3, maximise="accuracy_pct"))
    assert caught.value.metric == "accuracy_pct"


def test_an_objective_without_a_single_figure_is_refused() -> None:
    sub_network = SubNetwork("toy", (("depth", (1,)),))
    columns = {"latency_ms": Column.uniform([5.0], "assumed"), "accuracy_pct": Column.uniform([math.nan], "assumed")}
    ones = np.ones(1, np.int32)
    table = OperatingTable((sub_network,), ("cpu",), ones * 0, ones * 0, ones, np.full(1, -1, np.int64), columns)
    with pytest.raises(UnknownMetricError) as caught:
        Plan.of(table, Requirements.of(latency_ms=3, maximise="accuracy_pct"))
    assert caught.value.available == ("latency_ms",)


def test_a_hundred_thousand_points_choose_like_a_scan() -> None:
    """The prepared front against one NumPy scan, for many deadlines."""
    generator = np.random.default_rng(3)
    n = 100_000
    latency_ms, accuracy_pct = np.exp(generator.uniform(0, 4, n)), generator.uniform(50, 99, n)
    sub_network = SubNetwork("toy", (("depth", (1,)),))
    table = OperatingTable(
        (sub_network,),
        ("cpu",),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.ones(n, np.int32),
        np.full(n, -1, np.int64),
        {"latency_ms": Column.uniform(latency_ms, "assumed"), "accuracy_pct": Column.uniform(accuracy_pct, "assumed")},
    )
    plan = Plan.of(table, Requirements.of(latency_ms=20))
    for slowdown in (0.5, 1.0, 1.7, 4.0, 12.0):
        row = plan.choose([Believed(slowdown)]).point
        feasible = latency_ms * slowdown <= 20
        assert accuracy_pct[row] == accuracy_pct[feasible].max()


def test_the_reason_is_said_in_words() -> None:
    points = [
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (depth,)),)), "cpu"),
            {"latency_ms": Estimate(10.0 * depth, "assumed"), "accuracy_pct": Estimate(80.0 + depth, "assumed")},
        )
        for depth in (1, 2, 3)
    ]
    table = OperatingTable.from_points(points)
    choice = Plan.of(table, Requirements.of(latency_ms=25)).choose([Believed()])
    decision = Decision(choice.point, choice.given_up, 1.0, 20.0, choice.reason)
    text = explain(table, decision, "accuracy_pct")
    assert text == (
        "d2 on cpu, 1 core; latency_ms keeps d3 on cpu, 1 core out: a bound of 30.00 ms would gain 1.00 % of "
        "accuracy_pct; runner-up d1 on cpu, 1 core"
    )
    choice = Plan.of(table, Requirements.of(latency_ms=5)).choose([Believed()])
    decision = Decision(choice.point, choice.given_up, 1.0, 10.0, choice.reason)
    assert "gives up latency_ms, which no point can keep" in explain(table, decision, "accuracy_pct")
