"""One cluster of a simulated board, as it is now: who wants which clock, which is in force, how busy it is."""

import math
from typing import Final

from tenuto.platforms.simulated import governors
from tenuto.platforms.simulated._sleep import Sleep
from tenuto.platforms.simulated._spec import ClusterSpec
from tenuto.platforms.simulated._world import BackgroundLoad
from tenuto.platforms.simulated.governors import Sample
from tenuto.platforms.simulated.power import PowerModel
from tenuto.platforms.simulated.throttling import Limits

NEVER: Final = math.inf

NOBODY: Final = BackgroundLoad()


class Domain:
    """A cluster's clock, load and sleep.

    Its governor looks once a period, but not while nothing can change what it would say. It sleeps while it is idle
    (`_sleep`).

    Args:
        spec: The cluster.
        node: The thermal node that it heats most, whose temperature its leakage follows.
        now_s: The time.
    """

    def __init__(self, spec: ClusterSpec, node: int, now_s: float) -> None:
        self.spec, self.node, self.name = spec, node, spec.name
        self.n_cores, self.is_cpu = spec.n_cores, bool(spec.cpus)
        self.ladder_hz = spec.frequencies_hz
        self.top_hz = self.ladder_hz[-1]
        self.power_model = PowerModel.of(spec)
        self._power_w = self.power_model.power_w
        sleep = Sleep.of(spec.idle_states)
        self._dozes, self._exit_s = sleep.dozes, sleep.exit_s
        latency_us = spec.transition_latency_us
        self._delay_s = spec.clock_delay_ms.value / 1000
        self._period_s = governors.period_s(spec.governor, latency_us.value if latency_us else None)
        self.cap_hz = self.top_hz
        self._limits = Limits({}, {})
        # Who asks for a clock: the holder of the board, or else the governor.
        self.driven_hz: int | None = None
        self.governor = governors.begin(spec.governor, self.ladder_hz[0], self.ladder_hz, cap_hz=self.cap_hz)
        self.clock_hz = self._coming_hz = self.rail_hz = self.governor.frequency_hz
        self.clock_due_s = NEVER
        self.governor_due_s = now_s + self._period_s
        self._sampled_s, self._sampled_busy_s, self._settled_peak = now_s, 0.0, 0.0
        # Who keeps it busy: ours while an inference runs, others, and both together.
        self.background = NOBODY
        self.is_taken = False
        self.own_cores, self._own_fill, self._others_cores = 0, 1.0, 0.0
        self.busy_cores, self._peak, self.fill = 0.0, 0.0, 1.0
        # Since when it has been idle (`NEVER` while it is not), how many of the dozes it has reached, and when the
        # next one comes. At first it has been idle for long.
        self._idle_s, self._n_dozes, self.doze_due_s = -NEVER, len(self._dozes), NEVER
        # Sums until `_since_s`; whoever looks adds what has come since, and leaves them as they are.
        self._since_s = now_s
        self._energy_j = self._busy_core_s = self._own_core_s = self._busy_s = 0.0
        self.power_w = 0.0
        self._rest_w: dict[int, float] = {}  # by how many dozes it has reached
        self.is_stale = True
        self.drawn_c = 0.0

    @property
    def wanted_hz(self) -> int:
        """What is asked for, before caps."""
        return self.governor.frequency_hz if self.driven_hz is None else self.driven_hz

    @property
    def allowed_hz(self) -> int:
        """What caps leave of it."""
        return governors.at_or_below(self.ladder_hz, min(self.wanted_hz, self.cap_hz))

    @property
    def others_cores(self) -> float:
        """Cores that others keep busy at the clock in force."""
        return self.others_cores_at(self.clock_hz)

    def others_cores_at(self, frequency_hz: int) -> float:
        """Cores that others would keep busy at a clock."""
        return 0.0 if self.is_taken else self.background.busy_at(self.top_hz / frequency_hz)

    @property
    def dozes(self) -> tuple[tuple[float, float], ...]:
        """After how many seconds of idleness which share of the power of waiting cores is left."""
        return tuple(self._dozes)

    @property
    def state(self) -> tuple[object, ...]:
        """All that its next inference's clock depends on, until `Board.version` changes: compared, not read."""
        return (self.clock_hz, self._coming_hz, self.cap_hz, self.driven_hz, self.governor.frequency_hz, self._limits)

    def steps(self, now_s: float) -> tuple[int, int, int, int, float, float]:
        """Where it is on its ladder.

        Returns:
            The steps of the clock in force, of the one that was asked for, of the cap, and of the one that the governor
            would ask for now; the seconds until what was asked for is in force, and until anything else would be.
        """
        step_of = self.ladder_hz.index
        cap = step_of(governors.at_or_below(self.ladder_hz, self.cap_hz))
        due_s = max(self.clock_due_s - now_s, 0.0)
        return step_of(self.clock_hz), step_of(self._coming_hz), cap, step_of(self.governed_hz), due_s, self._delay_s

    def held_rail_hz(self, wanted_hz: int) -> int | None:
        """The clock whose voltage the rail does not go below while a clock is asked for; None if heat holds none."""
        return self._limits.voltage_hz(self.name, wanted_hz) if self.name in self._limits.rail_hz else None

    @property
    def governed_hz(self) -> int:
        """What its governor would ask for at once, if it is given the clock now."""
        if self.driven_hz is None:
            return self.governor.frequency_hz
        begun = governors.begin(self.spec.governor, self.clock_hz, self.ladder_hz, cap_hz=self.cap_hz)
        return begun.frequency_hz

    @property
    def left_alone_w(self) -> float:
        """What it would draw in the end if its governor had it and nobody used it; with others there, what it draws."""
        if self.busy_cores or self.driven_hz is None:
            return self.power_w
        resting_hz = self.cap_hz if self.spec.governor == "performance" else self.ladder_hz[0]
        waiting = self._dozes[-1][1] if self._dozes else 1.0
        return self._power_w(resting_hz, 0.0, temperature_c=self.drawn_c, waiting=waiting)

    def energy_j(self, now_s: float) -> float:
        """What it has drawn so far."""
        return self._energy_j + self.power_w * (now_s - self._since_s)

    def busy_core_s(self, now_s: float) -> float:
        """Processor time that was spent here so far, by all."""
        return self._busy_core_s + self.busy_cores * (now_s - self._since_s)

    def own_core_s(self, now_s: float) -> float:
        """Processor time that our inferences spent here so far."""
        return self._own_core_s + self.own_cores * (now_s - self._since_s)

    def draw(self, temperature_c: float, now_s: float) -> float:
        """Work out what it draws from now on.

        Returns:
            Watts.
        """
        self._note(now_s)
        self.is_stale = False
        self.drawn_c = temperature_c
        if self._rest_w:
            self._rest_w = {}
        self.power_w = self._power_for(self.busy_cores, self.fill)
        return self.power_w

    def exit_s(self, now_s: float) -> float:
        """How long an inference would have to wait until it is awake."""
        return self._exit_s(now_s - self._idle_s)

    @property
    def can_doze(self) -> bool:
        """Whether any of its sleep states saves anything."""
        return bool(self._dozes)

    @property
    def is_dozing(self) -> bool:
        """Whether a sleep state takes something of its power away."""
        return self._n_dozes > 0

    def doze(self, now_s: float) -> float:
        """It is in the next sleep state that draws less.

        Returns:
            Watts.
        """
        self._note(now_s)
        self._n_dozes += 1
        is_last = self._n_dozes == len(self._dozes)
        self.doze_due_s = NEVER if is_last else self._idle_s + self._dozes[self._n_dozes][0]
        return self._rest()

    def rouse(self, now_s: float) -> float:
        """It wakes, and has nothing to do yet.

        Returns:
            Watts.
        """
        self._note(now_s)
        self._n_dozes = 0
        return self._rest()

    def expect(self, n_cores: int, fill: float) -> tuple[float, float]:
        """What it would draw, and how many cores would be busy, if ours took so many."""
        busy_cores, fill = self._shared(n_cores, fill)
        return self._power_for(busy_cores, fill), busy_cores

    def pulse(self, own_cores: int, busy_cores: float, power_w: float, begin_s: float, end_s: float) -> None:
        """Ours took cores from `begin_s` to `end_s`, and then left it as it was before.

        It was awake, and its governor not at work.
        """
        before_s, while_s = begin_s - self._since_s, end_s - begin_s
        self._energy_j += self.power_w * before_s + power_w * while_s
        self._busy_core_s += self.busy_cores * before_s + busy_cores * while_s
        self._busy_s += self._peak * before_s + while_s
        self._own_core_s += own_cores * while_s
        self._since_s = end_s
        if not self.busy_cores:
            self._idle_s = end_s
            if self._dozes:
                self.doze_due_s = end_s + self._dozes[0][0]

    def switch_off(self, now_s: float) -> None:
        """It draws nothing any more."""
        self._note(now_s)
        self.power_w, self.is_stale = 0.0, False
        self._dozes, self._n_dozes, self.doze_due_s = (), 0, NEVER

    def occupy(self, n_cores: int, fill: float, now_s: float) -> None:
        """Our inference takes cores; 0 gives them back."""
        if n_cores == self.own_cores and fill == self._own_fill:
            return
        self._note(now_s)
        self.own_cores, self._own_fill = n_cores, fill
        self._count(now_s)
        self._wake(now_s)

    def meet(self, background: BackgroundLoad, now_s: float, *, is_taken: bool) -> None:
        """Others come or go."""
        self._note(now_s)
        self.background, self.is_taken = background, is_taken
        self._count(now_s)
        self._wake(now_s)

    def drive(self, frequency_hz: int | None, now_s: float) -> None:
        """Ask for a clock, or give it back to the governor."""
        if frequency_hz is None:
            if self.driven_hz is None:
                return
            self.driven_hz = None
            self._begin_governor(now_s)
        else:
            self.driven_hz, self.governor_due_s = frequency_hz, NEVER
        self._request(now_s)

    def cap(self, world_hz: int | None, limits: Limits, now_s: float) -> None:
        """Obey what heat and others leave of the ladder."""
        cap_hz = limits.frequency_hz(self.name, self.top_hz if world_hz is None else world_hz)
        self.cap_hz, self._limits = max(cap_hz, self.ladder_hz[0]), limits
        if self.driven_hz is None and self._period_s == NEVER:
            self._begin_governor(now_s)
        self._request(now_s)
        self._wake(now_s)

    def clock_arrives(self, now_s: float) -> None:
        """The clock that was asked for comes into force."""
        self._note(now_s)
        self.clock_due_s = NEVER
        self.clock_hz, self.is_stale = self._coming_hz, True
        self._set_rail()
        self._count(now_s)
        self._wake(now_s)

    def govern(self, now_s: float) -> None:
        """The governor's period is over."""
        elapsed_s = now_s - self._sampled_s
        busy_s = self._busy_s + self._peak * (now_s - self._since_s)
        busy_share = min((busy_s - self._sampled_busy_s) / elapsed_s, 1.0)
        before, name = self.governor, self.spec.governor
        sample = Sample(busy_share, self.clock_hz, elapsed_s)
        self.governor = governors.step(name, before, sample, self.ladder_hz, cap_hz=self.cap_hz)
        self._sampled_s, self._sampled_busy_s = now_s, busy_s
        self._request(now_s)
        # Who sees what it saw and asks what it asked will go on so until something changes, which wakes it.
        is_steady = abs(busy_share - self._peak) < 1e-9 and self.clock_due_s == NEVER
        is_settled = is_steady and self.governor == before
        self._settled_peak = self._peak
        self.governor_due_s = NEVER if is_settled else now_s + self._period_s * self.governor.periods

    def _wake(self, now_s: float) -> None:
        """A settled governor looks again, at the end of the period that it would be in had it not stopped."""
        if self.driven_hz is not None or self.governor_due_s != NEVER or self._period_s == NEVER:
            return
        self._sampled_s += math.floor((now_s - self._sampled_s) / self._period_s) * self._period_s
        # It was as busy as before until its load was last counted, which is now.
        busy_s = self._busy_s + self._peak * (now_s - self._since_s)
        self._sampled_busy_s = busy_s - self._settled_peak * (now_s - self._sampled_s)
        self.governor_due_s = self._sampled_s + self._period_s

    def _begin_governor(self, now_s: float) -> None:
        self.governor = governors.begin(self.spec.governor, self.clock_hz, self.ladder_hz, cap_hz=self.cap_hz)
        self._sampled_s = now_s
        self._sampled_busy_s = self._busy_s + self._peak * (now_s - self._since_s)
        self.governor_due_s = now_s + self._period_s

    def _request(self, now_s: float) -> None:
        """Let the clock go where it is wanted and allowed, after its delay."""
        allowed_hz = self.allowed_hz
        self._set_rail()
        if allowed_hz != self._coming_hz:
            self._coming_hz = allowed_hz
            self.clock_due_s = NEVER if allowed_hz == self.clock_hz else now_s + self._delay_s

    def _set_rail(self) -> None:
        """Some boards lower the clock, when they are hot, further than the voltage."""
        rail_hz = self.clock_hz
        if self.name in self._limits.rail_hz:
            rail_hz = max(rail_hz, self._limits.voltage_hz(self.name, self.wanted_hz))
        if rail_hz != self.rail_hz:
            self.rail_hz, self.is_stale = rail_hz, True

    def _rest(self) -> float:
        """What it draws now that it sleeps deeper or not at all; the rest is as when it was drawn last."""
        power_w = self._rest_w.get(self._n_dozes)
        if power_w is None:
            power_w = self._rest_w[self._n_dozes] = self._power_for(self.busy_cores, self.fill)
        self.power_w = power_w
        return power_w

    def _note(self, now_s: float) -> None:
        """Sum up until now, before anything that is summed changes."""
        seconds = now_s - self._since_s
        if seconds > 0:
            self._energy_j += self.power_w * seconds
            self._busy_core_s += self.busy_cores * seconds
            self._busy_s += self._peak * seconds
            self._own_core_s += self.own_cores * seconds
            self._since_s = now_s

    def _count(self, now_s: float) -> None:
        """Work out how busy it is, after its clock or its load has changed."""
        self.is_stale = True
        own = self.own_cores
        self._others_cores = 0.0 if self.background is NOBODY else self.others_cores
        self._peak = 1.0 if own else min(self._others_cores, 1.0)
        self.busy_cores, self.fill = self._shared(own, self._own_fill)
        if self.busy_cores:
            self._idle_s, self._n_dozes, self.doze_due_s = NEVER, 0, NEVER
        elif self._idle_s == NEVER:
            self._idle_s = now_s
            if self._dozes:
                self.doze_due_s = now_s + self._dozes[0][0]

    def _shared(self, own_cores: int, own_fill: float) -> tuple[float, float]:
        """Cores that we and others keep busy, and what that makes of an accelerator's fill."""
        others = self._others_cores
        shared = min(others, 1.0)
        fill = own_fill * (1 - shared) + shared if own_cores else 1.0
        return min(own_cores + others, float(self.n_cores)), fill

    def _power_for(self, busy_cores: float, fill: float) -> float:
        return self._power_w(
            self.clock_hz,
            busy_cores,
            temperature_c=self.drawn_c,
            fill=fill,
            rail_hz=self.rail_hz,
            waiting=self._dozes[self._n_dozes - 1][1] if self._n_dozes else 1.0,
        )
