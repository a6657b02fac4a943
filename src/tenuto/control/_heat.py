"""Looking ahead at temperature: how much may be drawn on average so that a bound holds later, not only now.

A board is taken as lumps of heat: what a cluster draws warms the hottest part in a few modes, each with a gain and a
time constant, which a table may carry (`about["thermal"]`). Where the modes stand is reckoned from what was drawn; what
the thermometer says beyond that (the air, other programs, fans) is one base that follows it, as an observer's does.

Source: the modes of the compact RC model (Skadron et al., "Temperature-aware microarchitecture", ISCA 2003), and a
Luenberger observer with one unknown offset.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

LOOK_AHEAD_S: Final = 20.0
"""A bound must hold for so long if what is chosen now is kept up."""

GUARD_K: Final = 1.0
"""Below the bound: a thermometer's noise, and what one inference adds."""

BASE_TIME_S: Final = 1.0
"""In about so long the base follows what the thermometer says."""

MOST_W: Final = 1e3
"""No limit that matters."""


class HeatModel(msgspec.Struct, frozen=True, gc=False):
    """How a board warms.

    Attributes:
        modes: For each cluster of a table, gain in K/W and time constant in s of each mode.
        bound_c: The highest temperature allowed.
    """

    modes: tuple[tuple[tuple[float, float], ...], ...]
    bound_c: float

    @classmethod
    def of(cls, about: Mapping[str, Any], clusters: tuple[str, ...], bound_c: float) -> "HeatModel | None":
        """From what a table says of itself; None if it says nothing of one of its clusters."""
        thermal = about.get("thermal")
        if not isinstance(thermal, Mapping) or not all(name in thermal for name in clusters):
            return None
        modes = tuple(tuple((float(gain), float(time_s)) for gain, time_s in thermal[name]) for name in clusters)
        return cls(modes, bound_c)


class Heat(msgspec.Struct, frozen=True, gc=False):
    """Where the modes stand.

    Attributes:
        time_s: When.
        rises_k: Of each cluster's modes, above the base.
        base_c: Everything else; None before a thermometer was read.
    """

    time_s: float
    rises_k: tuple[tuple[float, ...], ...]
    base_c: float | None = None


def begin_heat(model: HeatModel, time_s: float) -> Heat:
    """Nothing was drawn yet."""
    return Heat(time_s, tuple((0.0,) * len(modes) for modes in model.modes))


def warmed(heat: Heat, model: HeatModel, cluster: int, drawn_w: float, *, time_s: float, shown_c: float | None) -> Heat:
    """Until now one cluster drew so much on average; the thermometer says `shown_c`, or nothing."""
    seconds = time_s - heat.time_s
    if not 0 < seconds < math.inf:
        return heat
    rises_k = tuple(
        tuple(
            _settled(rise, gain * drawn_w if index == cluster else 0.0, seconds / time_constant_s)
            for rise, (gain, time_constant_s) in zip(rises, modes, strict=True)
        )
        for index, (rises, modes) in enumerate(zip(heat.rises_k, model.modes, strict=True))
    )
    base_c = heat.base_c
    if shown_c is not None and math.isfinite(shown_c):
        found_c = shown_c - sum(map(sum, rises_k))
        share = 1 - math.exp(-seconds / BASE_TIME_S)
        base_c = found_c if base_c is None else base_c + share * (found_c - base_c)
    return Heat(time_s, rises_k, base_c)


def heat_limits_w(heat: Heat, model: HeatModel) -> tuple[float, ...]:
    """What each cluster may draw on average, above rest, for the bound to hold `LOOK_AHEAD_S` from now."""
    if heat.base_c is None:
        return (MOST_W,) * len(model.modes)
    left_k = model.bound_c - GUARD_K - heat.base_c
    for rises, modes in zip(heat.rises_k, model.modes, strict=True):
        for rise, (_, time_constant_s) in zip(rises, modes, strict=True):
            left_k -= rise * math.exp(-LOOK_AHEAD_S / time_constant_s)
    limits = []
    for modes in model.modes:
        k_per_w = sum(gain * -math.expm1(-LOOK_AHEAD_S / time_constant_s) for gain, time_constant_s in modes)
        limits.append(min(max(left_k, 0.0) / k_per_w, MOST_W) if k_per_w > 0 else MOST_W)
    return tuple(limits)


def _settled(rise_k: float, goal_k: float, times: float) -> float:
    return goal_k + (rise_k - goal_k) * math.exp(-times)
