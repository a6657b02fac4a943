"""What happened from outside: shades with letters, moments with numbers, and the key to both."""

import itertools
import string
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tenuto.report import _svg as svg
from tenuto.report._axis import Axis
from tenuto.report._lanes import WIDTH
from tenuto.report._replay_words import asked_of
from tenuto.report._words import SPACE, number
from tenuto.simulation import Outcome

_APART: Final = 0.055
"""Keys nearer to each other than this share of the width go into rows of their own."""

_ROWS: Final = ("", "two", "three")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something from outside.

    Attributes:
        key: Its letter or number.
        label: In words.
        time_s: When it began.
        until_s: When it ended; None for what happens at once.
        application: Whose requirements it changed; None where it concerns all.
    """

    key: str
    label: str
    time_s: float
    until_s: float | None = None
    application: str | None = None


def marks_of(outcome: Outcome, end_s: float) -> list[Mark]:
    """The scenario's disturbances and each application's changes of requirements, by time."""
    letters = map(
        "".join, itertools.chain.from_iterable(itertools.product(string.ascii_uppercase, repeat=n) for n in (1, 2))
    )
    of_label: dict[str, str] = {}
    marks = []
    for one in sorted(outcome.scenario.disturbances, key=lambda one: one.time_s):
        if one.label not in of_label:
            of_label[one.label] = next(letters)
        marks.append(Mark(of_label[one.label], one.label, one.time_s, end_s if one.until_s is None else one.until_s))
    changes = [
        (event.time_s, run.name, asked_of(event.requirements))
        for run in outcome.runs
        for event in run.events
        if event.requirements is not None
    ]
    for index, (time_s, name, asked) in enumerate(sorted(changes), start=1):
        marks.append(Mark(str(index), f"{name} asks anew: {asked}", time_s, None, name))
    return marks


def key_of(marks: Sequence[Mark], *, unit_s: float, unit: str) -> str:
    """The list that says what each letter and number stands for, and when, in units of so many seconds."""
    times: dict[tuple[str, str, bool], list[str]] = {}
    for mark in marks:
        when = _when(mark.time_s / unit_s)
        when += "" if mark.until_s is None else f" to {_when(mark.until_s / unit_s)}"
        times.setdefault((mark.key, mark.label, mark.until_s is None), []).append(when)
    items = "".join(
        f'<li><span class="key{" change" if is_moment else ""}">{key}</span>{escape(label)}, '
        f"{', '.join(whens[:6])}{f' and {len(whens) - 6} times more' if len(whens) > 6 else ''}{SPACE}{unit}</li>"
        for (key, label, is_moment), whens in times.items()
    )
    return f'<ol class="keys">{items}</ol>' if items else ""


def _when(time: float) -> str:
    return number(time, 1).removesuffix(".0")


def shades(marks: Sequence[Mark], time: Axis) -> str:
    """What lasts as shades, what does not as lines; `time` maps onto the drawing's width."""
    lasting = [(time(mark.time_s), time(mark.until_s)) for mark in marks if mark.until_s is not None]
    # As one path, so that shades that overlap are no darker than others.
    shade = "".join(f"M{svg.place(x)} 0H{svg.place(max(until, x + 1))}V1H{svg.place(x)}z" for x, until in lasting)
    moments = "".join(f"M{svg.place(time(mark.time_s))} 0V1" for mark in marks if mark.until_s is None)
    return (
        f'<svg class="shades" viewBox="0 0 {WIDTH:g} 1" preserveAspectRatio="none" aria-hidden="true">'
        f"{svg.path('shade', shade)}{svg.path('change', moments)}</svg>"
    )


def strip(marks: Sequence[Mark], time: Axis) -> str:
    """The keys above what they stand for; of those that would fall on one another only the first three are shown."""
    ends = [-1.0] * len(_ROWS)
    placed = []
    spots = ((0.5 * (time(m.time_s) + time(m.until_s or m.time_s)) / WIDTH, m) for m in marks)
    for share, mark in sorted(spots, key=lambda spot: spot[0]):
        at = min(max(share, 0.01), 0.99)
        row = next((row for row, end in enumerate(ends) if at >= end), None)
        if row is None:
            continue
        ends[row] = at + _APART
        kind = "key change" if mark.until_s is None else "key"
        placed.append((row, f'<span class="{kind} r{row}" style="left:{100 * at:.2f}%">{mark.key}</span>'))
    if not placed:
        return ""
    rows = _ROWS[max(row for row, _ in placed)]
    return f'<div class="marks {rows}" aria-hidden="true">{"".join(words for _, words in placed)}</div>'
