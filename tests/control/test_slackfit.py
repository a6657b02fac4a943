"""SuperServe's rule, driven by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.control import SlackFitPolicy
from tenuto.decisions import Allotment, Observation
from tenuto.points import Estimate, OperatingTable
from tenuto.requirements import Requirements
from tenuto.testing.policies import sample_table

BIG = 2_000_000_000
"""The clock of the fastest points of the sample: 4, 8, 12 and 16 ms."""


def decided(observation: Observation, *, deadline_ms: float | None = 20.0, table: OperatingTable | None = None) -> int:
    """The depth that was chosen."""
    table = sample_table() if table is None else table
    policy = SlackFitPolicy()
    decision, _ = policy.decide(policy.start(table, Requirements.of(latency_ms=deadline_ms)), observation)
    return int(table.configuration(decision.point).sub_network.name.removeprefix("d"))


@pytest.mark.parametrize(("waited_ms", "depth"), [(0.0, 4), (4.0, 4), (4.1, 3), (11.9, 2), (16.0, 1), (30.0, 1)])
def test_the_largest_that_the_slack_has_time_for(waited_ms: float, depth: int) -> None:
    assert decided(Observation(0.0, waited_ms=waited_ms)) == depth


@pytest.mark.parametrize(("n_queued", "depth"), [(0, 4), (1, 2), (3, 1), (4, 1), (50, 1)])
def test_those_that_wait_share_the_slack(n_queued: int, depth: int) -> None:
    """20 ms for five are 4 ms each."""
    assert decided(Observation(0.0, n_queued=n_queued)) == depth


def test_without_a_deadline_it_is_the_largest() -> None:
    assert decided(Observation(0.0, waited_ms=1e9, n_queued=3), deadline_ms=None) == 4


def test_only_a_deadline_that_the_coming_input_misses_is_given_up() -> None:
    policy = SlackFitPolicy()
    state = policy.start(sample_table(), Requirements.of(latency_ms=20))
    crowded, _ = policy.decide(state, Observation(0.0, n_queued=50))
    stale, _ = policy.decide(state, Observation(0.0, waited_ms=17.0))
    assert (crowded.given_up, stale.given_up) == ((), ("latency_ms",))
    assert (crowded.slowdown, crowded.latency_ms, crowded.reason) == (None, None, None)


def test_what_is_slower_and_no_more_accurate_is_never_chosen() -> None:
    points = list(sample_table())
    worse = {**points[-1].metrics, "accuracy_pct": Estimate(70.0, "assumed")}
    table = OperatingTable.from_points([*points[:-1], replace(points[-1], metrics=worse)])
    assert decided(Observation(0.0), table=table) == 3


def test_each_sub_network_runs_where_it_is_fastest_of_what_is_allotted() -> None:
    table, policy = sample_table(), SlackFitPolicy()
    state = policy.start(table, Requirements.of(latency_ms=30))
    places = []
    for allotment in (None, Allotment("little", 1), Allotment("big", 1, BIG // 2)):
        decision, state = policy.decide(state, Observation(0.0, allotment=allotment))
        where = table.configuration(decision.point)
        places.append((where.sub_network.name, where.cluster, where.frequency_hz))
    assert places == [("d4", "big", BIG), ("d2", "little", None), ("d3", "big", BIG // 2)]


@given(
    slacks=st.tuples(st.floats(0, 60), st.floats(0, 60)),
    queued=st.tuples(st.integers(0, 20), st.integers(0, 20)),
)
def test_less_slack_or_more_waiting_never_chooses_a_larger_one(
    slacks: tuple[float, float], queued: tuple[int, int]
) -> None:
    waits = sorted(slacks)
    few, many = sorted(queued)
    easy = decided(Observation(0.0, waited_ms=waits[0], n_queued=few), deadline_ms=60)
    hard = decided(Observation(0.0, waited_ms=waits[1], n_queued=many), deadline_ms=60)
    assert hard <= easy
