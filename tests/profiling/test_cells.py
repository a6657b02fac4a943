"""Which configurations a profile visits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import UnknownNameError, UsageError
from tenuto.platforms import Cluster, Opp
from tenuto.points import SubNetwork
from tenuto.profiling import cells_of

SUB_NETWORKS = [SubNetwork("toy", (("depth", (depth,)),)) for depth in (1, 2, 3)]
CLUSTERS = (
    Cluster("little", (0, 1, 2, 3), tuple(Opp(mhz * 1_000_000) for mhz in (600, 1200))),
    Cluster("big", (4, 5)),
    Cluster("gpu", ()),
)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Cluster, ...]:
    """Up to three CPU clusters with clocks or without, and perhaps an accelerator."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    clocks = [draw(st.lists(st.integers(1, 9), unique=True, max_size=3)) for _ in sizes]
    made = tuple(
        Cluster(
            f"c{index}", tuple(range(10 * index, 10 * index + size)), tuple(Opp(hz) for hz in sorted(clocks[index]))
        )
        for index, size in enumerate(sizes)
    )
    return (*made, Cluster("gpu", ())) if draw(st.booleans()) else made


@given(clusters(), st.integers(1, 3))
def test_every_combination_is_there_once(board: tuple[Cluster, ...], n_sub_networks: int) -> None:
    cells = cells_of(SUB_NETWORKS[:n_sub_networks], board)
    assert len(set(cells)) == len(cells)
    assert len(cells) == sum(n_sub_networks * len(one.cpus) * max(len(one.opps), 1) for one in board)
    by_name = {one.name: one for one in board}
    for cell in cells:
        cluster = by_name[cell.cluster]
        assert 1 <= cell.n_cores <= len(cluster.cpus)
        clocks = {opp.frequency_hz for opp in cluster.opps} or {None}
        assert cell.frequency_hz in clocks


@given(clusters(), st.lists(st.integers(1, 4), min_size=1, unique=True))
def test_a_choice_of_cores_is_what_is_left_of_all(board: tuple[Cluster, ...], n_cores: list[int]) -> None:
    expected = [cell for cell in cells_of(SUB_NETWORKS, board) if cell.n_cores in n_cores]
    if expected:
        assert list(cells_of(SUB_NETWORKS, board, n_cores=n_cores)) == expected
    else:
        with pytest.raises(UsageError):
            cells_of(SUB_NETWORKS, board, n_cores=n_cores)


def test_only_some_clusters_may_be_asked_for() -> None:
    assert {cell.cluster for cell in cells_of(SUB_NETWORKS, CLUSTERS, only_clusters=["big"])} == {"big"}


@pytest.mark.parametrize(("asked", "near"), [("litle", ("little",)), ("gpu", ())])
def test_an_unknown_cluster_is_refused_with_its_neighbours(asked: str, near: tuple[str, ...]) -> None:
    """An accelerator counts as unknown: the CPU engine cannot use it."""
    with pytest.raises(UnknownNameError) as caught:
        cells_of(SUB_NETWORKS, CLUSTERS, only_clusters=[asked])
    assert (caught.value.kind, caught.value.name, caught.value.matches) == ("cluster", asked, near)


@pytest.mark.parametrize("n_cores", [[], [0], [-1], [9]])
def test_cores_that_no_cluster_has_leave_nothing_to_measure(n_cores: list[int]) -> None:
    with pytest.raises(UsageError, match="little: 4, big: 2"):
        cells_of(SUB_NETWORKS, CLUSTERS, n_cores=n_cores)
