"""What is shown while the stream runs."""

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tenuto.demo._stream import Schedule
from tenuto.points import OperatingTable
from tenuto.traces import Step

BARS: Final = " ▁▂▃▄▅▆▇█"
REDRAW_S: Final = 0.3
IDLE_NEEDED_S: Final = 0.012
"""Drawing takes some 5 ms of a processor: only where the next frame is further away than this."""

WIDTH: Final = 48


class LiveView:
    """One line per policy: what runs, what was missed, and the last frames as bars up to twice the deadline."""

    def __init__(self, console: Console, table: OperatingTable, names: Sequence[str]) -> None:
        self._table, self._names = table, list(names)
        self._schedule: Schedule | None = None
        self._steps: dict[str, deque[Step]] = {name: deque(maxlen=WIDTH) for name in names}
        self._counts = {name: [0, 0] for name in names}
        self._current = ""
        self._drawn_at = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def on_pass(self, name: str, schedule: Schedule) -> None:
        """A policy's pass begins."""
        self._current, self._schedule = name, schedule
        self._draw()

    def while_idle(self, name: str, step: Step, left_s: float) -> None:
        """A frame is done; draw if there is time."""
        self._steps[name].append(step)
        self._counts[name][0] += 1
        self._counts[name][1] += step.is_missed
        if left_s > IDLE_NEEDED_S and time.monotonic() - self._drawn_at > REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        view = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("policy", "frames", "missed", "running", "latency of the last frames"):
            view.add_column(title, no_wrap=True)
        for name in self._names:
            n, n_missed = self._counts[name]
            steps = self._steps[name]
            style = "bold" if name == self._current else "dim" if not n else ""
            running = self._running(steps[-1]) if steps else ""
            missed = Text(str(n_missed) if n else "", style="red" if n_missed else "")
            view.add_row(Text(name, style=style), str(n or ""), missed, running, self._bars(steps))
        self._live.update(Group(self._headline(), view), refresh=True)

    def _running(self, step: Step) -> str:
        return "no answer" if step.applied is None else self._table.configuration(step.applied).sub_network.name

    def _headline(self) -> Text:
        if self._schedule is None:
            return Text()
        n, (first, last) = self._counts[self._current][0], self._schedule.disturbed
        state = Text("co-runner on every core", style="bold red") if first <= n < last else Text("quiet", style="green")
        return Text.assemble(
            f"frame {n} of {self._schedule.n_frames}, deadline {self._schedule.deadline_ms:.1f} ms: ", state
        )

    def _bars(self, steps: Sequence[Step]) -> Text:
        text = Text()
        for step in steps:
            response_ms, bound_ms = step.response_ms, step.deadline_ms or 1.0
            share = 1.0 if response_ms is None else min(response_ms / (2 * bound_ms), 1.0)
            text.append(BARS[max(round(share * (len(BARS) - 1)), 1)], style="red" if step.is_missed else "green")
        return text
