"""The trade-off figure says what its table says."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tenuto.errors import UnknownMetricError, UsageError
from tenuto.plots import Budget, draw_trade_off, save
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork

TITLES = {"w50": "half", "w100": "whole"}


def table_of(*rows: tuple[str, str, int, float, float, float]) -> OperatingTable:
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork.parse(f"toy/{name}"), cluster, n_cores, round(1e9 / (ms * n_cores))),
            {
                "latency_ms": Estimate(ms, "modelled"),
                "energy_mj": Estimate(mj, "assumed"),
                "accuracy_pct": Estimate(pct, "published"),
            },
        )
        for name, cluster, n_cores, ms, mj, pct in rows
    )


TABLE = table_of(
    ("w50", "a7", 1, 40.0, 4.0, 60.0),
    ("w50", "a7", 1, 20.0, 5.0, 60.0),
    ("w50", "a15", 2, 10.0, 9.0, 60.0),
    ("w50", "a15", 1, 30.0, 9.0, 60.0),  # beaten
    ("w100", "a7", 1, 80.0, 8.0, 70.0),
    ("w100", "a7", 1, 40.0, 10.0, 70.0),
    ("w100", "a15", 2, 20.0, 18.0, 70.0),
)


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def symbols(figure: Figure) -> list[PathCollection]:
    return [one for one in axes_of(figure).collections if isinstance(one, PathCollection)]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def rings(figure: Figure) -> list[tuple[float, float]]:
    return [tuple(np.asarray(one.get_offsets())[0]) for one in symbols(figure) if not len(one.get_facecolor())]


def label_boxes(figure: Figure) -> list[Bbox]:
    """Of the words beside chosen points, without the lines that lead to these."""
    return [Text.get_window_extent(text) for text in axes_of(figure).texts if " on " in text.get_text()]


def lines(figure: Figure) -> list[list[tuple[float, float]]]:
    return [list(zip(*line.get_data(), strict=True)) for line in axes_of(figure).get_lines()]


def test_every_point_is_drawn_once_in_the_colour_of_its_sub_network_and_the_symbol_of_its_cluster() -> None:
    drawn = symbols(draw_trade_off(TABLE))
    places = [tuple(place) for one in drawn for place in np.asarray(one.get_offsets())]
    figures = zip(TABLE.column("latency_ms").value, TABLE.column("energy_mj").value, strict=True)
    assert sorted(places) == sorted((float(ms), float(mj)) for ms, mj in figures)
    looks = [(to_hex(one.get_facecolor()[0]), one.get_paths()[0].vertices.shape) for one in drawn]
    assert len(looks) == 4, "two sub-networks on two clusters"
    assert len({colour for colour, _ in looks}) == 2
    assert len({shape for _, shape in looks}) == 2


def test_more_cores_are_a_larger_symbol_and_the_legend_says_so() -> None:
    figure = draw_trade_off(TABLE)
    sizes = {float(size) for one in symbols(figure) for size in one.get_sizes()}
    assert len(sizes) == 2
    assert {"1 core", "2 cores"} <= set(texts(figure))
    alone = draw_trade_off(TABLE.take([0, 1, 4]))
    assert "1 core" not in texts(alone)


def test_the_front_of_all_and_of_each_sub_network_are_lines_through_their_points() -> None:
    drawn = lines(draw_trade_off(TABLE))
    half = [(10.0, 9.0), (20.0, 5.0), (40.0, 4.0)]
    whole = [(20.0, 18.0), (40.0, 10.0), (80.0, 8.0)]
    assert drawn == [half, half, whole], "all that is small is on the front of all"


def test_where_clocks_do_not_move_one_figure_there_is_one_front() -> None:
    assert lines(draw_trade_off(TABLE, y="accuracy_pct")) == [[(10.0, 60.0), (20.0, 70.0)]]


def test_a_budget_is_a_corner_with_its_choice_ringed_and_named() -> None:
    budget = Budget("A", {"latency_ms": 50.0, "energy_mj": 12.0}, 5)
    figure = draw_trade_off(TABLE, budgets=[budget], titles=TITLES)
    assert rings(figure) == [(40.0, 10.0)]
    (corner,) = [line for line in lines(figure) if (50.0, 12.0) in line]
    (left, bottom), (low_x, low_y) = (
        (corner[2][0], corner[0][1]),
        (axes_of(figure).get_xlim()[0], axes_of(figure).get_ylim()[0]),
    )
    assert (left, bottom) == (low_x, low_y), "to the sides where less is better"
    said = texts(figure)
    assert "A: whole on a7, 25 MHz" in said
    assert any(text.startswith("A: ") and "50 ms" in text and "12 mJ" in text for text in said)


def test_a_floor_opens_upwards() -> None:
    budget = Budget("A", {"latency_ms": 50.0, "accuracy_pct": 65.0}, 5, is_kept=False)
    figure = draw_trade_off(TABLE, y="accuracy_pct", budgets=[budget])
    (corner,) = [line for line in lines(figure) if (50.0, 65.0) in line]
    assert corner[0] == (50.0, axes_of(figure).get_ylim()[1])
    assert any("cannot be kept" in text for text in texts(figure))


def test_budgets_that_choose_the_same_point_share_a_label() -> None:
    budgets = [Budget("A", {"latency_ms": 50.0}, 5), Budget("B", {"energy_mj": 12.0}, 5), Budget("C", {}, 2)]
    figure = draw_trade_off(TABLE, budgets=budgets)
    assert len(rings(figure)) == 2
    assert any(text.startswith("A, B: w100 on a7") for text in texts(figure))
    assert any(text.startswith("C: w50 on a15 x 2") for text in texts(figure))


def test_axes_name_quantity_and_unit_and_the_note_says_where_figures_come_from() -> None:
    figure = draw_trade_off(TABLE, origin="odroid-xu3@1", titles=TITLES)
    axes = axes_of(figure)
    assert re.fullmatch(r"Latency.*\(ms\)", axes.get_xlabel())
    assert re.fullmatch(r"Energy.*\(mJ\)", axes.get_ylabel())
    assert "odroid-xu3@1; latency modelled; energy assumed" in texts(figure)
    assert {"half", "whole", "a7", "a15"} <= set(texts(figure))


def test_an_axis_is_logarithmic_when_its_figures_need_it_or_it_is_asked_for() -> None:
    narrow = axes_of(draw_trade_off(TABLE, y="accuracy_pct"))
    assert (narrow.get_xscale(), narrow.get_yscale()) == ("log", "linear")
    linear = axes_of(draw_trade_off(TABLE, is_log=False))
    assert (linear.get_xscale(), linear.get_yscale()) == ("linear", "linear")
    assert linear.get_xlim()[0] == 0
    both = axes_of(draw_trade_off(TABLE, is_log=True))
    assert (both.get_xscale(), both.get_yscale()) == ("log", "log")
    ticks = [label.get_text() for label in both.get_xticklabels()]
    assert {"10", "20", "50"} <= set(ticks), "plain numbers"


@pytest.mark.parametrize("n_sub_networks", [1, 4, 12, 40])
def test_nothing_runs_out_of_the_picture_and_no_words_lie_on_others(n_sub_networks: int) -> None:
    rows = [
        (f"w{10 + index}", cluster, n_cores, (index + 1) * ms / n_cores, (index + 2) * mj, 50.0 + index)
        for index in range(n_sub_networks)
        for cluster, ms, mj in (("a7", 40.0, 3.0), ("a15", 9.0, 8.0), ("gpu", 4.0, 2.0))
        for n_cores in (1, 4)
    ]
    table = table_of(*rows)
    budgets = [Budget("A", {"latency_ms": 30.0, "energy_mj": 40.0}, 0), Budget("B", {"energy_mj": 9.0}, len(rows) - 1)]
    figure = draw_trade_off(table, budgets=budgets, origin="board@1")
    figure.draw_without_rendering()
    page = figure.bbox
    legends = [legend.get_window_extent() for legend in figure.findobj(Legend)]
    assert len(legends) == 4
    chosen = label_boxes(figure)
    assert len(chosen) == 2
    for box in (*legends, *chosen):
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    boxes = [*legends, *chosen]
    overlapping = [
        (one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :] if one.overlaps(other)
    ]
    assert not overlapping
    colours = {to_hex(one.get_facecolor()[0]) for one in symbols(figure) if len(one.get_facecolor())}
    assert len(colours) == n_sub_networks


def test_labels_of_neighbouring_points_do_not_lie_on_each_other() -> None:
    rows = [("w50", "a7", 1, 20.0 + index, 5.0, 60.0) for index in range(4)]
    table = table_of(*rows, ("w50", "a7", 1, 90.0, 1.0, 60.0), ("w50", "a7", 1, 3.0, 30.0, 60.0))
    figure = draw_trade_off(table, budgets=[Budget(f"B{index}", {}, index) for index in range(4)])
    figure.draw_without_rendering()
    boxes = label_boxes(figure)
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[index + 1 :])


def test_points_without_one_of_the_figures_are_left_out() -> None:
    point = next(iter(TABLE))
    bare = OperatingPoint(point.configuration, {"latency_ms": Estimate(1.0, "measured")})
    figure = draw_trade_off(OperatingTable.from_points([*TABLE, bare]))
    assert sum(len(np.asarray(one.get_offsets())) for one in symbols(figure)) == len(TABLE)
    with pytest.raises(UsageError):
        draw_trade_off(
            OperatingTable.from_points(
                [bare, OperatingPoint(point.configuration, {"energy_mj": Estimate(1.0, "measured")})]
            )
        )


def test_a_metric_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UnknownMetricError) as caught:
        draw_trade_off(TABLE, x="power_w")
    assert caught.value.available == ("accuracy_pct", "energy_mj", "latency_ms")
    with pytest.raises(UsageError):
        draw_trade_off(TABLE, x="energy_mj", y="energy_mj")


def test_a_figure_of_nought_has_no_place_on_a_logarithmic_axis() -> None:
    table = table_of(("w50", "a7", 1, 1.0, 0.0, 60.0), ("w50", "a7", 1, 2.0, 5.0, 60.0))
    assert axes_of(draw_trade_off(table)).get_yscale() == "linear"
    with pytest.raises(UsageError):
        draw_trade_off(table, is_log=True)


def test_files_are_what_their_endings_say_and_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    def written(name: str) -> bytes:
        save(draw_trade_off(TABLE, budgets=[Budget("A", {"latency_ms": 50.0}, 5)]), tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert written("a.png").startswith(b"\x89PNG")
    assert written("a.pdf").startswith(b"%PDF")
    drawing = written("a.svg")
    assert ElementTree.fromstring(drawing).tag.endswith("svg")  # noqa: S314 (our own file)
    assert drawing == written("b.svg")
    assert written("a.PNG") == written("b.png")


@pytest.mark.parametrize("name", ["a.jpg", "a", "absent/a.png", "folder.png"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError):
        save(draw_trade_off(TABLE), tmp_path / name)
