"""What the kernel does when a board gets hot: its step-wise thermal governor, fans, and the critical trip.

Every poll compares the hottest node with each trip. A passive trip has a cooling state, 0 for none: above the trip and
not falling it goes up by one, below the trip less its hysteresis it goes down by one, between them it stays. Each state
takes one step of its ladder from every cluster that the trip cools, from the trip's highest clock (the kernel's lower
limit of the cooling state) down to its lowest.

Source: Linux, drivers/thermal/gov_step_wise.c; the hysteresis as fans and firmware use it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from tenuto.platforms.simulated._spec import ClusterSpec, ThermalSpec, Trip


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """What the trips do at present.

    Attributes:
        levels: Of each trip: the cooling state of a passive one; 1 for a fan that is on, or a critical one reached.
        hottest_c: At the last poll; minus infinity before the first.
    """

    levels: tuple[int, ...]
    hottest_c: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """What follows from a state.

    Attributes:
        ceiling_hz: The highest clock allowed, for each cluster that is held down.
        rail_hz: The clock whose voltage the rail does not go below, for each cluster that is held down and whose
            board lowers the clock further than the voltage.
        conductance: What fans make of the conductance to the air, as a factor.
        is_off: The critical trip was reached: the board has switched itself off.
    """

    ceiling_hz: Mapping[str, int]
    rail_hz: Mapping[str, int]
    conductance: float = 1.0
    is_off: bool = False

    def frequency_hz(self, cluster: str, requested_hz: int) -> int:
        """The clock that a request comes to."""
        return min(requested_hz, self.ceiling_hz.get(cluster, requested_hz))

    def voltage_hz(self, cluster: str, requested_hz: int) -> int:
        """The clock whose voltage the rail then has."""
        allowed_hz = self.frequency_hz(cluster, requested_hz)
        return max(allowed_hz, min(requested_hz, self.rail_hz.get(cluster, allowed_hz)))


@dataclass(frozen=True, slots=True)
class Throttling:
    """The trips of one board.

    Attributes:
        polling_s: How often the kernel looks.
    """

    polling_s: float
    _trips: tuple[Trip, ...]
    _ladders: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]  # for each trip, the allowed clocks, highest first
    _highest: tuple[int, ...]  # level of each trip

    @classmethod
    def of(cls, spec: ThermalSpec, clusters: Sequence[ClusterSpec]) -> Self:
        """The trips that a board file describes."""
        ladders = tuple(tuple(_allowed(trip, cluster) for cluster in clusters) for trip in spec.trips)
        used = tuple(tuple((name, steps) for name, steps in trip if len(steps) > 1) for trip in ladders)
        return cls(
            polling_s=spec.polling_ms.value / 1000,
            _trips=spec.trips,
            _ladders=used,
            _highest=tuple(
                max((len(steps) - 1 for _, steps in trip), default=0) if one.kind == "passive" else 1
                for one, trip in zip(spec.trips, used, strict=True)
            ),
        )

    def start(self) -> ThrottleState:
        """Nothing is held down."""
        return ThrottleState((0,) * len(self._trips))

    def step(self, state: ThrottleState, hottest_c: float) -> ThrottleState:
        """One poll.

        Args:
            state: After the poll before.
            hottest_c: Of the hottest node.
        """
        is_falling = hottest_c < state.hottest_c
        levels = []
        for trip, level, highest in zip(self._trips, state.levels, self._highest, strict=True):
            begin_c = trip.temperature_c.value
            if hottest_c >= begin_c:
                change = 0 if trip.kind == "passive" and is_falling else 1
            else:
                change = -1 if hottest_c < begin_c - trip.hysteresis_c.value else 0
            if trip.kind == "critical":
                change = max(change, 0)  # who is off stays off
            levels.append(min(max(level + change, 0), highest))
        return ThrottleState(tuple(levels), hottest_c)

    def held(self, state: ThrottleState, *, is_held: bool) -> ThrottleState:
        """The same state with the first passive trip at its deepest and the others at none, as a log may tell it was.

        Without `is_held`, all passive trips are at none.
        """
        passive = [place for place, trip in enumerate(self._trips) if trip.kind == "passive"]
        first = min(passive, key=lambda place: self._trips[place].temperature_c.value, default=None)
        levels = list(state.levels)
        for place in passive:
            levels[place] = self._highest[place] if is_held and place == first else 0
        return ThrottleState(tuple(levels), state.hottest_c)

    def limits(self, state: ThrottleState) -> Limits:
        """What a state allows."""
        ceiling: dict[str, int] = {}
        rail: dict[str, int] = {}
        conductance, is_off = 1.0, False
        for trip, level, ladders in zip(self._trips, state.levels, self._ladders, strict=True):
            if not level:
                continue
            is_off = is_off or trip.kind == "critical"
            if trip.conductance is not None:
                conductance = max(conductance, trip.conductance.value)
            for name, steps in ladders:
                allowed_hz = steps[min(level, len(steps) - 1)]
                if allowed_hz >= ceiling.get(name, allowed_hz + 1):
                    continue
                # The trip that holds a cluster down the furthest says what its rail does.
                ceiling[name] = allowed_hz
                rail.pop(name, None)
                if trip.cooling and name in trip.cooling.rail_mhz:
                    rail[name] = round(trip.cooling.rail_mhz[name] * 1e6)
        return Limits(MappingProxyType(ceiling), MappingProxyType(rail), conductance, is_off)


def _allowed(trip: Trip, cluster: ClusterSpec) -> tuple[str, tuple[int, ...]]:
    """The clocks that a trip leaves a cluster, highest first: one for each of its cooling states."""
    clocks = tuple(reversed(cluster.frequencies_hz))
    lowest_mhz = trip.cooling.lowest_mhz.get(cluster.name) if trip.cooling else None
    if trip.cooling is None or lowest_mhz is None:
        return cluster.name, clocks[:1]
    highest_mhz = trip.cooling.highest_mhz.get(cluster.name, math.inf)
    return cluster.name, clocks[:1] + tuple(hz for hz in clocks[1:] if lowest_mhz <= hz / 1e6 <= highest_mhz)
