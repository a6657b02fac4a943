"""Fits the models of the shipped boards to public measurements, and says how far they are off.

The measurements are not in this repository. docs/boards.md says whose they are and how a file of them looks.
"""

import os
from pathlib import Path
from typing import Final

DATA: Final = Path(os.environ.get("TENUTO_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""The folder that has `boards/` in it, unless a script is told another."""
