"""Fitting, with NumPy alone."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def non_negative_least_squares(matrix: Floats, target: Floats) -> Floats:
    """The x >= 0 that makes `matrix @ x` nearest to `target`, by dropping what turns negative; for a few columns."""
    kept = list(range(matrix.shape[1]))
    while True:
        solved = np.linalg.lstsq(matrix[:, kept], target, rcond=None)[0]
        if not kept or solved.min() >= 0:
            answer = np.zeros(matrix.shape[1])
            answer[kept] = solved
            return answer
        kept.pop(int(solved.argmin()))


def levenberg_marquardt(
    residuals: Callable[[Floats], Floats], start: Floats, *, n_steps: int = 60, tolerance: float = 1e-6
) -> Floats:
    """The parameters near `start` with the least sum of squared residuals; derivatives by differences.

    Args:
        residuals: Of some parameters, all of about one size (fit logarithms of positive figures).
        start: Where to begin.
        n_steps: At most.
        tolerance: Ends when a step wins less than this part.
    """
    best = start.astype(float)
    now = residuals(best)
    damping = 1e-2
    for _ in range(n_steps):
        slope = np.empty((len(now), len(best)))
        for place in range(len(best)):
            moved = best.copy()
            moved[place] += 1e-4
            slope[:, place] = (residuals(moved) - now) / 1e-4
        normal, gradient = slope.T @ slope, slope.T @ now
        before = float(now @ now)
        for _ in range(12):
            step = np.clip(np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), gradient), -0.5, 0.5)
            then = residuals(best - step)
            if float(then @ then) < before:
                best, now, damping = best - step, then, damping / 3
                break
            damping *= 4
        else:
            return best
        if before - float(now @ now) < tolerance * before:
            return best
    return best
