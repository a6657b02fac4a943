"""Time lines of one application: latency, misses, sub-network, cluster and clock, cores.

A lane's drawing is `WIDTH` units wide and stretched to whatever width the page has; its text is HTML beside it, so that
it stays readable on a phone. Strokes do not stretch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tenuto.control import titles_of
from tenuto.points import OperatingTable
from tenuto.report import _svg as svg
from tenuto.report._axis import Axis
from tenuto.report._passage import Columns, Floats, Passage, stretches
from tenuto.report._words import SPACE, count, number, short
from tenuto.units import show_frequency

WIDTH: Final = 1000.0
_MOST_NAMED: Final = 10
"""Sub-networks of which each gets a row of its own whether it was used or not."""

_MOST_MARKS: Final = 3000
"""Misses drawn one by one; of more, each column shows its least and its greatest."""

_LOG_FROM: Final = 3.0
"""A latency axis that goes to more than so many times the deadline is logarithmic."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One panel.

    Attributes:
        kind: What it shows, for style and script.
        title: In words, with the unit.
        height: In pixels.
        content: Of its drawing.
        labels: Figures or names at heights in pixels.
    """

    kind: str
    title: str
    height: float
    content: str
    labels: tuple[tuple[float, str], ...] = ()


def latency_axis(passages: Sequence[Passage]) -> tuple[float, float, bool]:
    """From where to where the latencies of one application go whatever the policy, and whether in ratios."""
    answered = [ms[~np.isnan(ms)] for ms in (p.response_ms for p in passages)]
    allowed = [ms[~np.isnan(ms)] for ms in (p.deadline_ms for p in passages)]
    figures = np.concatenate([*answered, np.empty(0)])
    deadlines = np.concatenate([*allowed, np.empty(0)])
    highest = max(float(figures.max(initial=0.0)) * 1.06, float(deadlines.max(initial=0.0)) * 1.25, 1e-6)
    least = float(min(figures[figures > 0].min(initial=math.inf), deadlines.min(initial=math.inf)))
    usual = float(np.median(deadlines)) if len(deadlines) else float(np.median(figures)) if len(figures) else highest
    is_log = math.isfinite(least) and 0 < least < highest and highest > _LOG_FROM * usual
    return (0.8 * least, highest, True) if is_log else (0.0, highest, False)


def application_lanes(
    passage: Passage, columns: Columns, span: tuple[float, float, bool], colours: Mapping[str, int]
) -> list[Lane]:
    """The lanes of one application under one policy; `colours` are those of the clusters by name."""
    lanes = [
        _latency_lane(passage, columns, span),
        _misses_lane(passage, columns),
        _level_lane(passage, columns),
        *_place_lanes(passage, columns, colours),
    ]
    return [lane for lane in lanes if lane is not None]


def x_of(columns: Columns, time_s: Floats) -> Floats:
    """Places of times on a drawing."""
    return np.clip((time_s - columns.start_s) / (columns.end_s - columns.start_s), 0.0, 1.0) * WIDTH


def steps_path(columns: Columns, low: Floats, high: Floats, y: Axis) -> str:
    """A stepped line, which covers the whole height where a column holds several values."""
    scale = WIDTH / columns.n
    data: list[str] = []
    after = -1
    for begin, end, code in stretches(_paired(low, high)):
        one, two = low[begin], high[begin]
        start = f"{svg.place(begin * scale)} {svg.place(y(float(two)))}"
        joins = begin == after and not math.isnan(code)
        data.append(f"L{start}" if joins else f"M{start}")
        if one != two:
            data.append(f"V{svg.place(y(float(one)))}")
        data.append(f"H{svg.place(end * scale)}")
        after = end
    return "".join(data)


def _paired(low: Floats, high: Floats) -> Floats:
    """One number for each pair, equal where the pairs are equal."""
    pairs = np.column_stack([np.nan_to_num(low, nan=-1e300), np.nan_to_num(high, nan=-1e300)])
    _, code = np.unique(pairs, axis=0, return_inverse=True)
    return np.where(np.isnan(low), np.nan, code.reshape(-1).astype(np.float64))


def _latency_lane(passage: Passage, columns: Columns, span: tuple[float, float, bool]) -> Lane:
    height = 132.0
    y = Axis(span[0], span[1], height - 3, 6, is_log=span[2])
    known = ~np.isnan(passage.response_ms)
    met, late = known & ~passage.is_missed, known & passage.is_missed
    time_s, ms = passage.time_s, passage.response_ms
    is_thinned = len(passage) > columns.n
    # The deadline is part of the step, so it changes in steps, too.
    low, high = columns.held(time_s, passage.deadline_ms, passage.gap_s)
    content = [
        *(svg.line(0, y(tick), WIDTH, y(tick), "rule") for tick in y.ticks(5)),
        _envelope(columns, time_s[met], ms[met], y, "met") if is_thinned else _dots(columns, time_s[met], ms[met], y),
        svg.path("deadline", steps_path(columns, low, high, y)),
        _envelope(columns, time_s[late], ms[late], y, "late")
        if late.sum() > _MOST_MARKS
        else _dots(columns, time_s[late], ms[late], y, kind="late"),
    ]
    words = "latency from arrival to answer, ms" + (", logarithmic" if span[2] else "")
    words += "; dashed: the deadline" if not np.isnan(low).all() else ""
    words += "; red: late" if late.any() else ""
    labels = tuple((y(tick), short(tick)) for tick in y.ticks(5))
    return Lane("latency", words, height, "".join(content), labels)


def _dots(columns: Columns, time_s: Floats, ms: Floats, y: Axis, kind: str = "met") -> str:
    """Each figure a dot; those that would fall on one another once."""
    places = zip(np.round(x_of(columns, time_s), 1), (round(y(value), 1) for value in ms.tolist()), strict=True)
    return svg.path(f"{kind} dots", "".join(svg.dot(x, at) for x, at in dict.fromkeys(places)))


def _envelope(columns: Columns, time_s: Floats, ms: Floats, y: Axis, kind: str) -> str:
    """From the least to the greatest figure of each column."""
    low, high = columns.extremes(time_s, ms)
    scale = WIDTH / columns.n
    data = [
        f"M{svg.place((index + 0.5) * scale)} {svg.place(y(float(high[index])))}V"
        f"{svg.place(y(float(low[index])) + 0.6)}"
        for index in np.flatnonzero(~np.isnan(low)).tolist()
    ]
    return svg.path(f"{kind} span", "".join(data))


def _misses_lane(passage: Passage, columns: Columns) -> Lane | None:
    """A tick for each miss, late ones above those without an answer; absent where all was in time."""
    unanswered = np.isnan(passage.response_ms)
    rows = [
        ("late", passage.is_missed & ~unanswered, "late"),
        ("lost", unanswered, "no answer"),
    ]
    rows = [row for row in rows if row[1].any()]
    content, labels = [], []
    for index, (kind, mask, name) in enumerate(rows):
        top = 2.0 + 14 * index
        x = np.unique(np.round(x_of(columns, passage.time_s[mask]) * columns.n / WIDTH) * WIDTH / columns.n)
        content.append(svg.path(f"{kind} tick", "".join(f"M{svg.place(at)} {svg.place(top)}v10" for at in x.tolist())))
        labels.append((top + 5, name))
    if not rows:
        return None
    said = ", ".join(f"{name} {number(int(mask.sum()), 0)}" for _, mask, name in rows)
    title = f"missed: {said}, of {number(len(passage), 0)}"
    return Lane("misses", title, 2 + 14.0 * len(rows), "".join(content), tuple(labels))


def _level_lane(passage: Passage, columns: Columns) -> Lane | None:
    """The sub-network in force, the least accurate below."""
    table = passage.run.table
    shown = _ladder(table, passage)
    known = passage.applied >= 0
    if not known.any():
        return None
    rank = {sub_network: place for place, sub_network in enumerate(shown)}
    index = table.sub_network_index[np.maximum(passage.applied, 0)]
    of_row = np.array([rank.get(int(one), np.nan) for one in range(len(table.sub_networks))], dtype=np.float64)
    value = np.where(known, of_row[index], np.nan)
    row = 15.0 if len(shown) <= _MOST_NAMED else max(150.0 / len(shown), 3.0)
    height = row * len(shown) + 4
    y = Axis(-0.5, len(shown) - 0.5, height - 2, 2)
    low, high = columns.held(passage.time_s, value, passage.gap_s)
    names = titles_of(table)
    every = max(1, math.ceil(13 / row))
    labels = tuple(
        (y(place), names[table.sub_networks[one].name]) for place, one in enumerate(shown) if place % every == 0
    )
    content = "".join(svg.line(0, y(place), WIDTH, y(place), "rule") for place in range(0, len(shown), every))
    content += svg.path("level", steps_path(columns, low, high, y))
    order = "the most accurate above" if "accuracy_pct" in table.metrics else "the slowest above"
    return Lane("level", f"sub-network in force, {order}", height, content, labels)


def _ladder(table: OperatingTable, passage: Passage) -> list[int]:
    """The sub-networks to draw, from below: all of a few, else those in force at any time."""
    used = set(table.sub_network_index[passage.applied[passage.applied >= 0]].tolist())
    everything = range(len(table.sub_networks))
    shown = [one for one in everything if one in used or len(everything) <= _MOST_NAMED]
    metric = next((name for name in ("accuracy_pct", "latency_ms") if name in table.metrics), None)
    if metric is None:
        return shown
    figure = np.full(len(everything), np.inf)
    np.fmin.at(figure, table.sub_network_index, table.column(metric).value)
    return sorted(shown, key=lambda one: (float(figure[one]), one))


def _place_lanes(passage: Passage, columns: Columns, colours: Mapping[str, int]) -> list[Lane | None]:
    """Where it ran: a band for each cluster, as high as its clock; and on how many cores, where that changes."""
    table, known = passage.run.table, passage.applied >= 0
    if not known.any():
        return []
    rows = np.maximum(passage.applied, 0)
    cluster = np.where(known, table.cluster_index[rows], -1)
    clock = np.where(known, table.frequency_hz[rows], -1).astype(np.float64)
    used = sorted(set(cluster[known].tolist()))
    band, top, content = 24.0, 0.0, []
    labels: list[tuple[float, str]] = []
    for index in used:
        here = cluster == index
        highest = float(table.frequency_hz[table.cluster_index == index].max())
        share = np.where(here, np.maximum(clock, 0) / highest if highest > 0 else 1.0, np.nan)
        _, height = columns.held(passage.time_s, share, passage.gap_s)
        bottom = top + band
        content.append(svg.line(0, bottom, WIDTH, bottom, "rule"))
        content.append(
            svg.path(f"area s{colours[table.clusters[index]]}", _bars(columns, height, Axis(0, 1, bottom, top + 3)))
        )
        labels.append((bottom - band / 2 + 1, table.clusters[index]))
        top = bottom + 3
    title = f"cluster in force; height is its clock ({_clocks(table, used)})"
    cores = table.n_cores[rows].astype(np.float64)
    there = sorted(set(cores[known].tolist()))
    if len(there) == 1:
        title += f"; always on {count(int(there[0]), 'core')}"
    lanes: list[Lane | None] = [Lane("place", title, top, "".join(content), tuple(labels))]
    if len(there) > 1:
        y = Axis(min(there) - 0.5, max(there) + 0.5, 38, 2)
        low, high = columns.held(passage.time_s, np.where(known, cores, np.nan), passage.gap_s)
        drawn = "".join(svg.line(0, y(n), WIDTH, y(n), "rule") for n in (there[0], there[-1]))
        drawn += svg.path("cores", steps_path(columns, low, high, y))
        ends = tuple((y(n), f"{n:.0f}") for n in (there[0], there[-1]))
        lanes.append(Lane("cores", "cores in force", 40, drawn, ends))
    return lanes


def _clocks(table: OperatingTable, clusters: Sequence[int]) -> str:
    told: Mapping[str, float] = {
        table.clusters[one]: float(table.frequency_hz[table.cluster_index == one].max()) for one in clusters
    }
    return ", ".join(
        f"{name} up to {show_frequency(int(hz)).replace(' ', SPACE)}" if hz > 0 else f"{name}: not ours to set"
        for name, hz in told.items()
    )


def _bars(columns: Columns, share: Floats, y: Axis) -> str:
    scale = WIDTH / columns.n
    base = svg.place(y(0))
    return "".join(
        f"M{svg.place(begin * scale)} {base}V{svg.place(y(value))}H{svg.place(end * scale)}V{base}z"
        for begin, end, value in stretches(share)
    )
