"""Figures as files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tenuto.errors import UsageError
from tenuto.plots._style import matplotlib_here

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS: Final = ("png", "svg", "pdf")
"""What a figure can be saved as, by its file's ending."""

_DPI: Final = 220
# The same figure is the same file: no dates, and no random names inside.
_METADATA: Final[dict[str, dict[str, str | None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check_target(path: Path) -> None:
    """Raise now for a file that could not be written after the figure is drawn.

    Raises:
        UsageError: Its ending is none of `FORMATS`, its folder is not there or may not be written, or Matplotlib is
            not installed.
    """
    matplotlib_here()
    problem = None
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        problem = f"asked for a figure in {path}, and it ends in none of {endings}"
    elif not path.parent.is_dir():
        problem = f"asked for a figure in {path}, and {path.parent} is not a folder"
    elif path.is_dir():
        problem = f"asked for a figure in {path}, and that is a folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = f"asked for a figure in {path}, and it may not be written"
    if problem is not None:
        raise UsageError(f"{problem}; choose another file")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure; the file's ending says how.

    Raises:
        UsageError: See `check_target`; or the disk is full.
    """
    check_target(path)
    ending = path.suffix.removeprefix(".").lower()
    settings = {"svg.hashsalt": "tenuto", "svg.fonttype": "path", "pdf.fonttype": 42}
    try:
        with matplotlib_here().rc_context(settings):
            figure.savefig(path, format=ending, dpi=_DPI, metadata=_METADATA[ending])
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; make room, or choose another file") from error
