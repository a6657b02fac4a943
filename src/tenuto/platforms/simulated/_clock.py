"""Time that is told to pass: that of a simulated board, and of tests."""

from typing import Protocol

from tenuto.errors import UsageError


class Clock(Protocol):
    """What a simulated board needs of time; the clocks of `tenuto.runtime` and `tenuto.testing` have it, too."""

    def now_s(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep_until(self, time_s: float) -> None:
        """Return at `time_s`, or at once if that is past."""
        ...


class ManualClock:
    """Time that passes only when somebody waits, or lets it: a stream of an hour runs in a second.

    ```python
    board = SimulatedPlatform("odroid-xu3")
    board.clock.advance(3600)  # an idle hour
    ```

    Args:
        start_s: What it shows first.
    """

    __slots__ = ("_now_s",)

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Now."""
        return self._now_s

    def sleep_until(self, time_s: float) -> None:
        """Be at `time_s`, or stay where it is if that is past."""
        self._now_s = max(self._now_s, time_s)

    def advance(self, seconds: float) -> None:
        """Let some time pass.

        Raises:
            UsageError: It would go back, or is no time.
        """
        if not seconds >= 0:
            raise UsageError(f"asked to advance by {seconds!r} s; a clock does not go back, give 0 or more")
        self._now_s += seconds
