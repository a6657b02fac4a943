"""The frequency knob: the clocks of a cluster, which files set them, and in which order they must be written."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tenuto.platforms._sysfs import can_write, read_int, read_text
from tenuto.units import hz_from_khz, khz_from_hz

MIN, MAX = "scaling_min_freq", "scaling_max_freq"
GOVERNOR, SETSPEED = "scaling_governor", "scaling_setspeed"


@dataclass(frozen=True, slots=True)
class Clock:
    """How a cluster's clock is set.

    Attributes:
        policies: The cpufreq folders that drive its cores; all get the same clock.
        ladder_hz: The clocks it knows, ascending; only its two ends where the driver publishes no list.
        driver: The kernel's cpufreq driver.
        mechanism: `userspace`: that governor takes a speed; `limits`: minimum = maximum; None: not ours to set.
        remedy: What would make it settable, where it is not.
        has_ladder: Whether the driver publishes its steps.
    """

    policies: tuple[Path, ...]
    ladder_hz: tuple[int, ...]
    driver: str
    mechanism: Literal["userspace", "limits"] | None
    remedy: str | None = None
    has_ladder: bool = True


def describe_clock(policies: tuple[Path, ...]) -> Clock | None:
    """What can be done to the clock of a cluster, or None where the kernel shows none.

    Model:
        A driver that publishes no list (intel_pstate, amd-pstate) takes any number between its ends and runs at what
        the firmware makes of it, turbo included: no step can be promised, so its clock counts as not settable.
        Boost clocks are left out, because firmware grants them for a while only.
    """
    if not policies:
        return None
    first = policies[0]
    driver = read_text(first / "scaling_driver") or "unknown driver"
    low, high = read_int(first / "cpuinfo_min_freq"), read_int(first / "cpuinfo_max_freq")
    listed = (read_text(first / "scaling_available_frequencies") or "").split()
    ladder_khz = sorted({int(text) for text in listed if text.isdigit()})
    ladder = tuple(hz_from_khz(khz) for khz in ladder_khz if (low or 0) <= khz <= (high or khz))
    if not ladder:
        ends = tuple(sorted({hz_from_khz(khz) for khz in (low, high) if khz}))
        remedy = f"{driver} publishes no list of clocks; a driver that does (acpi-cpufreq: boot with {driver}=disable)"
        return Clock(policies, ends, driver, None, remedy, has_ladder=False) if ends else None
    mechanism = _mechanism(policies)
    return Clock(policies, ladder, driver, mechanism, None if mechanism else _remedy(policies))


def _mechanism(policies: tuple[Path, ...]) -> Literal["userspace", "limits"] | None:
    if not all(can_write(policy / name) for policy in policies for name in (MIN, MAX)):
        return None
    governors = [(read_text(policy / "scaling_available_governors") or "").split() for policy in policies]
    has_speed = all(can_write(policy / name) for policy in policies for name in (GOVERNOR, SETSPEED))
    return "userspace" if has_speed and all("userspace" in names for names in governors) else "limits"


def _remedy(policies: tuple[Path, ...]) -> str:
    if os.statvfs(policies[0]).f_flag & os.ST_RDONLY:
        return "sysfs is mounted read-only (a container): start it with --privileged, or run on the host"
    folders = " ".join(str(policy) for policy in policies)
    where = folders if len(policies) == 1 else f"{policies[0].parent}/policy*"
    return f"run as root, or: sudo chmod a+w {where}/scaling_{{governor,setspeed,min_freq,max_freq}}"


def speed_writes(low_khz: int, high_khz: int, khz: int) -> list[tuple[str, str]]:
    """The writes that make the `userspace` governor run at a clock, its limits widened only where they are in the way.

    Limits that need no widening stay untouched: what they read may be a thermal cap of the moment, and putting that
    back would make it last.
    """
    widen = [(MIN, str(khz))] if khz < low_khz else [(MAX, str(khz))] if khz > high_khz else []
    return [(GOVERNOR, "userspace"), *widen, (SETSPEED, str(khz))]


def limit_writes(low_khz: int, high_khz: int, khz: int) -> list[tuple[str, str]]:
    """The writes that pin any governor to a clock: going up the maximum first, going down the minimum first.

    Args:
        low_khz: The minimum now.
        high_khz: The maximum now, at least `low_khz`.
        khz: The clock to pin.
    """
    writes = [(MAX, str(khz)), (MIN, str(khz))] if khz > high_khz else [(MIN, str(khz)), (MAX, str(khz))]
    now = {MIN: str(low_khz), MAX: str(high_khz)}
    return [(name, text) for name, text in writes if now[name] != text]


def writes_for(clock: Clock, policy: Path, frequency_hz: int) -> list[tuple[Path, str]]:
    """The writes, in order, that set one policy's clock, given what its files say now."""
    khz = khz_from_hz(frequency_hz)
    low, high = read_int(policy / MIN), read_int(policy / MAX)
    writes = speed_writes if clock.mechanism == "userspace" else limit_writes
    return [
        (policy / name, text)
        for name, text in writes(khz if low is None else low, khz if high is None else high, khz)
        if name != GOVERNOR or read_text(policy / name) != text
    ]


def read_clocks_hz(policies: tuple[Path, ...]) -> tuple[int, ...]:
    """The present clock of each policy that shows one."""
    khz = (read_int(policy / "scaling_cur_freq") for policy in policies)
    return tuple(hz_from_khz(value) for value in khz if value)


def nearest_step(ladder_hz: tuple[int, ...], frequency_hz: int) -> int:
    """The step of a ladder that a reading stands for: x86 reports a measured mean, a little off the step."""
    return min(ladder_hz, key=lambda step_hz: abs(step_hz - frequency_hz))
