"""Which sensors the kernel shows: thermal zones, hwmon, RAPL, devfreq. Found by what they are, not by board."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tenuto.platforms._platform import Monitor
from tenuto.platforms._sysfs import can_read, read_int, read_text
from tenuto.units import celsius_from_millidegrees, watts_from_microwatts, watts_from_mv_ma

PLAUSIBLE: Final = {
    "temperature_c": (-60.0, 200.0),
    "power_w": (-100.0, 10_000.0),
    "load_pct": (0.0, 100.0),
    "frequency_hz": (1e5, 2e10),
    "energy_mj": (0.0, float("inf")),
}
"""A reading outside is a sensor's way of saying that it does not know (-274 °C), and counts as absent."""

POWER_PERIOD_S: Final = 0.01
"""RAPL counts in steps of about 1 ms: a difference over less than ten of them is noise."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A monitor that is one or two files.

    Attributes:
        monitor: What it tells.
        paths: The files to read together, each one whole number.
        convert: From the files' numbers to the monitor's unit.
    """

    monitor: Monitor
    paths: tuple[str, ...]
    convert: Callable[..., float]


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """A counter of microjoules that begins again after `range_uj`; it gives an energy, and by difference a power."""

    energy: Monitor
    power: Monitor
    path: str
    range_uj: int


def sensors(root: Path) -> tuple[Sensor, ...]:
    """Every temperature, power and device clock that is readable now, under names made unique."""
    found = [*_thermal_zones(root), *_hwmon(root), *_device_clocks(root)]
    return tuple(
        replace(sensor, monitor=replace(sensor.monitor, name=name))
        for sensor, name in zip(found, _unique([sensor.monitor.name for sensor in found]), strict=True)
    )


def energy_counters(root: Path) -> tuple[EnergyCounter, ...]:
    """Every RAPL counter that is readable now."""
    zones = [zone for zone in _rapl_zones(root) if can_read(zone / "energy_uj")]
    labels = _unique([read_text(zone / "name") or zone.name for zone in zones])
    counters = []
    for zone, label in zip(zones, labels, strict=True):
        path, span = str(zone / "energy_uj"), read_int(zone / "max_energy_range_uj")
        energy = Monitor(f"{label}.energy_mj", "energy_mj", "monotone", path)
        power = Monitor(f"{label}.power_w", "power_w", "variable", path, POWER_PERIOD_S)
        if span:
            counters.append(EnergyCounter(energy, power, path, span))
    return tuple(counters)


def unreadable_energy_counters(root: Path) -> tuple[Path, ...]:
    """RAPL counters that exist and that we may not read (root only, since kernel 5.10)."""
    return tuple(zone / "energy_uj" for zone in _rapl_zones(root) if not can_read(zone / "energy_uj"))


def _rapl_zones(root: Path) -> list[Path]:
    return sorted(zone for zone in (root / "sys/class/powercap").glob("*-rapl:*") if (zone / "energy_uj").exists())


def _thermal_zones(root: Path) -> Iterator[Sensor]:
    for zone in _numbered(root / "sys/class/thermal", "thermal_zone"):
        label = read_text(zone / "type")
        if label:
            yield _sensor(label, "temperature_c", (zone / "temp",), celsius_from_millidegrees)


def _hwmon(root: Path) -> Iterator[Sensor]:
    for chip in _numbered(root / "sys/class/hwmon", "hwmon"):
        name = read_text(chip / "name") or chip.name
        # The thermal framework mirrors its zones here: they are already in.
        if not (chip / "device").resolve().name.startswith("thermal_zone"):
            for path in sorted(chip.glob("temp*_input")):
                yield _sensor(_label(chip, name, path), "temperature_c", (path,), celsius_from_millidegrees)
        for path in sorted(chip.glob("power*_input")) or sorted(chip.glob("power*_average")):
            yield _sensor(_label(chip, name, path), "power_w", (path,), watts_from_microwatts)
        if name.startswith("ina3221"):
            yield from _ina3221(chip, name)


def _ina3221(chip: Path, name: str) -> Iterator[Sensor]:
    """Three rails, voltage and current apart; higher numbers are shunt voltages and their sum, not rails."""
    for channel in (1, 2, 3):
        paths = (chip / f"in{channel}_input", chip / f"curr{channel}_input")
        if all(path.exists() for path in paths):
            label = read_text(chip / f"in{channel}_label") or f"{name}-{channel}"
            yield _sensor(label, "power_w", paths, watts_from_mv_ma)


def _device_clocks(root: Path) -> Iterator[Sensor]:
    """GPU, NPU and memory clocks; devfreq speaks Hz."""
    for device in sorted((root / "sys/class/devfreq").glob("*")):
        if (device / "cur_freq").exists():
            yield _sensor(device.name, "frequency_hz", (device / "cur_freq",), float)


def _sensor(label: str, quantity: str, paths: tuple[Path, ...], convert: Callable[..., float]) -> Sensor:
    label = re.sub(r"\s+", "-", label.strip())
    monitor = Monitor(f"{label}.{quantity}", quantity, path=str(paths[0]))
    return Sensor(monitor, tuple(str(path) for path in paths), convert)


def _label(chip: Path, name: str, path: Path) -> str:
    """`coretemp-Core-0`, or the chip's name alone where it says no more."""
    channel = path.name.partition("_")[0]
    label = read_text(chip / f"{channel}_label")
    return f"{name}-{label}" if label and label != name else name


def _numbered(folder: Path, prefix: str) -> list[Path]:
    """`prefix0`, `prefix1`, ... `prefix10` in the order of their numbers."""
    found = [entry for entry in folder.glob(f"{prefix}*") if entry.name.removeprefix(prefix).isdigit()]
    return sorted(found, key=lambda entry: int(entry.name.removeprefix(prefix)))


def _unique(names: list[str]) -> list[str]:
    """Number the names that occur more than once: `acpitz`, `acpitz-2`; the quantity stays last."""
    seen: set[str] = set()
    result = []
    for name in names:
        label, dot, quantity = name.rpartition(".") if name.endswith(tuple(PLAUSIBLE)) else (name, "", "")
        candidate, count = name, 1
        while candidate in seen:
            count += 1
            candidate = f"{label}-{count}{dot}{quantity}"
        seen.add(candidate)
        result.append(candidate)
    return result
