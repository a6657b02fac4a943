"""The power figure: what one cluster draws at each clock, a line for each sub-network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownNameError, UsageError
from tenuto.plots import _style as style
from tenuto.points import NO_FREQUENCY, SOURCES, OperatingTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COINCIDE: Final = 0.03
"""Lines that nowhere differ by more than this share are said to coincide."""


def draw_power(
    table: OperatingTable,
    *,
    cluster: str,
    n_cores: int = 1,
    titles: Mapping[str, str] | None = None,
    origin: str = "",
) -> "Figure":
    """Power against frequency; lines that coincide lie in each other like stripes, so that each is seen.

    Args:
        table: The points.
        cluster: Whose.
        n_cores: With how many of its cores at work.
        titles: What to call sub-networks, by name.
        origin: Where the figures come from, for the note below.

    Raises:
        UnknownNameError: The table has no such cluster.
        UnknownMetricError: The table has no power.
        UsageError: No point has both figures, or Matplotlib is missing.
    """
    if cluster not in table.clusters:
        raise UnknownNameError("cluster", cluster, table.clusters)
    column = table.column("power_w")
    is_here = (table.cluster_index == table.clusters.index(cluster)) & (table.n_cores == n_cores)
    rows = np.flatnonzero(is_here & (table.frequency_hz != NO_FREQUENCY) & ~np.isnan(column.value))
    if not len(rows):
        raise UsageError(f"asked for the power of {n_cores} core(s) of {cluster} at each clock, no point says it")
    lines = _lines(table, rows)
    palette = style.colours(len(lines))
    figure, axes = style.new_figure()
    does_coincide = _do_coincide(list(lines.values()))
    for index, (colour, (name, line)) in enumerate(zip(palette, lines.items(), strict=True)):
        width = 1.6 + (2.2 * (len(lines) - 1 - index) if does_coincide else 0.0)
        axes.plot(
            line[:, 0] / 1e6,
            line[:, 1],
            color=colour,
            linewidth=width,
            marker=style.MARKERS[index % len(style.MARKERS)] if not does_coincide else None,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label=(titles or {}).get(name, name),
            solid_capstyle="butt",
            zorder=2 + 0.01 * index,
        )
    highest = max(float(line[:, 1].max()) for line in lines.values())
    axes.set_ylim(0, 1.07 * highest)
    axes.set_xlim(0, 1.04 * float(table.frequency_hz[rows].max()) / 1e6)
    cores = (
        ""
        if not bool((table.n_cores[table.cluster_index == table.clusters.index(cluster)] > 1).any())
        else (f", {n_cores} core{'s' if n_cores > 1 else ''}")
    )
    axes.set_xlabel(f"Clock frequency of {cluster}{cores} (MHz)")
    axes.set_ylabel("Power while running (W)")
    handles = list(reversed(axes.get_lines())) if not does_coincide else axes.get_lines()
    style.stack_legends(axes, [("Sub-network", list(handles))])
    if does_coincide and len(lines) > 1:
        axes.text(
            0.03,
            0.95,
            f"all {len(lines)} lines coincide\n(within {100 * _spread(list(lines.values())):.1g} %)",
            transform=axes.transAxes,
            va="top",
            fontsize=8.5,
            color=style.SOFT,
        )
    sources = ", ".join(SOURCES[code] for code in sorted(set(column.source[rows].tolist())))
    style.note(figure, "; ".join(([origin] if origin else []) + [f"power {sources}"]))
    return figure


def _lines(table: OperatingTable, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Clock in Hz and power in W (M, 2) of each sub-network, by rising clock."""
    lines = {}
    for index, sub_network in enumerate(table.sub_networks):
        own = rows[table.sub_network_index[rows] == index]
        if len(own):
            own = own[np.argsort(table.frequency_hz[own], kind="stable")]
            lines[sub_network.name] = np.column_stack([table.frequency_hz[own], table.column("power_w").value[own]])
    return lines


def _do_coincide(lines: list[NDArray[np.float64]]) -> bool:
    is_alike = len(lines) > 1 and all(np.array_equal(line[:, 0], lines[0][:, 0]) for line in lines)
    return is_alike and _spread(lines) <= COINCIDE


def _spread(lines: list[NDArray[np.float64]]) -> float:
    """By which share the highest line is above the lowest, where most."""
    power_w = np.array([line[:, 1] for line in lines])
    return float((power_w.max(axis=0) / power_w.min(axis=0) - 1).max())
