"""Logs of a board that warms up, in the two forms that are public for the Odroid XU3 (PRiME).

Event logs: one line for each reading, rate or setting, with the clocks requested at that moment.
Sweeps: one row at the end of each setting, with all readings. Where the clock differs between two rows that stand far
apart, the settings between were left out of the file; they are taken to have walked the ladder in equal steps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from tenuto.errors import SpecError
from tenuto.platforms.simulated._spec import BoardSpec, ClusterSpec
from tenuto.validation._csv import CsvTable, number, read_csv, wrong_columns
from tenuto.validation._power_file import SWEEP_COLUMNS

EVENT_COLUMNS = ("t_s", "event", "channel", "value", "a7_freq_request_MHz", "a15_freq_request_MHz")

_FAR_APART = 2.0  # times the usual distance of two rows


@dataclass(frozen=True, slots=True)
class ThermalReading:
    """Temperatures of one moment.

    Attributes:
        time_s: In the log's own time.
        hottest_c: The hottest of the cores.
        gpu_c: Of the GPU, where it was read.
    """

    time_s: float
    hottest_c: float
    gpu_c: float | None


@dataclass(frozen=True, slots=True)
class ThermalLog:
    """What was asked of a board, and how warm it got.

    Attributes:
        busy: The cluster that works: the most capable one, all cores.
        workload: What it works on.
        busy_from_s: When it begins.
        settings: From when on which clocks were requested, by cluster, in Hz.
        readings: In the order of time.
        rates: (time, work done per second), in any unit, in the order of time; empty where the file has none in time.
    """

    busy: ClusterSpec
    workload: str
    busy_from_s: float
    settings: tuple[tuple[float, Mapping[str, int]], ...]
    readings: tuple[ThermalReading, ...]
    rates: tuple[tuple[float, float], ...]


def read_thermal(board: BoardSpec, path: Path) -> tuple[ThermalLog, tuple[str, ...]]:
    """A log that a board can be scored on, and what was left out or made up, and why.

    Raises:
        SpecError: The file cannot be read, has neither form's columns, or not two usable readings.
    """
    table = read_csv(path)
    if not table.missing(EVENT_COLUMNS):
        log, notes = _events(board, table)
    elif not table.missing(SWEEP_COLUMNS):
        log, notes = _sweep(board, table)
    else:
        raise wrong_columns(table, (("an event log", EVENT_COLUMNS), ("a sweep", SWEEP_COLUMNS)))
    if len(log.readings) < 2 or not log.settings:
        raise SpecError(
            path, f"found {len(log.readings)} readings and {len(log.settings)} settings; give a log with two and one"
        )
    return log, notes


def _events(board: BoardSpec, table: CsvTable) -> tuple[ThermalLog, tuple[str, ...]]:
    busy = busiest(board)
    settings: list[tuple[float, Mapping[str, int]]] = []
    readings: list[ThermalReading] = []
    rates: list[tuple[float, float]] = []
    cores: dict[str, float] = {}
    workload, n_bad = "program", 0
    for row in table.rows:
        time_s, value = number(row, "t_s"), number(row, "value")
        if time_s is None or value is None:
            n_bad += 1
            continue
        clocks = _clocks(board, row)
        if busy.name in clocks and (not settings or settings[-1][1] != clocks):
            settings.append((time_s, clocks))
        channel = row["channel"]
        if row["event"] == "perf":
            workload = channel.removesuffix("_rate")
            rates.append((time_s, value))
        elif channel.startswith(f"T_{busy.name}"):
            cores[channel] = value
        elif channel == "T_gpu" and cores:
            # The log reads the cores one after the other, and the GPU last.
            readings.append(ThermalReading(time_s, max(cores.values()), value))
            cores = {}
    # A rate stands at the end of the time that it is of.
    period_s = median(b[0] - a[0] for a, b in pairwise(rates)) if len(rates) > 1 else 0.0
    started_s = settings[0][0] if settings else 0.0
    busy_from_s = max(started_s, rates[0][0] - period_s) if rates else started_s
    notes = (f"{n_bad} lines lack a time or a value",) if n_bad else ()
    return ThermalLog(busy, workload, busy_from_s, tuple(settings), tuple(readings), tuple(rates)), notes


def _sweep(board: BoardSpec, table: CsvTable) -> tuple[ThermalLog, tuple[str, ...]]:
    busy = busiest(board)
    workload = next((found[1] for name in table.columns if (found := re.match(r"(\w+?)_rate", name))), "program")
    rows: list[tuple[ThermalReading, dict[str, int]]] = []
    n_bad = 0
    for row in table.rows:
        time_s, clocks = number(row, "t_s"), _clocks(board, row)
        cores = [
            value
            for name in table.columns
            if name.startswith(f"T_{busy.name}") and (value := number(row, name)) is not None
        ]
        if time_s is None or not cores or busy.name not in clocks or (rows and time_s <= rows[-1][0].time_s):
            n_bad += 1
            continue
        rows.append((ThermalReading(time_s, max(cores), number(row, "T_gpu")), clocks))
    times = [reading.time_s for reading, _ in rows]
    usual_s = median(b - a for a, b in pairwise(times)) if len(times) > 1 else 0.0
    settings: list[tuple[float, Mapping[str, int]]] = []
    n_walked = 0
    for place, (reading, asked) in enumerate(rows):
        begin_s = times[place - 1] if place else reading.time_s - usual_s
        path = _between(busy, settings[-1][1][busy.name] if settings else asked[busy.name], asked[busy.name])
        if reading.time_s - begin_s <= _FAR_APART * usual_s:
            path = path[-1:]
        n_walked += len(path) > 1
        step_s = (reading.time_s - begin_s) / len(path)
        settings += [(begin_s + index * step_s, {**asked, busy.name: hz}) for index, hz in enumerate(path)]
    notes = [f"{n_bad} rows lack a time, a clock or a temperature"] if n_bad else []
    if n_walked:
        notes.append(f"{n_walked} gaps between rows: the clock is taken to have walked the ladder in equal steps")
    notes += ["before the first row the board is taken to have settled at its temperature"] if rows else []
    started_s = settings[0][0] if settings else 0.0
    readings = tuple(reading for reading, _ in rows)
    return ThermalLog(busy, workload, started_s, tuple(settings), readings, ()), tuple(notes)


def busiest(board: BoardSpec) -> ClusterSpec:
    """The cluster that such logs load: the most capable one of CPU cores."""
    return max((one for one in board.clusters if one.kind == "cpu"), key=lambda one: one.capacity or 0)


def _clocks(board: BoardSpec, row: Mapping[str, str]) -> dict[str, int]:
    """The clocks that a row requests; what is not on the ladder counts as the next slower clock that is."""
    clocks = {}
    for cluster in board.clusters:
        mhz = number(dict(row), f"{cluster.name}_freq_request_MHz")
        if mhz:
            ladder = cluster.frequencies_hz
            clocks[cluster.name] = max((hz for hz in ladder if hz <= mhz * 1e6 + 1), default=ladder[0])
    return clocks


def _between(cluster: ClusterSpec, first_hz: int, last_hz: int) -> list[int]:
    """The clocks from one to the other, without the first unless it is the last."""
    if first_hz == last_hz:
        return [last_hz]
    low, high = sorted((first_hz, last_hz))
    walk = [hz for hz in cluster.frequencies_hz if low <= hz <= high and hz != first_hz]
    return walk if last_hz > first_hz else walk[::-1]
