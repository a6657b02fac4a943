"""The sleep states of one cluster: when they are reached, what they save, and what it takes to leave them.

While none of its cores is busy a cluster goes down its idle states, the lightest first: it enters one when it has been
idle for the state's residency, and draws accordingly when it is in it, after the time to enter. The state's power share
is what is left of the dynamic power of waiting cores (`idle_share`). What the cores share stays on, and leakage flows
as before, because the states of board files are a core's own. Leaving takes the exit time, and the rest of entering.

Source: what the figures mean, and that entering is not given up half-way: Linux, Documentation/devicetree/bindings/cpu/
idle-states.yaml. From the lightest down is the order of its ladder governor; that governors also predict how long a
pause will be, and then go deeper at once, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tenuto.platforms.simulated._spec import IdleState


@dataclass(frozen=True, slots=True)
class Sleep:
    """Sleep states in seconds, lightest first.

    Attributes:
        dozes: After how much idleness power changes, and what share of it is then left. A state that saves nothing
            more than the one before it is not among them.
    """

    _states: tuple[tuple[float, float, float], ...]  # until entered, until it is in it, to leave
    dozes: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, states: Sequence[IdleState]) -> Self:
        """The states that a board file describes."""
        times, dozes, share = [], [], 1.0
        for state in states:
            entered_s = state.min_residency_us.value / 1e6
            reached_s = entered_s + state.entry_us.value / 1e6
            times.append((entered_s, reached_s, state.exit_us.value / 1e6))
            if state.power_share.value != share:
                share = state.power_share.value
                dozes.append((reached_s, share))
        return cls(tuple(times), tuple(dozes))

    def exit_s(self, idle_s: float) -> float:
        """How long it takes to wake after so much idleness."""
        for entered_s, reached_s, leave_s in reversed(self._states):
            if idle_s >= entered_s:
                return leave_s + max(reached_s - idle_s, 0.0)
        return 0.0
