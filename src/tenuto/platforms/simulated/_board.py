"""The physics of a simulated board: clocks, power, heat and energy, from one event to the next.

Events are clock changes that come into force, governors that look, clusters that fall asleep, thermal polls, sensors
that finish a period, changes of the world, and the begin and end of an inference; `_sharing` has several inferences at
once. Between two events all power is constant, so that energies are products, and temperatures exact. Only leakage is
a little late: it follows the temperatures of a thermal poll, to within 0.25 °C.
"""

from collections.abc import Hashable, Iterable, Sequence
from operator import mul
from typing import Final, Protocol

from tenuto.errors import PlatformError
from tenuto.platforms.simulated._domain import NEVER, NOBODY, Domain
from tenuto.platforms.simulated._heat import Heat
from tenuto.platforms.simulated._memory import Memory
from tenuto.platforms.simulated._sensing import NodeSensor, RailSensor, sensors_of
from tenuto.platforms.simulated._sharing import Crew, Running
from tenuto.platforms.simulated._spec import BoardSpec
from tenuto.platforms.simulated._world import QUIET, Conditions
from tenuto.platforms.simulated.thermal import ThermalModel
from tenuto.platforms.simulated.throttling import ThrottleState, Throttling

_SETTLING: Final = 200
_SETTLING_SHARE: Final = 0.1
"""So many rounds, each this part of the way, let leakage, fans and temperature of an idle board agree."""

_STEP_C: Final = 0.25
"""Leakage is worked out anew when the temperature has moved by so much: it changes by about half a per cent."""


class Work(Protocol):
    """An inference, as far as a board is concerned."""

    def at(
        self, board: "Board", cluster: int, n_cores: int, frequency_hz: int, beside_gb_s: float = 0.0
    ) -> tuple[float, float, float]:
        """How it runs under the board's present conditions, alone on its cluster but for programs of others.

        Args:
            board: The board.
            cluster: Where, by its place on the board.
            n_cores: On how many cores.
            frequency_hz: At which clock.
            beside_gb_s: What other inferences of ours move to and from memory meanwhile.

        Returns:
            Its time in seconds before noise, how far it fills the cluster (0 to 1), and the bytes it moves a second, as
            one object that stays the same as long as `Board.version` does.
        """
        ...


class Board:
    """A board that computes, draws power and warms for as long as it is told to.

    Args:
        spec: The board.
        seed: Of its sensors' noise.
        start_s: The time at which it has been idle for long.

    Attributes:
        time_s: Until when it was simulated.
        version: Grows whenever the world changes what an inference takes.
        domains: Its clusters.
        conditions: The world.
        crew: Our inferences that `start` began.
        next_s: When something happens, unless an inference does.
        is_off: It has switched itself off, too hot or out of energy.
    """

    def __init__(self, spec: BoardSpec, *, seed: int, start_s: float) -> None:
        self.spec, self.time_s, self.version, self.is_off = spec, start_s, 0, False
        nodes = spec.thermal.nodes
        heats = [[node.heat_share.get(cluster.name, 0.0) for node in nodes] for cluster in spec.clusters]
        self.domains = tuple(
            Domain(cluster, heat.index(max(heat)), start_s) for cluster, heat in zip(spec.clusters, heats, strict=True)
        )
        self.rails = (*(domain.name for domain in self.domains), "memory", "board")
        self._shares = [[node.heat_share.get(rail, 0.0) for rail in self.rails] for node in nodes]
        self._memory = Memory(spec.memory, start_s)
        self._base_w, self._began_s, self._off_s = spec.base_w.value, start_s, NEVER
        self.conditions = QUIET
        self._schedule: list[tuple[float, Conditions]] = []
        self._battery = spec.battery
        # What the battery held when it was last charged, and what the rails had drawn by then.
        self._charge_j, self._charged_j = spec.battery.capacity_wh.value * 3600 if spec.battery else 0.0, 0.0
        self._throttling = Throttling.of(spec.thermal, spec.clusters)
        self._throttle = self._throttling.start()
        self._limits = self._throttling.limits(self._throttle)
        self._sleepers = [(rail, domain) for rail, domain in enumerate(self.domains) if domain.can_doze]
        # When a cluster, the memory or the world changes, when a cluster falls asleep, when the kernel looks how hot it
        # is, and when a sensor does; and the earliest of them.
        self._change_due_s = self._doze_due_s = self._look_due_s = self.next_s = NEVER
        self._poll_due_s = start_s + self._throttling.polling_s
        sensors = sensors_of(spec, self.rails, seed, start_s)
        self.rail_sensors = tuple(sensor for sensor in sensors if isinstance(sensor, RailSensor))
        self.node_sensors = tuple(sensor for sensor in sensors if isinstance(sensor, NodeSensor))
        self._look_due_s = min((sensor.due_s for sensor in self.rail_sensors), default=NEVER)
        self._temperatures_c: tuple[float, ...] = ()
        self.crew = Crew(self)
        self._pulse_of: object = None
        self._pulse: tuple[float, float, float, list[float]] = (0.0, 0.0, 0.0, [])
        self._heat = self._idle_for_long()
        self._hottest_c: float = max(self._temperatures_c)
        self._calm_c = self._calm_between()
        self._heat.draw_all(self.powers_w, start_s)
        self._cap()

    # What it does.

    def advance(self, time_s: float) -> None:
        """Let time pass until `time_s`; nothing if that is past. Who ends meanwhile is noted."""
        crew = self.crew
        while crew.running:
            if self.time_s >= time_s and self.next_s > time_s:
                return
            crew.ended += crew.advance(time_s)
        while self.next_s <= time_s:
            self.time_s = self.next_s
            self.happen()
        self.time_s = max(self.time_s, time_s)

    def run(self, work: Work, factor: float, cluster: int, n_cores: int) -> None:
        """Run one inference, from now until it is done. Where the clock changes meanwhile, each part has its own pace.

        A cluster that sleeps wakes first, and everything draws meanwhile as if it were at work already.

        Args:
            work: What it takes.
            factor: By which noise lengthens it.
            cluster: Where it was put; if that is taken away meanwhile, the kernel moves it.
            n_cores: On how many cores.

        Raises:
            PlatformError: The board has switched itself off.
        """
        if not self.crew.running:
            factor, pause_s = self.pulses(work, factor, cluster, n_cores, NEVER, pause_s=0.0)
            if factor:
                self._run_shared(work, factor, cluster, n_cores, pause_s=pause_s)
        else:
            self._run_shared(work, factor, cluster, n_cores, pause_s=0.0)

    def pulses(
        self, work: Work, left: float, cluster: int, n_cores: int, until_s: float, *, pause_s: float | None
    ) -> tuple[float, float | None]:
        """Run an inference that is alone, as long as neither a governor nor the kernel needs to know of it.

        Args:
            work: What it takes.
            left: How many times that.
            cluster: Where it was put.
            n_cores: On how many cores.
            until_s: No longer than that.
            pause_s: What it waits for before it begins, besides waking; None if it has begun.

        Returns:
            What is left of it, 0 if it is done, and of the pause.
        """
        while True:
            domain, begin_s = self.domains[cluster], self.time_s
            if domain.driven_hz is None or domain.is_taken or self.is_off:
                return left, pause_s
            cell = work.at(self, cluster, n_cores, domain.clock_hz)
            seconds = cell[0]
            if pause_s is not None:
                left += (domain.exit_s(begin_s) + pause_s) / seconds
                pause_s = None
                if domain.is_dozing:
                    self._heat.draw_one(cluster, domain.rouse(begin_s), begin_s)
            if self._pulse_of is not cell:
                self._expect(cluster, n_cores, cell)
            end_s, next_s = begin_s + left * seconds, self.next_s
            stop_s = next_s if next_s < until_s else until_s
            is_done = end_s <= stop_s
            if not is_done:
                end_s = stop_s
            power_w, busy_cores, memory_w, rise = self._pulse
            domain.pulse(n_cores, busy_cores, power_w, begin_s, end_s)
            self._memory.pulse(memory_w, begin_s, end_s)
            self._heat.pulse(rise, begin_s, end_s)
            self.time_s = end_s
            if domain.doze_due_s < self._doze_due_s:
                self._doze_due_s = domain.doze_due_s
                self.next_s = min(next_s, domain.doze_due_s)
            if is_done:
                return 0.0, None
            left = max(left - (end_s - begin_s) / seconds, 0.0)
            if next_s > until_s:
                return left, None
            self.happen()

    def _expect(self, cluster: int, n_cores: int, cell: tuple[float, float, float]) -> None:
        """What an inference would draw: it is remembered until anything else changes."""
        domain, memory = self.domains[cluster], self._memory
        power_w, busy_cores = domain.expect(n_cores, cell[1])
        memory_w = memory.power_for(cell[2])
        rise = self._heat.rise(cluster, power_w - domain.power_w, len(self.domains), memory_w - memory.power_w)
        self._pulse_of, self._pulse = cell, (power_w, busy_cores, memory_w, rise)

    def _run_shared(self, work: Work, left: float, cluster: int, n_cores: int, *, pause_s: float | None) -> None:
        """Run what is left of an inference where others of ours, a governor, or the kernel must see that it runs."""
        self.check_on()
        running = self.start(work, left, cluster, n_cores, pause_s=pause_s)
        while running.ended_s is None:
            self.crew.ended += [one for one in self.crew.advance(NEVER) if one is not running]
            self.check_on()

    def start(
        self,
        work: Work,
        left: float,
        cluster: int,
        n_cores: int,
        *,
        pause_s: float | None = 0.0,
        owner: Hashable = None,
    ) -> Running:
        """Begin an inference, beside those that run.

        Args:
            work: What it takes.
            left: How many times that.
            cluster: Where it is put; if that is taken away meanwhile, the kernel moves it.
            n_cores: On how many cores.
            pause_s: What it waits for before it begins, besides waking; None if it has begun.
            owner: Whose it is.
        """
        name = self.domains[cluster].name
        running = Running(work, name, n_cores, self.time_s, owner, None, cluster, left, pause_s)
        self.crew.start(running)
        return running

    def occupy(self, n_cores: Sequence[int], fills: Sequence[float], bytes_per_s: float) -> None:
        """Our inferences take so many cores of each cluster from now on, fill it so far, and move so much."""
        now_s, self._pulse_of = self.time_s, None
        for rail, domain in enumerate(self.domains):
            domain.occupy(n_cores[rail], fills[rail] if n_cores[rail] else 1.0, now_s)
            if domain.is_stale and not self.is_off:
                power_w = domain.draw(self._temperatures_c[domain.node], now_s)
                self._heat.draw_one(rail, power_w, now_s)
        if not self.is_off and bytes_per_s != self._memory.own_bytes_per_s:
            self._heat.draw_one(len(self.domains), self._memory.draw(bytes_per_s, now_s), now_s)
        for domain in self.domains:
            self._change_due_s = min(self._change_due_s, domain.clock_due_s, domain.governor_due_s)
            self._doze_due_s = min(self._doze_due_s, domain.doze_due_s)
        self.next_s = min(self.next_s, self._change_due_s, self._doze_due_s)

    def drive(self, cluster: int, frequency_hz: int | None) -> None:
        """Ask for a clock, or give it back to the governor."""
        domain = self.domains[cluster]
        domain.drive(frequency_hz, self.time_s)
        self._settle()

    def meet(self, conditions: Conditions) -> None:
        """Let the world be so from now on."""
        now_s = self.time_s
        if conditions.battery_charge is not None and self._battery is not None:
            self._charge_j = conditions.battery_charge * self._battery.capacity_wh.value * 3600
            self._charged_j = sum(self.energies_j())
        self.conditions = conditions
        self.version += 1
        self._memory.request(conditions.memory_mhz, now_s)
        for domain in self.domains:
            name = domain.name
            domain.meet(conditions.background.get(name, NOBODY), now_s, is_taken=name in conditions.taken)
        at_work = [domain.background.memory_gb_s for domain in self.domains if not domain.is_taken]
        self._memory.others_bytes_per_s = 1e9 * sum(at_work)
        self._memory.draw(self._memory.own_bytes_per_s, now_s)
        self._cap()

    def schedule(self, changes: Iterable[tuple[float, Conditions]]) -> None:
        """Let the world change at times to come; a time that is past means at once."""
        to_come = [(max(time_s, self.time_s), conditions) for time_s, conditions in changes]
        self._schedule = sorted([*self._schedule, *to_come], key=lambda change: change[0])
        self._settle()

    # What it is. Looking changes nothing.

    def check_on(self) -> None:
        """Raise if the board is off.

        Raises:
            PlatformError: It got too hot, or its battery is empty.
        """
        if self.is_off:
            why = "it reached its critical temperature" if self._limits.is_off else "its battery is empty"
            raise PlatformError(
                f"asked for work, but the board switched itself off at {self._off_s:g} s: {why}; start another",
                platform=self.spec.id,
            )

    @property
    def is_throttled(self) -> bool:
        """Whether heat holds down a clock that would be higher; a governor does not ask for more than it may."""
        limits_hz = ((domain, self._limits.frequency_hz(domain.name, domain.top_hz)) for domain in self.domains)
        return any(limit_hz < domain.top_hz and domain.wanted_hz >= limit_hz for domain, limit_hz in limits_hz)

    @property
    def memory_clock_share(self) -> float:
        """What the memory's clock leaves of its bandwidth."""
        return self._memory.clock_share

    @property
    def others_gb_s(self) -> float:
        """What programs of others move to and from memory."""
        return self._memory.others_bytes_per_s / 1e9

    @property
    def polled_c(self) -> tuple[float, ...]:
        """The temperature of each node at the last poll, by which leakage goes."""
        return self._temperatures_c

    @property
    def powers_w(self) -> tuple[float, ...]:
        """What each rail draws: the clusters', the memory's, and that of the rest of the board."""
        base_w = 0.0 if self.is_off else self._base_w
        powers_w = [*(domain.power_w for domain in self.domains), self._memory.power_w, base_w]
        alone = self.crew.in_pulses
        if alone is not None and not self.is_off:
            domain = self.domains[alone.index]
            _, fill, bytes_per_s = alone.work.at(self, alone.index, alone.n_cores, domain.clock_hz)
            powers_w[alone.index] = domain.expect(alone.n_cores, fill)[0]
            powers_w[-2] = self._memory.power_for(bytes_per_s)
        return tuple(powers_w)

    def energies_j(self) -> tuple[float, ...]:
        """What each rail has drawn so far."""
        now_s = self.time_s
        base_j = self._base_w * (min(now_s, self._off_s) - self._began_s)
        return (*(domain.energy_j(now_s) for domain in self.domains), self._memory.energy_j(now_s), base_j)

    def temperatures_c(self) -> tuple[float, ...]:
        """Of each thermal node."""
        return self._heat.at(self.time_s)

    def node_heat_w(self) -> tuple[float, ...]:
        """What heats each node."""
        powers_w = self.powers_w
        return tuple([sum(map(mul, shares, powers_w)) for shares in self._shares])

    def battery_j(self) -> float | None:
        """What is left in the battery; None without one."""
        if self._battery is None:
            return None
        drawn_j = sum(self.energies_j()) - self._charged_j
        return max(self._charge_j - drawn_j / self._battery.efficiency.value, 0.0)

    def own_core_s(self) -> float:
        """Processor time of our inferences."""
        return sum(domain.own_core_s(self.time_s) for domain in self.domains if domain.is_cpu)

    def place(self, cluster: int, n_cores: int) -> tuple[int, int]:
        """Where work really runs: threads whose cluster is gone go to the most capable that is left."""
        if not self.domains[cluster].is_taken:
            return cluster, n_cores
        left = [index for index, domain in enumerate(self.domains) if domain.is_cpu and not domain.is_taken]
        return left[-1], min(n_cores, self.domains[left[-1]].n_cores)

    # Events.

    def happen(self) -> None:
        """Everything that is due now, always in the same order."""
        now_s = self.time_s
        if self._change_due_s <= now_s:
            self._change(now_s)
        if self._doze_due_s <= now_s:
            self._doze(now_s)
        if self._poll_due_s <= now_s:
            self._poll(now_s)
        if self._look_due_s <= now_s:
            energies_j, due_s = self.energies_j(), NEVER
            for sensor in self.rail_sensors:
                if sensor.due_s <= now_s:
                    sensor.tick(energies_j)
                due_s = min(due_s, sensor.due_s)
            self._look_due_s = due_s
        self.next_s = min(self._change_due_s, self._doze_due_s, self._poll_due_s, self._look_due_s)

    def _change(self, now_s: float) -> None:
        """Clocks, the world and governors."""
        for domain in self.domains:
            if domain.clock_due_s <= now_s:
                domain.clock_arrives(now_s)
        if self._memory.due_s <= now_s:
            self._memory.clock_arrives()
            self.version += 1
        while self._schedule and self._schedule[0][0] <= now_s:
            self.meet(self._schedule.pop(0)[1])
        for domain in self.domains:
            if domain.governor_due_s <= now_s:
                domain.govern(now_s)
        self._settle()

    def _doze(self, now_s: float) -> None:
        """Clusters fall asleep. What an inference would draw stays as it is: it wakes its cluster first."""
        due_s = NEVER
        for rail, domain in self._sleepers:
            if domain.doze_due_s <= now_s:
                self._heat.draw_one(rail, domain.doze(now_s), now_s)
            due_s = min(due_s, domain.doze_due_s)
        self._doze_due_s = due_s

    def _poll(self, now_s: float) -> None:
        """The kernel looks how hot it is, and leakage follows."""
        self._poll_due_s = now_s + self._throttling.polling_s
        if self.is_off:
            return
        self._temperatures_c = temperatures_c = self._heat.at(now_s)
        self._throttle_at(max(temperatures_c))
        if self._limits.is_off or (self._battery is not None and self.battery_j() == 0):
            self._switch_off()
            return
        self._redraw()

    def _throttle_at(self, hottest_c: float) -> None:
        """Let the trips act, if the temperature is one at which any of them does."""
        before_c, self._hottest_c = self._hottest_c, hottest_c
        if self._calm_c[0] <= hottest_c < self._calm_c[1]:
            return
        before = self._throttle
        self._throttle = self._throttling.step(ThrottleState(before.levels, before_c), hottest_c)
        self._calm_c = self._calm_between()
        if self._throttle.levels != before.levels:
            self._limits = self._throttling.limits(self._throttle)
            self._cap()

    def _calm_between(self) -> tuple[float, float]:
        """Temperatures between which no trip changes its level."""
        trips = list(zip(self.spec.thermal.trips, self._throttle.levels, strict=True))
        falls_c = [trip.temperature_c.value - trip.hysteresis_c.value for trip, level in trips if level]
        # A passive trip may have levels left.
        rises_c = [trip.temperature_c.value for trip, level in trips if not level or trip.kind == "passive"]
        return max(falls_c, default=-NEVER), min(rises_c, default=NEVER)

    def _switch_off(self) -> None:
        self.is_off, self._off_s = True, self.time_s
        for domain in self.domains:
            domain.switch_off(self.time_s)
        self._memory.switch_off(self.time_s)
        self._heat.draw_all([0.0] * len(self.rails), self.time_s)

    def _cap(self) -> None:
        """Tell everybody what heat and others leave."""
        for domain in self.domains:
            domain.cap(self.conditions.caps_hz.get(domain.name), self._limits, self.time_s)
        ambient_c = self.conditions.ambient_c
        air_c = self.spec.thermal.ambient_c.value if ambient_c is None else ambient_c
        self._heat.air(air_c, self._limits.conductance, self.time_s)
        self._pulse_of = None  # heat flows otherwise
        self._settle()

    # Power and heat.

    def _settle(self) -> None:
        """After anything changed: draw accordingly, and see what comes next."""
        next_s, is_stale = self._memory.due_s, False
        if self._schedule:
            next_s = min(next_s, self._schedule[0][0])
        for domain in self.domains:
            is_stale = is_stale or domain.is_stale
            next_s = min(next_s, domain.clock_due_s, domain.governor_due_s)
        self._change_due_s = next_s
        self._doze_due_s = min([domain.doze_due_s for _, domain in self._sleepers], default=NEVER)
        self.next_s = min(next_s, self._doze_due_s, self._poll_due_s, self._look_due_s)
        if is_stale and not self.is_off:
            self._redraw()

    def _redraw(self) -> None:
        """Every cluster that changed, or whose temperature did, and the memory with it."""
        now_s, temperatures_c = self.time_s, self._temperatures_c
        for rail, domain in enumerate(self.domains):
            temperature_c = temperatures_c[domain.node]
            if domain.is_stale or abs(temperature_c - domain.drawn_c) > _STEP_C:
                self._pulse_of = None
                power_w = domain.draw(temperature_c, now_s)
                self._heat.draw(rail, power_w, len(self.domains), self._memory.power_w, now_s)

    def _idle_for_long(self) -> Heat:
        """Where temperatures, leakage and fans arrive while nothing is asked of the board."""
        spec, now_s = self.spec.thermal, self.time_s
        model, air_c = ThermalModel.of(spec), spec.ambient_c.value
        temperatures_c = (air_c,) * len(spec.nodes)
        for _ in range(_SETTLING):
            powers_w = {domain.name: domain.draw(temperatures_c[domain.node], now_s) for domain in self.domains}
            powers_w |= {"memory": self._memory.draw(0.0, now_s), "board": self._base_w}
            ends_c = model.steady(powers_w, air_c, self._limits.conductance)
            temperatures_c = tuple(
                celsius + _SETTLING_SHARE * (end_c - celsius)
                for celsius, end_c in zip(temperatures_c, ends_c, strict=True)
            )
            self._throttle = self._throttling.step(self._throttle, max(temperatures_c))
            self._limits = self._throttling.limits(self._throttle)
            if self._limits.is_off:
                break
        self._temperatures_c = temperatures_c
        shares_of_rails = list(zip(*self._shares, strict=True))
        return Heat(model, shares_of_rails, temperatures_c, air_c, conductance=self._limits.conductance, now_s=now_s)
