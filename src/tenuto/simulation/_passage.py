"""One policy's passage through one scenario: every event in its order, on a simulated board."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control import Policy
from tenuto.errors import PlatformError
from tenuto.platforms.simulated import BoardSpec, Running, SimulatedPlatform
from tenuto.points import OperatingTable
from tenuto.runtime import Watch
from tenuto.scenarios import Scenario, world_of
from tenuto.simulation._applications import Prepared
from tenuto.simulation._behind import MOST_AHEAD, cost_behind
from tenuto.simulation._coming import Coming
from tenuto.simulation._harm import harmed_by
from tenuto.simulation._muted import Muted
from tenuto.simulation._oracle import Foreseen
from tenuto.simulation._outcome import ApplicationRun, Outcome, Sample
from tenuto.simulation._outlook import Outlook
from tenuto.simulation._runner import NEVER, Runner
from tenuto.simulation._slow_tier import SlowTier
from tenuto.traces import Event

SAMPLE_S: Final = 0.1

_LONG: Final = 1e4
"""Times an inference: so long that what changing costs counts for nothing."""

Floats = NDArray[np.float64]
MakePolicy = Callable[["Passage", int], Policy[Any]]


class Passage:
    """One policy, one scenario, one seed.

    Args:
        scenario: Or a variant.
        prepared: Its applications.
        tables: What each application's policy chooses from.
        make_policy: Given this passage and the application's index.
        spec: The board.
        seed: Of everything random.
        has_slow_tier: Whether somebody says who may run where.
        is_sampled: Keep what the board really does.
    """

    def __init__(
        self,
        scenario: Scenario,
        prepared: Sequence[Prepared],
        tables: Sequence[OperatingTable],
        make_policy: MakePolicy,
        spec: BoardSpec,
        *,
        seed: int,
        has_slow_tier: bool = False,
        is_sampled: bool = False,
    ) -> None:
        self.scenario, self.spec, self.seed = scenario, spec, seed
        world = world_of(scenario, seed)
        self.platform = SimulatedPlatform(spec, seed=seed, schedule=world)
        self._taken_from = [(time_s, conditions.taken) for time_s, conditions in world]
        self._coming = Coming(spec, world)
        first_runs = [one.first_run_us.value for one in spec.clusters if one.first_run_us is not None]
        self._allowance_ms = max(first_runs, default=0.0) / 1000
        self.runners: list[Runner] = []
        for index, (one, table) in enumerate(zip(prepared, tables, strict=True)):
            policy = make_policy(self, index)
            self.runners.append(
                Runner(one, table, policy, spec, seed=seed, index=index, duration_s=scenario.duration_s)
            )
        self._slow_tier = SlowTier(spec, self.runners) if has_slow_tier else None
        self._changes = deque(scenario.changes)
        self._is_sampled = is_sampled
        self.coming = 0
        self._places: dict[int, Any] = {}
        self._outlook = Outlook(self.platform)
        self._driven: set[str] = set()
        self._tick_every_s = SAMPLE_S if is_sampled else 10 * SAMPLE_S
        self._tick_s = self._tick_every_s
        self._samples: list[Sample] = []
        self._energy_mj: dict[str, float] = {}
        self._throttled_s = 0.0
        self._hottest_c: float | None = None

    def run(self, name: str) -> Outcome:
        """From the beginning to the end.

        Args:
            name: Of the policy, as it was asked for.
        """
        off_s = None
        with self.platform.hold() as board:
            seen = Muted(board, self.platform.monitors, self.scenario.losses) if self.scenario.losses else board
            self._watch = Watch(seen, self.platform.monitors, self.platform.clock, None)
            try:
                self._go()
            except PlatformError:
                off_s = self.platform.clock.now_s()
                self._give_up_at(off_s)
        truth = self.platform.truth()
        rails = [name for name in truth.energy_mj if name != "board"]
        return Outcome(
            self.scenario,
            name,
            self.runners[0].parameters,
            self.seed,
            tuple(self._run_of(one) for one in self.runners),
            sum(truth.energy_mj[rail] for rail in rails),
            sum(truth.energy_mj.values()),
            off_s,
            tuple(self._samples),
            self._throttled_s,
            self._hottest_c,
            None if truth.battery_mj is None else 100 * truth.battery_mj / self._capacity_mj(),
        )

    def _run_of(self, runner: Runner) -> ApplicationRun:
        disturbances = (Event(one.time_s, one.label, one.until_s) for one in self.scenario.disturbances)
        events = sorted([*runner.events, *disturbances], key=lambda event: event.time_s)
        return ApplicationRun(
            runner.name,
            runner.table,
            runner.prepared.requirements,
            tuple(runner.steps),
            tuple(events),
            tuple(runner.trouble),
        )

    def _capacity_mj(self) -> float:
        battery = self.spec.battery
        return math.nan if battery is None else battery.capacity_wh.value * 3.6e6

    def _give_up_at(self, now_s: float) -> None:
        """The board is off: what came and what comes is never answered."""
        for one in self.runners:
            one.lose(now_s)

    def _go(self) -> None:
        platform, end_s = self.platform, self.scenario.duration_s
        by_running: dict[int, Runner] = {}
        now_s = 0.0
        # Those that came before the end are still answered, so that every policy answers the same inputs.
        while now_s < end_s or by_running:
            next_s = min(
                [
                    end_s,
                    self._tick_s,
                    *([self._changes[0].time_s] if self._changes else ()),
                    *(one.next_arrival_s for one in self.runners),
                ]
            )
            ended = platform.advance(max(next_s, now_s) if now_s < end_s else NEVER)
            now_s = platform.clock.now_s()
            for running in ended:
                by_running.pop(id(running)).ended(now_s)
                self._watch.nudge(now_s)
            if now_s >= self._tick_s:
                self._tick(now_s)
            self._change(now_s)
            for one in self.runners:
                one.arrive(now_s)
            self._allot(now_s)
            for index, one in enumerate(self.runners):
                if one.running is None and one.queue:
                    began = self._begin(index, one, now_s)
                    if began is not None:
                        by_running[id(began)] = one

    def _change(self, now_s: float) -> None:
        """Requirements that change by now."""
        while self._changes and self._changes[0].time_s <= now_s:
            change = self._changes.popleft()
            for one in self.runners:
                if one.name == change.application:
                    one.require(change.requirements, now_s)

    def _allot(self, now_s: float) -> None:
        """Who may run where, if somebody says so: in its time, and when an application comes or wants other things."""
        tier = self._slow_tier
        if tier is None:
            return
        if now_s >= tier.due_s or any(one.is_new and one.queue for one in self.runners):
            tier.serve(now_s)
            for one in self.runners:
                if not one.is_there(now_s) and one.running is None:
                    one.claim = one.allotment = None

    def _tick(self, now_s: float) -> None:
        """See what the board really does."""
        self._tick_s = now_s + self._tick_every_s
        truth = self.platform.truth()
        hottest_c = max(truth.temperature_c.values())
        self._hottest_c = hottest_c if self._hottest_c is None else max(self._hottest_c, hottest_c)
        is_throttled = self.platform.is_throttled
        self._throttled_s += self._tick_every_s * is_throttled
        if self._is_sampled:
            before = self._energy_mj or dict.fromkeys(truth.energy_mj, 0.0)
            mean_w = {rail: (mj - before[rail]) / (1000 * self._tick_every_s) for rail, mj in truth.energy_mj.items()}
            self._energy_mj = dict(truth.energy_mj)
            self._samples.append(
                Sample(
                    now_s, mean_w, dict(truth.temperature_c), dict(truth.frequency_hz), is_throttled, truth.battery_mj
                )
            )

    def foresee(self, index: int) -> Foreseen:
        """What only the world knows of an application's coming inference.

        Args:
            index: The application's.
        """
        runner = self.runners[index]
        which = self.coming
        if index not in self._places:
            self._places[index] = self.platform.places(runner.places)
        period_ms = runner.requirements.period_ms or runner.until_next_ms(which)
        latency_ms, energy_mj = self.platform.foresee(
            self._places[index],
            factor=runner.factors[which],
            period_ms=period_ms,
            owner=index,
            leaves=self._unclaimed(index),
        )
        latency_ms = self._coming.latency_ms(latency_ms, self.platform.clock.now_s(), index, runner.places)
        bound = runner.requirements.constraint("temperature_c")
        cool = None if bound is None else self._outlook.keeps(runner.table, energy_mj / period_ms, bound.bound)
        others = [one for other, one in enumerate(self.runners) if other != index]
        harmed = harmed_by(runner.table, latency_ms, others, self.platform)
        return Foreseen(latency_ms, energy_mj, cool, harmed, lambda cost: self._behind(index, latency_ms, cost))

    def _behind(self, index: int, latency_ms: Floats, cost: Floats) -> Floats:
        """What inputs behind an application's coming one cost at best, for each row that it may run at."""
        runner, now_s, first = self.runners[index], self.platform.clock.now_s(), self.coming + 1
        arrivals_s = runner.arrivals_s[first : first + MOST_AHEAD]
        in_time = np.isfinite(latency_ms) & np.isfinite(cost)
        if runner.deadline_ms == NEVER or not arrivals_s or not in_time.any():
            return np.zeros(len(cost))
        ends_s = now_s + np.where(in_time, latency_ms, 0.0) / 1000
        # One that takes longer than its own deadline is not chosen where another is in time.
        if min(ends_s.max(), now_s + runner.deadline_ms / 1000) <= arrivals_s[0]:
            return np.zeros(len(cost))
        steady_ms = self.platform.foresee(self._places[index], factor=_LONG, owner=index)[0] / _LONG
        return cost_behind(
            ends_s,
            steady_ms,
            cost,
            arrivals_s=arrivals_s,
            factors=runner.factors[first : first + MOST_AHEAD],
            deadline_ms=runner.deadline_ms,
            allowance_ms=self._allowance_ms,
        )

    def _unclaimed(self, index: int) -> set[str]:
        """Driven clusters that go back to their governors if an application does not use them."""
        others = {one.claim[0] for other, one in enumerate(self.runners) if other != index and one.claim is not None}
        return self._driven - others

    def _begin(self, index: int, runner: Runner, now_s: float) -> Running | None:
        """Start the next input that is worth it, if there is one."""
        while runner.queue:
            which = runner.queue.popleft()
            self.coming = which
            asked = runner.decide(which, now_s, self._watch)
            if runner.must_wait or asked.waited_ms >= runner.deadline_ms:
                runner.skip(asked)
                continue
            point = asked.answer.decision.point
            wanted = runner.configurations[point]
            row = self._place(runner, point)
            error = None
            if wanted.cluster in self._taken(now_s):
                # It runs where the kernel lets it, and nobody can say which row that is.
                row, error = None, f"{wanted.cluster} was switched off or taken away"
            running = self.platform.start(
                runner.works_of[point],
                factor=runner.factors[which],
                cluster=wanted.cluster,
                n_cores=wanted.n_cores,
                owner=index,
            )
            runner.began(running, asked, row, error)
            return running
        return None

    def _taken(self, now_s: float) -> frozenset[str]:
        """Clusters that are not there now."""
        place = bisect_right(self._taken_from, now_s, key=itemgetter(0)) - 1
        return self._taken_from[place][1] if place >= 0 else frozenset()

    def _place(self, runner: Runner, row: int) -> int | None:
        """Ask for the clock; clocks that nobody needs any more go back to their governors."""
        wanted = runner.configurations[row]
        runner.claim = (wanted.cluster, wanted.frequency_hz)
        claimed = {claim[0] for one in self.runners if (claim := one.claim) is not None and claim[1] is not None}
        asked: dict[str, int | None] = dict.fromkeys(self._driven - claimed)
        if wanted.frequency_hz is not None:
            asked[wanted.cluster] = wanted.frequency_hz
        self._driven = claimed
        found = self.platform.request(asked) if asked else {}
        return row if wanted.frequency_hz is None else runner.row_at(row, found[wanted.cluster])
