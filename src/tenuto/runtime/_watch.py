"""What happens beside the stream: reading the monitors and writing the trace, up to ten times a second."""

import math
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from tenuto.decisions import NO_READINGS
from tenuto.errors import PlatformError
from tenuto.platforms import HeldBoard, Monitor, OwnTime, readings_by_quantity
from tenuto.runtime._clock import Clock
from tenuto.traces import TraceWriter

PERIOD_S: Final = 0.1

IDLE_PERIOD_S: Final = 1.0
"""While no inputs come."""


class Watch:
    """Keeps the latest readings at hand, so that an inference never waits for a file.

    It looks right after an answer, when the stream is idle. At a time of its own it would now and then hold the
    interpreter's lock when an inference comes back, and where other programs want the processor, too, the stream waited
    for their turns as well (measured: 12 ms, every third frame). A board in a time of its own is looked at in the
    stream's thread, where its time stands still.

    `other_load_pct` is the load of all processors less this process's own share of it.
    """

    def __init__(self, board: HeldBoard, monitors: Sequence[Monitor], clock: Clock, writer: TraceWriter | None) -> None:
        self.readings: Mapping[str, float] = NO_READINGS
        self._board, self._monitors, self._clock, self._writer = board, monitors, clock, writer
        self._is_beside = not isinstance(board, OwnTime)
        self._own_s = board.own_s if isinstance(board, OwnTime) else _own_s
        self._n_processors = board.n_processors if isinstance(board, OwnTime) else os.cpu_count() or 1
        self._last_s = clock.now_s()
        self._last_own_s = self._own_s()
        self._due_s = clock.now_s()
        self._is_over = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tenuto-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._is_beside:
            self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._is_over = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def nudge(self, now_s: float) -> None:
        """An input was answered at `now_s`: a good time to look, if the last one is a while ago."""
        if now_s >= self._due_s:
            self._due_s = now_s + PERIOD_S
            if self._is_beside:
                self._wake.set()
            else:
                self._serve()

    def look(self) -> None:
        """Read everything once."""
        found = readings_by_quantity(self._monitors, self._board.snapshot())
        readings = {name: value for name, value in found.items() if math.isfinite(value)}
        now_s, own_s = self._clock.now_s(), self._own_s()
        if "load_pct" in readings and now_s > self._last_s:
            own_pct = 100 * (own_s - self._last_own_s) / (now_s - self._last_s) / self._n_processors
            readings["other_load_pct"] = min(max(readings["load_pct"] - own_pct, 0.0), 100.0)
        self._last_s, self._last_own_s = now_s, own_s
        self.readings = MappingProxyType(readings)

    def _run(self) -> None:
        while True:
            self._wake.wait(IDLE_PERIOD_S)
            self._wake.clear()
            if self._is_over:
                return
            self._serve()

    def _serve(self) -> None:
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
