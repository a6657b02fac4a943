"""What happens beside the stream: reading the monitors and writing the trace, ten times a second."""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from tenuto.decisions import NO_READINGS
from tenuto.errors import PlatformError
from tenuto.platforms import HeldBoard, Monitor, readings_by_quantity
from tenuto.runtime._clock import Clock
from tenuto.traces import TraceWriter

PERIOD_S: Final = 0.1


class Watch:
    """Keeps the latest readings at hand, so that an inference never waits for a file.

    `other_load_pct` is the load of all processors less this process's own share of it.
    """

    def __init__(self, board: HeldBoard, monitors: Sequence[Monitor], clock: Clock, writer: TraceWriter | None) -> None:
        self.readings: Mapping[str, float] = NO_READINGS
        self._board, self._monitors, self._clock, self._writer = board, monitors, clock, writer
        self._n_processors = os.cpu_count() or 1
        self._last_s = clock.now_s()
        self._last_own_s = _own_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tenuto-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Read everything once."""
        readings = readings_by_quantity(self._monitors, self._board.snapshot())
        now_s, own_s = self._clock.now_s(), _own_s()
        if "load_pct" in readings and now_s > self._last_s:
            own_pct = 100 * (own_s - self._last_own_s) / (now_s - self._last_s) / self._n_processors
            readings["other_load_pct"] = min(max(readings["load_pct"] - own_pct, 0.0), 100.0)
        self._last_s, self._last_own_s = now_s, own_s
        self.readings = MappingProxyType(readings)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                self.look()
            except (PlatformError, OSError):
                self.readings = NO_READINGS  # what cannot be read now is absent, not what it was
            if self._writer is not None:
                with suppress(OSError):  # the writer keeps what a full disk does not take, and says so when closed
                    self._writer.flush()


def _own_s() -> float:
    """Processor time that this process used so far."""
    times = os.times()
    return times.user + times.system
