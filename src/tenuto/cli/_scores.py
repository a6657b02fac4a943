"""How `tenuto boards validate` shows a score to people; `--json` has every attribute."""

from collections.abc import Callable
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tenuto.units import show_frequency
from tenuto.validation import Score

_Show = Callable[[Any], str]


def _text(value: Any) -> str:
    return str(value)


def _signed(value: float) -> str:
    return f"{value:+.1f}"


def _size(value: float) -> str:
    return f"{value:.1f}"


def _figure(value: float) -> str:
    """Three digits that count, whatever the size."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


COLUMNS: Final[dict[str, dict[str, tuple[str, _Show]]]] = {
    "power": {
        "workload": ("workload", _text),
        "rail": ("rail", _text),
        "n_cores": ("cores", _text),
        "frequency_hz": ("clock", show_frequency),
        "measured_w": ("measured W", _figure),
        "predicted_w": ("model W", _figure),
        "unknown_error_pct": ("error %", _size),
        "counted_error_pct": ("with counters", _size),
        "one_known_error_pct": ("one clock known", _size),
        "interpolated_error_pct": ("between clocks", _size),
    },
    "latency": {
        "cluster": ("cluster", _text),
        "network": ("network", _text),
        "n_threads": ("threads", _text),
        "measured_ms": ("measured ms", _figure),
        "predicted_ms": ("model ms", _figure),
        "error_pct": ("error %", _signed),
        "scaling_error_pct": ("of the speed-up", _signed),
        "is_seen": ("fitted with it", lambda is_seen: "yes" if is_seen else "no"),
        "source": ("source", _text),
    },
    "thermal": {
        "time_s": ("time s", _size),
        "requested_hz": ("asked", show_frequency),
        "frequency_hz": ("model runs at", show_frequency),
        "measured_c": ("measured °C", _size),
        "predicted_c": ("model °C", _size),
        "error_c": ("error °C", _signed),
        "gpu_error_c": ("of the GPU", _signed),
    },
}
"""For each kind of score the attributes worth a column, their headings, and how to write one."""

HEADING: Final = "section"
"""Rows that share this attribute stand below it."""


def shown(kind: str, score: Score) -> Group:
    """A score for people."""
    title = Text.assemble((f"{score.board}, {kind}", "bold"), f"  {score.n_measurements} measurements of {score.path}")
    columns = COLUMNS[kind]
    used = {name: column for name, column in columns.items() if any(_has(row, name) for row in score.rows)}
    sections: dict[str, list[Any]] = {}
    for row in score.rows:
        sections.setdefault(getattr(row, HEADING, ""), []).append(row)
    parts: list[Text | Table] = [title]
    for section, rows in sections.items():
        parts += [Text(), Text(section, style="italic")] if section else []
        table = plain_table(*(heading for heading, _ in used.values()))
        for row in rows:
            table.add_row(*(show(getattr(row, name)) if _has(row, name) else "-" for name, (_, show) in used.items()))
        parts.append(table)
    totals = plain_table("All together", "figure", "value", "asked")
    for total in score.totals:
        asked = "-" if total.asked is None else f"{total.asked:g}"
        totals.add_row(total.what, total.figure, f"{total.value:.2f}", asked)
    notes = (Text(note, style="yellow") for note in score.notes)
    return Group(*parts, Text(), totals, *notes, Text())


def plain_table(*columns: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold", no_wrap=column == columns[0])
    return table


def _has(row: object, name: str) -> bool:
    """Absent is a dash, never zero."""
    return getattr(row, name) is not None
