"""Reading the kernel's small text files: what is not there, or makes no sense, is None."""

import os
import re
from pathlib import Path

_PIECE = 1 << 16
_EFFECTIVE = os.access in os.supports_effective_ids


def read_text(path: Path | str) -> str | None:
    """A file's text without its line end, or None if it cannot be read as text."""
    # Opened anew each time: a descriptor kept open outlives the sensor or processor that it belonged to.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        text = b""
        # procfs hands a long file out in pieces.
        while piece := os.read(descriptor, _PIECE):
            text += piece
        return text.decode().strip(" \t\r\n\0")
    except (OSError, UnicodeDecodeError):
        return None
    finally:
        os.close(descriptor)


def read_int(path: Path | str) -> int | None:
    """A file's one whole number, or None."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def read_cpus(path: Path | str) -> tuple[int, ...]:
    """A file's processor numbers, ascending; empty if it cannot be read."""
    return parse_cpus(read_text(path) or "")


def parse_cpus(text: str) -> tuple[int, ...]:
    """Processor numbers as the kernel lists them: `0-3,5` or `0 1 2 3 5`; empty if the text is neither."""
    cpus: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match:
            return ()
        first = int(match[1])
        cpus.update(range(first, int(match[2] or first) + 1))
    return tuple(sorted(cpus))


def can_read(path: Path | str) -> bool:
    """Whether this process may read the file."""
    return os.access(path, os.R_OK, effective_ids=_EFFECTIVE)


def can_write(path: Path | str) -> bool:
    """Whether this process may write the file (it exists, its mode allows it, its file system is not read-only)."""
    return os.access(path, os.W_OK, effective_ids=_EFFECTIVE)
