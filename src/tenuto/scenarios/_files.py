"""Recordings that a scenario names: beside its file, or in the folder that TENUTO_DATA names."""

import os
from pathlib import Path as FilePath

from tenuto.scenarios._lines import Path
from tenuto.scenarios._source import Source


def find_data(name: str, source: Source, at: Path) -> FilePath:
    """A recording's file.

    Raises:
        SpecError: It is in neither place.
    """
    folders = [source.path.parent]
    if "TENUTO_DATA" in os.environ:
        folders.append(FilePath(os.environ["TENUTO_DATA"]))
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    hint = "" if len(folders) == 2 else ", or set TENUTO_DATA to the folder that has it"
    looked = " and in ".join(str(folder) for folder in folders)
    raise source.error(at, f"asked for the recording {name}, it is not in {looked}; put it there{hint}")
