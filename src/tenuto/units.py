"""Quantities: one name and one unit for each, everywhere, and conversions from what vendors report.

The units are coherent: 1 W x 1 ms = 1 mJ, so `energy_mj = power_w * latency_ms`.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure that an operating point carries or a monitor reads.

    Attributes:
        name: The attribute, column and key name, unit included (`latency_ms`).
        unit: The unit alone, for people.
        title: What it is, for people.
        higher_is_better: Which way one wants it to go.
        digits: Decimals worth printing.
    """

    name: str
    unit: str
    title: str
    higher_is_better: bool = False
    digits: int = 1


QUANTITIES: Final = {
    quantity.name: quantity
    for quantity in (
        Quantity("latency_ms", "ms", "latency, median", digits=2),
        Quantity("latency_p90_ms", "ms", "latency, 90th percentile", digits=2),
        Quantity("latency_p99_ms", "ms", "latency, 99th percentile", digits=2),
        Quantity("accuracy_pct", "%", "accuracy", higher_is_better=True, digits=2),
        Quantity("energy_mj", "mJ", "energy of one inference"),
        Quantity("battery_mj", "mJ", "energy left in the battery", higher_is_better=True, digits=0),
        Quantity("power_w", "W", "power while running", digits=2),
        Quantity("idle_power_w", "W", "power between inferences", digits=2),
        Quantity("temperature_c", "°C", "temperature"),
        Quantity("memory_mb", "MB", "memory"),
        Quantity("load_pct", "%", "load"),
        Quantity("other_load_pct", "%", "load by other programs"),
        Quantity("frequency_hz", "Hz", "clock frequency", higher_is_better=True, digits=0),
        Quantity("macs_m", "M", "multiply-accumulates of one input", digits=2),
    )
}
"""Every quantity that a table, a requirement or a monitor may name."""


def show(name: str, value: float) -> str:
    """A figure for people: `show("latency_ms", 12.3456)` is `12.35 ms`."""
    if name == "frequency_hz":
        return show_frequency(int(value))
    quantity = QUANTITIES[name]
    return f"{value:.{quantity.digits}f} {quantity.unit}"


def show_frequency(frequency_hz: int) -> str:
    """A clock for people: `1.80 GHz`, `600 MHz`."""
    return f"{frequency_hz / 1e9:.2f} GHz" if frequency_hz >= 1_000_000_000 else f"{frequency_hz / 1e6:.0f} MHz"


def hz_from_khz(khz: int) -> int:
    """A clock that a cpufreq file gives in kHz."""
    return khz * 1000


def khz_from_hz(frequency_hz: int) -> int:
    """A clock as a cpufreq file wants it, in whole kHz."""
    return frequency_hz // 1000


def celsius_from_millidegrees(millidegrees: int) -> float:
    """A temperature that a thermal zone or hwmon gives in thousandths of a degree."""
    return millidegrees / 1000


def watts_from_microwatts(microwatts: int) -> float:
    """A power that hwmon's `power1_input` gives in microwatts."""
    return microwatts / 1e6


def watts_from_mv_ma(millivolts: int, milliamperes: int) -> float:
    """A power from a rail's voltage and current, which an INA3221 gives apart."""
    return millivolts * milliamperes / 1e6
