"""Fits how the Odroid XU3 warms: `python -m calibration.xu3_thermal [--data DIR] [--write]`.

Two logs of one run: its first 30 s event by event, and the last reading of 35 later settings up to 211 s. The power
comes from the fitted power model, not from the rails, so that what is fitted is what will be simulated.

Fitted: heat capacities and conductances of three lumps, what the fan's two upper speeds make of the conductance to the
air (the fan's trips are the mainline device tree's; its speed was not logged), and the air's temperature, which was not
logged either and is held near 27 °C. While fitting, the clock is held down from the moment at which the measured rate
fell; afterwards the trip is put where the model gets held down at that moment by itself.

Validation: the sweep's readings of the clocks that are kept out (KEPT_OUT_MHZ) are not fitted to, and
the model runs with its own throttling.
"""

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import msgspec
import numpy as np

from calibration import DATA
from calibration._board_values import replace_values, rounded, update_board
from calibration._fit import Floats, levenberg_marquardt
from calibration.xu3_power import BOARD_FILE, SWEEP_FILE
from tenuto.platforms.simulated._board_file import load_board
from tenuto.platforms.simulated._spec import BoardSpec
from tenuto.validation._thermal_file import ThermalLog, read_thermal
from tenuto.validation.thermal import Moment, score_thermal, simulate

EVENT_FILE = "xu3_thermal_first30s.csv"
KEPT_OUT_MHZ = (1000, 200)

_AIR_C, _AIR_STDEV_C = 27.0, 3.0
_FAN_STEP, _FAN_STEP_STDEV = 1.5, 0.5  # of the logarithm: each speed moves about half as much air again
_GPU_WEIGHT = 0.5
_FAN_LOW = 1.5
# In the order of the parameters: logarithms of what is above zero, then the air in units of 10 °C.
_PATHS = (
    "thermal.nodes.a15.capacity_j_per_k",
    "thermal.nodes.a15.to.die",
    "thermal.nodes.die.capacity_j_per_k",
    "thermal.nodes.die.to.board",
    "thermal.nodes.board.capacity_j_per_k",
    "thermal.nodes.board.to_ambient_w_per_k",
)
_START = np.array([*(log(value) for value in (0.08, 0.23, 1.75, 0.33, 17.0, 0.08)), log(0.6), log(0.6), 2.7])


@dataclass(frozen=True, slots=True)
class Result:
    """A fit.

    Attributes:
        values: What the board file holds, by dotted path.
        fitted_c: Errors of the readings that were fitted to.
        kept_out_c: Errors of those that were not.
    """

    values: dict[str, float]
    fitted_c: tuple[float, ...]
    kept_out_c: tuple[float, ...]


def whole_log(board: BoardSpec, data: Path) -> ThermalLog:
    """Both files as one: the event log, then the sweep from where it ends."""
    first, _ = read_thermal(board, data / "boards" / EVENT_FILE)
    later, _ = read_thermal(board, data / "boards" / SWEEP_FILE)
    end_s = max(first.settings[-1][0], first.readings[-1].time_s)
    return joined(first, later, end_s)


def joined(first: ThermalLog, later: ThermalLog, end_s: float) -> ThermalLog:
    """The first log, continued."""
    return ThermalLog(
        busy=first.busy,
        workload=first.workload,
        busy_from_s=first.busy_from_s,
        settings=(*first.settings, *((s, clocks) for s, clocks in later.settings if s > end_s)),
        readings=(*first.readings, *(one for one in later.readings if one.time_s > end_s)),
        rates=first.rates,
    )


def values_of(parameters: Floats) -> dict[str, float]:
    """What a set of parameters stands for, by dotted path."""
    middle = _FAN_LOW * (1 + exp(parameters[6]))
    return dict(zip(_PATHS, map(exp, parameters[:6]), strict=True)) | {
        "thermal.trips.fan-middle.conductance": middle,
        "thermal.trips.fan-high.conductance": middle * (1 + exp(parameters[7])),
        "thermal.ambient_c": float(parameters[8]) * 10,
    }


def board_with(values: dict[str, float]) -> BoardSpec:
    """The shipped board with other figures."""
    text = replace_values(BOARD_FILE.read_text(encoding="utf-8"), values)
    return msgspec.convert(tomllib.loads(text), BoardSpec)


def errors(board: BoardSpec, log_: ThermalLog, moments: Sequence[Moment]) -> list[tuple[int, float, float]]:
    """For each reading after the first: the clock in MHz, and how much too hot core and GPU are."""
    die = [node.name for node in board.thermal.nodes].index("die")
    result = []
    for reading in log_.readings[1:]:
        place = round((reading.time_s - moments[0].time_s) / (moments[1].time_s - moments[0].time_s))
        moment = moments[min(len(moments) - 1, max(0, place))]
        gpu = moment.temperatures_c[die] - (reading.gpu_c if reading.gpu_c is not None else moment.temperatures_c[die])
        result.append((moment.requested_hz // 1_000_000, max(moment.temperatures_c) - reading.hottest_c, gpu))
    return result


def throttled_at_s(log_: ThermalLog) -> float:
    """When the measured rate fell below 98 % of its best for good."""
    best = max(rate for _, rate in log_.rates)
    return max(time_s for time_s, rate in log_.rates if rate >= 0.98 * best)


def fit(log_: ThermalLog, *, kept_out_mhz: Sequence[int]) -> Result:
    """The best figures for a log, without the readings of some clocks."""
    held_from_s = throttled_at_s(log_)

    def run(parameters: Floats) -> list[tuple[int, float, float]]:
        board = board_with(values_of(parameters))
        try:
            return errors(board, log_, simulate(board, log_, held_from_s=held_from_s))
        except (OverflowError, ValueError):  # warms without end
            return [(0, 100.0, 100.0)] * (len(log_.readings) - 1)

    def residuals(parameters: Floats) -> Floats:
        used = [(core, gpu * _GPU_WEIGHT) for mhz, core, gpu in run(parameters) if mhz not in kept_out_mhz]
        priors = [(parameters[8] * 10 - _AIR_C) / _AIR_STDEV_C]
        priors += [(log(1 + exp(step)) - log(_FAN_STEP)) / _FAN_STEP_STDEV for step in parameters[6:8]]
        return np.array([one for pair in used for one in pair] + priors)

    best = levenberg_marquardt(residuals, _START, n_steps=15, tolerance=1e-3)
    values = {path: rounded(value) for path, value in values_of(best).items()}
    board = board_with(values)
    moments = simulate(board, log_, held_from_s=held_from_s)
    at_fall = next(moment for moment in moments if moment.time_s >= held_from_s)
    values["thermal.trips.throttle.temperature_c"] = rounded(max(at_fall.temperatures_c))
    final = board_with(values)
    found = errors(final, log_, simulate(final, log_))
    return Result(
        values,
        tuple(core for mhz, core, _ in found if mhz not in kept_out_mhz),
        tuple(core for mhz, core, _ in found if mhz in kept_out_mhz),
    )


def show(what: str, errors_c: Sequence[float]) -> None:
    """Print what errors come to."""
    if errors_c:
        found = np.array(errors_c)
        rmse, most = np.sqrt((found**2).mean()), abs(found).max()
        print(f"  {what}: {len(found)} readings, RMSE {rmse:.2f} °C, max {most:.2f} °C")


def main() -> None:
    """Print the fit, its calibration and validation errors; with --write, put it into the board file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that has boards/ in it")
    parser.add_argument("--write", action="store_true", help="write the figures into the board file")
    options = parser.parse_args()
    log_ = whole_log(load_board("odroid-xu3@1"), options.data)
    partial = fit(log_, kept_out_mhz=KEPT_OUT_MHZ)
    print(f"without the readings at {', '.join(map(str, KEPT_OUT_MHZ))} MHz, throttling by the model itself:")
    show("fitted to", partial.fitted_c)
    show("kept out", partial.kept_out_c)
    whole = fit(log_, kept_out_mhz=())
    print("with all readings:")
    show("fitted to", whole.fitted_c)
    print("board file:")
    for path, value in whole.values.items():
        print(f"  {path} = {value:g}")
    if options.write:
        update_board(BOARD_FILE, whole.values)
    board = board_with(whole.values)
    for name in (EVENT_FILE, SWEEP_FILE):
        for total in score_thermal(board, options.data / "boards" / name).totals:
            print(f"{name}: {total.what}: {total.figure} {total.value:.2f}")


if __name__ == "__main__":
    main()
