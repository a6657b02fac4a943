"""Events of a scenario's file: checked against the board one by one, then put together for every time."""

from collections.abc import Sequence
from typing import Any

from tenuto.errors import TenutoError, UnknownNameError
from tenuto.platforms.simulated import BackgroundLoad, BoardSpec, Conditions
from tenuto.scenarios._applications import Reader
from tenuto.scenarios._effects import airs, end_s, load_of, sum_of
from tenuto.scenarios._event_checks import EventChecks
from tenuto.scenarios._files import find_data
from tenuto.scenarios._format import EventTable, RampTable, ScenarioTable, UtilisationTable
from tenuto.scenarios._lines import Path
from tenuto.scenarios._scenario import Application, Change, Disturbance, Recording, SensorLoss, Service, Utilisation
from tenuto.scenarios._services import fitted_services, read_recording
from tenuto.scenarios._source import Source


class Events:
    """Makes values of the events of one file.

    Args:
        table: The file.
        source: Where its keys stand.
        board: The scenario's, with its battery.
        reader: Of its applications.
        applications: Those.

    Raises:
        SpecError: An event does not fit the board, the applications or itself.
    """

    def __init__(
        self,
        table: ScenarioTable,
        source: Source,
        board: BoardSpec,
        reader: Reader,
        applications: Sequence[Application],
    ) -> None:
        self._source, self._board, self._reader = source, board, reader
        self._applications = {one.name: one for one in applications}
        self._duration_s = table.duration_s
        # In the order of their beginning: of several that say the same, the last that began holds.
        self._events = sorted(enumerate(table.events), key=lambda event: event[1].at_s)
        checks = EventChecks(source, board, reader, self._applications, self._duration_s)
        for index, event in self._events:
            checks.check(event, ("events", index))

    def world(self) -> tuple[tuple[float, Conditions], ...]:
        """What holds from when on, but for utilisation."""
        times_s = {0.0}
        for _, event in self._events:
            times_s |= {event.at_s, end_s(event), *(time_s for time_s, _ in airs(event))}
        found: list[tuple[float, Conditions]] = []
        for time_s in sorted(time_s for time_s in times_s if time_s < self._duration_s):
            conditions = self._conditions(time_s)
            before = found[-1][1] if found else Conditions()
            if conditions != before:
                found.append((time_s, conditions))
        return tuple(found)

    def changes(self) -> tuple[Change, ...]:
        """Of requirements."""
        found = []
        for name, application in self._applications.items():
            said = []
            for index, event in self._events:
                keys = event.requirements
                if keys is not None and keys.application == name:
                    at: Path = ("events", index, "requirements")
                    period_ms = application.requirements.period_ms
                    required = self._reader.requirements(keys, at, application.network, period_ms)
                    said.append((event.at_s, end_s(event), required))
            now = application.requirements
            times_s = {time_s for begin_s, end_s, _ in said for time_s in (begin_s, end_s)}
            for time_s in sorted(time_s for time_s in times_s if time_s < self._duration_s):
                holding = [one for begin_s, end_s, one in said if begin_s <= time_s < end_s]
                then = holding[-1] if holding else application.requirements
                if then != now:
                    found.append(Change(time_s, name, then))
                    now = then
        return tuple(sorted(found, key=lambda change: change.time_s))

    def disturbances(self) -> tuple[Disturbance, ...]:
        """Events that have a label."""
        return tuple(Disturbance(one.label, one.at_s, one.until_s) for _, one in self._events if one.label)

    def losses(self) -> tuple[SensorLoss, ...]:
        """Of sensors."""
        return tuple(
            SensorLoss(frozenset(one.sensor_lost), one.at_s, one.until_s) for _, one in self._events if one.sensor_lost
        )

    def utilisation(self) -> tuple[Utilisation, ...]:
        """Background load that depends on the seed."""
        return tuple(
            Utilisation(
                one.at_s,
                min(end_s(one), self._duration_s),
                self._course(one.utilisation, ("events", index, "utilisation")),
            )
            for index, one in self._events
            if one.utilisation is not None
        )

    def _conditions(self, time_s: float) -> Conditions:
        holding = [(index, event) for index, event in self._events if event.at_s <= time_s < end_s(event)]
        slowdown: dict[str, float] = {}
        caps_hz: dict[str, int] = {}
        for _, event in holding:
            for name, factor in event.slowdown.items():
                slowdown[name] = slowdown.get(name, 1.0) * factor
            for name, mhz in event.caps_mhz.items():
                caps_hz[name] = min(round(mhz * 1e6), caps_hz.get(name, round(mhz * 1e6)))
        charges = [event.battery_charge for _, event in self._events if event.at_s == time_s]
        memory = [event.memory_mhz for _, event in holding if event.memory_mhz is not None]
        said: dict[str, Any] = {
            "background": self._background(holding),
            "slowdown": slowdown,
            "caps_hz": caps_hz,
            "taken": frozenset(name for _, event in holding for name in event.lost),
            "ambient_c": self._air_c(time_s),
            "memory_mhz": memory[-1] if memory else None,
            "battery_charge": next((charge for charge in reversed(charges) if charge is not None), None),
        }
        conditions = Conditions(**said)
        try:
            conditions.check(self._board)
        except TenutoError as error:
            index = max(holding, key=lambda event: event[1].at_s)[0] if holding else 0
            raise self._source.error(("events", index), f"at {time_s:g} s {error}") from error
        return conditions

    def _background(self, holding: Sequence[tuple[int, EventTable]]) -> dict[str, BackgroundLoad]:
        loads: dict[str, BackgroundLoad] = {}
        for index, event in holding:
            for name, table in event.background.items():
                n_cores = self._board.cluster(name).n_cores
                load, before = load_of(table, n_cores), loads.get(name)
                if before is not None:
                    load = sum_of(before, load)
                if load.busy_cores > n_cores:
                    raise self._source.error(
                        ("events", index, "background", name),
                        f"with those before it {load.busy_cores:g} cores are busy, {name} has {n_cores}; ask for less",
                    )
                loads[name] = load
        return loads

    def _air_c(self, time_s: float) -> float | None:
        """What the last event to begin says; a ramp's end stays, anything else ends with its event."""
        found = None
        for _, event in self._events:
            for begin_s, air_c in airs(event):
                if begin_s <= time_s and (time_s < end_s(event) or isinstance(event.ambient_c, RampTable)):
                    found = air_c
        return found

    def _course(self, table: UtilisationTable, at: Path) -> Recording | Service:
        if table.recorded is None:
            services = fitted_services()
            name = table.fitted
            if name is None or name not in services.services:
                problem = UnknownNameError("service", str(name), services.services)
                raise self._source.refusal((*at, "fitted"), problem)
            one = services.services[name]
            return Service(name, one.busy_cores, one.stay_s, one.to, services.interval_s, table.cores)
        file = find_data(table.recorded, self._source, (*at, "recorded"))
        try:
            columns = read_recording(file)
        except (OSError, ValueError) as error:
            raise self._source.error((*at, "recorded"), f"{file.name}: {error}") from error
        busy = {}
        for cluster, names in table.columns.items():
            for index, name in enumerate(names):
                if name not in columns:
                    raise self._source.refusal(
                        (*at, "columns", cluster, index), UnknownNameError(f"column of {file.name}", name, columns)
                    )
            rows = zip(*(columns[name] for name in names), strict=True)
            busy[cluster] = tuple(sum(row) for row in rows)
        return Recording(table.interval_s, busy)
