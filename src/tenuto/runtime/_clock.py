"""Time, so that it can be another's."""

import math
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that never go back."""

    def now_s(self) -> float:
        """Now."""
        ...

    def sleep_until(self, time_s: float) -> None:
        """Return at `time_s`, or at once if that is past."""
        ...


class MonotonicClock:
    """This machine's clock."""

    def now_s(self) -> float:
        """Now."""
        return time.perf_counter()

    def sleep_until(self, time_s: float) -> None:
        """Sleep; the kernel may wake us some 0.1 ms late."""
        left_s = time_s - time.perf_counter()
        if left_s > 0:
            time.sleep(left_s)


class SteadyClock:
    """Another clock that stands still instead of going back, and goes on from there.

    Attributes:
        n_back: How often it would have gone back.
    """

    def __init__(self, clock: Clock) -> None:
        self.n_back = 0
        self._clock, self._latest_s, self._ahead_s = clock, -math.inf, 0.0

    def now_s(self) -> float:
        """Now, or when it last was later."""
        time_s = self._clock.now_s()
        if time_s < self._latest_s:
            self._ahead_s += self._latest_s - time_s
            self.n_back += 1
        self._latest_s = time_s
        return time_s + self._ahead_s

    def sleep_until(self, time_s: float) -> None:
        """Return at `time_s` of this clock, or at once if that is past."""
        self._clock.sleep_until(time_s - self._ahead_s)
