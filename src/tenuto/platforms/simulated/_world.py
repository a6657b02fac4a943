"""The rest of the world: what happens to a board that its manager neither chose nor is told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tenuto.errors import UnknownNameError, UsageError
from tenuto.platforms.simulated._spec import BoardSpec


@dataclass(frozen=True, slots=True)
class BackgroundLoad:
    """What programs of others do to one cluster.

    Attributes:
        busy_cores: Cores that they keep busy at the cluster's highest clock, on average; of an accelerator the share of
            its time, 0 to 1. At a lower clock the same work takes longer.
        n_threads: Threads that this work is spread over, which no clock makes more of; None takes as few as can do it.
        memory_gb_s: What they move to and from memory.
    """

    busy_cores: float = 0.0
    n_threads: int | None = None
    memory_gb_s: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("busy_cores", self.busy_cores), ("memory_gb_s", self.memory_gb_s)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name}: asked {value!r}, expected a number of 0 or more")
        if self.n_threads is not None and self.n_threads < self.busy_cores:
            raise UsageError(
                f"n_threads: asked {self.n_threads} for {self.busy_cores:g} busy cores; a thread keeps one core busy "
                "at most, so give as many or more"
            )

    def busy_at(self, clock_ratio: float) -> float:
        """Cores busy when the highest clock is `clock_ratio` times the one in force."""
        return min(self.busy_cores * clock_ratio, self.n_threads or math.ceil(self.busy_cores))


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything outside the board, until it changes.

    Attributes:
        background: Programs of others, by cluster; a cluster that is not in it has none.
        ambient_c: Temperature of the air; None is the board file's.
        memory_mhz: The memory's clock; None is its highest. No monitor shows it.
        taken: Clusters whose cores are switched off or handed to others altogether.
        caps_hz: The highest clock that others leave, by cluster.
        battery_charge: Charges the battery to this share of its capacity, or empties it; None leaves it as it is.
        slowdown: How many times longer every inference takes on a cluster, at least 1, for a cause that is not
            modelled: multipliers that were published of contention. It draws as long.

    Raises:
        UsageError: A figure makes no sense by itself; `check` says what makes none for a board.
    """

    background: Mapping[str, BackgroundLoad] = field(default_factory=dict)
    ambient_c: float | None = None
    memory_mhz: float | None = None
    taken: frozenset[str] = frozenset()
    caps_hz: Mapping[str, int] = field(default_factory=dict)
    battery_charge: float | None = None
    slowdown: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", MappingProxyType(dict(self.background)))
        object.__setattr__(self, "caps_hz", MappingProxyType(dict(self.caps_hz)))
        object.__setattr__(self, "slowdown", MappingProxyType(dict(self.slowdown)))
        object.__setattr__(self, "taken", frozenset(self.taken))
        if self.ambient_c is not None and not -100 < self.ambient_c < 200:
            raise UsageError(f"ambient_c: asked {self.ambient_c!r}, expected degrees Celsius of air")
        if self.battery_charge is not None and not 0 <= self.battery_charge <= 1:
            raise UsageError(f"battery_charge: asked {self.battery_charge!r}, expected 0 to 1")
        for cluster, cap_hz in self.caps_hz.items():
            if not cap_hz > 0:
                raise UsageError(f"caps_hz: asked {cap_hz!r} for {cluster}, expected a clock in Hz")
        for cluster, factor in self.slowdown.items():
            if not 1 <= factor < math.inf:
                raise UsageError(f"slowdown: asked {factor!r} for {cluster}, expected a factor of 1 or more")

    def check(self, board: BoardSpec) -> None:
        """Refuse what a board cannot meet.

        Raises:
            UnknownNameError: It has no such cluster.
            UsageError: Not so many cores, no such memory clock, no battery, or no CPU would be left.
        """
        names = [cluster.name for cluster in board.clusters]
        for name in (*self.background, *self.taken, *self.caps_hz, *self.slowdown):
            if name not in names:
                raise UnknownNameError("cluster", name, names)
        for name, load in self.background.items():
            n_cores = board.cluster(name).n_cores
            if load.busy_cores > n_cores:
                raise UsageError(f"background of {name}: asked {load.busy_cores:g} busy cores, it has {n_cores}")
        memory_clocks = board.memory.frequency_mhz
        if self.memory_mhz is not None and self.memory_mhz not in memory_clocks:
            listed = ", ".join(f"{mhz:g}" for mhz in memory_clocks)
            raise UsageError(f"memory_mhz: asked {self.memory_mhz:g}, the memory has {listed}; ask for one of them")
        if self.battery_charge is not None and board.battery is None:
            raise UsageError(f"battery_charge: asked {self.battery_charge:g}, but {board.id} has no battery")
        if not any(cluster.kind == "cpu" and cluster.name not in self.taken for cluster in board.clusters):
            raise UsageError("taken: asked for every cluster of the CPU; leave one, the manager runs somewhere, too")


QUIET: Final = Conditions()
"""Nobody else there, air as the board file says."""
