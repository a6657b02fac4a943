"""The power figure: lines for sub-networks, seen even where they coincide."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from tenuto.errors import UnknownMetricError, UnknownNameError, UsageError
from tenuto.plots import draw_power
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork

CLOCKS_MHZ = (200, 600, 1000)


def table(spread: float) -> OperatingTable:
    """Power of one and two cores that grows with the clock, and by `spread` from each sub-network to the next."""
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork.parse(f"toy/w{width}"), "gpu", n_cores, mhz * 10**6),
            {"power_w": Estimate(n_cores * mhz / 1000 * (1 + spread * index), "modelled")},
        )
        for index, width in enumerate((25, 50, 100))
        for n_cores in (1, 2)
        for mhz in reversed(CLOCKS_MHZ)
    )


def lines(figure: Figure) -> list[Line2D]:
    (axes,) = figure.axes
    return list(axes.get_lines())


def said(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_each_sub_network_is_a_line_over_the_clocks_with_a_look_of_its_own() -> None:
    drawn = lines(draw_power(table(0.2), cluster="gpu", n_cores=2))
    assert [list(line.get_xdata()) for line in drawn] == [list(CLOCKS_MHZ)] * 3
    for index, line in enumerate(drawn):
        expected = [2 * mhz / 1000 * (1 + 0.2 * index) for mhz in CLOCKS_MHZ]
        assert np.asarray(line.get_ydata()) == pytest.approx(expected)
    assert len({line.get_color() for line in drawn}) == len({line.get_marker() for line in drawn}) == 3


def test_lines_that_coincide_lie_in_each_other_like_stripes_and_it_says_so() -> None:
    apart, together = draw_power(table(0.2), cluster="gpu"), draw_power(table(0.004), cluster="gpu")
    assert "coincide" not in said(apart)
    assert "all 3 lines coincide" in said(together)
    widths = [line.get_linewidth() for line in lines(together)]
    assert widths == sorted(widths, reverse=True)
    assert min(np.diff(widths) * -1) > 1, "each shows on both sides of the next"


def test_axes_legend_and_note_say_what_is_shown() -> None:
    figure = draw_power(table(0.2), cluster="gpu", titles={"w25": "a quarter"}, origin="board@1")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "Clock frequency of gpu, 1 core (MHz)"
    assert axes.get_ylabel().endswith("(W)")
    assert axes.get_ylim()[0] == 0
    assert "a quarter" in said(figure)
    assert "board@1; power modelled" in said(figure)


def test_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(UnknownNameError) as caught:
        draw_power(table(0.2), cluster="gpx")
    assert caught.value.matches == ("gpu",)
    with pytest.raises(UsageError):
        draw_power(table(0.2), cluster="gpu", n_cores=3)
    bare = OperatingTable.from_points(
        [OperatingPoint(Configuration(SubNetwork.parse("toy/w25"), "gpu"), {"latency_ms": Estimate(1.0, "measured")})]
    )
    with pytest.raises(UnknownMetricError):
        draw_power(bare, cluster="gpu")
