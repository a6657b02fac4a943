"""The report's tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from tenuto.points import OperatingTable, Source
from tenuto.report._run import Run
from tenuto.report._words import ABSENT, SPACE, number, recovery, share
from tenuto.units import QUANTITIES, show_frequency

_MAX_ROWS: Final = 200
"""Points listed in full; a table of a hundred thousand is for a program to read."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """One column.

    Attributes:
        title: What it is.
        unit: In what.
        cell: What to print.
        rank: What to sort by, lower is better; None where no way is the better one. None of a run: not in the contest.
    """

    title: str
    unit: str
    cell: Callable[[Run], str]
    rank: Callable[[Run], float | None] | None = None


def _recovery_frames(run: Run) -> float | None:
    return run.measures.recovery_frames


def _accuracy_lost_pct(run: Run) -> float | None:
    accuracy_pct = run.measures.accuracy_pct
    return None if accuracy_pct is None else -accuracy_pct


def _recovery_s(run: Run) -> str:
    return number(run.measures.recovery_s, 2)


_MEASURES: Final = (
    _Measure("missed", "%", lambda run: share(run.measures.miss_pct), lambda run: run.measures.miss_pct),
    _Measure("longest run", "frames", lambda run: number(run.measures.longest_miss_run, 0)),
    _Measure("recovery", "frames", recovery, _recovery_frames),
    _Measure("recovery", "s", _recovery_s),
    _Measure("latency, median", "ms", lambda run: number(run.measures.latency_median_ms, 2)),
    _Measure("latency, p99", "ms", lambda run: number(run.measures.latency_p99_ms, 1)),
    _Measure("right and in time", "%", lambda run: number(run.measures.accuracy_pct, 2), _accuracy_lost_pct),
    _Measure("switches", "per min", lambda run: number(run.measures.switches_per_min, 1)),
    _Measure("decision, median", "µs", lambda run: number(run.measures.decision_median_us, 1)),
    _Measure("decision, p99", "µs", lambda run: number(run.measures.decision_p99_us, 1)),
    _Measure("gave a bound up", "%", lambda run: share(run.measures.given_up_pct)),
    _Measure("energy", "mJ", lambda run: number(run.measures.energy_mj, 1), lambda run: run.measures.energy_mj),
)


def measures_table(runs: Sequence[Run], source: Source) -> str:
    """The measures of each run; a column that no run has a figure for is left out."""
    columns = [measure for measure in _MEASURES if any(measure.cell(run) != ABSENT for run in runs)]
    best = [_best(measure, runs) for measure in columns]
    head = "".join(f'<th scope="col">{c.title}<span class="unit">{c.unit}</span></th>' for c in columns)
    body = "".join(
        _row(run.policy, [(c.cell(run), index in winners) for c, winners in zip(columns, best, strict=True)], index)
        for index, run in enumerate(runs)
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">policy</th>{head}</tr></thead><tbody>{body}</tbody>'
        '</table></div><p class="small">Latency is from a frame’s arrival to its answer, waiting included. Recovery '
        "counts from the first miss under the disturbance until the deadline holds again for ten frames, or until the "
        "disturbance ends. An answer that is late counts as wrong. Bold: the best of its column. "
        f'<span class="tag">{source}</span></p>'
    )


def _row(policy: str, cells: Sequence[tuple[str, bool]], index: int) -> str:
    """The first run is the one that the report is about, and tinted."""
    marked = ' class="subject"' if index == 0 else ""
    kinds = {True: ' class="best"', False: ""}
    content = "".join(f"<td{kinds[is_best]}>{escape(cell)}</td>" for cell, is_best in cells)
    return f'<tr{marked}><th scope="row">{escape(policy)}</th>{content}</tr>'


def _best(measure: _Measure, runs: Sequence[Run]) -> frozenset[int]:
    if measure.rank is None or len(runs) < 2:
        return frozenset()
    ranks = {index: rank for index, run in enumerate(runs) if (rank := measure.rank(run)) is not None}
    return frozenset(index for index, rank in ranks.items() if rank == min(ranks.values()))


def words_table(content: Mapping[str, Any]) -> str:
    """A mapping as terms and descriptions; what is None is left out."""
    rows = "".join(
        f"<dt>{escape(str(name).replace('_', ' '))}</dt><dd>{escape(_words(value))}</dd>"
        for name, value in content.items()
        if value is not None
    )
    return f"<dl>{rows}</dl>" if rows else ""


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_words(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list | tuple):
        separator = "; " if any(isinstance(part, Mapping) for part in value) else ", "
        return separator.join(_words(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def points_table(table: OperatingTable) -> str:
    """Every operating point with every figure and its source, folded away."""
    metrics = [name for name in QUANTITIES if name in table.metrics]
    head = "".join(
        f'<th scope="col">{escape(quantity.title)}<span class="unit">{escape(quantity.unit)}</span></th>'
        for quantity in (QUANTITIES[name] for name in metrics)
    )
    body = []
    for row in range(min(len(table), _MAX_ROWS)):
        configuration = table.configuration(row)
        clock = ABSENT if configuration.frequency_hz is None else show_frequency(configuration.frequency_hz)
        cells = "".join(f"<td>{_cell(table, name, row)}</td>" for name in metrics)
        body.append(
            f'<tr><th scope="row">{escape(configuration.sub_network.name)}</th><td>{escape(configuration.cluster)}</td>'
            f"<td>{configuration.n_cores}</td><td>{escape(clock)}</td>{cells}</tr>"
        )
    rest = len(table) - len(body)
    more = f'<p class="small">and {number(rest, 0)} more</p>' if rest else ""
    return (
        f"<details><summary>The operating table, {number(len(table), 0)}{SPACE}points</summary>"
        '<div class="scroll"><table><thead><tr><th scope="col">sub-network</th><th scope="col">cluster</th>'
        f'<th scope="col">cores</th><th scope="col">clock</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>{more}</details>"
    )


def _cell(table: OperatingTable, metric: str, row: int) -> str:
    estimate = table.column(metric).estimate(row)
    if estimate is None:
        return ABSENT
    return f'{number(estimate.value, QUANTITIES[metric].digits)} <span class="tag">{estimate.source}</span>'
