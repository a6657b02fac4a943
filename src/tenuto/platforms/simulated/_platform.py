"""A board of a file as a platform: the same clusters, knobs and monitors as the real one, in a time of its own."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tenuto.errors import PlatformError, UsageError
from tenuto.platforms._platform import Cluster, HeldBoard, Knob, Missing, Monitor, Opp, Snapshot
from tenuto.platforms.simulated._board import Board, Work
from tenuto.platforms.simulated._board_file import load_board
from tenuto.platforms.simulated._clock import Clock, ManualClock
from tenuto.platforms.simulated._hold import HeldSimulatedBoard, Place, SimulatedHold
from tenuto.platforms.simulated._sensing import GAUGE_SHARE, LoadReader, monitors_of
from tenuto.platforms.simulated._spec import BoardSpec
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

    def run(self, work: Work) -> None:
        """Run one inference where the application was put, and wait until it is done; `SimulatedEngine` calls this.

        Raises:
            PlatformError: The board has switched itself off.
        """
        board, clock = self._board, self.clock
        board.advance(clock.now_s())
        board.run(work, self._noise.draw(), self._place.cluster, self._place.n_cores)
        clock.sleep_until(board.time_s)

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
