"""Files of measured power, in the two forms that are public for the Odroid XU3.

Counter logs (ARMPM): one sample about every half second of one run of one program, with `A15 Power(W)`, the clock and
the temperature of one core, and event counts of the whole cluster. How many cores were busy follows from the cycles:
cycles / (clock x time since the sample before).

Sweeps (PRiME): one row for each setting of two clocks, with the rails' powers and the temperatures. All cores of the
most capable CPU cluster run the program that `..._rate_...` names; what the other rails draw is their idle power.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tenuto.errors import SpecError
from tenuto.platforms.simulated._spec import BoardSpec, ClusterSpec
from tenuto.validation._csv import CsvTable, Row, number, read_csv, wrong_columns

COUNTER_COLUMNS = (
    "Timestamp",
    "Benchmark",
    "Run(#)",
    "CPU(4) Frequency(MHz)",
    "CPU(4) Temperature(C)",
    "A15 Power(W)",
    "CPU_CYCLES",
)
SWEEP_COLUMNS = ("t_s", "a7_freq_request_MHz", "a15_freq_request_MHz", "P_a7_W", "P_a15_W", "T_a15_c0", "T_gpu")
IDLE = "idle"
"""The workload of a rail whose cluster waits."""

_COUNTED = ("Timestamp", "CPU(4) Frequency(MHz)", "CPU_CYCLES", "A15 Power(W)", "CPU(4) Temperature(C)")

_LONGEST_SAMPLE_S = 2.0
_ROOM_CORES = 0.15  # Cycles of a core that is always busy count as 0.97 to 0.99 of it.


@dataclass(frozen=True, slots=True)
class PowerSample:
    """One reading of one rail.

    Attributes:
        rail: A cluster's name, or `memory`.
        workload: What ran; `idle` for nothing but the system.
        n_cores: How many cores the program used.
        frequency_hz: The cluster's clock, a step of its ladder; None where it was not logged.
        n_busy: Cores at work, on average over this sample and the one before: the power sensor's own average ends
            before the counters' does.
        temperature_c: The hottest reading of the cluster, or of the GPU beside it where it has none of its own.
        power_w: What the rail drew.
        per_cycle: Events in a busy core's cycle, by the column's name.
    """

    @property
    def clock_hz(self) -> int:
        """The clock of a rail that must have one.

        Raises:
            ValueError: It was not logged.
        """
        if self.frequency_hz is None:
            raise ValueError(f"asked for the clock of {self.rail}, which was not logged")
        return self.frequency_hz

    rail: str
    workload: str
    n_cores: int
    frequency_hz: int | None
    n_busy: float
    temperature_c: float
    power_w: float
    per_cycle: tuple[tuple[str, float], ...] = ()


def read_power(board: BoardSpec, path: Path) -> tuple[tuple[PowerSample, ...], tuple[str, ...]]:
    """The samples of a file that a board can be scored on, and what was left out and why.

    Raises:
        SpecError: The file cannot be read, has neither form's columns, or not one usable row.
    """
    table = read_csv(path)
    if not table.missing(COUNTER_COLUMNS):
        samples, notes = _counter_log(board, table)
    elif not table.missing(SWEEP_COLUMNS):
        samples, notes = _sweep(board, table)
    else:
        raise wrong_columns(table, (("a counter log", COUNTER_COLUMNS), ("a sweep", SWEEP_COLUMNS)))
    if not samples:
        raise SpecError(
            path, f"found {len(table.rows)} rows, none usable: {'; '.join(notes) or 'none at all'}; give others"
        )
    return samples, notes


def _counter_log(board: BoardSpec, table: CsvTable) -> tuple[tuple[PowerSample, ...], tuple[str, ...]]:
    cluster = board.cluster("a15")
    samples: list[PowerSample] = []
    n_first = n_bad = 0
    off_ladder: set[str] = set()
    for _, run in groupby(table.rows, key=lambda row: tuple(row[column] for column in COUNTER_COLUMNS[1:4])):
        kept: list[tuple[Row, float, float]] = []  # row, clock in Hz, busy cores
        before_s: float | None = None
        for row in run:
            now_ns, mhz, cycles, power_w, celsius = (number(row, name) for name in _COUNTED)
            if now_ns is None:
                n_bad += 1
                continue
            seconds, before_s = (now_ns / 1e9 - before_s if before_s is not None else None), now_ns / 1e9
            if not mhz or cycles is None or celsius is None or not power_w or power_w < 0:
                n_bad += 1
                continue
            if seconds is None:
                n_first += 1
                continue
            busy = cycles / (mhz * 1e6 * seconds) if seconds > 0 else -1.0
            if seconds > _LONGEST_SAMPLE_S or not 0 <= busy <= cluster.n_cores + _ROOM_CORES:
                n_bad += 1
                continue
            kept.append((row, mhz * 1e6, busy))
        if kept and round(kept[0][1]) not in cluster.frequencies_hz:
            off_ladder.add(f"{kept[0][1] / 1e6:g} MHz")
            continue
        samples += _counted(kept, cluster)
    notes = [f"{n_first} samples are the first of their run: no time to count their cycles over"] if n_first else []
    notes += [f"{n_bad} samples lack a figure or make no sense"] if n_bad else []
    notes += [f"clocks that are not on {cluster.name}'s ladder: {', '.join(sorted(off_ladder))}"] if off_ladder else []
    return tuple(samples), tuple(notes)


def _counted(run: Sequence[tuple[Row, float, float]], cluster: ClusterSpec) -> list[PowerSample]:
    """The samples of one run."""
    if not run:
        return []
    # The program starts and ends with fewer threads than it works with.
    n_cores = min(cluster.n_cores, max(1, round(max(busy for _, _, busy in run) + _ROOM_CORES / 2)))
    samples = []
    previous = run[0][2]
    for row, frequency_hz, busy in run:
        cycles = number(row, "CPU_CYCLES") or 0.0
        events = {name: number(row, name) for name in ("INST_RETIRED", "L2D_CACHE_ACCESS")}
        samples.append(
            PowerSample(
                rail=cluster.name,
                workload=row["Benchmark"],
                n_cores=n_cores,
                frequency_hz=round(frequency_hz),
                n_busy=(busy + previous) / 2,
                temperature_c=number(row, "CPU(4) Temperature(C)") or 0.0,
                power_w=number(row, "A15 Power(W)") or 0.0,
                per_cycle=tuple((name, count / cycles) for name, count in events.items() if count and cycles),
            )
        )
        previous = busy
    return samples


def _sweep(board: BoardSpec, table: CsvTable) -> tuple[tuple[PowerSample, ...], tuple[str, ...]]:
    busy = max((one for one in board.clusters if one.kind == "cpu"), key=lambda one: one.capacity or 0)
    workload = next((found[1] for name in table.columns if (found := re.match(r"(\w+?)_rate", name))), "program")
    trips = [trip.temperature_c.value - trip.hysteresis_c.value for trip in board.thermal.trips if trip.cooling]
    rails = [name for name in (*(one.name for one in board.clusters), "memory") if _rail(name) in table.columns]
    samples: list[PowerSample] = []
    n_throttled = n_bad = 0
    off_ladder: set[str] = set()
    for row in table.rows:
        readings = [value for name in table.columns if name.startswith("T_") and (value := number(row, name))]
        cooler_c = number(row, "T_gpu")
        if not readings or cooler_c is None:
            n_bad += 1
            continue
        for rail in rails:
            power_w = number(row, _rail(rail))
            mhz = number(row, f"{rail}_freq_request_MHz")
            if power_w is None or power_w <= 0:
                n_bad += power_w is not None
                continue
            if mhz is None and rail == busy.name:
                n_bad += 1
                continue
            if mhz is not None and round(mhz * 1e6) not in board.cluster(rail).frequencies_hz:
                off_ladder.add(f"{rail} {mhz:g} MHz")
                continue
            if rail == busy.name and trips and max(readings) >= min(trips) and mhz == max(busy.ladder.frequency_mhz):
                n_throttled += 1
                continue
            own = [value for name in table.columns if name.startswith(f"T_{rail}") and (value := number(row, name))]
            samples.append(
                PowerSample(
                    rail=rail,
                    workload=workload if rail == busy.name else IDLE,
                    n_cores=busy.n_cores if rail == busy.name else 0,
                    frequency_hz=None if mhz is None else round(mhz * 1e6),
                    n_busy=float(busy.n_cores) if rail == busy.name else 0.0,
                    temperature_c=max(own) if own else cooler_c,
                    power_w=power_w,
                )
            )
    notes = [f"{n_bad} rows lack a temperature, a clock, or a power above 0"] if n_bad else []
    notes += [f"clocks that are not on their ladder: {', '.join(sorted(off_ladder))}"] if off_ladder else []
    if n_throttled:
        notes.append(f"{n_throttled} rows of {busy.name} are at a trip: the clock in force was not logged")
    return tuple(samples), tuple(notes)


def _rail(name: str) -> str:
    return f"P_{'mem' if name == 'memory' else name}_W"
