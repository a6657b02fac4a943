"""Fits the power of the Odroid XU3's clusters: `python -m calibration.xu3_power [--data DIR] [--write]`.

A15: one relative least-squares fit over the mean power of every (workload, cores, clock), of two boards: what the cores
share, leakage, and an activity for each workload. Activity 1 is the mean of the five workloads.

A7 and GPU: only their rails while little or nothing ran are public. They give the shared part and leakage.

Validation: whole workloads, and whole clocks, are left out of the fit; and two cores are predicted from one.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from statistics import fmean

import numpy as np

from calibration import DATA
from calibration._board_values import rounded, update_board
from calibration._fit import non_negative_least_squares
from tenuto.platforms.simulated._board_file import load_board
from tenuto.platforms.simulated._spec import BoardSpec
from tenuto.validation._power_file import IDLE, PowerSample, read_power

COUNTER_FILES = ("xu3_parsec_1core.csv", "xu3_parsec_2core.csv")
SWEEP_FILE = "xu3_whetstone_sweep.csv"
BOARD_FILE = Path(__file__).parents[1] / "src/tenuto/platforms/simulated/boards/odroid-xu3@1.toml"

STATIC_PER_K = 0.035
STATIC_PER_V = 4.0
"""How the A15's leakage grows: it doubles every 20 K, and every 0.17 V.

Readings in whole degrees at five voltages do not tell these apart from each other: from 0.02 to 0.04 per kelvin, with
4.0 to 3.25 per volt, the fit's error is 1.4 to 1.8 % rms. So they were chosen once, on all the data, and no fold of the
validation fits them anew (it would err by 2 to 3 times as much on the workload of four hot cores, from cool ones).
"""
A15_FROM_GHZ = 0.5
"""Slower clocks of the A15 are not fitted: the rail falls from 0.2 to 0.4 GHz, which a ladder cannot say."""
_A7_PER_V_GRID = np.arange(2.0, 8.01, 0.25)
_GPU_IDLE_V = 0.996  # Of the rail in the log: its powers are whole mA times 0.996 or 0.997 V.
_EVENTS = ("INST_RETIRED", "L2D_CACHE_ACCESS")
_RIDGE = 0.01
_LEAST_OF_LISTED, _MOST_OF_LISTED = 0.8, 1.25  # as in tenuto.validation.power


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of all samples of one workload on some cores at one clock."""

    workload: str
    n_cores: int
    ghz: float
    voltage_v: float
    n_busy: float
    temperature_c: float
    power_w: float
    per_cycle: tuple[float, ...]

    @property
    def v2f(self) -> float:
        """Volts squared times GHz."""
        return self.voltage_v**2 * self.ghz


@dataclass(frozen=True, slots=True)
class Fit:
    """The figures of one cluster; `core` is in W/(GHz V²) for each workload."""

    uncore: float
    static: float
    per_v: float
    core: Mapping[str, float]
    rms: float

    @property
    def mean_core(self) -> float:
        """What activity 1 means."""
        return fmean(self.core.values())

    def static_w(self, at: Mean) -> float:
        """Leakage."""
        return self.static * _leakage(at, self.per_v)

    def power_w(self, at: Mean, core: float) -> float:
        """Power of a workload with so many W/(GHz V²) for each busy core."""
        return at.v2f * (self.uncore + core * at.n_busy) + self.static_w(at)

    def core_at(self, at: Mean) -> float:
        """What a measured power says of the workload."""
        return ((at.power_w - self.static_w(at)) / at.v2f - self.uncore) / at.n_busy


def _leakage(at: Mean, per_v: float) -> float:
    return at.voltage_v * exp(per_v * (at.voltage_v - 1) + STATIC_PER_K * (at.temperature_c - 25))


def means(board: BoardSpec, samples: Sequence[PowerSample]) -> list[Mean]:
    """One for each workload, number of cores and clock."""
    grouped: dict[tuple[str, str, int, int], list[PowerSample]] = {}
    for sample in samples:
        grouped.setdefault((sample.rail, sample.workload, sample.n_cores, sample.clock_hz), []).append(sample)
    result = []
    for (rail, workload, n_cores, frequency_hz), group in sorted(grouped.items()):
        events = [[dict(one.per_cycle).get(name) for name in _EVENTS] for one in group]
        known = [(row, one.n_busy) for row, one in zip(events, group, strict=True) if None not in row]
        result.append(
            Mean(
                workload=workload,
                n_cores=n_cores,
                ghz=frequency_hz / 1e9,
                voltage_v=board.cluster(rail).voltage_v(frequency_hz),
                n_busy=fmean(one.n_busy for one in group),
                temperature_c=fmean(one.temperature_c for one in group),
                power_w=fmean(one.power_w for one in group),
                per_cycle=tuple(
                    float(np.average([row[0] for row in known], weights=[row[1] for row in known], axis=0)[place])
                    for place in range(len(_EVENTS))
                )
                if known
                else (),
            )
        )
    return result


def means_of_a15(board: BoardSpec, samples: Sequence[PowerSample]) -> list[Mean]:
    """What the A15 is fitted on."""
    every = means(board, [one for one in samples if one.rail == "a15"])
    return [one for one in every if one.ghz >= A15_FROM_GHZ]


def fit(points: Sequence[Mean], per_v: float = STATIC_PER_V) -> Fit:
    """The best figures for some means, relative errors."""
    workloads = sorted({point.workload for point in points if point.n_busy})
    matrix = np.array(
        [
            [point.v2f, _leakage(point, per_v)]
            + [point.v2f * point.n_busy * (point.workload == workload) for workload in workloads]
            for point in points
        ]
    ) / np.array([[point.power_w] for point in points])
    solved = non_negative_least_squares(matrix, np.ones(len(points)))
    rms = float(np.sqrt(np.mean((matrix @ solved - 1) ** 2)))
    core = dict(zip(workloads, map(float, solved[2:]), strict=True))
    return Fit(float(solved[0]), float(solved[1]), per_v, core, rms)


def fit_a7(points: Sequence[Mean]) -> Fit:
    """The A7's shared part and leakage, from a rail on which only the system runs."""
    return min((fit(points, float(per_v)) for per_v in _A7_PER_V_GRID), key=lambda one: one.rms)


def fit_counters(points: Sequence[Mean], fitted: Fit) -> tuple[float, ...]:
    """Activity as a straight line in events per cycle: the constant, then one figure for each event.

    Each workload weighs the same; the slopes are held back a little (ridge), so that an event that hardly differs
    between the workloads keeps a small one.
    """
    points = [point for point in points if point.per_cycle]
    workloads = [point.workload for point in points]
    weight = np.array([1 / workloads.count(workload) ** 0.5 for workload in workloads])
    events = np.array([point.per_cycle for point in points])
    activity = np.array([fitted.core_at(point) for point in points]) / fitted.mean_core
    centre, spread = np.average(events, axis=0, weights=weight**2), events.std(axis=0)
    matrix = np.column_stack([np.ones(len(points)), (events - centre) / spread]) * weight[:, None]
    ridge = np.diag([0.0] + [_RIDGE] * len(_EVENTS))
    solved = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ (activity * weight))
    slopes = solved[1:] / spread
    return (float(solved[0] - slopes @ centre), *map(float, slopes))


def counted_core(point: Mean, line: Sequence[float], fitted: Fit) -> float:
    """W/(GHz V²) of a workload from its counters, kept near the workloads that are known."""
    known = fitted.core.values()
    core = (line[0] + sum(w * e for w, e in zip(line[1:], point.per_cycle, strict=True))) * fitted.mean_core
    return min(max(core, _LEAST_OF_LISTED * min(known)), _MOST_OF_LISTED * max(known))


def error_pct(fitted: Fit, point: Mean, core: float) -> float:
    """How far a prediction is off."""
    return abs(fitted.power_w(point, core) / point.power_w - 1) * 100


def validate(points: Sequence[Mean]) -> dict[str, dict[str, float]]:
    """Mean errors in per cent by workload, each from a fit that did not see what it predicts."""
    scores: dict[str, dict[str, float]] = {}
    for workload in sorted({point.workload for point in points}):
        rest = [point for point in points if point.workload != workload]
        mine = [point for point in points if point.workload == workload]
        unseen = fit(rest)
        line = fit_counters(rest, unseen)
        pairs = [(a, b) for a in mine for b in mine if a.n_cores == b.n_cores and a.ghz != b.ghz]
        across = [(a, b) for a in mine for b in mine if a.n_cores == 1 and b.n_cores == 2]
        clocks = []
        for point in mine:
            without = fit([one for one in points if not (one.workload == workload and one.ghz == point.ghz)])
            clocks.append(error_pct(without, point, without.core[workload]))
        score = {
            "unknown": fmean(error_pct(unseen, point, unseen.mean_core) for point in mine),
            "one clock known": fmean(error_pct(unseen, b, unseen.core_at(a)) for a, b in pairs),
            "a clock left out": fmean(clocks),
        }
        if all(point.per_cycle for point in mine):
            score["counted"] = fmean(error_pct(unseen, point, counted_core(point, line, unseen)) for point in mine)
        if across:
            score["one core to two"] = fmean(error_pct(unseen, b, unseen.core_at(a)) for a, b in across)
        scores[workload] = score
    return scores


def fit_gpu(samples: Sequence[PowerSample]) -> tuple[float, float]:
    """The idle GPU's leakage at 25 °C for each volt, and how it grows: its clock stands still."""
    rows = [(one.temperature_c, one.power_w) for one in samples if one.rail == "gpu" and one.workload == IDLE]
    slope, at_zero = np.polyfit([c for c, _ in rows], np.log([watts for _, watts in rows]), 1)
    return float(np.exp(at_zero + slope * 25)) / _GPU_IDLE_V, float(slope)


def load(data: Path, board: BoardSpec) -> list[PowerSample]:
    """Every sample of the three files."""
    return [one for name in (*COUNTER_FILES, SWEEP_FILE) for one in read_power(board, data / "boards" / name)[0]]


def fitted_values(board: BoardSpec, samples: Sequence[PowerSample]) -> dict[str, float]:
    """What the board file holds, by dotted path."""
    a15_means = means_of_a15(board, samples)
    a15 = fit(a15_means)
    a7 = fit_a7(means(board, [one for one in samples if one.rail == "a7"]))
    gpu_static, gpu_per_k = fit_gpu(samples)
    line = fit_counters(a15_means, a15)
    values = {
        "clusters.a15.power.core_w_per_ghz_v2": a15.mean_core,
        "clusters.a15.power.uncore_w_per_ghz_v2": a15.uncore,
        "clusters.a15.power.static_w_per_v": a15.static,
        "clusters.a15.power.static_per_v": a15.per_v,
        "clusters.a15.power.static_per_k": STATIC_PER_K,
        "clusters.a7.power.uncore_w_per_ghz_v2": a7.uncore,
        "clusters.a7.power.static_w_per_v": a7.static,
        "clusters.a7.power.static_per_v": a7.per_v,
        "clusters.a7.power.static_per_k": STATIC_PER_K,
        "clusters.gpu.power.static_w_per_v": gpu_static,
        "clusters.gpu.power.static_per_k": gpu_per_k,
        "memory.idle_w": fmean(one.power_w for one in samples if one.rail == "memory"),
    }
    values |= {f"clusters.a15.power.workload_activity.{k}": v / a15.mean_core for k, v in a15.core.items()}
    names = ("constant", "instructions", "l2_accesses")
    values |= {f"clusters.a15.power.counted_activity.{k}": v for k, v in zip(names, line, strict=True)}
    return {path: rounded(value) for path, value in values.items()}


def main() -> None:
    """Print the fit, its calibration and validation errors; with --write, put it into the board file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that has boards/ in it")
    parser.add_argument("--write", action="store_true", help="write the figures into the board file")
    options = parser.parse_args()
    board = load_board("odroid-xu3@1")
    samples = load(options.data, board)
    points = means_of_a15(board, samples)
    fitted = fit(points)
    print(f"A15, {len(points)} means: calibration error {fitted.rms * 100:.2f} % rms")
    for point in points:
        error = fitted.power_w(point, fitted.core[point.workload]) / point.power_w - 1
        print(
            f"  {point.workload:26} {point.n_cores} cores {point.ghz:.1f} GHz {point.temperature_c:4.1f} °C "
            f"{point.power_w:.3f} W {error * 100:+5.1f} %"
        )
    scores = validate(points)
    kinds = ("a clock left out", "unknown", "counted", "one clock known", "one core to two")
    print(
        f"A15, validation, mean error in %:\n  {'workload left out':26} " + "  ".join(f"{kind:>16}" for kind in kinds)
    )
    for workload, score in scores.items():
        print(f"  {workload:26} " + "  ".join(f"{score[k]:16.1f}" if k in score else " " * 16 for k in kinds))
    print(
        f"  {'all':26} "
        + "  ".join(f"{fmean(score[k] for score in scores.values() if k in score):16.1f}" for k in kinds)
    )
    idle = means(board, [one for one in samples if one.rail == "a7"])
    print(f"A7 while only the system runs, {len(idle)} clocks: calibration error {fit_a7(idle).rms * 100:.1f} % rms")
    values = fitted_values(board, samples)
    print("board file:")
    for path, value in values.items():
        print(f"  {path} = {value:g}")
    if options.write:
        update_board(BOARD_FILE, values)


if __name__ == "__main__":
    main()
