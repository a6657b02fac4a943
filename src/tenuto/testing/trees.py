"""Boards made of files: `sys` and `proc` trees that `LinuxPlatform(root)` takes for a machine.

```python
write_tree(tmp_path, ODROID_XU3)
platform = LinuxPlatform(tmp_path)
```

The files behave as far as files can: the clock that is read is a link to the one that is written. What only a kernel
does, refusing, is in `kernel_write`, which `LinuxPlatform(root, write=kernel_write)` uses in place of a plain write.

Source:
    XU3: clocks, capacities and INA231 rails from the Linux device trees exynos5420.dtsi, exynos5800.dtsi and
    exynos5422-odroidxu3-common.dtsi. Jetson: rails from the kernel's hwmon/ina3221 documentation, the rest shaped
    after Xavier NX; its CPU clocks are a plausible ladder, not NVIDIA's. No tree is a model of power or speed.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tenuto.platforms._guardian import write_file

_CPUS = "sys/devices/system/cpu"
_POLICY_FILES = ("scaling_governor", "scaling_setspeed", "scaling_min_freq", "scaling_max_freq")


@dataclass(frozen=True, slots=True)
class TreePolicy:
    """One cpufreq folder.

    Attributes:
        cpus: The cores that it drives.
        clocks_khz: Its ladder, ascending; two ends are enough where `has_ladder` is false.
        governor: The one in force.
        governors: Those available; without `userspace` clocks are set by their limits.
        driver: The cpufreq driver's name.
        has_ladder: Whether the driver publishes its clocks.
    """

    cpus: tuple[int, ...]
    clocks_khz: tuple[int, ...]
    governor: str = "schedutil"
    governors: tuple[str, ...] = ("userspace", "performance", "schedutil")
    driver: str = "cpufreq-dt"
    has_ladder: bool = True


@dataclass(frozen=True, slots=True)
class TreeBoard:
    """What a board shows.

    Attributes:
        n_cpus: How many processors are online, from 0.
        model: The board's own name, or None on a PC.
        processor: The processor's name in `/proc/cpuinfo`, or None.
        flags: Processor flags there, such as `hypervisor`.
        capacities: The capacity of each core; empty where the kernel does not say.
        policies: Its cpufreq folders.
        zones_millidegrees: Thermal zones: type and temperature.
        powers_uw: hwmon chips with a power of their own (INA231): name and power.
        rails_mv_ma: The rails of one INA3221: label, voltage and current.
        energies_uj: RAPL zones: name and counter.
        files: Anything else, by path below the root.
    """

    n_cpus: int
    model: str | None = None
    processor: str | None = None
    flags: tuple[str, ...] = ()
    capacities: tuple[int, ...] = ()
    policies: tuple[TreePolicy, ...] = ()
    zones_millidegrees: tuple[tuple[str, int], ...] = ()
    powers_uw: tuple[tuple[str, int], ...] = ()
    rails_mv_ma: tuple[tuple[str, int, int], ...] = ()
    energies_uj: tuple[tuple[str, int], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


BARE_VM: Final = TreeBoard(2, processor="A virtual processor", flags=("fpu", "hypervisor"), capacities=(1024, 1024))
"""A symmetric virtual machine: no clock, no sensor."""

ODROID_XU3: Final = TreeBoard(
    8,
    model="Hardkernel Odroid XU3",
    capacities=(539,) * 4 + (1024,) * 4,
    policies=(
        TreePolicy((0, 1, 2, 3), tuple(range(200_000, 1_400_001, 100_000))),
        TreePolicy((4, 5, 6, 7), tuple(range(200_000, 2_000_001, 100_000))),
    ),
    zones_millidegrees=(("cpu0-thermal", 51_000), ("cpu1-thermal", 53_000), ("gpu-thermal", 48_000)),
    powers_uw=(("ina231-a15", 2_790_000), ("ina231-mem", 30_000), ("ina231-gpu", 110_000), ("ina231-a7", 169_000)),
)
"""Two clusters, clocks that may be written, INA231 power sensors, thermal zones."""

JETSON: Final = TreeBoard(
    6,
    model="NVIDIA Jetson Xavier NX Developer Kit",
    policies=tuple(
        TreePolicy((cpu, cpu + 1), (115_200, 422_400, 729_600, 1_036_800, 1_420_800, 1_907_200), driver="tegra194")
        for cpu in (0, 2, 4)
    ),
    zones_millidegrees=(("CPU-therm", 41_500), ("GPU-therm", 40_000), ("AO-therm", 39_500)),
    rails_mv_ma=(("VDD_IN", 4_968, 720), ("VDD_CPU_GPU_CV", 4_968, 112), ("VDD_SOC", 4_968, 240)),
    files={"sys/class/devfreq/17000000.gv11b/cur_freq": "114750000"},
)
"""One kind of core driven by three policies, an INA3221 with labelled rails, thermal zones, a GPU clock."""


def write_tree(root: Path, board: TreeBoard) -> None:
    """Write a board's files below a folder."""
    every = f"0-{board.n_cpus - 1}" if board.n_cpus > 1 else "0"
    files = {
        f"{_CPUS}/online": every,
        "proc/self/status": f"Cpus_allowed_list:\t{every}",
        "proc/sys/kernel/osrelease": "6.6.0-tree",
        "proc/meminfo": "MemTotal:        2040000 kB",
        "proc/cpuinfo": _cpuinfo(board),
        "proc/stat": _stat([(0, 0)] * board.n_cpus),
    }
    if board.model is not None:
        files["proc/device-tree/model"] = f"{board.model}\0"
    files |= {f"{_CPUS}/cpu{cpu}/topology/thread_siblings_list": f"{cpu}" for cpu in range(board.n_cpus)}
    files |= {f"{_CPUS}/cpu{cpu}/cpu_capacity": f"{value}" for cpu, value in enumerate(board.capacities)}
    for index, (kind, millidegrees) in enumerate(board.zones_millidegrees):
        files |= {f"sys/class/thermal/thermal_zone{index}/{name}": text for name, text in _zone(kind, millidegrees)}
    files |= _hwmon(board)
    for index, (name, energy_uj) in enumerate(board.energies_uj):
        zone = f"sys/class/powercap/intel-rapl:{index}"
        files |= {f"{zone}/name": name, f"{zone}/energy_uj": f"{energy_uj}"}
        files[f"{zone}/max_energy_range_uj"] = "262143328850"
    for path, text in {**files, **board.files}.items():
        write_text(root, path, text)
    for policy in board.policies:
        _write_policy(root, policy)


def write_text(root: Path, path: str, text: str) -> None:
    """Write one file of a tree, and the folders that it needs."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{text}\n", encoding="utf-8")


def deny_clocks(root: Path) -> None:
    """Take the right to write cpufreq files from everybody (root may write all the same)."""
    for name in _POLICY_FILES:
        for path in (root / _CPUS / "cpufreq").glob(f"policy*/{name}"):
            path.chmod(0o444)


def freeze_clock(root: Path, policy: str) -> None:
    """Let one cpufreq folder (`policy4`) report the present clock for ever, as under a thermal cap."""
    current = root / _CPUS / "cpufreq" / policy / "scaling_cur_freq"
    text = current.read_text(encoding="ascii")
    current.unlink()
    current.write_text(text, encoding="ascii")


def advance_load(root: Path, busy_and_idle_ticks: list[tuple[int, int]]) -> None:
    """Let each processor have been busy and idle for so many ticks since boot."""
    write_text(root, "proc/stat", _stat(busy_and_idle_ticks))


def idle_along(root: Path) -> Callable[[float], None]:
    """A sleep during which the processors of a board of files are seen to be idle: `check_platform(..., sleep=it)`."""

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        lines = (root / "proc/stat").read_text(encoding="ascii").splitlines()
        fields = [line.split() for line in lines if line.startswith("cpu") and not line.startswith("cpu ")]
        advance_load(root, [(int(one[1]), int(one[4]) + max(round(100 * seconds), 1)) for one in fields])

    return sleep


def tree_state(root: Path) -> dict[str, str]:
    """The text of every file of a tree, to compare before and after."""
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def kernel_write(path: str, text: str) -> None:
    """Write a cpufreq file as the kernel would.

    It refuses a minimum above the maximum, a governor that it does not have, and a speed outside the limits or under
    another governor than `userspace`.

    Raises:
        OSError: EINVAL, as the kernel says.
    """
    folder, name = Path(path).parent, Path(path).name
    low, high = (int((folder / limit).read_text("ascii")) for limit in ("scaling_min_freq", "scaling_max_freq"))
    governor = (folder / "scaling_governor").read_text("ascii").strip()
    governors = (folder / "scaling_available_governors").read_text("ascii").split()
    is_refused = (
        (name == "scaling_min_freq" and int(text) > high)
        or (name == "scaling_max_freq" and int(text) < low)
        or (name == "scaling_setspeed" and not (governor == "userspace" and low <= int(text) <= high))
        or (name == "scaling_governor" and text not in governors)
    )
    if is_refused:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    write_file(path, text)


def without_userspace(board: TreeBoard) -> TreeBoard:
    """The same board with a kernel that lacks the `userspace` governor: its clocks are set by their limits."""
    policies = tuple(replace(policy, governors=("performance", "schedutil")) for policy in board.policies)
    return replace(board, policies=policies)


def _write_policy(root: Path, policy: TreePolicy) -> None:
    folder = f"{_CPUS}/cpufreq/policy{policy.cpus[0]}"
    low, high = policy.clocks_khz[0], policy.clocks_khz[-1]
    files = {
        "related_cpus": " ".join(str(cpu) for cpu in policy.cpus),
        "scaling_driver": policy.driver,
        "scaling_available_governors": " ".join(policy.governors),
        "scaling_governor": policy.governor,
        "cpuinfo_min_freq": f"{low}",
        "cpuinfo_max_freq": f"{high}",
        "scaling_min_freq": f"{low}",
        "scaling_max_freq": f"{high}",
        "scaling_setspeed": f"{high}",
    }
    if policy.has_ladder:
        files["scaling_available_frequencies"] = " ".join(str(khz) for khz in policy.clocks_khz)
    for name, text in files.items():
        write_text(root, f"{folder}/{name}", text)
    # Reading the clock reads what was last written to set it.
    source = "scaling_setspeed" if "userspace" in policy.governors else "scaling_max_freq"
    (root / folder / "scaling_cur_freq").symlink_to(source)


def _zone(kind: str, millidegrees: int) -> tuple[tuple[str, str], ...]:
    return ("type", kind), ("temp", f"{millidegrees}")


def _hwmon(board: TreeBoard) -> dict[str, str]:
    files: dict[str, str] = {}
    for index, (name, power_uw) in enumerate(board.powers_uw):
        files |= {f"sys/class/hwmon/hwmon{index}/name": name}
        files |= {f"sys/class/hwmon/hwmon{index}/power1_input": f"{power_uw}"}
    chip = f"sys/class/hwmon/hwmon{len(board.powers_uw)}"
    for channel, (label, millivolts, milliamperes) in enumerate(board.rails_mv_ma, start=1):
        files |= {
            f"{chip}/name": "ina3221",
            f"{chip}/in{channel}_label": label,
            f"{chip}/in{channel}_input": f"{millivolts}",
            f"{chip}/curr{channel}_input": f"{milliamperes}",
        }
    return files


def _cpuinfo(board: TreeBoard) -> str:
    lines = [f"model name\t: {board.processor}"] if board.processor else []
    return "\n".join([*lines, f"flags\t\t: {' '.join(board.flags)}"] if board.flags else lines)


def _stat(busy_and_idle_ticks: list[tuple[int, int]]) -> str:
    total = [sum(ticks) for ticks in zip(*busy_and_idle_ticks, strict=True)]
    lines = [f"cpu  {total[0]} 0 0 {total[1]} 0 0 0 0 0 0"]
    lines += [f"cpu{cpu} {busy} 0 0 {idle} 0 0 0 0 0 0" for cpu, (busy, idle) in enumerate(busy_and_idle_ticks)]
    return "\n".join([*lines, "intr 0", "ctxt 0"])
