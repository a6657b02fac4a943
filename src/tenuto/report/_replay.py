"""The report of a replay: policies on the same worlds, side by side, in one file that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec
import numpy as np

from tenuto._version import __version__
from tenuto.errors import UsageError
from tenuto.points import Source
from tenuto.report._blocks import time_lines
from tenuto.report._marks import marks_of
from tenuto.report._passage import Columns, Passage
from tenuto.report._replay_style import REPLAY_CSS, REPLAY_JS
from tenuto.report._replay_table import summary_table
from tenuto.report._replay_words import asked_of, outcome_of
from tenuto.report._style import FIGURE_CSS, PAGE_CSS
from tenuto.report._told import told
from tenuto.report._words import SPACE, count, number
from tenuto.simulation import Outcome

_DRAWN: Final = 1_500_000
"""Characters that the drawings may take together, about; more panels are drawn in fewer columns."""

_PER_APPLICATION: Final = 45
"""Characters that a column of one application's lanes takes, about."""

_PER_BOARD: Final = 90
"""Likewise of the board's lanes."""

_COLUMNS: Final = (240, 1000)

_MOST_TOLD: Final = 14_000
"""Steps whose reasons the page holds: about a megabyte."""


def render_replay(
    outcomes: Sequence[Outcome],
    summary: Sequence[Mapping[str, Any]],
    *,
    title: str | None = None,
    notes: Sequence[str] = (),
    source: Source = "modelled",
) -> str:
    """A replay of one scenario under several policies, as one HTML file without outside resources.

    Args:
        outcomes: One for each policy, all of the same scenario and seed: these are drawn. The first is the one that
            the reader came for.
        summary: One row for each policy: `policy`, `n_seeds`, and for each measure (`miss_pct`,
            `energy_mj_per_inference`, ...) a mapping with `mean`, `low` and `high` over the seeds, or None where it
            does not exist. Measures that this page does not know are printed by their names.
        title: The heading; None for the scenario's own.
        notes: What a careful reader should know.
        source: Where the figures come from; a simulated board's are modelled.

    Raises:
        UsageError: There is no outcome, or they are not of the same scenario, variant and seed.
    """
    _check(outcomes)
    scenario = outcomes[0].scenario
    passages = [[Passage.of(run) for run in outcome.runs] for outcome in outcomes]
    flat = [passage for of_policy in passages for passage in of_policy]
    end_s = max([scenario.duration_s, *(float(p.time_s[-1]) for p in flat if len(p))])
    columns = Columns(0.0, end_s if end_s > 0 else 1.0, _n_columns(len(flat), len(outcomes)))
    marks = marks_of(outcomes[0], columns.end_s)
    steps, sentences, n_left_out = told(flat, n_most=_MOST_TOLD)
    heading = title or scenario.title
    variant = f", {scenario.label}" if scenario.label else ""
    seeds = sorted({row["n_seeds"] for row in summary if isinstance(row.get("n_seeds"), int)})
    under = (
        f"{scenario.id}{variant}",
        scenario.board,
        *([count(max(seeds), "seed")] if seeds else []),
        f"drawn: seed {outcomes[0].seed}",
        f"tenuto {__version__}",
    )
    needs = [run.requirements for run in outcomes[0].runs]
    admitted = _admitted(outcomes, flat, columns, n_left_out)
    sections = (
        f'<h1>{escape(heading)}</h1><p class="under">{escape(" · ".join(under))}</p>',
        "".join(f'<p class="lede">{escape(sentence)}</p>' for sentence in outcome_of(outcomes, summary)),
        _section("How each policy did", summary_table(summary, needs, source) if summary else ""),
        _section("What was asked", _asked(outcomes[0])),
        _section("Over time", time_lines(outcomes, passages, columns, marks)),
        _section("Read with care", _list([*notes, *admitted])),
        _section("Where the figures come from", _list([*scenario.sources])),
    )
    data = {
        "start": columns.start_s,
        "end": columns.end_s,
        "sentences": sentences,
        "runs": [
            {"policy": outcome.policy, "application": run.name, "steps": part}
            for (outcome, run), part in zip(
                ((outcome, run) for outcome in outcomes for run in outcome.runs), steps, strict=True
            )
        ],
    }
    # "</script>" within a name would end the element.
    packed = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{FIGURE_CSS}{PAGE_CSS}{REPLAY_CSS}</style></head><body><main>"
        f"{''.join(sections)}<footer>Tenuto {escape(__version__)}. This file needs no network.</footer></main>"
        '<div id="told" role="status" aria-live="polite"></div>'
        f'<script type="application/json" id="steps">{packed}</script><script>{REPLAY_JS}</script></body></html>\n'
    )


def _check(outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        raise UsageError("asked for a report of a replay, found no outcome; give one for each policy")
    worlds = {(one.scenario.id, one.scenario.label, one.seed) for one in outcomes}
    if len(worlds) > 1:
        found = ", ".join(
            " ".join((name, label, f"seed {seed}")).replace("  ", " ") for name, label, seed in sorted(worlds)
        )
        raise UsageError(f"asked to draw outcomes side by side, found {found}; give those of one scenario and seed")


def _n_columns(n_runs: int, n_outcomes: int) -> int:
    return int(np.clip(_DRAWN / (_PER_APPLICATION * n_runs + _PER_BOARD * n_outcomes + 1), *_COLUMNS))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""


def _asked(outcome: Outcome) -> str:
    """Each application's network, arrivals and requirements at first."""
    planned = {one.name: one for one in outcome.scenario.applications}
    rows = []
    for run in outcome.runs:
        words = [f"{run.table.sub_networks[0].network}: {asked_of(run.requirements)}"]
        if (one := planned.get(run.name)) is not None:
            bursts = f", coming in bursts (CV² {one.arrivals.cv2:g})" if one.arrivals.cv2 else ""
            words.append(f"an input every {one.arrivals.period_ms:g}{SPACE}ms{bursts}")
            if one.from_s > 0 or one.until_s is not None:
                until = "the end" if one.until_s is None else f"{one.until_s:g}{SPACE}s"
                words.append(f"there from {one.from_s:g}{SPACE}s to {until}")
            if len(outcome.runs) > 1:
                words.append(f"priority {one.priority}")
        rows.append(f"<dt>{escape(run.name)}</dt><dd>{escape('; '.join(words))}</dd>")
    description = outcome.scenario.description
    lead = f"<p>{escape(description)}</p>" if description else ""
    return f"{lead}<dl>{''.join(rows)}</dl>"


def _admitted(outcomes: Sequence[Outcome], passages: Sequence[Passage], columns: Columns, n_left_out: int) -> list[str]:
    """What the page itself leaves out, and what policies did wrong."""
    said = [f"What is drawn is seed {outcomes[0].seed} alone; the table is of all seeds."]
    longest = max((len(passage) for passage in passages), default=0)
    if longest > columns.n:
        said.append(
            f"The drawings are thinned: of up to {number(longest, 0)} inferences each of {columns.n} columns shows the "
            "least and the greatest latency in it, and whatever was in force in it. No column with a miss is without "
            "its mark."
        )
    if n_left_out:
        said.append(
            f"Reasons are kept for {number(sum(map(len, passages)) - n_left_out, 0)} of "
            f"{number(sum(map(len, passages)), 0)} steps: those that missed, fell back or changed something as far as "
            "there is room, and an even sample of the others. Pointing shows the nearest of them."
        )
    said += [
        f"{outcome.policy}, {run.name}: {trouble}"
        for outcome in outcomes
        for run in outcome.runs
        for trouble in run.trouble
    ]
    return said
