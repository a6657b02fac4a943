"""Time, so that it can be another's."""

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
