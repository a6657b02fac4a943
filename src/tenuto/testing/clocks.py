"""A clock that moves when it is told to."""

from tenuto.errors import UsageError


class ManualClock:
    """Time for tests and simulations: sleeping moves it, and nothing else does but `advance`.

    ```python
    clock = ManualClock()
    engine = TableEngine(table, ..., sleep=clock.advance)  # a stream of an hour runs in a second
    ```

    Args:
        start_s: What it shows first.
    """

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
