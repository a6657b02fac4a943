"""A figure's answer, and how it is shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tenuto.simulation import Interval


@dataclass(frozen=True, slots=True)
class Detail:
    """A table behind a figure."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the figures.

    Attributes:
        number: As they are counted.
        title: In a few words.
        asked: What was to be reached.
        measured: What was.
        how: Over what.
        is_met: None where it cannot be told.
        details: Tables.
        data: Plain values, for the file.
    """

    number: str
    title: str
    asked: str
    measured: str
    how: str
    is_met: bool | None
    details: tuple[Detail, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


def shown(value: Interval | float | None, digits: int = 2) -> str:
    """A figure, with half its confidence interval where there is one."""
    if value is None:
        return "-"
    if isinstance(value, Interval):
        if math.isnan(value.mean):
            return "-"
        half = "" if value.high is None else f" ±{value.high - value.mean:.{digits}f}"
        return f"{value.mean:.{digits}f}{half}"
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def plain(value: Any) -> Any:
    """For the file: six significant digits, NaN and infinities absent."""
    if isinstance(value, Interval):
        return {"mean": plain(value.mean), "low": plain(value.low), "high": plain(value.high)}
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def markdown(answers: Sequence[Answer], about: dict[str, Any], seeds: Sequence[int]) -> str:
    """The page that docs show."""
    lines = [
        "# Control: figures",
        "",
        f"Tenuto {about['tenuto']}, {about['date']}, {len(seeds)} seeds ({seeds[0]} to {seeds[-1]}). All of it is "
        "simulated; decision times are of "
        f"{about['machine']}, Python {about['python']}. ± is half a 95 % confidence interval over seeds.",
        "",
        *_table(
            ("", "figure", "asked", "measured", "met", "how"),
            [(one.number, one.title, one.asked, one.measured, met(one.is_met), one.how) for one in answers],
        ),
        "",
        "## Where the boards' figures are from",
        "",
        "Per cent of the figures in a board's file (measured / modelled / published / assumed).",
        "",
        *_table(
            ("board", "all", "latency", "power", "heat", "noise"), [_board(*one) for one in about["boards"].items()]
        ),
    ]
    for answer in answers:
        for detail in answer.details:
            lines += ["", f"## {answer.number}. {detail.title}", "", *_table(detail.header, detail.rows)]
    return "\n".join(lines) + "\n"


def _board(name: str, groups: dict[str, Any]) -> tuple[str, ...]:
    def shares(group: str) -> str:
        one = groups.get(group)
        return (
            "-"
            if one is None
            else " / ".join(str(one[f"{source}_pct"]) for source in ("measured", "modelled", "published", "assumed"))
        )

    return (name, *(shares(group) for group in ("all", "latency", "power", "heat", "noise")))


def met(is_met: bool | None) -> str:
    """In a word."""
    return "?" if is_met is None else "yes" if is_met else "no"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(one).replace("|", "\\|") for one in cells) + " |"

    return [line(header), line(["---"] * len(header)), *(line(one) for one in rows)]
