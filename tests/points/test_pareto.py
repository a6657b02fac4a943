"""The Pareto filter, against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.points import pareto_indices

# Few distinct figures, so that ties, equal rows and missing figures are common.
FIGURES = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, math.inf, math.nan])


@st.composite
def cost_tables(draw: st.DrawFn) -> NDArray[np.float64]:
    """Up to twelve rows of one to four columns."""
    n_columns = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[FIGURES] * n_columns), max_size=12))
    return np.array(rows, dtype=np.float64).reshape(-1, n_columns)


def beats(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether row a is nowhere worse than row b and somewhere better."""
    return bool((a <= b).all() and (a < b).any())


def brute_force(costs: NDArray[np.float64]) -> set[int]:
    """The front by its definition: known, unbeaten, and the first of its equals."""
    known = [index for index in range(len(costs)) if not np.isnan(costs[index]).any()]
    return {
        index
        for index in known
        if not any(beats(costs[other], costs[index]) for other in known)
        and not any(other < index and (costs[other] == costs[index]).all() for other in known)
    }


@given(cost_tables())
def test_the_front_is_that_of_the_definition(costs: NDArray[np.float64]) -> None:
    front = pareto_indices(costs)
    assert len(front) == len(set(front.tolist()))
    assert set(front.tolist()) == brute_force(costs)


@given(cost_tables())
def test_no_kept_row_is_beaten_and_every_dropped_row_is_beaten_or_repeated(costs: NDArray[np.float64]) -> None:
    front = pareto_indices(costs)
    kept = costs[front]
    assert not any(beats(a, b) for a in kept for b in kept)
    for index in set(range(len(costs))) - set(front.tolist()):
        row = costs[index]
        assert np.isnan(row).any() or any(beats(other, row) or (other == row).all() for other in kept)


@given(cost_tables())
def test_filtering_a_front_changes_nothing(costs: NDArray[np.float64]) -> None:
    kept = costs[pareto_indices(costs)]
    assert pareto_indices(kept).tolist() == list(range(len(kept)))


@given(cost_tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_front(costs: NDArray[np.float64], random: object) -> None:
    order = list(range(len(costs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = costs[order]
    expected = sorted(map(tuple, (costs[pareto_indices(costs)] + 0.0).tolist()))
    assert sorted(map(tuple, (shuffled[pareto_indices(shuffled)] + 0.0).tolist())) == expected


@pytest.mark.parametrize("shape", [(3,), (2, 0), (1, 1, 1)])
def test_costs_that_are_no_table_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        pareto_indices(np.zeros(shape))
