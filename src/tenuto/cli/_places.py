"""Places that a command will write to, looked at before it begins to work."""

import os
from pathlib import Path

from tenuto.errors import UsageError


def check_place(path: Path) -> None:
    """See now that a file can be written, and not a minute later.

    Raises:
        UsageError: It could not.
    """
    problem = None
    if not path.parent.is_dir():
        problem = f"{path.parent} is not a folder"
    elif path.is_dir():
        problem = f"{path} is a folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = f"{path} may not be written"
    if problem is not None:
        raise UsageError(f"{problem}; choose another place for {path.name or 'it'}")


def check_folder(path: Path) -> None:
    """See now that files can be written to a folder, which need not be there yet.

    Raises:
        UsageError: They could not.
    """
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is not a folder; choose another place for {path.name}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there} may not be written; choose another place for {path.name}")
