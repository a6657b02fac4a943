"""Time lines of the board: its power by rail, its temperatures, its clocks, its battery."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tenuto.report import _svg as svg
from tenuto.report._axis import Axis
from tenuto.report._lanes import WIDTH, Lane, steps_path
from tenuto.report._passage import Columns, Floats
from tenuto.report._words import short
from tenuto.simulation import Outcome, Sample
from tenuto.units import show_frequency

_MOST_RAILS = 6
_N_COLOURS = 6
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Scales:
    """What the lanes of the board have in common, whatever the policy.

    Attributes:
        rails: In the order in which they are stacked, from below; those that draw most first.
        nodes: The thermal nodes.
        clusters: Each with the highest clock that it ever had.
        highest_w: Where the axis of power ends.
        span_c: From where to where the axis of temperature goes.
        colours: Of each cluster, rail and node, by name.
    """

    rails: tuple[str, ...]
    nodes: tuple[str, ...]
    clusters: Mapping[str, int]
    highest_w: float
    span_c: tuple[float, float]
    colours: Mapping[str, int]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """Look at every sample of every outcome, and at every table for clusters."""
        samples = [sample for one in outcomes for sample in one.samples]
        clusters: dict[str, int] = {}
        for sample in samples:
            for cluster, hz in sample.frequency_hz.items():
                clusters[cluster] = max(hz, clusters.get(cluster, 0))
        rails, nodes = _rails(samples), tuple(dict.fromkeys(node for one in samples for node in one.temperature_c))
        of_tables = (cluster for one in outcomes for run in one.runs for cluster in run.table.clusters)
        names = dict.fromkeys([*clusters, *of_tables, *rails, *nodes])
        colours = {name: index % _N_COLOURS for index, name in enumerate(names)}
        highest_w = max((sum(one.power_w.values()) for one in samples), default=0.0)
        return cls(rails, nodes, clusters, highest_w, _span_c(outcomes), colours)


def board_lanes(outcome: Outcome, columns: Columns, scales: Scales) -> list[Lane]:
    """The lanes of the board under one policy; none without samples."""
    if not outcome.samples:
        return []
    # More columns than samples would leave holes between them.
    columns = Columns(columns.start_s, columns.end_s, max(1, min(columns.n, len(outcome.samples))))
    time_s = np.array([sample.time_s for sample in outcome.samples])
    lanes = (
        _power(outcome.samples, time_s, columns, scales),
        _temperature(outcome, time_s, columns, scales),
        _clocks(outcome.samples, time_s, columns, scales),
        _battery(outcome.samples, time_s, columns),
    )
    return [lane for lane in lanes if lane is not None]


def _span_c(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """From the coldest to the hottest that any sample or any limit says."""
    figures = [c for one in outcomes for sample in one.samples for c in sample.temperature_c.values()]
    if not figures:
        return 0.0, 1.0
    figures += [bound for one in outcomes for _, bound in limits_c(one) if bound < max(figures) + 25]
    return min(figures) - 2, max(figures) + 2


def limits_c(outcome: Outcome) -> list[tuple[str, float]]:
    """The temperatures that somebody asked to stay below, and the one from which the kernel lowers clocks."""
    asked = [
        ("asked", bound.bound)
        for run in outcome.runs
        for needs in (run.requirements, *(event.requirements for event in run.events if event.requirements))
        if (bound := needs.constraint("temperature_c")) is not None
    ]
    trips = [run.table.about.get("throttles_above_c") for run in outcome.runs]
    return list(dict.fromkeys([*asked, *(("throttles", float(c)) for c in trips if isinstance(c, int | float))]))


def _rails(samples: Iterable[Sample]) -> tuple[str, ...]:
    """The rails, those that draw most first; beyond six the rest is one."""
    totals: dict[str, float] = {}
    for sample in samples:
        for rail, power_w in sample.power_w.items():
            totals[rail] = totals.get(rail, 0.0) + power_w
    ordered = sorted(totals, key=lambda rail: -totals[rail])
    return tuple(ordered if len(ordered) <= _MOST_RAILS else [*ordered[: _MOST_RAILS - 1], _OTHERS])


def _power(samples: Sequence[Sample], time_s: Floats, columns: Columns, scales: Scales) -> Lane | None:
    names = scales.rails
    if not names or scales.highest_w <= 0:
        return None
    height = 96.0
    y = Axis(0, 1.05 * scales.highest_w, height - 2, 4)
    named = [name for name in names if name != _OTHERS]
    figures = {name: np.array([sample.power_w.get(name, 0.0) for sample in samples]) for name in named}
    if _OTHERS in names:
        figures[_OTHERS] = np.array(
            [sum(w for rail, w in sample.power_w.items() if rail not in figures) for sample in samples]
        )
    total = np.zeros(columns.n)
    tops = []
    for name in names:
        total = total + _filled(columns.means(time_s, figures[name]))
        tops.append(total)
    # The whole stack first, then what is below, each over the one before.
    areas = [
        svg.path(f"area s{scales.colours[name]}", _area(columns, top, y))
        for name, top in reversed(list(zip(names, tops, strict=True)))
    ]
    rules = "".join(svg.line(0, y(tick), WIDTH, y(tick), "rule") for tick in y.ticks(4))
    labels = tuple((y(tick), short(tick)) for tick in y.ticks(4))
    return Lane("power", "power of each rail, W, one upon the other", height, rules + "".join(areas), labels)


def _temperature(outcome: Outcome, time_s: Floats, columns: Columns, scales: Scales) -> Lane | None:
    if not scales.nodes:
        return None
    height = 90.0
    y = Axis(*scales.span_c, height - 8, 4)
    parts = [svg.line(0, y(tick), WIDTH, y(tick), "rule") for tick in y.ticks(4)]
    for name in scales.nodes:
        figures = np.array([sample.temperature_c.get(name, np.nan) for sample in outcome.samples])
        low, high = columns.extremes(time_s, figures)
        parts.append(svg.path(f"line s{scales.colours[name]}", _curve(columns, (low + high) / 2, y)))
    limits = [(kind, c) for kind, c in limits_c(outcome) if y.holds(c)]
    parts += [svg.line(0, y(c), WIDTH, y(c), "deadline" if kind == "asked" else "trip") for kind, c in limits]
    throttled = np.array([float(sample.is_throttled) for sample in outcome.samples])
    _, was = columns.extremes(time_s, throttled)
    wide = WIDTH / columns.n
    marks = [(index + 0.5) * wide for index in np.flatnonzero(was > 0).tolist()]
    parts.append(
        svg.path("throttled", "".join(f"M{svg.place(x - wide / 2)} {height - 4:g}h{svg.place(wide)}" for x in marks))
    )
    words = "temperature, °C"
    said = {"asked": "dashed: asked to stay below", "throttles": "dotted: the kernel lowers clocks above"}
    words += "".join(f"; {said[kind]} {short(c)}" for kind, c in limits)
    words += "; red below: clocks held down by heat" if marks else ""
    return Lane("temperature", words, height, "".join(parts), tuple((y(tick), short(tick)) for tick in y.ticks(4)))


def _clocks(samples: Sequence[Sample], time_s: Floats, columns: Columns, scales: Scales) -> Lane | None:
    band, parts, labels, highest = 24.0, [], [], []
    for index, (cluster, most) in enumerate(scales.clusters.items()):
        hz = np.array([float(sample.frequency_hz.get(cluster, np.nan)) for sample in samples])
        bottom = (index + 1) * (band + 3) - 3
        low, high = columns.held(time_s, hz / max(most, 1), math.inf)
        parts += [
            svg.line(0, bottom, WIDTH, bottom, "rule"),
            svg.path(
                f"line s{scales.colours[cluster]}",
                steps_path(columns, low, high, Axis(0, 1, bottom, bottom - band + 3)),
            ),
        ]
        labels.append((bottom - band / 2 + 1, cluster))
        highest.append(f"{cluster} {show_frequency(most)}")
    if not scales.clusters:
        return None
    title = f"clock of each cluster; highest: {', '.join(highest)}"
    return Lane("clocks", title, len(scales.clusters) * (band + 3), "".join(parts), tuple(labels))


def _battery(samples: Sequence[Sample], time_s: Floats, columns: Columns) -> Lane | None:
    left = np.array([np.nan if sample.battery_mj is None else sample.battery_mj for sample in samples])
    if np.isnan(left).all() or (most := float(np.nanmax(left))) <= 0:
        return None
    # A battery holds so many kilojoules that watt-hours are what people know: 1 Wh = 3.6e6 mJ.
    watt_hours = most / 3.6e6
    height = 60.0
    y = Axis(0, watt_hours, height - 2, 6)
    low, high = columns.extremes(time_s, left / 3.6e6)
    parts = [svg.line(0, y(tick), WIDTH, y(tick), "rule") for tick in y.ticks(3)]
    parts.append(svg.path("level", _curve(columns, (low + high) / 2, y)))
    return Lane(
        "battery", "left in the battery, Wh", height, "".join(parts), tuple((y(t), short(t)) for t in y.ticks(3))
    )


def _filled(value: Floats) -> Floats:
    """Columns without a figure take that of the column before; the first ones take nothing."""
    last = np.maximum.accumulate(np.where(np.isnan(value), -1, np.arange(len(value))))
    return np.where(last < 0, 0.0, value[np.maximum(last, 0)])


def _area(columns: Columns, top: Floats, y: Axis) -> str:
    scale = WIDTH / columns.n
    data, before = [f"M0 {svg.place(y(0))}"], ""
    for index, value in enumerate(top.tolist()):
        at = svg.place(y(value))
        if at != before:
            data.append(f"H{svg.place(index * scale)}V{at}")
            before = at
    return "".join([*data, f"H{svg.place(WIDTH)}V{svg.place(y(0))}z"])


def _curve(columns: Columns, value: Floats, y: Axis) -> str:
    """A line through the middle of each column, as few points as it can do with."""
    scale = WIDTH / columns.n
    places = [
        ((index + 0.5) * scale, svg.place(y(one))) for index, one in enumerate(value.tolist()) if not math.isnan(one)
    ]
    kept = [
        (x, at)
        for index, (x, at) in enumerate(places)
        if index in (0, len(places) - 1) or at != places[index - 1][1] or at != places[index + 1][1]
    ]
    return "M" + "L".join(f"{svg.place(x)} {at}" for x, at in kept) if kept else ""
