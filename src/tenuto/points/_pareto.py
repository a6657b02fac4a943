"""The Pareto filter."""

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError


def pareto_indices(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of `costs` (N, M), lower is better, that no other row beats: no worse in all columns, better in one.

    Of rows that are equal in all columns the first is kept. Rows with a NaN are left out.

    Returns:
        The indices, sorted by the first column, then the second, and so on.

    Raises:
        UsageError: `costs` is not (N, M) with at least one column.

    Model:
        One and two columns sort, O(N log N). More columns compare every row with every row kept so far: quick while
        the front is short, and quadratic in the worst case, when every row is on it.
    """
    if costs.ndim != 2 or costs.shape[1] == 0:
        raise UsageError(f"costs have shape {costs.shape}, expected a row per point and one column or more")
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    order = known[np.lexsort(costs[known].T[::-1])]
    rows = costs[order]
    if len(order) == 0 or rows.shape[1] == 1:
        return order[:1]
    if rows.shape[1] == 2:
        # Sorted by the first column, a row is on the front exactly when its second is the lowest so far.
        kept_rows = np.concatenate(([True], rows[1:, 1] < np.minimum.accumulate(rows[:, 1])[:-1]))
        return order[kept_rows]
    kept: list[np.intp] = []
    while len(order):
        # The first row left is on the front: whatever beats it would sort before it.
        kept.append(order[0])
        survives = (rows < rows[0]).any(axis=1)
        order, rows = order[survives], rows[survives]
    return np.array(kept, dtype=np.intp)
