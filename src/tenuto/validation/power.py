"""How far a board's power model is off on measured powers.

Every figure is for the mean power of one (workload, number of cores, clock), in per cent of what was measured, and asks
the model the question of one user:

* unknown: nothing is known of the workload; its activity is 1, that of the mean workload of the fit.
* counted: its counters are known; the activity is the board's linear estimate from events in a cycle.
* one known: its power at one other clock is known, which gives its activity; the mean over which one that is.
* interpolated: its power at all other clocks is known; the activity is the straight line between the two neighbours.
  At the ends of the range there is no neighbour on one side: that is extrapolated, and stands apart.
* listed: the workload is one of those in the board's file.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean

from msgspec import Struct

from tenuto.platforms.simulated._spec import BoardSpec, PowerParameters
from tenuto.platforms.simulated.power import PowerModel, memory_power_w
from tenuto.validation._power_file import IDLE, PowerSample, read_power
from tenuto.validation._score import Score, Total

UNKNOWN_ACTIVITY = 1.0
ASKED_PCT = {"unknown_error_pct": 15.0, "counted_error_pct": 15.0, "one_known_error_pct": 7.0}
_ASKED_INTERPOLATED_PCT = 5.0
# The counters' line is not believed far outside of the workloads that it was drawn through.
_LEAST_OF_LISTED, _MOST_OF_LISTED = 0.8, 1.25
_EVENTS = {"instructions": "INST_RETIRED", "l2_accesses": "L2D_CACHE_ACCESS"}


class PowerRow(Struct, frozen=True, kw_only=True):
    """One workload on some cores at one clock. What the file does not tell is None.

    Attributes:
        workload: The file's name of it; `idle` for a rail whose cluster waits.
        rail: Whose power.
        n_cores: Cores that the workload uses.
        frequency_hz: The clock, if it was logged.
        n_samples: Readings that this is the mean of.
        temperature_c: Their mean.
        measured_w: Their mean.
        predicted_w: With the activity unknown.
        unknown_error_pct: Of `predicted_w`.
        counted_error_pct: With the activity from the workload's counters.
        one_known_error_pct: With the activity from one other clock.
        interpolated_error_pct: With the activity from the clocks on both sides.
        extrapolated_error_pct: With the activity from the nearest clock, at an end of the range.
        listed_error_pct: With the board file's activity of this workload.
        sample_error_pct: Of single samples, with the activity unknown.
        one_known_sample_error_pct: Of single samples, with the activity from one other clock.
    """

    workload: str
    rail: str
    n_cores: int
    frequency_hz: int | None
    n_samples: int
    temperature_c: float
    measured_w: float
    predicted_w: float
    unknown_error_pct: float | None = None
    counted_error_pct: float | None = None
    one_known_error_pct: float | None = None
    interpolated_error_pct: float | None = None
    extrapolated_error_pct: float | None = None
    listed_error_pct: float | None = None
    sample_error_pct: float | None = None
    one_known_sample_error_pct: float | None = None


@dataclass(frozen=True, slots=True)
class SteadyPower:
    """Samples of one workload on some cores at one clock. The model's power is a straight line in the activity.

    Attributes:
        samples: The readings.
        calm_w: The model's power of each at activity 0.
        slope_w: What one of activity adds to each.
    """

    samples: tuple[PowerSample, ...]
    calm_w: tuple[float, ...]
    slope_w: tuple[float, ...]

    @property
    def measured_w(self) -> float:
        """The mean reading."""
        return fmean(sample.power_w for sample in self.samples)

    @property
    def activity(self) -> float:
        """The activity that explains the mean reading."""
        return max(0.0, (self.measured_w - fmean(self.calm_w)) / fmean(self.slope_w))

    def power_w(self, activity: float) -> float:
        """The mean power that an activity makes."""
        return fmean(self.calm_w) + fmean(self.slope_w) * activity

    def error_pct(self, activity: float) -> float:
        """How far that is from the mean reading."""
        return abs(self.power_w(activity) / self.measured_w - 1) * 100

    def sample_error_pct(self, activity: float) -> float:
        """How far single samples are off, on average."""
        pairs = zip(self.samples, self.calm_w, self.slope_w, strict=True)
        return fmean(
            abs((calm + slope * activity) / one.power_w - 1) * 100 for one, calm, slope in pairs if one.power_w
        )

    def per_cycle(self) -> Mapping[str, float]:
        """Events in a busy core's cycle, weighted by busy cores."""
        sums: dict[str, tuple[float, float]] = {}
        for sample in self.samples:
            for name, rate in sample.per_cycle:
                weighted, weight = sums.get(name, (0.0, 0.0))
                sums[name] = (weighted + rate * sample.n_busy, weight + sample.n_busy)
        return {name: weighted / weight for name, (weighted, weight) in sums.items() if weight}


def score_power(board: BoardSpec, path: Path) -> Score:
    """Score a board on a file of measured powers.

    Args:
        board: Which board.
        path: A counter log (the columns of `xu3_parsec_1core.csv`) or a sweep (`xu3_whetstone_sweep.csv`).

    Raises:
        SpecError: The file cannot be read, lacks columns, or has no usable row.
        UnknownNameError: The file is of a cluster that the board does not have.
    """
    samples, notes = read_power(board, path)
    busy = [sample for sample in samples if sample.workload != IDLE]
    rows = [*_busy_rows(board, busy), *_idle_rows(board, [one for one in samples if one.workload == IDLE])]
    return Score(
        board=board.id,
        path=str(path),
        n_measurements=len(samples),
        rows=tuple(rows),
        totals=_totals(rows),
        notes=notes,
    )


def steady_powers(board: BoardSpec, samples: Sequence[PowerSample]) -> dict[tuple[str, str, int, int], SteadyPower]:
    """Samples by (rail, workload, cores, clock), with the model's lines."""
    models = {cluster.name: PowerModel.of(cluster) for cluster in board.clusters}

    def key(one: PowerSample) -> tuple[str, str, int, int]:
        return one.rail, one.workload, one.n_cores, one.clock_hz

    steady = {}
    for name, group in groupby(sorted(samples, key=key), key=key):
        kept = tuple(group)
        calm = tuple(_power_w(models[one.rail], one, 0.0) for one in kept)
        full = tuple(_power_w(models[one.rail], one, 1.0) for one in kept)
        steady[name] = SteadyPower(kept, calm, tuple(most - least for most, least in zip(full, calm, strict=True)))
    return steady


def counted_activity(power: PowerParameters, per_cycle: Mapping[str, float]) -> float | None:
    """The activity that counters tell, or None where the board has no such estimate or the workload no counters."""
    if not power.counted_activity or any(
        _EVENTS.get(name) not in per_cycle for name in power.counted_activity if name != "constant"
    ):
        return None
    activity = sum(
        weight.value * (1.0 if name == "constant" else per_cycle[_EVENTS[name]])
        for name, weight in power.counted_activity.items()
    )
    listed = [one.value for one in power.workload_activity.values()] or [UNKNOWN_ACTIVITY]
    return min(max(activity, _LEAST_OF_LISTED * min(listed)), _MOST_OF_LISTED * max(listed))


def _power_w(model: PowerModel, sample: PowerSample, activity: float) -> float:
    return model.power_w(
        sample.clock_hz,
        sample.n_busy,
        temperature_c=sample.temperature_c,
        activity=activity,
    )


def _busy_rows(board: BoardSpec, samples: Sequence[PowerSample]) -> list[PowerRow]:
    steady = steady_powers(board, samples)
    rows = []
    for (rail, workload, n_cores, frequency_hz), here in steady.items():
        clocks = {
            hz: other
            for (one, what, cores, hz), other in steady.items()
            if (one, what, cores) == (rail, workload, n_cores)
        }
        parameters = board.cluster(rail).power
        counted = counted_activity(parameters, here.per_cycle())
        listed = parameters.workload_activity.get(workload)
        others = [other.activity for hz, other in clocks.items() if hz != frequency_hz]
        between, beyond = _from_neighbours(clocks, frequency_hz)
        rows.append(
            PowerRow(
                workload=workload,
                rail=rail,
                n_cores=n_cores,
                frequency_hz=frequency_hz,
                n_samples=len(here.samples),
                temperature_c=fmean(one.temperature_c for one in here.samples),
                measured_w=here.measured_w,
                predicted_w=here.power_w(UNKNOWN_ACTIVITY),
                unknown_error_pct=here.error_pct(UNKNOWN_ACTIVITY),
                counted_error_pct=_of(here.error_pct, counted),
                one_known_error_pct=fmean(map(here.error_pct, others)) if others else None,
                interpolated_error_pct=_of(here.error_pct, between),
                extrapolated_error_pct=_of(here.error_pct, beyond),
                listed_error_pct=_of(here.error_pct, listed.value if listed else None),
                sample_error_pct=here.sample_error_pct(UNKNOWN_ACTIVITY),
                one_known_sample_error_pct=fmean(map(here.sample_error_pct, others)) if others else None,
            )
        )
    return rows


def _from_neighbours(clocks: Mapping[int, SteadyPower], frequency_hz: int) -> tuple[float | None, float | None]:
    """The activity between the clocks on both sides, or from the nearest if there is one side only."""
    below = max((hz for hz in clocks if hz < frequency_hz), default=None)
    above = min((hz for hz in clocks if hz > frequency_hz), default=None)
    if below is not None and above is not None:
        part = (frequency_hz - below) / (above - below)
        return (1 - part) * clocks[below].activity + part * clocks[above].activity, None
    nearest = below if below is not None else above
    return None, clocks[nearest].activity if nearest is not None else None


def _of(error_pct: Callable[[float], float], activity: float | None) -> float | None:
    return error_pct(activity) if activity is not None else None


def _idle_rows(board: BoardSpec, samples: Sequence[PowerSample]) -> list[PowerRow]:
    def key(one: PowerSample) -> tuple[str, int | None]:
        return one.rail, one.frequency_hz

    def order(one: PowerSample) -> tuple[str, int]:
        return one.rail, one.frequency_hz or 0

    models = {cluster.name: PowerModel.of(cluster) for cluster in board.clusters}
    rows = []
    for (rail, frequency_hz), group in groupby(sorted(samples, key=order), key=key):
        kept = list(group)
        if rail == "memory":
            predicted_w = memory_power_w(board.memory, 0.0)
        else:
            # A clock that was not logged may be any.
            clocks = (frequency_hz,) if frequency_hz is not None else board.cluster(rail).frequencies_hz
            predicted_w = fmean(
                models[rail].idle_power_w(hz, temperature_c=one.temperature_c) for one in kept for hz in clocks
            )
        measured_w = fmean(one.power_w for one in kept)
        rows.append(
            PowerRow(
                workload=IDLE,
                rail=rail,
                n_cores=0,
                frequency_hz=frequency_hz,
                n_samples=len(kept),
                temperature_c=fmean(one.temperature_c for one in kept),
                measured_w=measured_w,
                predicted_w=predicted_w,
                listed_error_pct=abs(predicted_w / measured_w - 1) * 100 if measured_w else None,
            )
        )
    return rows


def _totals(rows: Sequence[PowerRow]) -> tuple[Total, ...]:
    busy = [row for row in rows if row.workload != IDLE]
    figures = {
        "unknown_error_pct": "activity unknown",
        "counted_error_pct": "activity from counters",
        "one_known_error_pct": "one clock known",
        "interpolated_error_pct": "between two known clocks",
        "extrapolated_error_pct": "beyond the last known clock",
        "listed_error_pct": "activity of the board file",
        "sample_error_pct": "single samples, activity unknown",
        "one_known_sample_error_pct": "single samples, one clock known",
    }
    asked = {**ASKED_PCT, "interpolated_error_pct": _ASKED_INTERPOLATED_PCT}
    totals = []
    for name, title in figures.items():
        for what in ("all workloads", *sorted({row.workload for row in busy})):
            values = [
                value
                for row in busy
                if what in ("all workloads", row.workload) and (value := getattr(row, name)) is not None
            ]
            if values and (what == "all workloads" or "sample" not in name):
                totals.append(
                    Total(what=f"{what}, {title}", figure="mean_error_pct", value=fmean(values), asked=asked.get(name))
                )
    for rail in sorted({row.rail for row in rows if row.workload == IDLE}):
        errors = [row.listed_error_pct for row in rows if row.workload == IDLE and row.rail == rail]
        known = [error for error in errors if error is not None and math.isfinite(error)]
        if known:
            totals.append(Total(what=f"{rail}, idle", figure="mean_error_pct", value=fmean(known)))
    return tuple(totals)
