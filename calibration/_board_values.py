"""Writes fitted figures into a board file, line by line, so that its comments and order stay."""

import re
from collections.abc import Mapping
from pathlib import Path

_HEADER = re.compile(r"^\[\[?([\w.]+)\]\]?\s*$")
_NAME = re.compile(r'^name = "([^"]+)"')


def rounded(value: float, digits: int = 3) -> float:
    """A figure to some significant digits, as the board file holds it."""
    return float(f"{value:.{digits}g}")


def replace_values(text: str, values: Mapping[str, float]) -> str:
    """The text of a board file with other figures.

    Args:
        text: The file.
        values: New figures by dotted path, `clusters.a15.power.idle_share`, `thermal.nodes.die.to.board`,
            `thermal.ambient_c`.

    Raises:
        KeyError: A path that the file does not have as a single-line `{ value = ... }`.
    """
    lines = text.splitlines()
    found: set[str] = set()
    # A sub-table of an array ([clusters.power]) belongs to the element whose name came last.
    names: dict[str, str] = {}
    header = ""
    for place, line in enumerate(lines):
        if match := _HEADER.match(line):
            header = match[1]
        elif match := _NAME.match(line):
            names[header] = match[1]
        prefix = _path(header, names)
        for path, value in values.items():
            if not path.startswith(f"{prefix}."):
                continue
            changed, count = _figure(path.removeprefix(f"{prefix}.")).subn(rf"\g<1>{value:g}", lines[place], count=1)
            if count:
                lines[place] = changed
                found.add(path)
    if missing := set(values) - found:
        raise KeyError(f"the board file has no {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


def update_board(path: Path, values: Mapping[str, float]) -> None:
    """Write figures into a board file."""
    path.write_text(replace_values(path.read_text(encoding="utf-8"), values), encoding="utf-8")


def replace_errors(text: str, errors: Mapping[str, float]) -> str:
    """The text of a board file whose `[[validation]]` tables have other values.

    Args:
        text: The file.
        errors: New values, to one decimal, by how `what` begins.

    Raises:
        KeyError: No table's `what` begins so.
    """
    lines = text.splitlines()
    missing, value = set(errors), None
    for place, line in enumerate(lines):
        if line.startswith("what = "):
            key = next((key for key in errors if line.removeprefix('what = "').startswith(key)), None)
            value = None if key is None else errors[key]
            missing.discard(key or "")
        elif line.startswith("value = ") and value is not None:
            lines[place] = f"value = {value:.1f}"
            value = None
    if missing:
        raise KeyError(f"the board file has no validation of {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


def update_errors(path: Path, errors: Mapping[str, float]) -> None:
    """Write validation errors into a board file."""
    path.write_text(replace_errors(path.read_text(encoding="utf-8"), errors), encoding="utf-8")


def _figure(keys: str) -> re.Pattern[str]:
    """A line's figure: `first = {...}`, `first.last = {...}` or `first = { last = {...} }`."""
    first, _, last = keys.partition(".")
    named = rf"{re.escape(first)} = "
    if last:
        name = f'"?{re.escape(last)}"?'
        named = rf"{re.escape(first)}(?:\.{name} = | = \{{ (?:.*, )?{name} = )"
    return re.compile(rf"^({named}\{{ value = )[-+.\deE]+")


def _path(header: str, names: Mapping[str, str]) -> str:
    parts = header.split(".")
    for depth in range(len(parts), 0, -1):
        array = ".".join(parts[:depth])
        if array in names and array in {"clusters", "thermal.nodes", "thermal.trips", "sensors"}:
            return ".".join((array, names[array], *parts[depth:]))
    return header
