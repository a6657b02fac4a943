"""The trade-off figure: what each operating point costs in one metric and gives, or costs, in another."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownMetricError, UsageError
from tenuto.plots import _style as style
from tenuto.plots._labels import Label, place_labels
from tenuto.points import SOURCES, OperatingTable, pareto_indices
from tenuto.units import QUANTITIES, show_frequency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OF_THE_NETWORK: Final = frozenset({"accuracy_pct", "memory_mb", "macs_m"})
"""Metrics that clocks do not change: one front through all sub-networks says it all."""

_AREA: Final = 15.0
"""Of a marker for one core, in square points."""

_AREA_MORE: Final = 7.0
"""Each further core adds so much."""

_CROWDED: Final = 0.6
"""Symbols are so much smaller where all clocks of a sub-network lie in one row."""

_MOST_NAMED: Final = 12
"""Sub-networks in the legend."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds, and what was chosen under them.

    Attributes:
        label: One or two letters.
        bounds: By metric.
        point: The row chosen.
        is_kept: Whether that row keeps the bounds.
    """

    label: str
    bounds: Mapping[str, float] = field(default_factory=dict)
    point: int = 0
    is_kept: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """The points that have both figures.

    Attributes:
        table: All points.
        rows: Those with figures.
        x: Metric across.
        y: Metric upwards.
        at: (M, 2), the figures of `rows`.
    """

    table: OperatingTable
    rows: NDArray[np.intp]
    x: str
    y: str
    at: NDArray[np.float64]

    @classmethod
    def of(cls, table: OperatingTable, x: str, y: str) -> "_Plane":
        figures = np.column_stack([table.column(x).value, table.column(y).value])
        rows = np.flatnonzero(~np.isnan(figures).any(axis=1))
        if not len(rows):
            raise UsageError(f"asked for {x} against {y}, no point has figures for both; it has {_has(table)}")
        return cls(table, rows, x, y, figures[rows])

    @property
    def better(self) -> tuple[int, int]:
        """Which way each axis is better: 1 for more, -1 for less."""
        return tuple(1 if QUANTITIES[metric].higher_is_better else -1 for metric in (self.x, self.y))  # type: ignore[return-value]

    def front(self, of: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The points (K, 2) of some rows that no other of them beats in both figures, by rising x."""
        at = self.at[of]
        front: NDArray[np.float64] = at[pareto_indices(-at * np.array(self.better))]
        return front[np.argsort(front[:, 0], kind="stable")]


def draw_trade_off(
    table: OperatingTable,
    *,
    x: str = "latency_ms",
    y: str = "energy_mj",
    titles: Mapping[str, str] | None = None,
    budgets: Sequence[Budget] = (),
    is_log: bool | None = None,
    origin: str = "",
) -> "Figure":
    """Every point, by sub-network (colour) and cluster (symbol); each symbol is a clock, its size the cores used.

    Args:
        table: The points.
        x: Metric across.
        y: Metric upwards.
        titles: What to call sub-networks, by name.
        budgets: Bounds drawn as lines, and the points chosen.
        is_log: Whether equal ratios are equally far apart; None lets each axis decide by its figures.
        origin: Where the figures come from, for the note below.

    Raises:
        UnknownMetricError: The table has no such metric.
        UsageError: No point has both figures, one is not above 0 on a logarithmic axis, or Matplotlib is missing.
    """
    if x == y:
        raise UsageError(f"asked for {x} against itself; the table has {_has(table)}")
    for metric in (x, y):
        if metric not in table.metrics:
            raise UnknownMetricError(metric, table.metrics)
    plane = _Plane.of(table, x, y)
    figure, axes = style.new_figure()
    _scale(plane, axes, budgets, is_log)
    of_row = table.sub_network_index[plane.rows]
    present = [index for index in range(len(table.sub_networks)) if bool((of_row == index).any())]
    palette = dict(zip(present, style.colours(len(present)), strict=True))
    handles = _draw_fronts(plane, axes, palette)
    _draw_points(plane, axes, palette)
    handles += _draw_budgets(plane, axes, budgets, titles or {})
    _legend(plane, axes, palette, titles or {}, handles)
    style.note(figure, _note(plane, origin))
    return figure


def _scale(plane: _Plane, axes: "Axes", budgets: Sequence[Budget], is_log: bool | None) -> None:
    across = _figures(plane, 0, plane.x, budgets)
    if style.spans_widely(across) if is_log is None else is_log:
        axes.set_xscale("log")
        axes.set_xlim(_ratio_limits(plane.x, across))
        style.label_ratios(axes.xaxis)
    else:
        axes.set_xlim(_limits(across))
    axes.set_xlabel(style.axis_title(plane.x))
    up = _figures(plane, 1, plane.y, budgets)
    if style.spans_widely(up) if is_log is None else is_log:
        axes.set_yscale("log")
        axes.set_ylim(_ratio_limits(plane.y, up))
        style.label_ratios(axes.yaxis)
    else:
        axes.set_ylim(_limits(up))
    axes.set_ylabel(style.axis_title(plane.y))


def _figures(plane: _Plane, column: int, metric: str, budgets: Sequence[Budget]) -> list[float]:
    """All that an axis must hold."""
    return [*plane.at[:, column].tolist(), *(b.bounds[metric] for b in budgets if metric in b.bounds)]


def _ratio_limits(metric: str, figures: Sequence[float]) -> tuple[float, float]:
    low, high = min(figures), max(figures)
    if low <= 0:
        raise UsageError(f"{metric}: asked for a logarithmic axis, found {low:g}; ask for a linear one")
    room = max((high / low) ** 0.06, 1.05)
    return low / room, high * room


def _limits(figures: Sequence[float]) -> tuple[float, float]:
    low, high = min(figures), max(figures)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return 0.0 if 0 <= low < 0.35 * high else low - margin, high + margin


def _draw_fronts(plane: _Plane, axes: "Axes", palette: Mapping[int, str]) -> list[Any]:
    """The front of all points, and each sub-network's own where clocks move both figures."""
    everything = plane.front(np.ones(len(plane.rows), dtype=np.bool_))
    (overall,) = axes.plot(
        everything[:, 0], everything[:, 1], color="#c3cad1", linewidth=5.0, solid_capstyle="round", zorder=1.5
    )
    overall.set_label("Pareto front of all")
    if OF_THE_NETWORK & {plane.x, plane.y}:
        return [overall]
    own = None
    for index, colour in palette.items():
        front = plane.front(plane.table.sub_network_index[plane.rows] == index)
        (own,) = axes.plot(front[:, 0], front[:, 1], color=colour, linewidth=1.3, zorder=1.8)
    if own is not None and len(palette) > 1:
        own_handle = _line(style.SOFT, 1.3, "of each sub-network")
        return [overall, own_handle]
    return [overall]


def _draw_points(plane: _Plane, axes: "Axes", palette: Mapping[int, str]) -> None:
    table = plane.table
    shrunk = _CROWDED if OF_THE_NETWORK & {plane.x, plane.y} else 1.0
    for index, colour in palette.items():
        for cluster in range(len(table.clusters)):
            of = (table.sub_network_index[plane.rows] == index) & (table.cluster_index[plane.rows] == cluster)
            if bool(of.any()):
                axes.scatter(
                    plane.at[of, 0],
                    plane.at[of, 1],
                    s=shrunk * _area(table.n_cores[plane.rows[of]]),
                    c=colour,
                    marker=_marker(cluster),
                    edgecolors="white",
                    linewidths=0.45,
                    zorder=2 + 0.01 * index,
                )


def _draw_budgets(plane: _Plane, axes: "Axes", budgets: Sequence[Budget], titles: Mapping[str, str]) -> list[Any]:
    crowd = [plane.at, *(_draw_bounds(plane, axes, budget) for budget in budgets)]
    chosen: dict[int, list[str]] = {}
    for budget in budgets:
        chosen.setdefault(budget.point, []).append(budget.label)
    labels = []
    for point, names in chosen.items():
        place = np.flatnonzero(plane.rows == point)
        if len(place):
            x, y = plane.at[place[0]].tolist()
            axes.scatter([x], [y], s=120, facecolors="none", edgecolors=style.INK, linewidths=1.3, zorder=6)
            labels.append(Label(x, y, f"{', '.join(names)}: {_in_words(plane.table, point, titles)}"))
    place_labels(axes, labels, np.concatenate(crowd))
    return [_line(style.INK, 1.0, _bounds_in_words(budget), dashes=(4, 2.5)) for budget in budgets]


def _draw_bounds(plane: _Plane, axes: "Axes", budget: Budget) -> NDArray[np.float64]:
    """Lines around what a budget leaves: from each bound to the side where the other figure is better.

    Returns:
        Points on the lines (K, 2).
    """
    limits = axes.get_xlim(), axes.get_ylim()
    ends = [limit[1 if better > 0 else 0] for limit, better in zip(limits, plane.better, strict=True)]
    across, up = budget.bounds.get(plane.x), budget.bounds.get(plane.y)
    if across is not None and up is not None:
        corners = [(across, ends[1]), (across, up), (ends[0], up)]
    elif across is not None:
        corners = [(across, limits[1][0]), (across, limits[1][1])]
    elif up is not None:
        corners = [(limits[0][0], up), (limits[0][1], up)]
    else:
        return np.empty((0, 2))
    axes.plot(*zip(*corners, strict=True), color=style.INK, linewidth=1.0, dashes=(4, 2.5), zorder=1.9)
    named = corners[1]
    axes.annotate(
        budget.label,
        named,
        xytext=(-4 * plane.better[0], -3 * plane.better[1]),
        textcoords="offset points",
        ha="left" if plane.better[0] < 0 else "right",
        va="bottom" if plane.better[1] < 0 else "top",
        fontsize=9,
        fontweight="bold",
        color=style.INK,
        annotation_clip=False,
    )
    on_paper = axes.transData.transform(corners)
    places = [np.linspace(start, end, 30) for start, end in itertools.pairwise(on_paper)]
    points: NDArray[np.float64] = axes.transData.inverted().transform(np.concatenate(places))
    return points


def _legend(
    plane: _Plane, axes: "Axes", palette: Mapping[int, str], titles: Mapping[str, str], handles: list[Any]
) -> None:
    table = plane.table
    names = {index: table.sub_networks[index].name for index in _some(list(palette))}
    cores = sorted(set(table.n_cores[plane.rows].tolist()))
    used = [
        cluster for cluster in range(len(table.clusters)) if bool((table.cluster_index[plane.rows] == cluster).any())
    ]
    several = [_symbol(style.SOFT, "o", f"{n} core{'s' if n > 1 else ''}", n) for n in cores]
    groups = [
        (
            f"Sub-network, {len(names)} of {len(palette)}" if len(names) < len(palette) else "Sub-network",
            [_symbol(palette[index], "o", titles.get(name, name), 2) for index, name in names.items()],
        ),
        ("Runs on, each clock a symbol", [_symbol(style.SOFT, _marker(c), table.clusters[c], 2) for c in used]),
        ("Size", several if len(cores) > 1 else []),
        ("Lines", handles),
    ]
    style.stack_legends(axes, [(title, entries) for title, entries in groups if entries])


def _some(indices: list[int]) -> list[int]:
    """Those that the legend names: all, or where they are many some evenly spread, whose colours frame the others'."""
    if len(indices) <= _MOST_NAMED:
        return indices
    return [indices[round(place)] for place in np.linspace(0, len(indices) - 1, _MOST_NAMED)]


def _area(n_cores: Any) -> Any:
    return _AREA + _AREA_MORE * (n_cores - 1)


def _symbol(colour: str, marker: str, label: str, n_cores: int) -> Any:
    lines = style.matplotlib_here().lines
    size = math.sqrt(_area(n_cores))
    return lines.Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=size, label=label)


def _line(colour: str, width: float, label: str, *, dashes: tuple[float, float] | None = None) -> Any:
    lines = style.matplotlib_here().lines
    line = lines.Line2D([], [], color=colour, linewidth=width, label=label)
    if dashes is not None:
        line.set_dashes(dashes)
    return line


def _marker(cluster: int) -> str:
    return style.MARKERS[cluster % len(style.MARKERS)]


def _in_words(table: OperatingTable, row: int, titles: Mapping[str, str]) -> str:
    configuration = table.configuration(row)
    name = configuration.sub_network.name
    cores = f" x {configuration.n_cores}" if configuration.n_cores > 1 else ""
    clock = "" if configuration.frequency_hz is None else f", {show_frequency(configuration.frequency_hz)}"
    return f"{titles.get(name, name)} on {configuration.cluster}{cores}{clock}"


def _bounds_in_words(budget: Budget) -> str:
    parts = []
    for metric, bound in budget.bounds.items():
        sign = "\N{GREATER-THAN OR EQUAL TO}" if QUANTITIES[metric].higher_is_better else "\N{LESS-THAN OR EQUAL TO}"
        parts.append(f"{sign} {bound:g} {QUANTITIES[metric].unit}")
    broken = "" if budget.is_kept else " (cannot be kept)"
    return f"{budget.label}: {', '.join(parts)}{broken}"


def _note(plane: _Plane, origin: str) -> str:
    said = []
    for metric in dict.fromkeys((plane.x, plane.y)):
        codes = sorted(set(plane.table.metrics[metric].source[plane.rows].tolist()))
        title = QUANTITIES[metric].title.partition(",")[0].partition(" of ")[0]
        said.append(f"{title} {', '.join(SOURCES[code] for code in codes)}")
    return "; ".join(([origin] if origin else []) + said)


def _has(table: OperatingTable) -> str:
    return ", ".join(sorted(table.metrics)) or "no metric at all"
