"""Every measurement, one after the other: `python -m benchmarks` (`make bench`); about ten minutes.

Each prints its own table; the figures together go to `benchmarks/results/`, in a file whose name carries machine,
engine and version.
"""

import json
import platform
import re
import sys
from pathlib import Path

import onnxruntime

from benchmarks import allot, decide, engine, overhead, simulate, stream
from tenuto import __version__
from tenuto.platforms import LinuxPlatform

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Run all and keep the figures."""
    sys.argv[1:] = []
    figures = {}
    for module in (engine, decide, allot, overhead, simulate, stream):
        print(f"\n== {module.__name__.rpartition('.')[2]}: {(module.__doc__ or '').splitlines()[0]}")
        figures[module.__name__.rpartition(".")[2]] = module.main()
    machine = re.sub(r"[^a-z0-9]+", "-", LinuxPlatform().name.lower()).strip("-")
    name = f"{machine}-onnxruntime-{onnxruntime.__version__}-tenuto-{__version__}.json"
    about = {"kernel": platform.release(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps({"about": about, **figures}, indent=1) + "\n")
    print(f"\nThe figures are in {RESULTS / name}")


if __name__ == "__main__":
    main()
