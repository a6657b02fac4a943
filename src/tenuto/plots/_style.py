"""How figures look: on paper, in print, and to eyes that tell few colours apart."""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

from tenuto.errors import UsageError
from tenuto.units import QUANTITIES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK: Final = "#1d2733"
SOFT: Final = "#66727e"
RULE: Final = "#e2e6ea"

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Of clusters, in a board's order."""

_LEGEND_PT: Final = 8.2
_ROW_EM: Final = 1.55
"""From one line of a legend to the next."""

_WIDTH_IN: Final = 7.2
_HEIGHT_IN: Final = 4.5
_LOG_SPAN: Final = 8.0
"""An axis whose figures span this factor or more is logarithmic unless told otherwise."""

_SETTINGS: Final = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
}

# Okabe and Ito (2008), without black; yellow last, for it is faint on white.
_FEW: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")


def matplotlib_here() -> ModuleType:
    """The library, if it is installed.

    Raises:
        UsageError: It is not.
    """
    try:
        import matplotlib as library  # noqa: PLC0415 (an extra)
        import matplotlib.figure  # noqa: PLC0415
        import matplotlib.legend  # noqa: PLC0415
        import matplotlib.lines  # noqa: PLC0415
        import matplotlib.patheffects  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "asked for a figure, and Matplotlib is not installed; `pip install 'tenuto[plot]'` brings it"
        ) from error
    module: ModuleType = library
    return module


def colours(n: int) -> tuple[str, ...]:
    """`n` colours that stay apart in every kind of colour vision; many of them run from dark to light."""
    if n <= len(_FEW):
        return _FEW[:n]
    library = matplotlib_here()
    shades = library.colormaps["viridis"]
    return tuple(library.colors.to_hex(shades(0.92 * index / (n - 1))) for index in range(n))


def new_figure() -> "tuple[Figure, Axes]":
    """An empty figure with room for a legend at its right."""
    library = matplotlib_here()
    with library.rc_context(_SETTINGS):
        figure: Figure = library.figure.Figure(figsize=(_WIDTH_IN, _HEIGHT_IN))
        axes = figure.add_axes((0.09, 0.145, 0.62, 0.815))
        axes.set_axisbelow(True)
        axes.grid(True, color=RULE, linewidth=0.6)
        axes.tick_params(length=0, labelsize=8.5)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, axes


def axis_title(metric: str) -> str:
    """`energy of one inference (mJ)`."""
    quantity = QUANTITIES[metric]
    title = quantity.title[0].upper() + quantity.title[1:]
    return f"{title} ({quantity.unit})"


def spans_widely(figures: Sequence[float]) -> bool:
    """Whether figures would be pressed into a corner of a linear axis."""
    return min(figures) > 0 and max(figures) / min(figures) >= _LOG_SPAN


def label_ratios(axis: "Axis") -> None:
    """The ticks of a logarithmic axis, as plain numbers."""
    from matplotlib import ticker  # noqa: PLC0415 (an extra)

    axis.set_major_locator(ticker.LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def note(figure: "Figure", words: str) -> None:
    """Where the figures come from, small, below."""
    figure.text(0.012, 0.018, words, fontsize=7, color=SOFT, ha="left", va="bottom")


def stack_legends(axes: "Axes", groups: "Sequence[tuple[str, list[Artist]]]") -> None:
    """Legends with titles, one below the other, at the right of the figure; smaller where there are many entries."""
    top = 1.0
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    high_pt = axes.get_window_extent().height * 72.0 / figure.dpi
    rows_em = [(len(entries) + 1) * _ROW_EM + 1.2 for _, entries in groups]
    size = min(_LEGEND_PT, 1.1 * high_pt / sum(rows_em))
    legends = matplotlib_here().legend
    for (title, entries), high_em in zip(groups, rows_em, strict=True):
        legend = legends.Legend(
            axes,
            entries,
            [str(entry.get_label()) for entry in entries],
            title=title,
            loc="upper left",
            bbox_to_anchor=(1.025, top),
            bbox_transform=axes.transAxes,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=1.6,
            handletextpad=0.6,
            labelspacing=_ROW_EM - 1.0,
            labelcolor=INK,
            fontsize=size,
            title_fontproperties={"size": size, "weight": "bold"},
            alignment="left",
        )
        legend.get_title().set_color(INK)
        axes.add_artist(legend)
        top -= high_em * size / high_pt
