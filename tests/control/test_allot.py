"""Allotting: against an exhaustive search, and what must hold whatever is asked."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tenuto.control import Plan
from tenuto.control.allotting import (
    Allotments,
    Allotter,
    Applicant,
    Budget,
    Pace,
    Prices,
    Resource,
    allot_exactly,
    explain,
    resources_of,
)
from tenuto.control.allotting._fronts import unbeaten
from tenuto.decisions import Allotment
from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.points import NO_FREQUENCY, Column, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.units import QUANTITIES

RESOURCES = (Resource("little", 2), Resource("big", 2), Resource("gpu", 1, is_shared=True))
CLOCKS = (500_000_000, 1_000_000_000)
PRICES = Prices()


@dataclass(frozen=True)
class Asked:
    """One question."""

    applicants: tuple[Applicant, ...]
    beliefs: dict[str, dict[str, Pace]]
    budgets: tuple[Budget, ...]
    current: dict[str, Allotment]
    caps_hz: dict[str, int]

    def allot(self) -> Allotments:
        return Allotter(self.applicants, RESOURCES).allot(
            self.beliefs, self.budgets, current=self.current, caps_hz=self.caps_hz
        )


def idle_w(cluster: int, frequency_hz: int) -> float:
    return (0.1, 0.3, 0.2)[cluster] * (1 + frequency_hz / 1e9)


def table_of(rows: list[tuple[int, int, int, int, int, int]]) -> OperatingTable:
    """Rows of (cluster, cores, clock, latency in ms, power in tenths of a watt, accuracy in %)."""
    cluster, n_cores, clock, latency_ms, power, accuracy = (np.array(one) for one in zip(*rows, strict=True))
    resting = np.array([idle_w(c, f) for c, f in zip(cluster, clock, strict=True)])
    power_w = resting + power / 10
    figures = {
        "latency_ms": latency_ms.astype(float),
        "power_w": power_w,
        "energy_mj": power_w * latency_ms,
        "idle_power_w": resting,
        "accuracy_pct": accuracy.astype(float),
    }
    return OperatingTable(
        tuple(SubNetwork("toy", (("depth", (index,)),)) for index in range(len(rows))),
        tuple(one.cluster for one in RESOURCES),
        np.arange(len(rows), dtype=np.int32),
        cluster.astype(np.int32),
        n_cores.astype(np.int32),
        clock.astype(np.int64),
        {name: Column.uniform(value, "assumed") for name, value in figures.items()},
    )


@st.composite
def tables(draw: st.DrawFn, most: int) -> OperatingTable:
    rows = []
    for _ in range(draw(st.integers(1, most))):
        cluster = draw(st.integers(0, 2))
        n_cores = 1 if cluster == 2 else draw(st.integers(1, 2))
        figures = (st.integers(1, 40), st.integers(1, 60), st.integers(60, 95))
        rows.append((cluster, n_cores, draw(st.sampled_from(CLOCKS)), *(draw(one) for one in figures)))
    return table_of(rows)


@st.composite
def needs(draw: st.DrawFn) -> Requirements:
    bounds = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "latency_ms": st.integers(4, 80).map(float),
                "accuracy_pct": st.integers(60, 95).map(float),
                "power_w": st.integers(1, 6).map(float),
                "energy_mj": st.integers(5, 100).map(float),
            },
        )
    )
    goal = draw(st.sampled_from(["accuracy_pct", "energy_mj", "latency_ms", "power_w"]))
    period = draw(st.none() | st.integers(10, 120).map(float))
    pushed = {"maximise" if QUANTITIES[goal].higher_is_better else "minimise": goal}
    return Requirements.of(**bounds, **pushed, miss_pct=draw(st.sampled_from([0.0, 1.0])), period_ms=period)


@st.composite
def questions(draw: st.DrawFn, n: int = 3, most: int = 6, *, moving: bool = True) -> Asked:
    """Small problems, in which mistakes show."""
    applicants = tuple(
        Applicant(f"app{index}", draw(tables(most)), draw(needs()), draw(st.integers(0, 2)))
        for index in range(draw(st.integers(1, n)))
    )
    pace = st.builds(Pace, st.sampled_from([0.8, 1.0, 1.6]), st.sampled_from([1.0, 1.2]))
    beliefs = {
        one.name: {cluster: draw(pace) for cluster in draw(st.sets(st.sampled_from(["little", "big", "gpu"])))}
        for one in applicants
    }
    budgets = []
    if draw(st.booleans()):
        budgets.append(Budget("board", draw(st.integers(1, 80)) / 10))
    if draw(st.booleans()):
        weight = {"big": draw(st.integers(1, 9)), "little": draw(st.integers(0, 3))}
        budgets.append(Budget("heat", float(draw(st.integers(1, 20))), weight))
    clock = {resource.cluster: draw(st.sampled_from(CLOCKS)) for resource in RESOURCES} if moving else {}
    current = {}
    for one in applicants:
        if moving and draw(st.booleans()):
            resource = draw(st.sampled_from(RESOURCES))
            n_cores = draw(st.integers(1, resource.n_cores))
            current[one.name] = Allotment(resource.cluster, n_cores, clock[resource.cluster])
    caps = st.dictionaries(st.sampled_from(["little", "big", "gpu"]), st.sampled_from([0, 500_000_000]), max_size=1)
    return Asked(applicants, beliefs, tuple(budgets), current, draw(caps) if moving else {})


# -- the model, said once more from its description, one row for each application at a time --------------------------


def keeps_room(asked: Asked, rows: tuple[int | None, ...]) -> bool:
    """Clocks, cores, caps and utilisation."""
    clock: dict[str, int] = {}
    cores: dict[str, int] = {}
    busy: dict[str, list[float]] = {}
    for one, row in zip(asked.applicants, rows, strict=True):
        if row is None:
            continue
        point = one.table.configuration(row)
        frequency_hz = int(one.table.frequency_hz[row])
        if clock.setdefault(point.cluster, frequency_hz) != frequency_hz:
            return False
        cap_hz = asked.caps_hz.get(point.cluster)
        if cap_hz is not None and (cap_hz == 0 or frequency_hz > cap_hz):
            return False
        cores[point.cluster] = cores.get(point.cluster, 0) + point.n_cores
        busy.setdefault(point.cluster, []).append(share_busy(asked, one, row))
    for resource in RESOURCES:
        if not resource.is_shared and cores.get(resource.cluster, 0) > resource.n_cores:
            return False
        shares = busy.get(resource.cluster, [])
        if resource.is_shared and len(shares) > 1 and sum(shares) > PRICES.most_busy + 1e-9:
            return False
    return True


def pace_of(asked: Asked, one: Applicant, row: int) -> Pace:
    cluster = one.table.configuration(row).cluster
    return asked.beliefs.get(one.name, {}).get(cluster, Pace())


def expected_ms(asked: Asked, one: Applicant, row: int) -> float:
    return float(one.table.column("latency_ms").value[row]) * pace_of(asked, one, row).slowdown


def share_busy(asked: Asked, one: Applicant, row: int) -> float:
    deadline = one.requirements.constraint("latency_ms")
    period_ms = one.requirements.period_ms or (deadline.bound if deadline else None)
    return 1.0 if period_ms is None else min(expected_ms(asked, one, row) / period_ms, 1.0)


def powers_w(asked: Asked, rows: tuple[int | None, ...]) -> dict[str, float]:
    """Each cluster's mean power."""
    power: dict[str, float] = {}
    for index, resource in enumerate(RESOURCES):
        power[resource.cluster] = min((idle_w(index, one) for one in ladder(asked, resource)), default=0.0)
        for one, row in zip(asked.applicants, rows, strict=True):
            if row is not None and one.table.configuration(row).cluster == resource.cluster:
                power[resource.cluster] = idle_w(index, int(one.table.frequency_hz[row]))
    for one, row in zip(asked.applicants, rows, strict=True):
        if row is not None:
            table = one.table
            extra_w = float(table.column("power_w").value[row] - table.column("idle_power_w").value[row])
            power[table.configuration(row).cluster] += share_busy(asked, one, row) * extra_w
    return power


def ladder(asked: Asked, resource: Resource) -> list[int]:
    found = set()
    for one in asked.applicants:
        here = one.table.cluster_index == one.table.clusters.index(resource.cluster)
        found.update(one.table.frequency_hz[here].tolist())
    return sorted(found)


def keeps_budgets(asked: Asked, rows: tuple[int | None, ...]) -> bool:
    power = powers_w(asked, rows)
    empty = powers_w(asked, (None,) * len(rows))
    for budget in asked.budgets:
        weight = budget.weight or dict.fromkeys(power, 1.0)
        spent = sum(weight.get(cluster, 0.0) * watts for cluster, watts in power.items())
        least = sum(weight.get(cluster, 0.0) * watts for cluster, watts in empty.items())
        if spent > max(budget.bound, least) + 1e-7:
            return False
    return True


def response_ms(asked: Asked, rows: tuple[int | None, ...], index: int) -> float:
    one, row = asked.applicants[index], rows[index]
    assert row is not None
    cluster = one.table.configuration(row).cluster
    promised_ms = expected_ms(asked, one, row) * pace_of(asked, one, row).margin
    if cluster != "gpu":
        return promised_ms
    return promised_ms + sum(
        expected_ms(asked, other, others_row)
        for at, (other, others_row) in enumerate(zip(asked.applicants, rows, strict=True))
        if at != index and others_row is not None and other.table.configuration(others_row).cluster == "gpu"
    )


def judged(asked: Asked, rows: tuple[int | None, ...]) -> tuple[tuple[float, ...], float]:
    """What waits and what is given up, the most important first; and the cost."""
    priorities = sorted({one.priority for one in asked.applicants}, reverse=True)
    waits = dict.fromkeys(priorities, 0.0)
    levels = dict.fromkeys(priorities, 0.0)
    per_watt = any(one.requirements.objective.metric in ("energy_mj", "power_w") for one in asked.applicants)
    cost = 0.0
    for index, resource in enumerate(RESOURCES):
        here = [
            int(one.table.frequency_hz[row])
            for one, row in zip(asked.applicants, rows, strict=True)
            if row is not None and one.table.configuration(row).cluster == resource.cluster
        ]
        clocks = ladder(asked, resource)
        if not clocks:
            continue
        clock = here[0] if here else min(clocks)
        cost += PRICES.per_w * idle_w(index, clock) if per_watt else 0.0
        had = [one.frequency_hz for one in asked.current.values() if one.cluster == resource.cluster]
        if here and had and had[-1] != clock:
            cost += PRICES.clock
    for index, (one, row) in enumerate(zip(asked.applicants, rows, strict=True)):
        if row is None:
            waits[one.priority] += 1
            continue
        level, points = judged_row(asked, rows, index)
        levels[one.priority] += level
        cost += points
    return (*waits.values(), *levels.values()), cost


def judged_row(asked: Asked, rows: tuple[int | None, ...], index: int) -> tuple[int, float]:
    """How many constraints one application gives up, and its points."""
    one, row = asked.applicants[index], rows[index]
    assert row is not None
    table, constraints = one.table, one.requirements.constraints
    figures = {name: float(column.value[row]) for name, column in table.metrics.items()}
    pace = pace_of(asked, one, row)
    own_ms = figures["latency_ms"] * pace.slowdown * pace.margin
    level, points = 0, 0.0
    for at, constraint in enumerate(constraints):
        rank = len(constraints) - at
        figure, judged_by = figures[constraint.metric], figures[constraint.metric]
        if constraint.metric == "energy_mj":
            figure = judged_by = figure * pace.slowdown
        if constraint.metric == "latency_ms":
            figure, judged_by = own_ms, response_ms(asked, rows, index)
        sign = -1 if constraint.relation == ">=" else 1
        if sign * judged_by > sign * constraint.bound + 1e-9:
            level = max(level, rank)
        excess = max(sign * (figure - constraint.bound), 0.0)
        points += 100 * 4.0 ** (rank - 1) * excess / (excess + constraint.bound)
    return level, points + objective(asked, one, row, pace)


def objective(asked: Asked, one: Applicant, row: int, pace: Pace) -> float:
    table, asks = one.table, one.requirements
    fits = np.array([table.n_cores[at] <= (1 if table.cluster_index[at] == 2 else 2) for at in range(len(table))])
    value = table.column(asks.objective.metric).value
    deadline = asks.constraint("latency_ms")
    apart_ms = asks.period_ms or (deadline.bound if deadline else float(table.column("latency_ms").value[fits].max()))
    if asks.objective.metric == "accuracy_pct":
        lost = float(value[fits].max() - value[row])
        if deadline is not None and pace.margin > 1:
            beyond = max(deadline.bound / expected_ms(asked, one, row) - 1, pace.margin - 1)
            lost += float(value[row]) * deadline.miss_pct / 100 * ((pace.margin - 1) / beyond) ** 2
        return lost + moved(asked, one, row)
    if asks.objective.metric == "energy_mj":
        resting = float(table.column("idle_power_w").value[row] * table.column("latency_ms").value[row])
        return PRICES.per_w * pace.slowdown * (float(value[row]) - resting) / apart_ms + moved(asked, one, row)
    if asks.objective.metric == "power_w":
        return PRICES.per_w * float(value[row]) + moved(asked, one, row)
    return 100 * float(value[row]) * pace.slowdown / apart_ms + moved(asked, one, row)


def moved(asked: Asked, one: Applicant, row: int) -> float:
    has, point = asked.current.get(one.name), one.table.configuration(row)
    return PRICES.move if has is not None and (has.cluster, has.n_cores) != (point.cluster, point.n_cores) else 0.0


def best_of_all(asked: Asked) -> tuple[tuple[float, ...], float]:
    """The exhaustive search."""
    best = ((math.inf,), math.inf)
    for rows in itertools.product(*([*range(len(one.table)), None] for one in asked.applicants)):
        if keeps_room(asked, rows) and keeps_budgets(asked, rows):
            found = judged(asked, rows)
            if (found[0], found[1]) < best:
                best = found
    return best


def rows_of(asked: Asked, answer: Allotments) -> tuple[int | None, ...]:
    return tuple(answer.places[one.name].row for one in asked.applicants)


# -- what must hold --------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(questions())
def test_a_small_problem_is_answered_as_an_exhaustive_search_would(asked: Asked) -> None:
    """Same applications wait, same constraints are given up, same cost."""
    answer = asked.allot()
    best = best_of_all(asked)
    reached = judged(asked, rows_of(asked, answer))
    assert reached[0] == best[0]
    assert reached[1] == pytest.approx(best[1], abs=1e-6)
    assert answer.cost == pytest.approx(reached[1], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(questions(n=4, most=40))
def test_every_answer_keeps_clocks_cores_turns_caps_and_budgets(asked: Asked) -> None:
    """Also where problems are too large to look at everything."""
    answer = asked.allot()
    rows = rows_of(asked, answer)
    assert keeps_room(asked, rows)
    assert keeps_budgets(asked, rows)
    power_w = powers_w(asked, rows)
    for cluster, watts in answer.power_w.items():
        assert watts == pytest.approx(power_w[cluster], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(questions(n=4, most=30))
def test_an_answer_says_what_it_is(asked: Asked) -> None:
    """Allotments are those of the rows, clocks those of the allotments, and what is given up is what is not kept."""
    answer = asked.allot()
    rows = rows_of(asked, answer)
    assert list(answer.places) == [one.name for one in asked.applicants]
    for index, one in enumerate(asked.applicants):
        place, row = answer.places[one.name], rows[index]
        constraints = one.requirements.constraints
        if row is None:
            assert place.allotment is None
            assert place.given_up == tuple(constraint.metric for constraint in reversed(constraints))
            continue
        point = one.table.configuration(row)
        assert place.allotment == Allotment(point.cluster, point.n_cores, point.frequency_hz)
        assert answer.clocks_hz[point.cluster] == point.frequency_hz
        assert place.latency_ms == pytest.approx(response_ms(asked, rows, index))
        level = max(
            (len(constraints) - at for at, c in enumerate(constraints) if c.metric in place.given_up), default=0
        )
        assert level == judged_row(asked, rows, index)[0]


@settings(max_examples=30, deadline=None)
@given(questions(), st.floats(1.0, 3.0))
def test_more_of_a_budget_never_makes_a_small_problem_worse(asked: Asked, factor: float) -> None:
    wider = tuple(Budget(one.name, one.bound * factor, one.weight) for one in asked.budgets)
    before = judged(asked, rows_of(asked, asked.allot()))
    more = Asked(asked.applicants, asked.beliefs, wider, asked.current, asked.caps_hz)
    after = judged(more, rows_of(more, more.allot()))
    assert after[0] < before[0] or (after[0] == before[0] and after[1] <= before[1] + 1e-6)


@settings(max_examples=20, deadline=None)
@given(questions(n=4, most=30), st.randoms(use_true_random=False))
def test_the_order_of_applications_does_not_matter(asked: Asked, random: object) -> None:
    shuffled = list(asked.applicants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = Asked(tuple(shuffled), asked.beliefs, asked.budgets, asked.current, asked.caps_hz)
    assert dict(other.allot().places) == dict(asked.allot().places)


@settings(max_examples=15, deadline=None)
@given(questions(n=4, most=30))
def test_the_same_question_has_the_same_answer(asked: Asked) -> None:
    allotter = Allotter(asked.applicants, RESOURCES)
    answers = [
        allotter.allot(asked.beliefs, asked.budgets, current=asked.current, caps_hz=asked.caps_hz) for _ in range(2)
    ]
    assert answers[0] == answers[1] == asked.allot()


@settings(max_examples=40, deadline=None)
@given(questions(n=1, most=20, moving=False))
def test_one_application_alone_gets_what_a_plan_would_choose(asked: Asked) -> None:
    """The same objective, where every constraint can be kept; the plan is asked without idling, which it leaves out."""
    one = asked.applicants[0]
    metrics = {name: column for name, column in one.table.metrics.items() if name != "idle_power_w"}
    table = OperatingTable(
        one.table.sub_networks,
        one.table.clusters,
        one.table.sub_network_index,
        one.table.cluster_index,
        one.table.n_cores,
        one.table.frequency_hz,
        metrics,
    )
    plain = Applicant(one.name, table, one.requirements)
    paces = [asked.beliefs[one.name].get(cluster, Pace()) for cluster in table.clusters]

    @dataclass(frozen=True)
    class Allowance:
        slowdown: float
        margin: float
        ceiling_ms: float = math.inf

    plan = Plan.of(table, one.requirements)
    decision = plan.choose([Allowance(pace.slowdown, pace.margin) for pace in paces])
    answer = Allotter([plain], RESOURCES).allot(asked.beliefs)
    place = answer.places[one.name]
    assert (answer.n_given_up == 0) == (not decision.given_up)
    assume(not decision.given_up)
    assert place.row is not None
    goal = table.column(one.requirements.objective.metric).value
    if one.requirements.objective.metric == "accuracy_pct" and one.requirements.constraint("latency_ms"):
        asking = Asked((plain,), asked.beliefs, (), {}, {})
        chosen = judged(asking, (decision.point,))[1]
        assert answer.cost == pytest.approx(chosen, abs=1e-9)
        return
    scale = np.ones(len(table))
    if one.requirements.objective.metric in ("energy_mj", "latency_ms"):
        scale = np.array([pace.slowdown for pace in paces])[table.cluster_index]
    assert goal[place.row] * scale[place.row] == pytest.approx(goal[decision.point] * scale[decision.point])


@settings(max_examples=12, deadline=None)
@given(questions())
def test_the_exact_solver_agrees_with_an_exhaustive_search(asked: Asked) -> None:
    pytest.importorskip("scipy")
    allotter = Allotter(asked.applicants, RESOURCES)
    answer = allot_exactly(allotter, asked.beliefs, asked.budgets, current=asked.current, caps_hz=asked.caps_hz)
    reached, best = judged(asked, rows_of(asked, answer)), best_of_all(asked)
    assert answer.is_exact
    assert reached[0] == best[0]
    assert reached[1] == pytest.approx(best[1], abs=1e-4)


# -- by example ------------------------------------------------------------------------------------------------------

LITTLE, BIG, GPU = 0, 1, 2
SLOW, FAST = CLOCKS


def test_the_less_important_of_two_gives_way() -> None:
    """Both want the fast clock's big cores; only one can have both of them."""
    rows = [(BIG, 2, FAST, 10, 20, 80), (BIG, 1, FAST, 30, 10, 80), (LITTLE, 2, FAST, 35, 10, 80)]
    wanted = Requirements.of(latency_ms=20)
    for important, other in (("a", "b"), ("b", "a")):
        both = [Applicant(important, table_of(rows), wanted, 2), Applicant(other, table_of(rows), wanted, 1)]
        places = Allotter(both, RESOURCES).allot().places
        assert places[important].allotment == Allotment("big", 2, FAST)
        assert places[important].given_up == ()
        assert places[other].given_up == ("latency_ms",)


def test_waiting_comes_last_and_falls_on_the_least_important() -> None:
    """Three that fit on one core each, and two cores: rather than let two wait, the most important one is late."""
    rows = [(BIG, 2, FAST, 10, 20, 80), (BIG, 1, FAST, 30, 10, 80)]
    asks = [Applicant(name, table_of(rows), Requirements.of(latency_ms=20), at) for at, name in enumerate("abc")]
    answer = Allotter(asks, RESOURCES).allot()
    assert answer.places["a"].allotment is None
    assert answer.places["a"].given_up == ("latency_ms",)
    assert [answer.places[name].allotment for name in "bc"] == [Allotment("big", 1, FAST)] * 2


def test_a_cluster_has_one_clock_for_all() -> None:
    """The first alone would be cheapest at the slow clock; the second needs the fast one, so both run at it."""
    easy = [(BIG, 1, SLOW, 20, 5, 80), (BIG, 1, FAST, 10, 20, 80)]
    hard = [(BIG, 1, SLOW, 40, 5, 80), (BIG, 1, FAST, 20, 20, 80)]
    first = Applicant("first", table_of(easy), Requirements.of(latency_ms=30, minimise="energy_mj"))
    second = Applicant("second", table_of(hard), Requirements.of(latency_ms=30, minimise="energy_mj"))
    assert Allotter([first], RESOURCES).allot().clocks_hz == {"big": SLOW}
    places = Allotter([first, second], RESOURCES).allot().places
    assert {place.allotment for place in places.values()} == {Allotment("big", 1, FAST)}


def test_those_that_take_turns_wait_for_each_other() -> None:
    rows = [(GPU, 1, FAST, 10, 20, 70), (GPU, 1, FAST, 18, 20, 80)]
    asks = [Applicant(name, table_of(rows), Requirements.of(latency_ms=24, period_ms=60)) for name in "ab"]
    alone = Allotter(asks[:1], RESOURCES).allot().places["a"]
    assert (alone.row, alone.latency_ms) == (1, 18.0)
    shared = Allotter(asks, RESOURCES).allot().places
    assert [shared[name].row for name in "ab"] == [0, 0]
    assert [shared[name].latency_ms for name in "ab"] == [20.0, 20.0]


def test_an_accelerator_is_not_shared_beyond_its_time() -> None:
    """Each is busy for half of the time, which is more than nine tenths together."""
    asks = [
        Applicant(name, table_of([(GPU, 1, FAST, 25, 20, 80)]), Requirements.of(latency_ms=100, period_ms=50), at)
        for at, name in enumerate("ab")
    ]
    places = Allotter(asks, RESOURCES).allot().places
    assert places["a"].allotment is None
    assert places["b"].allotment == Allotment("gpu", 1, FAST)


def test_what_it_has_is_kept_unless_moving_pays() -> None:
    """Two places of equal worth: it stays where it is; one that is much better: it moves."""
    alike = [(LITTLE, 1, FAST, 20, 10, 80), (BIG, 1, FAST, 20, 10, 80)]
    better = [(LITTLE, 1, FAST, 20, 10, 80), (BIG, 1, FAST, 20, 10, 85)]
    for cluster in ("little", "big"):
        has = {"a": Allotment(cluster, 1, FAST)}
        stays = Allotter([Applicant("a", table_of(alike), Requirements.of(latency_ms=30))], RESOURCES)
        assert stays.allot(current=has).places["a"].allotment == has["a"]
    moves = Allotter([Applicant("a", table_of(better), Requirements.of(latency_ms=30))], RESOURCES)
    assert moves.allot(current={"a": Allotment("little", 1, FAST)}).places["a"].allotment == Allotment("big", 1, FAST)


def test_a_slow_cluster_is_left() -> None:
    rows = [(LITTLE, 1, FAST, 20, 5, 80), (BIG, 1, FAST, 10, 30, 80)]
    allotter = Allotter(
        [Applicant("a", table_of(rows), Requirements.of(latency_ms=25, minimise="energy_mj"))], RESOURCES
    )
    calm = allotter.allot().places["a"].allotment
    disturbed = allotter.allot({"a": {"little": Pace(2.0, 1.1)}}).places["a"].allotment
    assert (calm, disturbed) == (Allotment("little", 1, FAST), Allotment("big", 1, FAST))


def test_the_budget_in_the_way_is_named_and_has_a_price() -> None:
    rows = [(BIG, 1, SLOW, 20, 5, 80), (BIG, 1, FAST, 20, 30, 90)]
    allotter = Allotter([Applicant("a", table_of(rows), Requirements.of(latency_ms=25, period_ms=25))], RESOURCES)
    free = allotter.allot(budgets=[Budget("board", 9.0)])
    bound = allotter.allot(budgets=[Budget("board", 1.5), Budget("heat", 50.0, {"big": 2.0})])
    assert (free.binding, free.price, free.is_exact) == (None, None, True)
    assert bound.binding == "board"
    shed_w = sum(free.power_w.values()) - sum(bound.power_w.values())
    assert bound.price == pytest.approx((bound.cost - free.cost) / shed_w)


def test_a_budget_below_what_an_idle_board_draws_makes_all_wait() -> None:
    allotter = Allotter([Applicant("a", table_of([(BIG, 1, FAST, 20, 30, 90)]), Requirements.of())], RESOURCES)
    answer = allotter.allot(budgets=[Budget("board", -1.0)])
    assert answer.places["a"].allotment is None
    assert answer.clocks_hz == {"big": FAST}


def test_clocks_that_are_not_ours_to_set_are_left_alone() -> None:
    table = table_of([(BIG, 1, FAST, 20, 30, 90)])
    governed = OperatingTable(
        table.sub_networks,
        table.clusters,
        table.sub_network_index,
        table.cluster_index,
        table.n_cores,
        np.full(1, NO_FREQUENCY),
        table.metrics,
    )
    allotter = Allotter([Applicant("a", governed, Requirements.of())], RESOURCES)
    answer = allotter.allot()
    assert answer.places["a"].allotment == Allotment("big", 1, None)
    assert answer.clocks_hz == {"big": None}
    assert allotter.allot(caps_hz={"big": 0}).places["a"].allotment is None  # it is gone


def test_without_power_in_the_table_nothing_is_claimed_of_it() -> None:
    table = table_of([(BIG, 1, FAST, 20, 30, 90)])
    blind = OperatingTable(
        table.sub_networks,
        table.clusters,
        table.sub_network_index,
        table.cluster_index,
        table.n_cores,
        table.frequency_hz,
        {name: table.metrics[name] for name in ("latency_ms", "accuracy_pct")},
    )
    allotter = Allotter([Applicant("a", blind, Requirements.of())])
    assert allotter.allot().places["a"].power_w is None
    with pytest.raises(UnknownMetricError) as caught:
        allotter.allot(budgets=[Budget("board", 3.0)])
    assert caught.value.metric == "power_w"


def test_resources_are_what_the_tables_use() -> None:
    table = table_of([(BIG, 2, FAST, 20, 30, 90), (LITTLE, 2, FAST, 20, 30, 90), (GPU, 1, FAST, 9, 9, 90)])
    assert set(resources_of([table])) == set(RESOURCES)


def test_too_many_to_look_at_all_partitions_are_still_placed() -> None:
    """Eight applications: every coupling holds, and nobody waits where there is room for all."""
    generator = np.random.default_rng(5)
    asks = []
    for index in range(8):
        rows = [
            (cluster, n_cores, clock, int(generator.integers(5, 30)), int(generator.integers(1, 40)), 60 + 4 * level)
            for cluster in range(3)
            for n_cores in ((1,) if cluster == GPU else (1, 2, 3, 4))
            for clock in CLOCKS
            for level in range(4)
        ]
        asks.append(Applicant(f"app{index}", table_of(rows), Requirements.of(latency_ms=60, period_ms=400), index))
    resources = (Resource("little", 4), Resource("big", 4), Resource("gpu", 1, is_shared=True))
    more = (*resources, Resource("dsp", 1, is_shared=True))
    for room in (resources, more):
        allotter = Allotter(asks, room)
        free = allotter.allot()
        assert free.n_given_up == 0
        watts = sum(free.power_w.values())
        held = allotter.allot(budgets=[Budget("board", 0.8 * watts)])
        assert all(place.allotment is not None for place in held.places.values())
        assert sum(held.power_w.values()) <= 0.8 * watts + 1e-9
        for cluster in ("little", "big"):
            used = [one.allotment for one in held.places.values() if one.allotment and one.allotment.cluster == cluster]
            assert sum(one.n_cores for one in used) <= 4
            assert len({one.frequency_hz for one in used}) <= 1


def test_bad_questions_are_refused() -> None:
    one = Applicant("a", table_of([(BIG, 1, FAST, 20, 30, 90)]), Requirements.of())
    with pytest.raises(UsageError):
        Allotter([])
    with pytest.raises(UsageError):
        Allotter([one, one])
    with pytest.raises(UsageError):
        Allotter([one], [RESOURCES[0], RESOURCES[0]])
    with pytest.raises(UsageError):
        Resource("big", -1)
    for weight, bound in (({"big": -1.0}, 1.0), ({"big": math.nan}, 1.0), ({}, math.inf)):
        with pytest.raises(UsageError):
            Budget("board", bound, weight)
    for wrong in ({"per_w": 0.0}, {"move": -1.0}, {"clock": math.nan}, {"most_busy": 0.0}):
        with pytest.raises(UsageError):
            Prices(**wrong)
    allotter = Allotter([one], RESOURCES)
    with pytest.raises(UnknownNameError) as application:
        allotter.allot({"b": {}})
    assert application.value.kind == "application"
    with pytest.raises(UnknownNameError) as cluster:
        allotter.allot(caps_hz={"bog": 1})
    assert (cluster.value.kind, cluster.value.matches) == ("cluster", ("big",))
    with pytest.raises(UnknownMetricError) as metric:
        Allotter([Applicant("a", one.table, Requirements.of(temperature_c=60))])
    assert metric.value.metric == "temperature_c"


def test_an_answer_can_be_said() -> None:
    rows = [(BIG, 2, FAST, 30, 30, 90)]
    asks = [Applicant(name, table_of(rows), Requirements.of(latency_ms=20), at) for at, name in enumerate("ab")]
    words = explain(Allotter(asks, RESOURCES).allot())
    assert "a waits" in words
    assert "b has 2 cores of big at 1.00 GHz, giving up latency_ms" in words


def family(generator: np.random.Generator, n_levels: int) -> OperatingTable:
    """Sub-networks of rising work and accuracy in every place: too many rows to look at them all."""
    share = np.sort(generator.uniform(0.2, 1.0, n_levels))
    base_ms = generator.uniform(20, 60)
    rows = []
    for cluster, speed, watts in ((LITTLE, 1.0, 4), (BIG, 3.0, 25), (GPU, 6.0, 30)):
        for n_cores in (1,) if cluster == GPU else (1, 2):
            for clock in CLOCKS:
                quick = speed * n_cores**0.8 * clock / FAST
                power = max(round(watts * n_cores * (clock / FAST) ** 2), 1)
                rows += [
                    (cluster, n_cores, clock, max(round(base_ms * each / quick), 1), power, 60 + round(30 * each))
                    for each in share
                ]
    return table_of(rows)


def without_gpu(table: OperatingTable) -> OperatingTable:
    return table.take(np.flatnonzero(table.cluster_index != GPU))


def test_a_large_problem_is_answered_nearly_as_the_exact_solver_would() -> None:
    """On average within 1 %, and no constraint is given up that could be kept."""
    pytest.importorskip("scipy")
    gaps = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        applicants = []
        for index in range(3):
            goal = {"maximise": "accuracy_pct"} if generator.random() < 0.6 else {"minimise": "energy_mj"}
            wanted = Requirements.of(
                latency_ms=float(generator.uniform(40, 90)), accuracy_pct=70, period_ms=100, **goal
            )
            applicants.append(Applicant(f"app{index}", family(generator, 7), wanted, index))
        allotter = Allotter(applicants, RESOURCES)
        free = allotter.allot()
        idle = sum(idle_w(cluster, SLOW) for cluster in range(3))
        bound = idle + float(generator.uniform(0.5, 0.9)) * (sum(free.power_w.values()) - idle)
        ours, best = (
            allotter.allot(budgets=[Budget("board", bound)]),
            allot_exactly(allotter, budgets=[Budget("board", bound)]),
        )
        assert ours.n_given_up == best.n_given_up
        assert ours.cost >= best.cost - 1e-4
        gaps.append((ours.cost - best.cost) / max(best.cost, 1.0))
    assert np.mean(gaps) <= 0.01


def test_those_whom_a_newcomer_does_not_concern_stay_where_they_are() -> None:
    """It comes, changes its mind and goes; the other two keep their places all along."""
    generator = np.random.default_rng(3)
    asks = [
        Applicant("first", without_gpu(family(generator, 5)), Requirements.of(latency_ms=60, period_ms=100), 2),
        Applicant(
            "second", family(generator, 5), Requirements.of(latency_ms=90, period_ms=100, minimise="energy_mj"), 1
        ),
    ]
    gpu_only = table_of([(GPU, 1, clock, 20, 20, accuracy) for clock in CLOCKS for accuracy in (70, 80)])
    before = Allotter(asks, RESOURCES).allot()
    current = {name: place.allotment for name, place in before.places.items() if place.allotment is not None}
    for latency_ms in (90, 45):
        newcomer = Applicant("newcomer", gpu_only, Requirements.of(latency_ms=latency_ms, period_ms=200), 0)
        after = Allotter([*asks, newcomer], RESOURCES).allot(current=current)
        assert {one.name: after.places[one.name].allotment for one in asks} == current
    assert Allotter(asks, RESOURCES).allot(current=current).places == before.places


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 50, 900]))
def test_points_that_another_beats_in_cost_and_power_are_left_out(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    total, power_w = generator.integers(0, 40, n).astype(float), generator.integers(1, 40, n).astype(float)
    front = unbeaten(total, power_w, 0.5)
    expected = {
        (cost, watts)
        for cost, watts in zip(total, power_w, strict=True)
        if not (((total <= cost) & (power_w < watts)) | ((total < cost) & (power_w <= watts))).any()
    }
    assert expected <= set(zip(total[front], power_w[front], strict=True))
    assert (np.diff(total[front]) >= 0).all()
    assert (np.diff(power_w[front]) < 0).all()
