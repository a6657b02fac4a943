"""What a machine says about itself, and why something one would want is not there."""

import platform as python_platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from tenuto.platforms._cpufreq import Clock
from tenuto.platforms._platform import Missing, Monitor
from tenuto.platforms._sensors import unreadable_energy_counters
from tenuto.platforms._sysfs import read_text
from tenuto.platforms._topology import online_cpus


def machine_facts(root: Path, usable: frozenset[int]) -> Mapping[str, str]:
    """Facts for people; one that the machine does not tell is not in it."""
    facts = {
        "board": read_text(root / "proc/device-tree/model") or _firmware_name(root),
        "processor": _cpuinfo(root).get("model name") or _cpuinfo(root).get("Hardware"),
        "architecture": python_platform.machine() if root.resolve() == Path("/") else None,
        "kernel": read_text(root / "proc/sys/kernel/osrelease"),
        "processors": _processors(root, usable),
        "memory": _memory(root),
        "surroundings": " in ".join(filter(None, (_container(root), _hypervisor(root)))) or None,
    }
    return {name: value for name, value in facts.items() if value}


def missing_here(
    root: Path, usable: frozenset[int], clocks: Mapping[str, Clock | None], monitors: Iterable[Monitor]
) -> tuple[Missing, ...]:
    """What one would want and cannot have, most useful first."""
    is_guest = _hypervisor(root) is not None
    quantities = {monitor.quantity for monitor in monitors}
    missing = [*_clocks(clocks, is_guest=is_guest)]
    if "power_w" not in quantities:
        missing.append(_power(root, is_guest=is_guest))
    if "temperature_c" not in quantities:
        missing.append(
            Missing("temperature", "no thermal zone and no temperature in hwmon", _host_or(is_guest, _SENSOR_DRIVERS))
        )
    missing.extend(_processor_limits(root, usable))
    return tuple(missing)


_SENSOR_DRIVERS = "load the driver: sudo modprobe coretemp (Intel), k10temp (AMD); on a board, enable it in the kernel"


def _host_or(is_guest: bool, remedy: str) -> str:
    return "a virtual machine's sensors and clocks belong to its host: run there" if is_guest else remedy


def _clocks(clocks: Mapping[str, Clock | None], *, is_guest: bool) -> Iterable[Missing]:
    without = [name for name, clock in clocks.items() if clock is None]
    if without:
        remedy = _host_or(
            is_guest, "enable the board's cpufreq driver in the kernel (CONFIG_CPUFREQ_DT on most boards)"
        )
        yield Missing(_frequency_of(without, clocks), "the kernel has no cpufreq driver for it", remedy)
    by_remedy: dict[tuple[str, str | None], list[str]] = {}
    for name, clock in clocks.items():
        if clock is not None and clock.mechanism is None:
            why = "its files are not ours to write" if clock.has_ladder else "its driver publishes no list of clocks"
            by_remedy.setdefault((why, clock.remedy), []).append(name)
    for (why, needed), names in by_remedy.items():
        yield Missing(_frequency_of(names, clocks), why, needed)


def _frequency_of(names: list[str], clocks: Mapping[str, Clock | None]) -> str:
    return "setting the frequency" + ("" if len(names) == len(clocks) else f" of {', '.join(names)}")


def _power(root: Path, *, is_guest: bool) -> Missing:
    hidden = unreadable_energy_counters(root)
    if hidden:
        return Missing("power", f"{hidden[0]} is for root only", f"run as root, or: sudo chmod a+r {hidden[0]}")
    return Missing(
        "power",
        "no power in hwmon, no INA3221 rails, no RAPL counter",
        _host_or(is_guest, "load the driver: sudo modprobe intel_rapl_msr (Intel, AMD), ina2xx or ina3221 (boards)"),
    )


def _processor_limits(root: Path, usable: frozenset[int]) -> Iterable[Missing]:
    online = online_cpus(root)
    others = [cpu for cpu in online if cpu not in usable]
    if others:
        listed = ", ".join(str(cpu) for cpu in others)
        yield Missing(
            "all processors",
            f"affinity or cpuset keeps this process off {listed}",
            "start it without taskset or cpuset, or widen the container's (docker run --cpuset-cpus)",
        )
    quota = (read_text(root / "sys/fs/cgroup/cpu.max") or "").split()
    if len(quota) == 2 and all(text.isdigit() for text in quota):
        share = int(quota[0]) / int(quota[1])
        if share < len(online):
            yield Missing(
                "processors without a quota",
                f"the cgroup grants {share:.2g} processors' time: latency jumps whenever it is used up",
                "raise the container's quota (docker run --cpus)",
            )


def _cpuinfo(root: Path) -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    return facts


def _firmware_name(root: Path) -> str | None:
    names = [read_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")]
    return " ".join(name for name in names if name) or None


def _processors(root: Path, usable: frozenset[int]) -> str:
    online = online_cpus(root)
    return f"{len(usable)}" if len(usable) == len(online) else f"{len(usable)} of {len(online)} are ours"


def _memory(root: Path) -> str | None:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal" and value.split()[0].isdigit():
            return f"{int(value.split()[0]) / 1e6:.1f} GB"
    return None


def _container(root: Path) -> str | None:
    if (root / ".dockerenv").exists():
        return "a Docker container"
    if (root / "run/.containerenv").exists():
        return "a Podman container"
    return None


def _hypervisor(root: Path) -> str | None:
    """A hint only: the flag is x86's, the other is Xen's and some clouds'."""
    kind = read_text(root / "sys/hypervisor/type")
    if kind:
        return f"a virtual machine ({kind})"
    return "a virtual machine" if "hypervisor" in _cpuinfo(root).get("flags", "").split() else None
