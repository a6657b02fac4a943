"""The report: one file that needs nothing else, and the picture for a README."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any, Final

import msgspec

from tenuto.errors import UsageError
from tenuto.points import Source
from tenuto.report import _svg as svg
from tenuto.report._run import Run
from tenuto.report._style import FIGURE_CSS, PAGE_CSS, TIP_JS
from tenuto.report._tables import measures_table, points_table, words_table
from tenuto.report._time_line import NARROW, WIDE, Layout, time_figure, time_lines
from tenuto.report._trade_off import point_name, trade_off_figure
from tenuto.report._words import outcome

_MAX_TIPS: Final = 20_000
"""Frames whose figures go into the page for pointing at; beyond, the page would weigh megabytes."""


def render_report(
    runs: Sequence[Run],
    *,
    machine: Mapping[str, Any],
    title: str = "Tenuto: holding the deadline",
    deadline_note: str = "",
    notes: Sequence[str] = (),
    source: Source = "measured",
) -> str:
    """A comparison of several policies on the same stream, as one HTML file without outside resources.

    Args:
        runs: One for each policy; the first is the one that the sentences are about.
        machine: What it ran on, in words: nested mappings and lists are fine. A value of None is left out.
        title: The heading.
        deadline_note: How the deadline was set.
        notes: What a careful reader should know.
        source: Where the figures of the runs come from; `modelled` for a simulated board.

    Raises:
        UsageError: There is no run.
    """
    if not runs:
        raise UsageError("asked for a report, found no run; give at least one")
    header = runs[0].header
    under = " · ".join((header.network, header.platform, header.created, f"tenuto {header.tenuto_version}"))
    sections = (
        f'<h1>{escape(title)}</h1><p class="under">{escape(under)}</p>',
        "".join(f'<p class="lede">{escape(sentence)}</p>' for sentence in outcome(runs)),
        _section("How each policy did", measures_table(runs, source)),
        _section("Frame by frame", _time_lines(runs, source)),
        _section("What could be chosen", _trade_off(runs)),
        _section("How the deadline was set", f"<p>{escape(deadline_note)}</p>" if deadline_note else ""),
        _section("The machine", words_table(machine)),
        _section("Read with care", _list([*notes, *_seen(runs)])),
        points_table(header.table),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{FIGURE_CSS}{PAGE_CSS}</style></head><body><main>"
        f"{''.join(sections)}<footer>Tenuto {escape(header.tenuto_version)}. This file needs no network.</footer>"
        f"</main>{_tips(runs)}</body></html>\n"
    )


def render_picture(
    runs: Sequence[Run], *, title: str = "One stream, four ways to run it", width: int = 900, height: int = 620
) -> str:
    """The time lines alone, as an SVG file that stands by itself.

    Args:
        runs: One for each policy.
        title: Above the time lines.
        width: In pixels.
        height: In pixels; the time lines are stretched to fill it.

    Raises:
        UsageError: There is no run.
    """
    if not runs:
        raise UsageError("asked for a picture, found no run; give at least one")
    top, margin = 44, 10
    flat = Layout(width, heading=24, latency=0, level=24, gap=9)
    _, natural = time_lines(runs, layout=flat, top=top)
    layout = replace(flat, latency=max(40.0, (height - margin - natural) / len(runs)))
    content, bottom = time_lines(runs, layout=layout, top=top)
    height = max(height, round(bottom + margin))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title, quote=True)}"><style>{escape(FIGURE_CSS, quote=False)}</style>'
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>'
        f"{svg.text(48, 30, title, kind='title')}{content}</svg>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def _time_lines(runs: Sequence[Run], source: Source) -> str:
    figures = time_figure(runs, layout=WIDE, kind="wide") + time_figure(runs, layout=NARROW, kind="narrow")
    return (
        f"<figure>{figures}<figcaption>Above, how long each frame waited for its answer, from its arrival; all time "
        "lines have the same axes. Below, what the sub-network in force is worth when it is not late. "
        f'<span class="tag">{source}</span></figcaption></figure>'
    )


def _trade_off(runs: Sequence[Run]) -> str:
    wide = trade_off_figure(runs, width=980, height=430, kind="wide")
    narrow = trade_off_figure(runs, width=380, height=380, kind="narrow")
    if wide is None or narrow is None:
        return ""
    table = runs[0].header.table
    tags = " ".join(
        f'{words}: <span class="tag">{" and ".join(sources)}</span>'
        for words, metric in (("Latency", "latency_ms"), ("accuracy", "accuracy_pct"))
        if (
            sources := dict.fromkeys(e.source for row in range(len(table)) if (e := table.column(metric).estimate(row)))
        )
    )
    return (
        f"<figure>{wide}{narrow}<figcaption>Every profiled point with nothing else running: the mark is the median, "
        "its bar ends at the 99th percentile. The percentages say how much of the stream "
        f"{escape(runs[0].policy)} spent in a point. {tags}</figcaption></figure>"
    )


def _seen(runs: Sequence[Run]) -> list[str]:
    """What the runs themselves admit."""
    admitted = []
    for run in runs:
        measures = run.measures
        if measures.n_failed:
            admitted.append(
                f"{run.policy}: {measures.n_failed} of {measures.n} frames got no answer; they count as missed."
            )
        if measures.n_fallback:
            admitted.append(f"{run.policy}: fell back to the safe configuration in {measures.n_fallback} frames.")
    return admitted


def _tips(runs: Sequence[Run]) -> str:
    """The frames' figures, and the few lines of script that show them under the pointer; the page reads without."""
    if sum(len(run.steps) for run in runs) > _MAX_TIPS:
        return ""
    content = [
        {
            "policy": run.policy,
            "points": [point_name(run.header.table, row) for row in range(len(run.header.table))],
            "frames": [
                [
                    round(step.time_s, 3),
                    None if step.response_ms is None else round(step.response_ms, 2),
                    None if step.deadline_ms is None else round(step.deadline_ms, 2),
                    step.applied,
                    *([] if step.error is None else [step.error]),
                ]
                for step in run.steps
            ],
        }
        for run in runs
    ]
    # "</script>" within a name would end the element.
    data = msgspec.json.encode(content).decode().replace("<", "\\u003c")
    return f'<div id="tip"></div><script type="application/json" id="frames">{data}</script><script>{TIP_JS}</script>'
