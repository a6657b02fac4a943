"""Fits the background load of edge services: `python -m calibration.utilisation [--data DIR] [--write]`.

A recording is 800 readings of each core's load on a Jetson while one service runs. Its busy cores, all cores added up,
scatter from reading to reading and drift over tens of seconds. What matters to an inference beside it is the drift, so
the model is of means over five readings: a Markov chain over levels, each a like part of the recording, that stays at a
level for a geometric time and then goes to another as often as the recording did. The columns of the memory (what a
service holds, not what it moves) and of the GPU (3 to 4 % in all of them) are not modelled.

The recordings say no interval; their column `norm_ex_time` counts up by one for each row, taken for seconds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from calibration import DATA
from calibration._fit import Floats
from tenuto.scenarios._services import FILE, read_recording

FOLDER: Final = Path("traces", "jetson_utilisation")
WRITTEN: Final = Path(__file__).parents[1] / "src" / "tenuto" / "scenarios" / FILE

INTERVAL_S: Final = 1.0
STEP: Final = 5
"""Rows of a mean, and of a step of the model."""

N_LEVELS: Final = 8
LAGS_S: Final = (5, 10, 20)
"""At which the autocorrelation is compared."""

HEADER: Final = """\
# Background load of edge services, fitted by calibration/utilisation.py. Coefficients only: no reading is in here.
from = "core load of Jetson Nano and Xavier while one service runs (rdsea/ROHE, Apache-2.0), 800 readings each"
source = "modelled"
interval_s = {interval_s:g}
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """The model of one service: busy cores of each level, mean stay in seconds, and where it goes next."""

    busy_cores: Floats
    stay_s: Floats
    to: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """What a load is like: mean and variance of busy cores, and how alike they are some seconds apart."""

    mean: float
    variance: float
    autocorrelation: Floats


def means_of(busy_cores: Floats) -> Floats:
    """Running means over a step."""
    means: Floats = np.convolve(busy_cores, np.ones(STEP) / STEP, "valid")
    return means


def fit_service(busy_cores: Floats) -> Fit:
    """The model of a recording, one reading per `INTERVAL_S`."""
    means = means_of(busy_cores)
    bounds = np.quantile(means, np.arange(1, N_LEVELS) / N_LEVELS)
    level = np.searchsorted(bounds, means)
    centres = np.array([means[level == one].mean() for one in range(N_LEVELS)])
    # From one step to the next, beginning at every row: all of the recording counts.
    counts = np.zeros((N_LEVELS, N_LEVELS))
    np.add.at(counts, (level[:-STEP], level[STEP:]), 1)
    stays = np.diag(counts) / counts.sum(axis=1)
    moves = counts * (1 - np.eye(N_LEVELS))
    return Fit(
        np.round(centres, 4),
        np.round(STEP * INTERVAL_S / (1 - stays), 2),
        np.round(moves / moves.sum(axis=1, keepdims=True), 3),
    )


def course_of(busy_cores: Floats) -> Course:
    """What a recording's means are like."""
    means = means_of(busy_cores)
    off = means - means.mean()
    lags = [round(lag_s / INTERVAL_S) for lag_s in LAGS_S]
    return Course(
        float(means.mean()),
        float(means.var()),
        np.array([(off[:-lag] * off[lag:]).mean() / means.var() for lag in lags]),
    )


def course_of_fit(fit: Fit) -> Course:
    """What the model is like in the long run, exactly."""
    leave = STEP * INTERVAL_S / fit.stay_s
    chain = np.diag(1 - leave) + leave[:, None] * fit.to / fit.to.sum(axis=1, keepdims=True)
    shares = np.linalg.matrix_power(chain, 1 << 14)[0]
    mean = float(shares @ fit.busy_cores)
    off = fit.busy_cores - mean
    variance = float(shares @ off**2)
    steps = [round(lag_s / (STEP * INTERVAL_S)) for lag_s in LAGS_S]
    return Course(
        mean,
        variance,
        np.array([shares @ (off * (np.linalg.matrix_power(chain, n) @ off)) / variance for n in steps]),
    )


def recordings(data: Path) -> dict[str, Path]:
    """Every recording, by the name that its service has here: `object-detection-xavier`."""
    found = {}
    for path in sorted((data / FOLDER).glob("*.csv")):
        service = path.stem.split("__")[-1]
        found["-".join(service.replace("_jet_", "_").split("_"))] = path
    return found


def busy_cores_of(path: Path) -> Floats:
    """All cores of a recording added up."""
    cores = [values for name, values in read_recording(path).items() if name.startswith("core")]
    total: Floats = np.array(cores).sum(axis=0)
    return total


def written(fits: dict[str, Fit]) -> str:
    """The file of the fits."""
    parts = [HEADER.format(interval_s=STEP * INTERVAL_S)]
    for name, fit in fits.items():
        rows = ",\n".join(f"    {_listed(row)}" for row in fit.to)
        parts.append(
            f"\n[services.{name}]\nbusy_cores = {_listed(fit.busy_cores)}\n"
            f"stay_s = {_listed(fit.stay_s)}\nto = [\n{rows},\n]\n"
        )
    return "".join(parts)


def _listed(values: Floats) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def main() -> None:
    """Fit, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that has traces/ in it")
    parser.add_argument("--write", action="store_true", help="write the model into the package")
    options = parser.parse_args()
    fits = {}
    print(f"{'service':44} {'busy cores':>16} {'variance':>9}  autocorrelation at {LAGS_S} s: recorded, fitted")
    for name, path in recordings(options.data).items():
        busy_cores = busy_cores_of(path)
        fit = fits[name] = fit_service(busy_cores)
        there, here = course_of(busy_cores), course_of_fit(fit)
        print(
            f"{name:44} {there.mean:6.3f} {100 * (here.mean / there.mean - 1):+7.2f} %"
            f" {100 * (here.variance / there.variance - 1):+7.1f} %"
            f"  {np.round(there.autocorrelation, 2)} {np.round(here.autocorrelation, 2)}"
        )
    if options.write:
        WRITTEN.write_text(written(fits), encoding="utf-8")


if __name__ == "__main__":
    main()
