"""Reading all monitors in one batch, with the memory that loads and energy counters need."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tenuto.platforms._cpufreq import read_clocks_hz
from tenuto.platforms._platform import Monitor, Snapshot
from tenuto.platforms._sensors import PLAUSIBLE, POWER_PERIOD_S, EnergyCounter, Sensor
from tenuto.platforms._sysfs import read_int, read_text

LOAD_PERIOD_S: Final = 0.1
"""The kernel counts load in ticks of 10 ms: a shorter window would show steps of several per cent."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that can be read on a machine.

    Attributes:
        stat: `/proc/stat`.
        loads: The load monitors, each with its processors; None stands for all of them.
        clocks: The clock monitors, each with its cpufreq folders.
        sensors: Temperatures, powers and device clocks.
        counters: Energy counters.
    """

    stat: Path
    loads: tuple[tuple[Monitor, tuple[int, ...] | None], ...]
    clocks: tuple[tuple[Monitor, tuple[Path, ...]], ...]
    sensors: tuple[Sensor, ...]
    counters: tuple[EnergyCounter, ...]

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """All of them, in the order in which they are read."""
        direct = [monitor for monitor, _ in (*self.loads, *self.clocks)]
        counted = [monitor for counter in self.counters for monitor in (counter.energy, counter.power)]
        return (*direct, *(sensor.monitor for sensor in self.sensors), *counted)


@dataclass(slots=True)
class _Count:
    """What is remembered of an energy counter."""

    raw_uj: int
    total_uj: int
    since_s: float
    since_uj: int
    power_w: float | None = None


@dataclass(slots=True)
class Reader:
    """Reads a machine's monitors; remembers what rates need. Loads and powers are absent for their first period."""

    sources: Sources
    clock: Callable[[], float]
    _ticks: Mapping[int | None, tuple[int, int]] = field(init=False, default_factory=dict)
    _ticks_s: float = field(init=False, default=float("-inf"))
    _loads: dict[str, float] = field(init=False, default_factory=dict)
    _counts: dict[str, _Count] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.snapshot()

    def snapshot(self) -> Snapshot:
        """Read every monitor once; what cannot be read, or makes no sense, is not in it."""
        time_s = self.clock()
        readings = dict(self._read_loads(time_s))
        for monitor, policies in self.sources.clocks:
            # Cores of one cluster may have a clock each (PCs): the busy ones run at the highest.
            if clocks := read_clocks_hz(policies):
                readings[monitor.name] = float(max(clocks))
        for sensor in self.sources.sensors:
            values = [read_int(path) for path in sensor.paths]
            if None not in values:
                readings[sensor.monitor.name] = sensor.convert(*values)
        for counter in self.sources.counters:
            readings.update(self._read_counter(counter, time_s))
        return Snapshot(time_s, {name: value for name, value in readings.items() if _is_plausible(name, value)})

    def _read_loads(self, time_s: float) -> Mapping[str, float]:
        """The busy share over the last whole period. Time that a hypervisor gave to others counts as busy."""
        if time_s - self._ticks_s < LOAD_PERIOD_S:
            return self._loads
        before, self._ticks = self._ticks, read_ticks(self.sources.stat)
        self._ticks_s = time_s
        self._loads = {}
        for monitor, cpus in self.sources.loads:
            keys: Iterable[int | None] = (None,) if cpus is None else cpus
            pairs = [(before[key], self._ticks[key]) for key in keys if key in before and key in self._ticks]
            busy = sum(now[0] - then[0] for then, now in pairs)
            total = sum(now[1] - then[1] for then, now in pairs)
            if total > 0:
                self._loads[monitor.name] = 100.0 * busy / total
        return self._loads

    def _read_counter(self, counter: EnergyCounter, time_s: float) -> dict[str, float]:
        raw_uj = read_int(counter.path)
        if raw_uj is None:
            return {}
        count = self._counts.setdefault(counter.path, _Count(raw_uj, raw_uj, time_s, raw_uj))
        step_uj = raw_uj - count.raw_uj
        count.total_uj += step_uj if step_uj >= 0 else step_uj + counter.range_uj
        count.raw_uj = raw_uj
        if (elapsed_s := time_s - count.since_s) >= POWER_PERIOD_S:
            count.power_w = (count.total_uj - count.since_uj) / 1e6 / elapsed_s
            count.since_s, count.since_uj = time_s, count.total_uj
        readings = {counter.energy.name: count.total_uj / 1e3}
        if count.power_w is not None:
            readings[counter.power.name] = count.power_w
        return readings


def read_ticks(stat: Path) -> dict[int | None, tuple[int, int]]:
    """Busy and total clock ticks since boot by processor; under None those of all."""
    ticks: dict[int | None, tuple[int, int]] = {}
    for line in (read_text(stat) or "").splitlines():
        name, *texts = line.split()
        if not name.startswith("cpu"):
            break
        if len(texts) < 5 or not all(text.isdigit() for text in texts):
            continue
        # user nice system idle iowait irq softirq steal; guest time, behind them, is already in user.
        counts = [int(text) for text in texts[:8]]
        total = sum(counts)
        ticks[int(name[3:]) if name[3:].isdigit() else None] = (total - counts[3] - counts[4], total)
    return ticks


def _is_plausible(name: str, value: float) -> bool:
    low, high = PLAUSIBLE[name.rpartition(".")[2]]
    return low <= value <= high


BATTERY: Final = "battery.energy_mj"
"""The monitor of what a battery holds, on boards that run on one."""


def readings_by_quantity(monitors: Iterable[Monitor], snapshot: Snapshot) -> dict[str, float]:
    """A snapshot as one figure per quantity, for policies: the hottest temperature, the load of all processors.

    What a battery holds is `battery_mj`. Power is in it only where a single monitor gives it: rails may be parts of one
    another, and no file says which.
    """
    result: dict[str, float] = {}
    by_quantity: dict[str, list[float]] = {}
    for monitor in monitors:
        if monitor.behaviour == "variable" and monitor.name in snapshot.readings:
            by_quantity.setdefault(monitor.quantity, []).append(snapshot.readings[monitor.name])
    if temperatures := by_quantity.get("temperature_c"):
        result["temperature_c"] = max(temperatures)
    if "load_pct" in snapshot.readings:
        result["load_pct"] = snapshot.readings["load_pct"]
    if len(powers := by_quantity.get("power_w", [])) == 1:
        result["power_w"] = powers[0]
    if BATTERY in snapshot.readings:
        result["battery_mj"] = snapshot.readings[BATTERY]
    return result
