"""Labels beside points, where they cover least."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.plots import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIRECTIONS: Final = tuple(product((1, -1, 0), (1, -1, 0)))[:-1]
_DISTANCES_PT: Final = (12.0, 22.0, 36.0, 52.0, 70.0)
_PT_WIDE: Final = 4.9
"""Of a letter, on average."""

_PT_HIGH: Final = 10.5


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a point.

    Attributes:
        x: The point, as on the axes.
        y: The same.
        words: One line.
    """

    x: float
    y: float
    words: str


def place_labels(axes: "Axes", labels: Sequence[Label], crowd: NDArray[np.float64]) -> None:
    """Write each label near its point with a thin line to it, off the points of `crowd` (N, 2) as far as can be."""
    effects = style.matplotlib_here().patheffects
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    to_points = 72.0 / figure.dpi
    places = axes.transData.transform(crowd) * to_points
    frame = np.array(axes.get_window_extent().extents) * to_points
    taken: list[NDArray[np.float64]] = []
    for label in labels:
        at = axes.transData.transform((label.x, label.y)) * to_points
        box = min(
            (_box(at, label.words, direction, away) for away in _DISTANCES_PT for direction in _DIRECTIONS),
            key=lambda box: _cost(box, at, places, frame, taken),
        )
        taken.append(box)
        axes.annotate(
            label.words,
            (label.x, label.y),
            xytext=tuple((box[:2] + box[2:]) / 2 - at),
            textcoords="offset points",
            fontsize=8.5,
            fontweight="bold",
            color=style.INK,
            ha="center",
            va="center",
            zorder=8,
            arrowprops={"arrowstyle": "-", "color": style.INK, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 6},
            path_effects=[effects.withStroke(linewidth=3.0, foreground="white")],
        )


def _box(at: NDArray[np.float64], words: str, direction: tuple[int, int], away: float) -> NDArray[np.float64]:
    """Left, bottom, right, top in points of a label so far away."""
    wide, high = _PT_WIDE * len(words), _PT_HIGH
    middle = at + np.array([direction[0] * (away + wide / 2), direction[1] * (away + high / 2)])
    half = np.array([wide / 2, high / 2])
    return np.concatenate([middle - half, middle + half])


def _cost(
    box: NDArray[np.float64],
    at: NDArray[np.float64],
    places: NDArray[np.float64],
    frame: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
) -> float:
    """How bad a place is: outside of the frame, on other labels, on points, far away, in this order."""
    outside = float(np.maximum(frame[:2] - box[:2], 0).sum() + np.maximum(box[2:] - frame[2:], 0).sum())
    grown = box + np.array([-4, -4, 4, 4])
    covered = int(((places >= grown[:2]) & (places <= grown[2:])).all(axis=1).sum())
    overlaps = sum(bool((grown[:2] < other[2:]).all() and (other[:2] < grown[2:]).all()) for other in taken)
    distance = float(np.hypot(*((box[:2] + box[2:]) / 2 - at)))
    return 1000 * outside + 500 * overlaps + 7 * covered + 0.5 * distance
