"""A Linux machine, whatever board it is: all that is known of it is read from sysfs and procfs."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tenuto.platforms._affinity import Affinity, ProcessAffinity, TreeAffinity
from tenuto.platforms._cpufreq import GOVERNOR, MAX, MIN, SETSPEED, describe_clock
from tenuto.platforms._diagnosis import machine_facts, missing_here
from tenuto.platforms._guardian import Write, write_file
from tenuto.platforms._hold import LinuxHold, Parts
from tenuto.platforms._platform import Cluster, HeldBoard, Knob, Missing, Monitor, Opp, Snapshot
from tenuto.platforms._readings import LOAD_PERIOD_S, Reader, Sources
from tenuto.platforms._sensors import energy_counters, sensors
from tenuto.platforms._sysfs import read_text
from tenuto.platforms._topology import CoreGroup, allowed_cpus, core_groups, online_cpus
from tenuto.platforms._wiring import Wiring


class LinuxPlatform:
    """This machine, or any file tree that looks like one.

    It is enumerated once: after a processor was switched on or off, or a power mode changed, make a new one. Make it
    before confining the process: only processors that the process may use count.

    Args:
        root: Where its `sys` and `proc` are. Any other than `/` is a board made of files (`tenuto.testing.trees`
            writes them): it is read and written like a real one, while this process keeps its processors.
        affinity: The cores knob; by default this process's threads on `/`, and a remembered value elsewhere.
        clock: Seconds, monotonic.
        write: Writes one cpufreq file.

    Source:
        Linux kernel documentation: admin-guide/pm/cpufreq.rst, ABI/testing/sysfs-class-thermal, hwmon/sysfs-interface,
        hwmon/ina3221, power/powercap/powercap.rst, sched_setaffinity(2).
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        affinity: Affinity | None = None,
        clock: Callable[[], float] = time.monotonic,
        write: Write = write_file,
    ) -> None:
        self._root = root
        self._clock = clock
        online = online_cpus(root)
        if affinity is None:
            is_this_machine = root.resolve() == Path("/")
            affinity = ProcessAffinity() if is_this_machine else TreeAffinity(allowed_cpus(root) or online)
        self._usable = affinity.current() & frozenset(online)
        groups = core_groups(root, self._usable)
        self._wirings = {group.name: _wire(group) for group in groups}
        self._machine = machine_facts(root, self._usable)
        self._sources = _sources(root, groups)
        self._parts = Parts(self.name, root, self._wirings, self._sources, affinity, clock, write)
        self._reader: Reader | None = None

    @property
    def name(self) -> str:
        """The board's or the processor's own name, and how many of its cores are ours."""
        model = (
            self._machine.get("board") or self._machine.get("processor") or self._machine.get("architecture") or "Linux"
        )
        return f"{model}, {len(self._usable)} {'core' if len(self._usable) == 1 else 'cores'}"

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Its clusters, the least capable first."""
        return tuple(wiring.cluster for wiring in self._wirings.values())

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """Cores of each cluster, and the clock where the kernel shows one."""
        knobs = []
        for name, wiring in self._wirings.items():
            knobs.append(Knob(f"{name}.cores", tuple(range(1, len(wiring.cluster.cpus) + 1))))
            if wiring.clock is not None:
                clock = wiring.clock
                knobs.append(Knob(f"{name}.frequency_hz", clock.ladder_hz, wiring.is_settable, clock.remedy))
        return tuple(knobs)

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """What can be read."""
        return self._sources.monitors

    @property
    def machine(self) -> Mapping[str, str]:
        """Facts for people."""
        return self._machine

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What one would want here and cannot have, and why."""
        clocks = {name: wiring.clock for name, wiring in self._wirings.items()}
        return missing_here(self._root, self._usable, clocks, self.monitors)

    def snapshot(self) -> Snapshot:
        """Read every monitor without holding the board; loads are means since an earlier call."""
        if self._reader is None:
            self._reader = Reader(self._sources, self._clock)
        return self._reader.snapshot()

    def read_knobs(self) -> Mapping[str, str]:
        """The processors of the main thread, and governor, limits and speed of every clock."""
        knobs = {"affinity": " ".join(str(cpu) for cpu in sorted(self._parts.affinity.current()))}
        for wiring in self._wirings.values():
            for policy in wiring.clock.policies if wiring.clock else ():
                for name in (GOVERNOR, MIN, MAX, SETSPEED):
                    text = read_text(policy / name)
                    if text is not None:
                        knobs[f"{policy.name}/{name}"] = text
        return knobs

    def hold(self) -> AbstractContextManager[HeldBoard]:
        """Take the board; `LinuxHold` says what is restored when.

        Raises:
            PlatformError: On entering: somebody else holds it, or its clocks could not be guarded.
        """
        return LinuxHold(self._parts)


def _wire(group: CoreGroup) -> Wiring:
    clock = describe_clock(group.policies)
    is_settable = clock is not None and clock.mechanism is not None
    opps = tuple(Opp(step_hz) for step_hz in clock.ladder_hz) if clock is not None and is_settable else ()
    return Wiring(Cluster(group.name, group.cpus, opps, group.capacity), clock)


def _sources(root: Path, groups: tuple[CoreGroup, ...]) -> Sources:
    stat = root / "proc/stat"
    loads: list[tuple[Monitor, tuple[int, ...] | None]] = []
    if stat.exists():
        loads.append((_load("load_pct", stat), None))
        loads.extend((_load(f"{group.name}.load_pct", stat), group.cpus) for group in groups)
    clocks = []
    for group in groups:
        shown = tuple(policy for policy in group.policies if (policy / "scaling_cur_freq").exists())
        if shown:
            path = os.fspath(shown[0] / "scaling_cur_freq")
            clocks.append((Monitor(f"{group.name}.frequency_hz", "frequency_hz", path=path), shown))
    return Sources(stat, tuple(loads), tuple(clocks), sensors(root), energy_counters(root))


def _load(name: str, stat: Path) -> Monitor:
    return Monitor(name, "load_pct", path=str(stat), period_s=LOAD_PERIOD_S)
