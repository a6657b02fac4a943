"""Search spaces, and the one of `fashion`."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import UnknownNameError, UsageError
from tenuto.nets.fashion import LADDER, SPACE, macs
from tenuto.nets.space import Dimension, SearchSpace
from tenuto.points import DIMENSION_CODES, SubNetwork

dimensions = st.lists(
    st.builds(
        lambda name, domain, n: Dimension(name, tuple(sorted(domain)), n),
        st.sampled_from(sorted(DIMENSION_CODES)),
        st.sets(st.integers(0, 99), min_size=1, max_size=3),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda dimension: dimension.name,
)
spaces = dimensions.map(lambda chosen: SearchSpace("net", tuple(chosen)))


@given(spaces)
def test_a_space_lists_each_of_its_sub_networks_once(space: SearchSpace) -> None:
    everything = list(space)
    assert space.size == len(everything) == len(set(everything))
    assert all(sub_network in space for sub_network in everything)
    assert (everything[0], everything[-1]) == (space.smallest(), space.largest())


@given(spaces, st.integers())
def test_what_is_drawn_is_in_the_space_and_depends_on_the_seed_alone(space: SearchSpace, seed: int) -> None:
    drawn = space.sample(random.Random(seed))
    assert drawn in space
    assert drawn == space.sample(random.Random(seed))


@given(spaces)
def test_every_name_of_a_space_reads_back(space: SearchSpace) -> None:
    assert all(sub_network == space.parse(sub_network.name) for sub_network in space)


@pytest.mark.parametrize("name", ["d1.2-w60.50-k3.3", "d1.2", "d1-w50-k3", "w50.50-d1.2-k3.3", "", "nonsense"])
def test_a_name_of_another_space_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        SPACE.parse(name)
    assert (caught.value.kind, caught.value.name) == ("sub-network", name)


def test_a_misspelt_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        SPACE.parse("d1.2-w60.50-k3.3")
    assert "d1.2-w50.50-k3.3" in caught.value.matches


def test_another_networks_sub_network_and_other_things_are_not_in_the_space() -> None:
    assert SubNetwork("other", SPACE.smallest().setting) not in SPACE
    assert "d1.1-w25.25-k3.3" not in SPACE


@pytest.mark.parametrize(("domain", "n_choices"), [((), 1), ((2, 1), 1), ((1, 1), 1), ((1, 2), 0)])
def test_a_dimension_that_makes_no_sense_is_refused(domain: tuple[int, ...], n_choices: int) -> None:
    with pytest.raises(UsageError):
        Dimension("depth", domain, n_choices)


def test_the_ladder_climbs_in_macs_from_the_smallest_to_the_largest() -> None:
    rungs = [SPACE.parse(name) for name in LADDER]
    assert (rungs[0], rungs[-1]) == (SPACE.smallest(), SPACE.largest())
    cost = [macs(rung) for rung in rungs]
    assert cost == sorted(set(cost))
    assert len(rungs) >= 10
    assert cost[-1] / cost[0] >= 5
