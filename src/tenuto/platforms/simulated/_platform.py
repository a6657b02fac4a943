"""A board of a file as a platform: the same clusters, knobs and monitors as the real one, in a time of its own."""

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import PlatformError, UnknownNameError, UsageError
from tenuto.platforms._platform import Cluster, HeldBoard, Knob, Missing, Monitor, Opp, Snapshot
from tenuto.platforms.simulated._board import Board, Work
from tenuto.platforms.simulated._board_file import load_board
from tenuto.platforms.simulated._clock import Clock, ManualClock
from tenuto.platforms.simulated._foresight import Places, Row
from tenuto.platforms.simulated._hold import HeldSimulatedBoard, Place, SimulatedHold, check_clock
from tenuto.platforms.simulated._sensing import GAUGE_SHARE, LoadReader, monitors_of
from tenuto.platforms.simulated._sharing import Running
from tenuto.platforms.simulated._spec import BoardSpec, Parameter
from tenuto.platforms.simulated._world import QUIET, Conditions
from tenuto.platforms.simulated.noise import LatencyNoise

_LATENCY_STREAM: Final = 1


@dataclass(frozen=True, slots=True)
class Truth:
    """What a simulated board really does, which no sensor shows.

    Attributes:
        time_s: When.
        power_w: What each rail draws: the clusters, `memory`, and `board` for all the rest.
        energy_mj: What each rail has drawn so far.
        temperature_c: Of each thermal node.
        frequency_hz: The clock in force of each cluster.
        battery_mj: What is left in the battery; None without one.
    """

    time_s: float
    power_w: Mapping[str, float]
    energy_mj: Mapping[str, float]
    temperature_c: Mapping[str, float]
    frequency_hz: Mapping[str, int]
    battery_mj: float | None


class SimulatedPlatform:
    """A board that exists in arithmetic: `SimulatedPlatform("odroid-xu3")`.

    While nobody holds it, governors run it as on the real board. It is as deterministic as its seed and what is asked
    of it; looking at it changes nothing.

    A simulation of several applications does not hold it: it asks for clocks (`request`), begins inferences (`start`)
    and lets time pass until the next of them ends (`advance`). `_sharing` says how they share the board.

    Args:
        board: Name (`odroid-xu3`), id (`odroid-xu3@1`), board file, or what was read from one.
        seed: Of latencies and sensors.
        clock: Its time; by default its own, which moves only when somebody waits. A `MonotonicClock` makes it live.
        conditions: The rest of the world at the start.
        schedule: How that changes: seconds from the start, and what holds from then on.

    Raises:
        UnknownNameError: No such board, or conditions of a cluster that it does not have.
        SpecError: The file does not describe a board.
        UsageError: Conditions that the board cannot meet, or at a time before its start.
    """

    def __init__(
        self,
        board: str | Path | BoardSpec,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        conditions: Conditions = QUIET,
        schedule: Iterable[tuple[float, Conditions]] = (),
    ) -> None:
        self.spec = board if isinstance(board, BoardSpec) else load_board(board)
        self.clock: Clock = ManualClock() if clock is None else clock
        self._began_s = self.clock.now_s()
        self._board = Board(self.spec, seed=seed, start_s=self._began_s)
        self._noise = LatencyNoise(self.spec.noise, [seed, _LATENCY_STREAM])
        self._monitors = monitors_of(self.spec)
        self._clocks = [(f"{domain.name}.frequency_hz", domain) for domain in self._board.domains]
        self._place = Place(self.spec.clusters)
        self._loads = LoadReader(self._board.domains, self._began_s)
        self._holder: HeldSimulatedBoard | None = None
        self._index = {cluster.name: index for index, cluster in enumerate(self.spec.clusters)}
        # What each application ran last, and where; and what changing either costs, by cluster.
        self._last: dict[Hashable, tuple[Work, int]] = {}
        self._pauses_ms = [
            (_milliseconds(cluster.migration_us), _milliseconds(cluster.first_run_us)) for cluster in self.spec.clusters
        ]
        if conditions != QUIET:
            self.disturb(conditions)
        self.schedule(schedule)

    @property
    def name(self) -> str:
        """The board's id."""
        return self.spec.id

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Its clusters, the least capable first; a cluster that others took is still named."""
        return tuple(
            Cluster(
                cluster.name,
                cluster.cpus,
                tuple(
                    Opp(hz, cluster.voltage_v(hz) if cluster.ladder.voltage_v else None)
                    for hz in cluster.frequencies_hz
                ),
                cluster.capacity,
            )
            for cluster in self.spec.clusters
        )

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """Cores of each CPU cluster, and every clock."""
        knobs = []
        for cluster in self.spec.clusters:
            if cluster.cpus:
                knobs.append(Knob(f"{cluster.name}.cores", tuple(range(1, len(cluster.cpus) + 1))))
            knobs.append(Knob(f"{cluster.name}.frequency_hz", cluster.frequencies_hz))
        return tuple(knobs)

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """What can be read."""
        return self._monitors

    @property
    def machine(self) -> Mapping[str, str]:
        """Facts for people."""
        cores = " + ".join(f"{len(one.cpus)} x {one.title}" if one.cpus else one.title for one in self.spec.clusters)
        return {"board": f"{self.spec.title}, simulated", "processor": cores}

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What one would want here and cannot have, and why."""
        shown = {monitor.quantity for monitor in self._monitors}
        wanted = {"power_w": "power", "temperature_c": "temperature"}
        why = "the board has no sensor of it"
        return tuple(Missing(title, why) for quantity, title in wanted.items() if quantity not in shown)

    def snapshot(self) -> Snapshot:
        """Read every monitor without holding the board; loads are means since an earlier call."""
        return self._read(self._loads)

    def read_knobs(self) -> Mapping[str, str]:
        """The processors of the application, and governor and speed of every clock."""
        confined = self._place.confined
        cpus = sorted(cpu for cluster in self.spec.clusters for cpu in cluster.cpus)
        knobs = {"affinity": " ".join(str(cpu) for cpu in (cpus if confined is None else confined))}
        for domain in self._board.domains:
            driven_hz = domain.driven_hz
            knobs[f"{domain.name}/governor"] = domain.spec.governor if driven_hz is None else "userspace"
            knobs[f"{domain.name}/setspeed"] = "<unsupported>" if driven_hz is None else str(driven_hz)
        return knobs

    def hold(self) -> AbstractContextManager[HeldBoard]:
        """Take the board; everything is put back on every way out of the block.

        Raises:
            PlatformError: On entering: somebody else holds it.
        """
        return SimulatedHold(self._take, self._give_back)

    def disturb(self, conditions: Conditions) -> None:
        """Let the world be so from now on.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: The board cannot meet them.
        """
        conditions.check(self.spec)
        self._catch_up()
        self._board.meet(conditions)
        self._board.crew.settle()

    def schedule(self, changes: Iterable[tuple[float, Conditions]]) -> None:
        """Let the world change later: seconds from the board's start, and what holds from then on.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: The board cannot meet them, or they come before now.
        """
        listed = list(changes)
        self._catch_up()
        for time_s, conditions in listed:
            conditions.check(self.spec)
            if not time_s >= self._board.time_s - self._began_s:
                now_s = self._board.time_s - self._began_s
                raise UsageError(
                    f"asked to change the world at {time_s!r} s, it is {now_s:g} s already; give a later time"
                )
        self._board.schedule((self._began_s + time_s, conditions) for time_s, conditions in listed)

    def truth(self) -> Truth:
        """What the board really does now. A manager is not shown this."""
        self._catch_up()
        board, battery_j = self._board, self._board.battery_j()
        nodes = (node.name for node in self.spec.thermal.nodes)
        return Truth(
            board.time_s,
            MappingProxyType(dict(zip(board.rails, board.powers_w, strict=True))),
            MappingProxyType(
                {name: 1000 * joules for name, joules in zip(board.rails, board.energies_j(), strict=True)}
            ),
            MappingProxyType(dict(zip(nodes, board.temperatures_c(), strict=True))),
            MappingProxyType({domain.name: domain.clock_hz for domain in board.domains}),
            None if battery_j is None else 1000 * battery_j,
        )

    @property
    def ambient_c(self) -> float:
        """The temperature of the air, as it truly is now."""
        self._catch_up()
        ambient_c = self._board.conditions.ambient_c
        return self.spec.thermal.ambient_c.value if ambient_c is None else ambient_c

    @property
    def is_throttled(self) -> bool:
        """Whether heat holds a clock down now, below what is asked for."""
        self._catch_up()
        return self._board.is_throttled

    def run(self, work: Work) -> None:
        """Run one inference where the application was put, and wait until it is done; `SimulatedEngine` calls this.

        Raises:
            PlatformError: The board has switched itself off.
        """
        board, clock = self._board, self.clock
        board.advance(clock.now_s())
        board.run(work, self._noise.draw(), self._place.cluster, self._place.n_cores)
        clock.sleep_until(board.time_s)

    def start(self, work: Work, *, factor: float, cluster: str, n_cores: int, owner: Hashable = None) -> Running:
        """Begin one inference now, beside those that run already; `advance` says when it is done.

        Args:
            work: What it takes, `NetworkWork` or `ScaledWork`.
            factor: By which noise lengthens it, above 0.
            cluster: Where. If that was taken away, the kernel moves it.
            n_cores: On how many of its cores, at least 1.
            owner: Whose it is. Where the same application ran last elsewhere, or another work, the cluster's
                `migration_us` and `first_run_us` come before it; None is nobody in particular, and never pays.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: More cores than the cluster has, or a factor that is no number above 0.
            PlatformError: The board has switched itself off.
        """
        index = self._cluster_index(cluster)
        n_there = self._board.domains[index].n_cores
        if not 1 <= n_cores <= n_there:
            raise UsageError(f"{cluster}: asked {n_cores} cores, the cluster has {n_there}; ask for 1 to that many")
        if not 0 < factor < math.inf:
            raise UsageError(f"factor: asked {factor!r}, expected a number above 0")
        self._catch_up()
        self._board.check_on()
        pause_s = 0.0
        if owner is not None:
            pause_s = self._pause_s(owner, work, index)
            self._last[owner] = work, index
        return self._board.start(work, factor, index, n_cores, pause_s=pause_s, owner=owner)

    def advance(self, until_s: float) -> tuple[Running, ...]:
        """Let time pass until `until_s`, or until the first inference that `start` began ends, if that is earlier.

        Returns:
            Those that ended by then; the clock shows when. One that ended earlier, while somebody let the clock run
            past it, comes first.

        Raises:
            UsageError: For ever, while nothing runs; or that is no time.
            PlatformError: The board has switched itself off, at the time that the clock shows; inferences are lost.
        """
        board, crew = self._board, self._board.crew
        self._catch_up()
        if crew.ended:
            ended, crew.ended = crew.ended, []
            return tuple(ended)
        if math.isnan(until_s) or (until_s == math.inf and not crew.running):
            raise UsageError(f"asked to advance to {until_s!r} s while nothing runs; give a time")
        ended = crew.advance(until_s)
        self.clock.sleep_until(board.time_s)
        board.check_on()
        return tuple(ended)

    def request(self, clocks: Mapping[str, int | None]) -> dict[str, int]:
        """Ask for clocks of several clusters, as a simulation does that has no need to hold the board.

        Args:
            clocks: By cluster; None gives it back to its governor. The others stay as they are.

        Returns:
            For each, what caps leave of what is asked for.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: A clock that is not on its ladder; nothing was asked for.
        """
        wanted = [(self._cluster_index(name), hz) for name, hz in clocks.items()]
        board = self._board
        for index, hz in wanted:
            if hz is not None:
                check_clock(self.spec.clusters[index], hz)
        self._catch_up()
        for index, hz in wanted:
            if board.domains[index].driven_hz != hz:
                board.drive(index, hz)
        return {name: board.domains[index].allowed_hz for name, (index, _) in zip(clocks, wanted, strict=True)}

    def places(self, rows: Sequence[Row]) -> Places:
        """Prepare to foresee inferences: rows of work, cluster, number of cores, and clock (None: its governor's).

        Raises:
            UnknownNameError: No such cluster.
            UsageError: No row, more cores than a cluster has, or a clock that is not on its ladder.
        """
        return Places(self._board, rows)

    def foresee(
        self,
        places: Places,
        *,
        factor: float = 1.0,
        period_ms: float = 0.0,
        owner: Hashable = None,
        leaves: Collection[str] = (),
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What an inference would take and draw at each place, if its clock were asked for now and it began now.

        Nothing changes by it. `_foresight` says what is modelled.

        Args:
            places: Of this board.
            factor: By which noise lengthens it, above 0.
            period_ms: Energy is counted for so long at least, the inference and the idle rest.
            owner: Whose inference it would be, as for `start`.
            leaves: Clusters whose clock goes back to the governor if the inference runs on another; there they count
                with what they draw in the end. The others stay as they are.

        Returns:
            Latencies in ms, infinite where the cluster was taken away, and energies in mJ of all clusters and of the
            inference's memory traffic.

        Raises:
            PlatformError: The board has switched itself off.
        """
        self._catch_up()
        self._board.check_on()
        return places.foresee(factor, period_ms, self._pauses_ms, self._last.get(owner), leaves)

    def _cluster_index(self, name: str) -> int:
        index = self._index.get(name)
        if index is None:
            raise UnknownNameError("cluster", name, self._index)
        return index

    def _pause_s(self, owner: Hashable, work: Work, index: int) -> float:
        """What an application pays for having been elsewhere, or for having run something else."""
        before = self._last.get(owner)
        if before is None:
            return 0.0
        migration_ms, first_run_ms = self._pauses_ms[index]
        pause_ms = (migration_ms if before[1] != index else 0.0) + (first_run_ms if before[0] is not work else 0.0)
        return pause_ms / 1000

    def _catch_up(self) -> None:
        self._board.advance(self.clock.now_s())

    def _take(self) -> HeldSimulatedBoard:
        if self._holder is not None:
            raise PlatformError(
                f"asked to hold {self.name}, but this process holds it; wait until it ends", platform=self.name
            )
        self._catch_up()
        loads = LoadReader(self._board.domains, self._board.time_s)
        self._holder = HeldSimulatedBoard(self._board, self._place, self._catch_up, lambda: self._read(loads))
        return self._holder

    def _give_back(self, holder: HeldSimulatedBoard) -> None:
        holder.release()
        if self._holder is holder:
            self._holder, self._place = None, Place(self.spec.clusters)

    def _read(self, loads: LoadReader) -> Snapshot:
        self._catch_up()
        board = self._board
        now_s = board.time_s
        if board.is_off:
            return Snapshot(now_s)
        readings = dict(loads.read(now_s))
        for name, domain in self._clocks:
            readings[name] = float(domain.clock_hz)
        for rail_sensor in board.rail_sensors:
            shown_w = rail_sensor.read()
            if shown_w is not None:
                readings[rail_sensor.name] = shown_w
        temperatures_c, heat_w = board.temperatures_c(), board.node_heat_w()
        for sensor in board.node_sensors:
            readings[sensor.name] = sensor.read(now_s, temperatures_c[sensor.node], heat_w[sensor.node])
        battery_j = board.battery_j()
        if battery_j is not None and self.spec.battery is not None:
            step_j = GAUGE_SHARE * self.spec.battery.capacity_wh.value * 3600
            readings["battery.energy_mj"] = 1000 * step_j * round(battery_j / step_j)
        return Snapshot(now_s, readings)


def _milliseconds(parameter: Parameter | None) -> float:
    return 0.0 if parameter is None else parameter.value / 1000
