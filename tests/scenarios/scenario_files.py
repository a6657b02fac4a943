"""Scenario files for tests."""

from pathlib import Path

HEAD = """\
id = "test@1"
title = "A test"
description = "Nothing much"
board = "odroid-xu3@1"
duration_s = 100
"""

APPLICATION = """
[[applications]]
name = "camera"
network = "dynamic-ofa-gpu"
period_ms = 200
latency_ms = 150
"""


def write(folder: Path, *parts: str, head: str = HEAD, application: str = APPLICATION) -> Path:
    """A scenario file of these parts."""
    path = folder / "scenario.toml"
    path.write_text(head + application + "".join(f"\n{part}\n" for part in parts), encoding="utf-8")
    return path


def event(text: str) -> str:
    """An event's table."""
    return f"[[events]]\n{text}"


def line_of(path: Path, start: str) -> int:
    """The first line that begins like this."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(start))
