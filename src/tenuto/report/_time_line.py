"""One time line per policy, all with the same axes: each frame's latency, and the sub-network in force."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tenuto.points import OperatingTable
from tenuto.report import _svg as svg
from tenuto.report._axis import Axis
from tenuto.report._run import Run
from tenuto.report._words import SPACE, number, share, short
from tenuto.traces import Event, Step


@dataclass(frozen=True, slots=True)
class Layout:
    """Measures of the figure, in pixels.

    Attributes:
        width: Of the figure.
        heading: Above each time line, for the policy's name and its outcome.
        latency: Height of the part with the latencies.
        level: Height of the part with what was in force.
        gap: Below each time line.
        is_narrow: Whether the outcome goes below the name, not beside it.
    """

    width: float
    heading: float = 26
    latency: float = 92
    level: float = 30
    gap: float = 14
    is_narrow: bool = False


WIDE = Layout(980)
NARROW = Layout(380, heading=42, latency=84, level=28, is_narrow=True)

_LEFT, _RIGHT, _BOTTOM = 48, 16, 34
_LEVEL_GAP = 13


def time_lines(runs: Sequence[Run], *, layout: Layout, top: float = 0) -> tuple[str, float]:
    """Draw the time lines.

    Returns:
        The SVG elements, and the y below them.
    """
    time = _time_axis(runs, layout)
    high_ms = _high_ms(runs)
    legend, y = _legend(runs, high_ms, layout, top + 14)
    parts = [legend]
    for index, run in enumerate(runs):
        name_y = y + 18
        latency_top = y + layout.heading
        latency = Axis(0, high_ms, latency_top + layout.latency, latency_top)
        level_top = latency_top + layout.latency + _LEVEL_GAP
        bottom = level_top + layout.level
        parts += [
            f'<g class="panel" data-run="{index}" data-top="{svg.place(y)}" data-bottom="{svg.place(bottom)}">',
            svg.text(_LEFT, name_y, run.policy, kind="name"),
            svg.text(_LEFT, name_y + 16, _summary(run, is_narrow=layout.is_narrow), kind="soft")
            if layout.is_narrow
            else svg.text(
                layout.width - _RIGHT, name_y, _summary(run, is_narrow=layout.is_narrow), kind="soft", anchor="end"
            ),
            *(_shade(event, time, latency_top, bottom) for event in run.events),
            _latency_part(run, time, latency),
            _level_part(run, time, level_top, bottom),
            "</g>",
        ]
        y = bottom + layout.gap
    y -= layout.gap
    parts += [
        svg.text(time(tick), y + 15, f"{short(tick)}", kind="soft", anchor="middle") for tick in time.ticks(_n(time))
    ]
    parts.append(
        svg.text((time.start + time.end) / 2, y + 29, "seconds since the stream started", kind="soft", anchor="middle")
    )
    return "".join(parts), y + _BOTTOM


def time_figure(runs: Sequence[Run], *, layout: Layout, kind: str) -> str:
    """The time lines as an SVG element to stand in a page."""
    content, height = time_lines(runs, layout=layout)
    time = _time_axis(runs, layout)
    names = escape(", ".join(run.policy for run in runs), quote=True)
    return (
        f'<svg class="time {kind}" viewBox="0 0 {svg.place(layout.width)} {svg.place(height)}" role="img" '
        f'aria-label="Latency of each frame over time, one panel each for {names}" '
        f'data-x0="{time.start}" data-x1="{time.end}" data-t0="{time.low}" data-t1="{time.high}">{content}</svg>'
    )


def levels(table: OperatingTable) -> tuple[str, Sequence[float]]:
    """The figure that tells a table's points apart to a reader, and each point's.

    Accuracy if the table has it, else latency, else merely the row.
    """
    for metric, words in (("accuracy_pct", "accuracy, %"), ("latency_ms", "profiled ms")):
        if metric in table.metrics:
            return words, [float(value) for value in table.column(metric).value]
    return "point", [float(row) for row in range(len(table))]


def _n(time: Axis) -> int:
    return max(4, int((time.end - time.start) / 90))


def _time_axis(runs: Sequence[Run], layout: Layout) -> Axis:
    # To the end of the last frame, not to its start.
    times = [time for run in runs if run.steps for time in (run.steps[0].time_s, run.steps[-1].time_s + _period_s(run))]
    low, high = min([0.0, *times]), max(times, default=1.0)
    return Axis(low, high if high > low else low + 1, _LEFT, layout.width - _RIGHT)


def _high_ms(runs: Sequence[Run]) -> float:
    """Where the latency axis ends: at the slowest answer, but never so far up that the deadline drowns."""
    responses = [response for run in runs for step in run.steps if (response := step.response_ms) is not None]
    deadlines = [step.deadline_ms for run in runs for step in run.steps if step.deadline_ms is not None]
    slowest = max(responses, default=1.0)
    if not deadlines:
        return max(1.05 * slowest, 1e-6)
    return min(max(1.08 * slowest, 1.3 * max(deadlines)), 2.4 * max(deadlines))


def _summary(run: Run, *, is_narrow: bool) -> str:
    measures = run.measures
    parts = [] if measures.miss_pct is None else [f"{share(measures.miss_pct)}{SPACE}% missed"]
    if measures.n_disturbed:
        frames = measures.recovery_frames
        parts.append(
            "never recovered"
            if frames is None
            else "held throughout"
            if frames == 0
            else f"recovered in {number(frames, 0)}{SPACE}frame{'' if frames == 1 else 's'}"
        )
    if measures.accuracy_pct is not None:
        parts.append(f"{number(measures.accuracy_pct, 1)}{SPACE}% right" + ("" if is_narrow else " and in time"))
    return " · ".join(parts)


def _shade(event: Event, time: Axis, top: float, bottom: float) -> str:
    if event.until_s is None:
        return (
            svg.line(time(event.time_s), top, time(event.time_s), bottom, "moment") if time.holds(event.time_s) else ""
        )
    start, end = time(event.time_s), time(event.until_s)
    return svg.box(start, top, end - start, bottom - top, "shade")


def _latency_part(run: Run, time: Axis, latency: Axis) -> str:
    answered = [(step, response) for step in run.steps if (response := step.response_ms) is not None]
    met = [(step, ms) for step, ms in answered if not step.is_missed]
    late = [(step, ms) for step, ms in answered if step.is_missed]
    beyond = [(step, ms) for step, ms in late if not latency.holds(ms)]
    failed = [step for step in run.steps if step.response_ms is None]
    return "".join(
        (
            *(_rule(tick, time, latency) for tick in latency.ticks(4)),
            svg.text(_LEFT - 8, latency.end - 6, "ms", kind="soft", anchor="end"),
            svg.path("deadline", _runs_of([(s.time_s, s.deadline_ms) for s in run.steps], time, latency, _gap_s(run))),
            svg.path("met", _marks(((time(s.time_s), latency(ms)) for s, ms in met), svg.dot)),
            svg.path("late", _marks(((time(s.time_s), latency(ms)) for s, ms in late if latency.holds(ms)), svg.cross)),
            svg.path("late", _marks(((time(s.time_s), latency.end) for s, _ in beyond), svg.arrow_up)),
            svg.path("none", _marks(((time(s.time_s), latency.end + 4) for s in failed), svg.square)),
        )
    )


def _rule(tick: float, time: Axis, latency: Axis) -> str:
    y = latency(tick)
    return svg.line(time.start, y, time.end, y, "rule") + svg.text(
        _LEFT - 8, y + 4, short(tick), kind="soft", anchor="end"
    )


def _level_part(run: Run, time: Axis, top: float, bottom: float) -> str:
    _, values = levels(run.header.table)
    known = [value for value in values if not math.isnan(value)] or [0.0]
    low, high = min(known), max(known)
    level = Axis(low, high if high > low else low + 1, bottom - 4, top + 4)
    in_force = [(s.time_s, None if s.applied is None else values[s.applied]) for s in run.steps]
    ends = dict.fromkeys((low, high))
    return "".join(
        (
            *(svg.line(time.start, level(end), time.end, level(end), "rule") for end in ends),
            *(svg.text(_LEFT - 8, level(end) + 4, short(end), kind="soft", anchor="end") for end in ends),
            svg.path("level", _runs_of(in_force, time, level, _gap_s(run))),
            svg.line(time.start, bottom, time.end, bottom, "axis"),
        )
    )


def _period_s(run: Run) -> float:
    """From one frame to the next, usually."""
    between = [after.time_s - before.time_s for before, after in itertools.pairwise(run.steps)]
    return statistics.median(between) if between else 0.0


def _gap_s(run: Run) -> float:
    """How long a silence has to be before a line across it would pretend something."""
    return max(8 * _period_s(run), 0.5)


def _marks(places: Iterable[tuple[float, float]], mark: Callable[[float, float], str]) -> str:
    """Marks, those that would fall on one another once: the drawing stays small however long the stream."""
    return "".join(mark(x, y) for x, y in dict.fromkeys((round(x * 2) / 2, round(y * 2) / 2) for x, y in places))


def _runs_of(values: Sequence[tuple[float, float | None]], time: Axis, axis: Axis, gap_s: float) -> str:
    """A stepped line that breaks where nothing is known."""
    data: list[str] = []
    last: tuple[float, float] | None = None
    for time_s, value in values:
        if value is None or math.isnan(value):
            last = None
            continue
        x, y = svg.place(time(time_s)), svg.place(axis(value))
        if last is None or time_s - last[0] > gap_s:
            data.append(f"M{x} {y}h1")
        elif value != last[1]:
            data.append(f"H{x}V{y}")
        elif data and data[-1].startswith("H") and "V" not in data[-1]:
            data[-1] = f"H{x}"
        else:
            data.append(f"H{x}")
        last = time_s, value
    return "".join(data)


def _legend(runs: Sequence[Run], high_ms: float, layout: Layout, y: float) -> tuple[str, float]:
    """What the marks mean, only those that occur.

    Returns:
        The elements, and the y below them.
    """
    steps = [step for run in runs for step in run.steps]
    deadlines = {step.deadline_ms for step in steps if step.deadline_ms is not None}
    words, _ = levels(runs[0].header.table)
    entries: list[tuple[Callable[[float, float], str], str]] = [
        (
            lambda x, y: svg.path("met", svg.dot(x + 2, y) + svg.dot(x + 8, y) + svg.dot(x + 14, y)),
            "answer in time" if deadlines else "answer",
        )
    ]
    if any(_is_late(step) for step in steps):
        entries.append((lambda x, y: svg.path("late", svg.cross(x + 8, y)), "late"))
    if any(_is_late(step) and (step.response_ms or 0) > high_ms for step in steps):
        entries.append(
            (lambda x, y: svg.path("late", svg.arrow_up(x + 8, y - 2)), f"later than {short(high_ms)}{SPACE}ms")
        )
    if any(step.response_ms is None for step in steps):
        entries.append((lambda x, y: svg.path("none", svg.square(x + 8, y)), "no answer"))
    if deadlines:
        word = f"deadline, {short(deadlines.pop())}{SPACE}ms" if len(deadlines) == 1 else "deadline"
        entries.append((lambda x, y: svg.line(x, y, x + 17, y, "deadline"), word))
    events = [event for run in runs for event in run.events]
    lasting = dict.fromkeys(event.label for event in events if event.until_s is not None)
    entries.extend((lambda x, y: svg.box(x, y - 6, 16, 12, "shade"), label) for label in lasting)
    momentary = dict.fromkeys(event.label for event in events if event.until_s is None)
    entries.extend((lambda x, y: svg.line(x + 8, y - 7, x + 8, y + 7, "moment"), label) for label in momentary)
    entries.append((lambda x, y: svg.line(x, y, x + 16, y, "level"), f"sub-network in force: {words}"))
    parts, x = [], float(_LEFT)
    for draw, label in entries:
        width = 22 + svg.width_of(label)
        if x > _LEFT and x + width > layout.width - _RIGHT:
            x, y = float(_LEFT), y + 19
        parts.append(draw(x, y - 4) + svg.text(x + 22, y, label))
        x += width + 14
    return "".join(parts), y + 12


def _is_late(step: Step) -> bool:
    return step.is_missed and step.response_ms is not None
