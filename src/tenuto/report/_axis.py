"""From figures to places on paper."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps figures from `low` to `high` onto places from `start` to `end`; what lies outside goes to the edge.

    Attributes:
        low: The figure at `start`.
        high: The figure at `end`; more than `low`, by enough to divide by.
        start: In pixels.
        end: In pixels; less than `start` on an axis that points up.
        is_log: Whether equal ratios, not equal differences, are equally far apart; then `low` is above 0.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a figure."""
        inside = min(max(value, self.low), self.high)
        low, high = self.low, self.high
        if self.is_log:
            low, high, inside = math.log(low), math.log(high), math.log(inside)
        # Weighing both ends stays between them even where rounding would not.
        share = min(max((inside - low) / (high - low), 0.0), 1.0)
        return self.start * (1 - share) + self.end * share

    def holds(self, value: float) -> bool:
        """Whether a figure is within the axis, not pushed to its edge."""
        return self.low <= value <= self.high

    def ticks(self, n_most: int) -> list[float]:
        """Round figures within the axis, at most `n_most` (2 or more) of them."""
        if self.is_log:
            return self._log_ticks(n_most)
        step = _round_up((self.high - self.low) / max(n_most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)][:n_most]

    def _log_ticks(self, n_most: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            ticks = [digit * 10.0**decade for decade in decades for digit in digits]
            ticks = [tick for tick in ticks if self.holds(tick)]
            if len(ticks) <= n_most:
                return ticks
        return ticks[:: math.ceil(len(ticks) / n_most)]


def _round_up(step: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 2.5, 5, 10) if digit * power >= step * (1 - 1e-9))
