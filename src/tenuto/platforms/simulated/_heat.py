"""The temperatures of a simulated board, kept as modes: between changes of power they need not be looked at."""

from collections.abc import Sequence
from math import exp
from operator import mul

from tenuto.platforms.simulated.thermal import ThermalModel


class Heat:
    """How warm a board is. What only looks (`at`) changes nothing, not even a last digit.

    Args:
        model: The board's network of lumps.
        rails: For each source of heat, the share that each node gets of it.
        temperatures_c: Now.
        ambient_c: Of the air.
        conductance: What fans make of the conductance to the air, as a factor.
        now_s: The time.
    """

    def __init__(
        self,
        model: ThermalModel,
        rails: Sequence[Sequence[float]],
        temperatures_c: Sequence[float],
        ambient_c: float,
        *,
        conductance: float,
        now_s: float,
    ) -> None:
        self._model, self._rails = model, rails
        self._powers_w = [0.0] * len(rails)
        self._ambient_c, self._conductance = ambient_c, conductance
        self._since_s = now_s
        # Where the modes would end if nothing changed any more, and how far off they are.
        self._goals: list[float] = []
        self._off: list[float] = []
        self._adopt(temperatures_c)

    def draw(self, one: int, one_w: float, other: int, other_w: float, now_s: float) -> None:
        """From now on two sources draw so much: a cluster and the memory change together, and often."""
        powers_w = self._powers_w
        one_more, other_more = one_w - powers_w[one], other_w - powers_w[other]
        if one_more or other_more:
            self._advance(now_s)
            powers_w[one], powers_w[other] = one_w, other_w
            more = self.rise(one, one_more, other, other_more)
            self._goals = [goal + rise for goal, rise in zip(self._goals, more, strict=True)]
            self._off = [off - rise for off, rise in zip(self._off, more, strict=True)]

    def draw_one(self, one: int, one_w: float, now_s: float) -> None:
        """From now on one source draws so much."""
        more_w, seconds = one_w - self._powers_w[one], self._since_s - now_s
        if more_w:
            into = self._into[one]
            self._goals = [goal + more_w * mine for goal, mine in zip(self._goals, into, strict=True)]
            self._off = [
                off * exp(decay * seconds) - more_w * mine
                for off, decay, mine in zip(self._off, self._decay_per_s, into, strict=True)
            ]
            self._powers_w[one], self._since_s = one_w, now_s

    def rise(self, one: int, one_w: float, other: int, other_w: float) -> list[float]:
        """By how much goals rise when two sources draw so much more: for `pulse`."""
        return [one_w * mine + other_w * yours for mine, yours in zip(self._into[one], self._into[other], strict=True)]

    def pulse(self, rise: Sequence[float], begin_s: float, end_s: float) -> None:
        """Something drew more from `begin_s` to `end_s`, and then again what it drew before."""
        before_s, while_s = self._since_s - begin_s, begin_s - end_s
        self._off = [
            (off * exp(decay * before_s) - more) * exp(decay * while_s) + more
            for off, more, decay in zip(self._off, rise, self._decay_per_s, strict=True)
        ]
        self._since_s = end_s

    def draw_all(self, powers_w: Sequence[float], now_s: float) -> None:
        """From now on all sources draw so much."""
        self._advance(now_s)
        self._powers_w = list(powers_w)
        self._aim([goal + off for goal, off in zip(self._goals, self._off, strict=True)])

    def air(self, ambient_c: float, conductance: float, now_s: float) -> None:
        """From now on the air is so warm, and fans make so much of the conductance to it."""
        if (ambient_c, conductance) != (self._ambient_c, self._conductance):
            temperatures_c = self.at(now_s)
            self._ambient_c, self._conductance, self._since_s = ambient_c, conductance, now_s
            self._adopt(temperatures_c)

    def at(self, now_s: float) -> tuple[float, ...]:
        """The temperature of each node."""
        off = self._later(now_s)
        modes = [goal + away for goal, away in zip(self._goals, off, strict=True)]
        return tuple([sum(map(mul, row, modes)) for row in self._out])

    def _advance(self, now_s: float) -> None:
        if now_s > self._since_s:
            self._off = self._later(now_s)
            self._since_s = now_s

    def _later(self, now_s: float) -> list[float]:
        seconds = self._since_s - now_s
        return [off * exp(decay * seconds) for off, decay in zip(self._off, self._decay_per_s, strict=True)]

    def _adopt(self, temperatures_c: Sequence[float]) -> None:
        """Begin anew from temperatures."""
        modes = self._model.modes(self._conductance)
        self._decay_per_s, self._out = modes.decay_per_s, modes.out
        self._into = [
            [_dot(row, shares) / decay for row, decay in zip(modes.heat_into, modes.decay_per_s, strict=True)]
            for shares in self._rails
        ]
        self._rows = list(zip(*self._into, strict=True))
        self._air = [
            self._ambient_c * air / decay for air, decay in zip(modes.ambient_into, modes.decay_per_s, strict=True)
        ]
        self._aim([_dot(row, temperatures_c) for row in modes.into])

    def _aim(self, modes: Sequence[float]) -> None:
        """From where the modes are, to where they would end if nothing changed any more."""
        powers_w = self._powers_w
        self._goals = [air + sum(map(mul, powers_w, row)) for air, row in zip(self._air, self._rows, strict=True)]
        self._off = [mode - goal for mode, goal in zip(modes, self._goals, strict=True)]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    total: float = sum(map(mul, one, other))
    return total
