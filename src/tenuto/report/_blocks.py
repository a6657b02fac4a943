"""The time lines of a replay as HTML: a block for each application and one for the board, policy after policy.

Drawings are stretched to the page's width and their text stands beside them, so one set serves a screen and a phone.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from tenuto.report._axis import Axis
from tenuto.report._board_lanes import Scales, board_lanes
from tenuto.report._lanes import WIDTH, Lane, application_lanes, latency_axis
from tenuto.report._marks import Mark, key_of, shades, strip
from tenuto.report._passage import Columns, Passage
from tenuto.report._words import SPACE, count, share, short
from tenuto.simulation import Outcome

_N_OPEN: Final = 2
"""Policies whose time lines are open at first, where there are many."""

_FEW: Final = 4
"""Applications of all policies together that may all be open at first."""

_MINUTES_FROM_S: Final = 600.0


def time_lines(
    outcomes: Sequence[Outcome], passages: Sequence[Sequence[Passage]], columns: Columns, marks: Sequence[Mark]
) -> str:
    """The time lines of every policy, each policy's behind a heading that opens and shuts."""
    names = [run.name for run in outcomes[0].runs]
    spans = [latency_axis([of_policy[index] for of_policy in passages]) for index in range(len(names))]
    scales = Scales.of(outcomes)
    is_few = len(outcomes) * len(names) <= _FEW
    parts, serial = [], 0
    for place, (outcome, of_policy) in enumerate(zip(outcomes, passages, strict=True)):
        blocks = []
        off = [] if outcome.off_s is None else [Mark("off", "the board switched itself off", outcome.off_s)]
        for passage, span in zip(of_policy, spans, strict=True):
            here = [*(mark for mark in marks if mark.application in (None, passage.run.name)), *off]
            blocks.append(f"<h3>{escape(passage.run.name)}</h3>")
            if len(passage):
                lanes = application_lanes(passage, columns, span, scales.colours)
                said = f"{outcome.policy}, {passage.run.name}"
                blocks.append(_block(lanes, columns, here, of=said, serial=serial))
            else:
                blocks.append('<p class="small">No input came.</p>')
            serial += 1
        lanes = board_lanes(outcome, columns, scales)
        if lanes:
            everywhere = [*(mark for mark in marks if mark.application is None), *off]
            blocks.append("<h3>the board</h3>")
            blocks.append(_block(lanes, columns, everywhere, of=f"{outcome.policy}, the board") + _chips(scales))
        is_open = " open" if is_few or place < _N_OPEN else ""
        parts.append(
            f'<details class="policy"{is_open}><summary>{escape(outcome.policy)}'
            f'<span class="facts">{escape(_facts(of_policy))}</span></summary>{"".join(blocks)}</details>'
        )
    unit_s, unit = _unit(columns)
    key = key_of(marks, unit_s=unit_s, unit="min" if unit == "minutes" else "s")
    shaded = " Shades and letters are what happened from outside:" if key else ""
    button = "" if is_few else '<button type="button" id="open-all" hidden>Open all</button>'
    return (
        "<p>All time lines have the same axis of time, and those of one application the same axis of latency. Point at "
        "a latency, tap it, or go there with the Tab key and then with the arrow keys (with Shift from miss to miss): "
        f"the page says what was decided there, and why.{shaded}</p>{key}{button}{''.join(parts)}"
    )


def _facts(passages: Sequence[Passage]) -> str:
    n = sum(len(passage) for passage in passages)
    n_missed = sum(passage.n_missed for passage in passages)
    missed = f"{share(100 * n_missed / n)}{SPACE}% missed" if n else "no inputs"
    trouble = sum(len(passage.run.trouble) for passage in passages)
    return f"{missed} of {count(n, 'input')}" + (f", {count(trouble, 'kind')} of trouble" if trouble else "")


def _block(
    lanes: Sequence[Lane],
    columns: Columns,
    marks: Sequence[Mark],
    *,
    of: str,
    serial: int | None = None,
) -> str:
    time = Axis(columns.start_s, columns.end_s, 0.0, WIDTH)
    body = "".join(_lane(lane, of=of, serial=serial) for lane in lanes)
    return (
        f'<div class="block">{shades(marks, time)}{strip(marks, time)}{body}{_times(columns)}'
        '<div class="cursor"></div></div>'
    )


def _lane(lane: Lane, *, of: str, serial: int | None) -> str:
    labels = "".join(
        f'<span style="top:{100 * y / lane.height:.1f}%" title="{escape(words, quote=True)}">{escape(words)}</span>'
        for y, words in lane.labels
    )
    # A slider is what it is to the keyboard and to a screen reader: one goes along it, and it says where one is.
    stop = (
        f' data-run="{serial}" tabindex="0" role="slider" aria-label="Steps of {escape(of, quote=True)}" '
        'aria-valuemin="0" aria-valuenow="0"'
        if lane.kind == "latency" and serial is not None
        else ""
    )
    name = escape(f"{of}: {lane.title}", quote=True)
    return (
        f'<div class="lane {lane.kind}"><h4>{escape(lane.title)}</h4><div class="plot"{stop}>'
        f'<svg viewBox="0 0 {WIDTH:g} {lane.height:g}" style="height:{lane.height:g}px" preserveAspectRatio="none" '
        f'role="img" aria-label="{name}">{lane.content}</svg>'
        f'<div class="ys" aria-hidden="true">{labels}</div></div></div>'
    )


def _unit(columns: Columns) -> tuple[float, str]:
    """In what to tell times, in seconds and by name."""
    return (60.0, "minutes") if columns.end_s > _MINUTES_FROM_S else (1.0, "seconds")


def _times(columns: Columns) -> str:
    """The axis of time: every second figure is left out on a phone."""
    unit_s, unit = _unit(columns)
    axis = Axis(columns.start_s / unit_s, columns.end_s / unit_s, 0.0, 100.0)
    ticks = "".join(
        f'<span{" class=minor" if index % 2 else ""} style="left:{axis(tick):.2f}%">{short(tick)}</span>'
        for index, tick in enumerate(axis.ticks(11))
    )
    return f'<div class="times" aria-hidden="true">{ticks}<i>{unit} since the start</i></div>'


def _chips(scales: Scales) -> str:
    """What the colours of rails and nodes stand for."""
    groups = (("power", scales.rails), ("temperature", scales.nodes))
    parts = [
        f'<div class="rails">{what}: '
        + "".join(f'<span><b class="s{scales.colours[name]}"></b>{escape(name)}</span>' for name in names)
        + "</div>"
        for what, names in groups
        if names
    ]
    return "".join(parts)
