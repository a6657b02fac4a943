"""All policies over all seeds, with intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from tenuto.points import Source
from tenuto.report._replay_words import RULERS, Row, mean_of
from tenuto.report._words import ABSENT, count, number, share
from tenuto.requirements import Requirements

_UNITS: Final = (
    ("_pct", "%"),
    ("_ms", "ms"),
    ("_mj", "mJ"),
    ("_us", "µs"),
    ("_per_min", "per min"),
    ("_per_inference", "each"),
    ("_s", "s"),
    ("_w", "W"),
    ("_c", "°C"),
)


@dataclass(frozen=True, slots=True)
class _Measure:
    """One column: its head, its unit, how a figure is printed, and which way is better (0: neither)."""

    name: str
    title: str
    unit: str
    form: Callable[[float | None], str]
    better: int = 0


def _form(digits: int) -> Callable[[float | None], str]:
    return lambda value: number(value, digits)


def _signed(value: float | None) -> str:
    if value is None:
        return ABSENT
    sign = "\N{MINUS SIGN}" if value < 0 else "+"
    return sign + number(abs(value), 1)


_MEASURES: Final = (
    _Measure("miss_pct", "missed", "%", share, -1),
    _Measure("longest_miss_run", "longest run", "inputs", _form(1), -1),
    _Measure("recovery_s", "recovery", "s", _form(2), -1),
    _Measure("latency_mean_ms", "latency, mean", "ms", _form(1)),
    _Measure("latency_p99_ms", "latency, p99", "ms", _form(1)),
    _Measure("energy_mj_per_inference", "energy of one", "mJ", _form(1)),
    _Measure("energy_over_oracle_pct", "energy over oracle", "%", _signed),
    _Measure("accuracy_pct", "accuracy delivered", "%", _form(2)),
    _Measure("accuracy_under_oracle_pct", "accuracy under oracle", "points", _signed),
    _Measure("switches_per_min", "switches", "per min", _form(1)),
    _Measure("decision_median_us", "decision, median", "µs", _form(1)),
    _Measure("decision_p99_us", "decision, p99", "µs", _form(1)),
)
_KNOWN: Final = {measure.name for measure in _MEASURES}
_NO_MEASURES: Final = {"policy", "n_seeds", "seed", "seeds"}


def summary_table(summary: Sequence[Row], needs: Iterable[Requirements], source: Source) -> str:
    """One row for each policy. Columns that no row has a figure for are left out, as is what is text."""
    limits = [deadline.miss_pct for one in needs if (deadline := one.constraint("latency_ms")) is not None]
    others = dict.fromkeys(name for row in summary for name in row if name not in _KNOWN | _NO_MEASURES)
    columns = [
        measure
        for measure in (*_MEASURES, *(_unforeseen(name) for name in others))
        if any(mean_of(row, measure.name) is not None for row in summary)
    ]
    head = "".join(
        f'<th scope="col">{escape(column.title)}<span class="unit">{escape(column.unit)}</span></th>'
        for column in columns
    )
    best = {column.name: _best(summary, column) for column in columns}
    body = "".join(_row(row, columns, best, max(limits, default=None), index) for index, row in enumerate(summary))
    n_seeds = sorted({row["n_seeds"] for row in summary if isinstance(row.get("n_seeds"), int)})
    over = f"Means over {' or '.join(count(n, 'seed') for n in n_seeds)}" if n_seeds else "Means"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Measures of every policy"><table class="summary">'
        f'<thead><tr><th scope="col">policy</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="small">{over}; below each its confidence interval. All policies met the same worlds: the same '
        "noise for the same inference. The oracle knows the inference to come; it is the ruler and in no contest. "
        "Energy includes the idle time. An answer that is late counts as wrong. Bold: the best of a contest; "
        f'<span class="over">so</span>: more missed than asked. <span class="tag">{source}</span></p>'
    )


def _row(
    row: Row, columns: Sequence[_Measure], best: Mapping[str, frozenset[str]], limit: float | None, index: int
) -> str:
    policy = str(row["policy"])
    is_ruler = policy in RULERS
    kind = ' class="ruler"' if is_ruler else ' class="subject"' if index == 0 else ""
    mark = ' <span class="tag">ruler</span>' if is_ruler else ""
    cells = []
    for column in columns:
        value = mean_of(row, column.name)
        kinds = [
            *(["best"] if policy in best[column.name] else []),
            *(
                ["over"]
                if column.name == "miss_pct" and value is not None and limit is not None and value > limit
                else []
            ),
        ]
        marked = f' class="{" ".join(kinds)}"' if kinds else ""
        cells.append(f"<td{marked}>{escape(column.form(value))}{_interval(row, column)}</td>")
    return f'<tr{kind}><th scope="row">{escape(policy)}{mark}</th>{"".join(cells)}</tr>'


def _interval(row: Row, column: _Measure) -> str:
    value = row.get(column.name)
    if not isinstance(value, Mapping) or value.get("mean") is None:
        return ""
    low, high = value.get("low"), value.get("high")
    if low is None or high is None or low == high:
        return ""
    joint = " to " if low < 0 or column.form is _signed else "\N{EN DASH}"
    said = f"{column.form(low)}{joint}{column.form(high)}"
    return f'<span class="interval">{escape(said)}</span>'


def _best(summary: Sequence[Row], column: _Measure) -> frozenset[str]:
    figures = {
        str(row["policy"]): value
        for row in summary
        if row["policy"] not in RULERS and (value := mean_of(row, column.name)) is not None
    }
    if not column.better or len(figures) < 2:
        return frozenset()
    least = min(-column.better * value for value in figures.values())
    return frozenset(policy for policy, value in figures.items() if -column.better * value == least)


def _unforeseen(name: str) -> _Measure:
    """A measure that this page knows nothing of, by its name."""
    suffix, unit = next(((suffix, unit) for suffix, unit in _UNITS if name.endswith(suffix)), ("", ""))
    return _Measure(name, name.removesuffix(suffix).replace("_", " "), unit, _plain)


def _plain(value: Any) -> str:
    return ABSENT if value is None else f"{value:.4g}"
