"""The trade-off: what each profiled point costs in latency and gives in accuracy, before anything disturbs it."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from html import escape

from tenuto.points import OperatingTable
from tenuto.report import _svg as svg
from tenuto.report._axis import Axis
from tenuto.report._run import Run
from tenuto.report._words import SPACE, short
from tenuto.units import show_frequency

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 18, 30, 44
_SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.5L5 4h-10z",
    "M0-5.5L5.5 0L0 5.5L-5.5 0z",
)
_N_COLOURS = 6
_N_MOST_LABELLED = 4
_LEAST_SHARE = 0.04

_Box = tuple[float, float, float, float]


def trade_off_figure(runs: Sequence[Run], *, width: float, height: float, kind: str) -> str | None:
    """Median latency against accuracy of every point of the first run's table, with the ladder and the deadline.

    Returns:
        An SVG element, or None where the table has no latency or no accuracy.
    """
    table = runs[0].header.table
    if not {"latency_ms", "accuracy_pct"} <= table.metrics.keys():
        return None
    rows = [
        row
        for row in range(len(table))
        if not math.isnan(_figure(table, "latency_ms", row) + _figure(table, "accuracy_pct", row))
    ]
    if not rows:
        return None
    deadline_ms = runs[0].deadline_ms
    legend, top = _legend(table, rows, deadline_ms, width)
    latency = _latency_axis(table, rows, deadline_ms, width)
    accuracies = [_figure(table, "accuracy_pct", row) for row in rows]
    margin = 0.12 * (max(accuracies) - min(accuracies)) or 0.5
    accuracy = Axis(min(accuracies) - margin, max(accuracies) + margin, height - _BOTTOM, top)
    places = {
        row: (latency(_figure(table, "latency_ms", row)), accuracy(_figure(table, "accuracy_pct", row))) for row in rows
    }
    front = _front(table, rows)
    obstacles = [
        (x, y - 2, latency(_p99_ms(table, row)), y + 2)
        for row, (x, y) in places.items()
        if not math.isnan(_p99_ms(table, row))
    ]
    if deadline_ms is not None:
        obstacles.append((latency(deadline_ms) - 3, accuracy.end, latency(deadline_ms) + 3, accuracy.start))
    parts = [
        *(_rule_x(tick, latency, accuracy) for tick in latency.ticks(max(2, int(width / 90)))),
        *(_rule_y(tick, latency, accuracy) for tick in accuracy.ticks(6)),
        svg.text(
            (latency.start + latency.end) / 2,
            height - 8,
            "latency of one inference, quiet, ms",
            kind="soft",
            anchor="middle",
        ),
        svg.text(8, top - 10, "accuracy, %", kind="soft"),
        ""
        if deadline_ms is None
        else svg.line(latency(deadline_ms), accuracy.start, latency(deadline_ms), accuracy.end, "deadline"),
        svg.path("front", "M" + "L".join(f"{svg.place(places[row][0])} {svg.place(places[row][1])}" for row in front)),
        *(_bar(table, row, places[row], latency) for row in rows),
        *(_mark(table, row, places[row]) for row in rows),
        *(_ring(places[row]) for row in _most_used(runs[0]) if row in places),
        *_labels(runs[0], places, front, (latency.start, accuracy.end, latency.end, accuracy.start), obstacles),
    ]
    return (
        f'<svg class="{kind}" viewBox="0 0 {svg.place(width)} {svg.place(height)}" role="img" aria-label="Accuracy of '
        f'each profiled point against its latency">{legend}{"".join(parts)}</svg>'
    )


def point_name(table: OperatingTable, row: int) -> str:
    """A point in words: sub-network, cluster, cores, clock."""
    return f"{table.configuration(row).sub_network.name}, {_series(table, row)}"


def _most_used(run: Run) -> dict[int, float]:
    """The points in force for a good part of the stream, and which part, most first."""
    used = Counter(step.applied for step in run.steps if step.applied is not None)
    parts = {row: n / used.total() for row, n in used.most_common(_N_MOST_LABELLED)}
    return {row: part for row, part in parts.items() if part >= _LEAST_SHARE}


def _series(table: OperatingTable, row: int) -> str:
    configuration = table.configuration(row)
    cores = f"{configuration.n_cores}{SPACE}core{'' if configuration.n_cores == 1 else 's'}"
    clock = "" if configuration.frequency_hz is None else f" at {show_frequency(configuration.frequency_hz)}"
    return f"{configuration.cluster}, {cores}{clock}"


def _figure(table: OperatingTable, metric: str, row: int) -> float:
    return float(table.metrics[metric].value[row])


def _p99_ms(table: OperatingTable, row: int) -> float:
    return _figure(table, "latency_p99_ms", row) if "latency_p99_ms" in table.metrics else math.nan


def _front(table: OperatingTable, rows: Sequence[int]) -> list[int]:
    """The ladder: by rising latency, each point that is more accurate than all quicker ones."""
    front: list[int] = []
    for row in sorted(rows, key=lambda row: (_figure(table, "latency_ms", row), -_figure(table, "accuracy_pct", row))):
        if not front or _figure(table, "accuracy_pct", row) > _figure(table, "accuracy_pct", front[-1]):
            front.append(row)
    return front


def _latency_axis(table: OperatingTable, rows: Sequence[int], deadline_ms: float | None, width: float) -> Axis:
    figures = [_figure(table, "latency_ms", row) for row in rows]
    tails = [tail for row in rows if not math.isnan(tail := _p99_ms(table, row))]
    most = max([*figures, *tails, deadline_ms or 0.0])
    # One scheduling accident in a tail must not press all points into a corner.
    high = 1.06 * min(most, max(2.5 * max(figures), 1.05 * (deadline_ms or 0.0))) or 1.0
    least = min(figures)
    if least > 0 and high / least > 12:
        return Axis(0.8 * least, high, _LEFT, width - _RIGHT, is_log=True)
    return Axis(0, high, _LEFT, width - _RIGHT)


def _rule_x(tick: float, latency: Axis, accuracy: Axis) -> str:
    x = latency(tick)
    return svg.line(x, accuracy.start, x, accuracy.end, "rule") + svg.text(
        x, accuracy.start + 16, short(tick), kind="soft", anchor="middle"
    )


def _rule_y(tick: float, latency: Axis, accuracy: Axis) -> str:
    y = accuracy(tick)
    return svg.line(latency.start, y, latency.end, y, "rule") + svg.text(
        latency.start - 8, y + 4, short(tick), kind="soft", anchor="end"
    )


def _serial(table: OperatingTable) -> dict[str, int]:
    return {name: index for index, name in enumerate(dict.fromkeys(_series(table, row) for row in range(len(table))))}


def _look(index: int) -> tuple[str, str]:
    """Class and outline of a series: colour and shape both tell it."""
    return f"s{index % _N_COLOURS}", _SHAPES[index % len(_SHAPES)]


def _bar(table: OperatingTable, row: int, at: tuple[float, float], latency: Axis) -> str:
    tail = _p99_ms(table, row)
    if math.isnan(tail):
        return ""
    kind, _ = _look(_serial(table)[_series(table, row)])
    end, y = latency(tail), at[1]
    stop = svg.path(f"bar {kind}", f"M{svg.place(end)} {svg.place(y - 3)}v6") if latency.holds(tail) else ""
    return svg.line(at[0], y, end, y, f"bar {kind}") + stop


def _mark(table: OperatingTable, row: int, at: tuple[float, float]) -> str:
    kind, shape = _look(_serial(table)[_series(table, row)])
    tail = _p99_ms(table, row)
    said = f"{point_name(table, row)}: {_figure(table, 'latency_ms', row):.2f} ms"
    said += "" if math.isnan(tail) else f" (p99 {tail:.2f})"
    said += f", {_figure(table, 'accuracy_pct', row):.2f} %"
    return (
        f'<path class="mark {kind}" transform="translate({svg.place(at[0])} {svg.place(at[1])})" d="{shape}">'
        f"<title>{escape(said)}</title></path>"
    )


def _ring(at: tuple[float, float]) -> str:
    return f'<circle class="ring" cx="{svg.place(at[0])}" cy="{svg.place(at[1])}" r="8"/>'


def _labels(
    run: Run, places: dict[int, tuple[float, float]], front: Sequence[int], frame: _Box, obstacles: Sequence[_Box]
) -> list[str]:
    """Names at the ends of the ladder and at the points most used, wherever there is room for them."""
    most = {row: part for row, part in _most_used(run).items() if row in places}
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in places.values()]
    taken += obstacles
    parts = []
    for row in dict.fromkeys((*most, front[0], front[-1])):
        name = run.header.table.configuration(row).sub_network.name
        spent = f"{100 * most[row]:.0f}{SPACE}%" if row in most else ""
        # On a phone there may be room for the share alone.
        for label in (f"{name} · {run.policy} {spent}", spent) if spent else (name,):
            spot = _room(places[row], svg.width_of(label), taken, frame)
            if spot is not None:
                taken.append(spot)
                parts.append(svg.text(spot[0], spot[3] - 4, label, kind="label"))
                break
    return parts


def _room(at: tuple[float, float], width: float, taken: Sequence[_Box], frame: _Box) -> _Box | None:
    x, y = at
    for away, (dx, dy) in itertools.product((15, 26, 40), ((-1, -1), (0, 1), (0, -1), (-0.5, -1), (-0.5, 1), (-1, 1))):
        left, middle = x + dx * width + (8 if dx == 0 else -8 if dx == -1 else 0), y + dy * away
        spot = (left, middle - 8, left + width, middle + 8)
        inside = frame[0] <= spot[0] and frame[1] <= spot[1] and spot[2] <= frame[2] and spot[3] <= frame[3]
        if inside and not any(_overlap(spot, other) for other in taken):
            return spot
    return None


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _legend(table: OperatingTable, rows: Sequence[int], deadline_ms: float | None, width: float) -> tuple[str, float]:
    shown = dict.fromkeys(_series(table, row) for row in rows)
    entries = [(_look(_serial(table)[name]), name) for name in shown]
    parts, x, y = [], float(_LEFT), 14.0
    words = [f"deadline, {short(deadline_ms)}{SPACE}ms"] if deadline_ms is not None else []
    words += ["ladder", "most used"]
    for look, label in (*entries, *((None, word) for word in words)):
        wide = 22 + svg.width_of(label)
        if x > _LEFT and x + wide > width - _RIGHT:
            x, y = float(_LEFT), y + 19
        if look is not None:
            at = f"translate({svg.place(x + 8)} {svg.place(y - 4)})"
            parts.append(f'<path class="mark {look[0]}" transform="{at}" d="{look[1]}"/>')
        elif label == "most used":
            parts.append(_ring((x + 8, y - 4)))
        else:
            parts.append(svg.line(x, y - 4, x + 17, y - 4, "front" if label == "ladder" else "deadline"))
        parts.append(svg.text(x + 22, y, label))
        x += wide + 14
    return "".join(parts), y + _TOP
