"""One choice with its reasons: against an exhaustive search, whatever the table and the requirements."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import Resources, available, select
from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.units import QUANTITIES

METRICS = ("latency_ms", "energy_mj", "power_w", "memory_mb", "accuracy_pct")

figure = st.integers(1, 12).map(float)


def table_of(*rows: dict[str, float], clusters: tuple[str, ...] = ("little", "big")) -> OperatingTable:
    """A row per dictionary, on each cluster in turn."""
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("depth", (index,)),)), clusters[index % len(clusters)]),
            {name: Estimate(value, "assumed") for name, value in row.items()},
        )
        for index, row in enumerate(rows)
    )


# Few values, so that ties abound, and the energy is absent now and then.
tables = st.lists(
    st.fixed_dictionaries(
        {"latency_ms": figure, "accuracy_pct": st.integers(50, 53).map(float), "power_w": figure, "memory_mb": figure},
        optional={"energy_mj": figure},
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: table_of(*rows))

bounds = st.fixed_dictionaries(
    {},
    optional={
        "latency_ms": figure,
        "energy_mj": figure,
        "power_w": figure,
        "memory_mb": figure,
        "accuracy_pct": st.integers(50, 54).map(float),
    },
)


def needs(asked: dict[str, float], objective: str = "accuracy_pct") -> Requirements:
    sense = "maximise" if QUANTITIES[objective].higher_is_better else "minimise"
    return Requirements.of(miss_pct=0, **asked, **{sense: objective})  # type: ignore[arg-type]


def figure_of(table: OperatingTable, row: int, metric: str) -> float:
    return float(table.metrics[metric].value[row]) if metric in table.metrics else math.nan


def keeping(table: OperatingTable, asked: dict[str, float]) -> list[int]:
    """The rows that keep every bound."""

    def keeps(row: int, metric: str, bound: float) -> bool:
        value = figure_of(table, row, metric)
        return value >= bound if metric == "accuracy_pct" else value <= bound

    return [row for row in range(len(table)) if all(keeps(row, metric, bound) for metric, bound in asked.items())]


def cost(table: OperatingTable, row: int, metric: str) -> float:
    value = figure_of(table, row, metric)
    return -value if metric == "accuracy_pct" else value


def supported(table: OperatingTable, asked: dict[str, float]) -> dict[str, float]:
    return {metric: bound for metric, bound in asked.items() if metric in table.metrics}


@given(tables, bounds, st.sampled_from(("accuracy_pct", "latency_ms", "power_w")))
def test_the_choice_is_the_best_and_of_equals_the_one_of_least_energy(
    table: OperatingTable, asked: dict[str, float], objective: str
) -> None:
    asked = supported(table, asked)
    rows = keeping(table, asked)
    chosen = select(table, needs(asked, objective))
    assert bool(chosen.violated) == (not rows)
    if not rows:
        return
    assert chosen.point in rows
    best = min(cost(table, row, objective) for row in rows)
    assert cost(table, chosen.point, objective) == best
    energies = [figure_of(table, row, "energy_mj") for row in rows if cost(table, row, objective) == best]
    known = [energy for energy in energies if not math.isnan(energy)]
    assert not known or figure_of(table, chosen.point, "energy_mj") == min(known)


@given(tables, bounds)
def test_the_runner_up_is_what_would_be_chosen_without_the_first(
    table: OperatingTable, asked: dict[str, float]
) -> None:
    asked = supported(table, asked)
    chosen = select(table, needs(asked))
    others = [row for row in range(len(table)) if row != chosen.point]
    if chosen.runner_up is None:
        assert not others or (not chosen.violated and not set(keeping(table, asked)) - {chosen.point})
        return
    again = select(table.take(others), needs(asked))
    assert others[again.point] == chosen.runner_up


@given(tables, bounds, st.sampled_from(("accuracy_pct", "memory_mb")))
def test_a_bound_relaxed_as_far_as_said_lets_the_better_point_in_and_any_less_does_not(
    table: OperatingTable, asked: dict[str, float], objective: str
) -> None:
    asked = supported(table, asked)
    chosen = select(table, needs(asked, objective))
    assert not (chosen.violated and chosen.relaxations)
    for relaxation in chosen.relaxations:
        assert relaxation.bound == asked[relaxation.metric]
        again = select(table, needs({**asked, relaxation.metric: relaxation.relaxed_bound}, objective))
        assert again.point == relaxation.point
        metric = relaxation.gain_metric
        assert relaxation.gain > 0
        assert cost(table, again.point, metric) == cost(table, chosen.point, metric) - relaxation.gain
        tighter = math.inf if relaxation.metric == "accuracy_pct" else -math.inf
        almost = {**asked, relaxation.metric: math.nextafter(relaxation.relaxed_bound, tighter)}
        same = select(table, needs(almost, objective))
        assert cost(table, same.point, metric) == cost(table, chosen.point, metric)
    if chosen.violated:
        return
    for name in set(asked) - {objective}:
        without = keeping(table, {other: bound for other, bound in asked.items() if other != name})
        better = [row for row in without if cost(table, row, objective) < cost(table, chosen.point, objective)]
        is_said = name in {relaxation.metric for relaxation in chosen.relaxations}
        assert is_said or all(math.isnan(figure_of(table, row, name)) for row in better)


@given(tables, bounds)
def test_where_nothing_is_feasible_the_figures_that_would_have_been_enough_are_named(
    table: OperatingTable, asked: dict[str, float]
) -> None:
    asked = supported(table, asked)
    chosen = select(table, needs(asked))
    for metric, bound in chosen.enough_alone.items():
        assert chosen.violated
        assert keeping(table, {**asked, metric: bound})
    for metric in chosen.violated:
        assert chosen.point not in keeping(table, {metric: asked[metric]})
    if set(chosen.enough) == set(chosen.violated):
        assert chosen.point in keeping(table, {**asked, **chosen.enough})


def test_of_two_bounds_the_one_that_is_nearer_to_letting_something_in_binds() -> None:
    table = table_of(
        {"latency_ms": 90, "memory_mb": 9, "accuracy_pct": 60},
        {"latency_ms": 110, "memory_mb": 9, "accuracy_pct": 70},
        {"latency_ms": 50, "memory_mb": 30, "accuracy_pct": 65},
    )
    chosen = select(table, needs({"latency_ms": 100, "memory_mb": 10}))
    assert [(one.metric, one.relaxed_bound, one.gain) for one in chosen.relaxations] == [
        ("latency_ms", 110, 10),
        ("memory_mb", 30, 5),
    ]
    assert chosen.binding == "latency_ms"


def test_what_a_relaxed_bound_buys_is_the_best_that_it_lets_in() -> None:
    table = table_of(
        {"latency_ms": 90, "accuracy_pct": 60},
        {"latency_ms": 110, "accuracy_pct": 70},
        {"latency_ms": 110, "accuracy_pct": 65},
    )
    (relaxation,) = select(table, needs({"latency_ms": 100})).relaxations
    assert (relaxation.relaxed_bound, relaxation.point, relaxation.gain) == (110, 1, 10)


def test_points_without_a_figure_are_still_chosen_from_when_its_bound_is_given_up() -> None:
    table = table_of({"latency_ms": 5, "accuracy_pct": 60}, {"latency_ms": 4, "energy_mj": 9, "accuracy_pct": 50})
    chosen = select(table, needs({"energy_mj": 1}))
    assert (chosen.point, chosen.violated) == (1, ("energy_mj",)), "the one whose violation is known"
    assert chosen.runner_up == 0


def test_a_bound_that_only_keeps_a_thriftier_clock_out_says_so_in_energy() -> None:
    table = table_of(
        {"latency_ms": 300, "energy_mj": 80, "accuracy_pct": 70},
        {"latency_ms": 450, "energy_mj": 60, "accuracy_pct": 70},
    )
    chosen = select(table, needs({"latency_ms": 400}))
    assert [(one.metric, one.gain_metric, one.gain) for one in chosen.relaxations] == [("latency_ms", "energy_mj", 20)]


def test_a_metric_that_the_table_does_not_carry_is_answered_with_what_it_has() -> None:
    with pytest.raises(UnknownMetricError) as caught:
        select(table_of({"latency_ms": 1, "accuracy_pct": 50}), needs({"power_w": 1}))
    assert caught.value.metric == "power_w"
    assert caught.value.available == ("accuracy_pct", "latency_ms")


LADDER_HZ = (200_000_000, 900_000_000, 1_400_000_000)


def board() -> OperatingTable:
    """Two CPU clusters of two cores with a ladder, and a GPU whose clock is not ours."""
    network = SubNetwork("toy", (("depth", (1,)),))
    places = [(name, n, hz) for name in ("a7", "a15") for n in (1, 2) for hz in LADDER_HZ]
    return OperatingTable.from_points(
        OperatingPoint(Configuration(network, name, n, hz), {"latency_ms": Estimate(1.0, "assumed")})
        for name, n, hz in [*places, ("gpu", 1, None)]
    )


def left(resources: Resources) -> set[tuple[str, int, int | None]]:
    table = available(board(), resources).table
    return {
        (point.configuration.cluster, point.configuration.n_cores, point.configuration.frequency_hz) for point in table
    }


def test_a_cluster_that_is_taken_away_leaves_the_others() -> None:
    assert {cluster for cluster, _, _ in left(Resources(without=("a15",)))} == {"a7", "gpu"}
    assert {cluster for cluster, _, _ in left(Resources(only=("a15", "gpu"), without=("gpu",)))} == {"a15"}
    assert {n for _, n, _ in left(Resources(n_cores=(2,)))} == {2}


@given(st.integers(1, 3_000_000_000) | st.sampled_from(LADDER_HZ))
def test_a_cap_becomes_the_highest_clock_of_the_ladder_that_keeps_it(cap_hz: int) -> None:
    resources = Resources(max_frequency_hz={"a7": cap_hz})
    if cap_hz < LADDER_HZ[0]:
        with pytest.raises(UsageError):
            available(board(), resources)
        return
    found = available(board(), resources)
    assert found.became_hz == {"a7": max(hz for hz in LADDER_HZ if hz <= cap_hz)}
    assert {hz for cluster, _, hz in left(resources) if cluster == "a7"} == {hz for hz in LADDER_HZ if hz <= cap_hz}
    assert {hz for cluster, _, hz in left(resources) if cluster == "a15"} == set(LADDER_HZ)


@pytest.mark.parametrize(
    "resources",
    [
        Resources(without=("a17",)),
        Resources(only=("a17",)),
        Resources(max_frequency_hz={"a17": 1_000_000_000}),
    ],
)
def test_a_cluster_that_is_not_there_is_answered_with_those_that_resemble_it(resources: Resources) -> None:
    with pytest.raises(UnknownNameError) as caught:
        available(board(), resources)
    assert caught.value.name == "a17"
    assert set(caught.value.matches) == {"a7", "a15"}


@pytest.mark.parametrize(
    "resources",
    [
        Resources(without=("a7", "a15", "gpu")),
        Resources(n_cores=(3,)),
        Resources(max_frequency_hz={"gpu": 100_000_000}),
    ],
)
def test_nothing_left_and_a_cap_on_a_clock_that_is_not_ours_are_mistakes(resources: Resources) -> None:
    with pytest.raises(UsageError):
        available(board(), resources)
