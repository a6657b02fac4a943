"""What every policy that ships keeps to, whatever it is told."""

import copy
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.control import open_policy, policy_names
from tenuto.decisions import Allotment, Decision, Observation
from tenuto.requirements import Requirements
from tenuto.testing import check_policy
from tenuto.testing.policies import sample_table

TABLE = sample_table()
EVERY = (*policy_names(), "fixed-d3")

times_s = st.floats(-1e9, 1e9) | st.sampled_from((math.nan, math.inf, -math.inf))
spans_ms = st.floats(0.1, 100) | st.sampled_from((math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-300, 1e300))
places = st.none() | st.builds(
    Allotment,
    st.sampled_from((*TABLE.clusters, "no-such-cluster")),
    st.integers(0, 8),
    st.none() | st.sampled_from((1, 1_000_000_000, 2_000_000_000)),
)
readings = st.dictionaries(
    st.sampled_from(("other_load_pct", "load_pct", "power_w", "temperature_c")),
    st.floats(0, 100) | st.sampled_from((math.nan, math.inf, -math.inf)),
    max_size=3,
)
observations = st.builds(
    Observation,
    time_s=times_s,
    in_force=st.none() | st.integers(0, len(TABLE) - 1),
    latency_ms=st.none() | spans_ms,
    last_waited_ms=spans_ms,
    waited_ms=spans_ms,
    readings=readings,
    n_queued=st.integers(-1, 100),
    allotment=places,
)
needs = st.builds(
    lambda bounds, pushed: Requirements.of(**bounds, **pushed),
    st.fixed_dictionaries(
        {},
        optional={
            "latency_ms": st.floats(0.1, 100),
            "accuracy_pct": st.floats(50, 100),
            "energy_mj": st.floats(0.1, 300),
            "power_w": st.floats(0.1, 9),
            "period_ms": st.floats(1, 100),
            "miss_pct": st.floats(0, 100, exclude_max=True),
        },
    ),
    st.sampled_from(({"maximise": "accuracy_pct"}, {"minimise": "energy_mj"}, {"minimise": "latency_ms"})),
)


def drive(name: str, requirements: Requirements, seen: list[Observation]) -> list[Decision]:
    policy = open_policy(name)
    state = policy.start(TABLE, requirements)
    decisions = []
    for observation in seen:
        decision, state = policy.decide(state, observation)
        decisions.append(decision)
    return decisions


@pytest.mark.parametrize("name", EVERY)
def test_it_keeps_the_promises_of_a_policy(name: str) -> None:
    check_policy(open_policy(name))


@pytest.mark.parametrize("name", EVERY)
@given(requirements=needs, seen=st.lists(observations, max_size=8))
@settings(max_examples=25)
def test_whatever_it_is_told_it_chooses_a_row_and_the_same_one_again(
    name: str, requirements: Requirements, seen: list[Observation]
) -> None:
    decisions = drive(name, requirements, seen)
    for decision in decisions:
        assert type(decision.point) is int
        assert 0 <= decision.point < len(TABLE)
        for figure in (decision.slowdown, decision.latency_ms):
            assert figure is None or 0 <= figure < math.inf
    assert drive(name, requirements, copy.deepcopy(seen)) == decisions


@pytest.mark.parametrize("name", EVERY)
@given(requirements=needs, seen=st.lists(observations, min_size=1, max_size=4), last=observations)
@settings(max_examples=15)
def test_a_state_may_be_decided_from_twice(
    name: str, requirements: Requirements, seen: list[Observation], last: Observation
) -> None:
    policy = open_policy(name)
    state = policy.start(TABLE, requirements)
    for observation in seen:
        _, state = policy.decide(state, observation)
    first, after = policy.decide(state, last)
    policy.decide(after, seen[0])
    assert policy.decide(state, last)[0] == first


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("latency_ms", [math.nan, math.inf, -math.inf, -3.0, 0.0])
def test_nothing_is_learned_from_a_latency_that_is_none(name: str, latency_ms: float) -> None:
    """Decisions with nonsense in between are those without, to the last figure."""
    policy, requirements = open_policy(name), Requirements.of(latency_ms=20)
    medians_ms = TABLE.column("latency_ms").value
    plain = disturbed = policy.start(TABLE, requirements)
    calm, _ = policy.decide(plain, Observation(0.0))
    for index in range(60):
        seen = Observation(index / 30, calm.point, float(medians_ms[calm.point]) * 1.3)
        expected, plain = policy.decide(plain, seen)
        found, disturbed = policy.decide(disturbed, seen)
        assert found == expected
        _, disturbed = policy.decide(disturbed, Observation(index / 30, calm.point, latency_ms))
        _, plain = policy.decide(plain, Observation(index / 30))
        calm = expected


@pytest.mark.parametrize("name", EVERY)
@given(
    requirements=needs,
    cluster=st.sampled_from(TABLE.clusters),
    seen=st.lists(observations, max_size=3),
)
@settings(max_examples=15)
def test_an_allotment_that_the_table_has_is_kept_to(
    name: str, requirements: Requirements, cluster: str, seen: list[Observation]
) -> None:
    policy = open_policy(name)
    state = policy.start(TABLE, requirements)
    for observation in seen:
        _, state = policy.decide(state, observation)
    decision, _ = policy.decide(state, Observation(0.0, allotment=Allotment(cluster, 1)))
    assert TABLE.configuration(decision.point).cluster == cluster
