"""One event of a scenario's file, held against the board, the applications and itself."""

from collections.abc import Mapping
from typing import Any, Final

from tenuto.errors import TenutoError, UnknownNameError
from tenuto.platforms.simulated import BackgroundLoad, BoardSpec, Conditions, SimulatedPlatform
from tenuto.scenarios._applications import Reader
from tenuto.scenarios._effects import airs, load_of
from tenuto.scenarios._format import BackgroundTable, ChangeTable, EventTable, RampTable, UtilisationTable
from tenuto.scenarios._lines import Path
from tenuto.scenarios._scenario import Application
from tenuto.scenarios._source import Source

_EFFECTS: Final = (
    "background",
    "slowdown",
    "caps_mhz",
    "lost",
    "ambient_c",
    "memory_mhz",
    "battery_charge",
    "sensor_lost",
    "requirements",
    "utilisation",
)


class EventChecks:
    """Refuses events that make no sense.

    Args:
        source: Where the file's keys stand.
        board: The scenario's, with its battery.
        reader: Of its applications.
        applications: Those, by name.
        duration_s: Of the scenario.
    """

    def __init__(
        self,
        source: Source,
        board: BoardSpec,
        reader: Reader,
        applications: Mapping[str, Application],
        duration_s: float,
    ) -> None:
        self._source, self._board, self._reader = source, board, reader
        self._applications, self._duration_s = applications, duration_s

    def check(self, event: EventTable, at: Path) -> None:
        """Refuse one.

        Raises:
            SpecError: It never happens, does nothing, or the board or the applications do not have what it is about.
        """
        self._check_times(event, at)
        if not any(getattr(event, name) not in (None, {}, ()) for name in _EFFECTS):
            raise self._source.error(at, f"nothing happens in it; give one of {', '.join(_EFFECTS)}")
        self._check_clusters(event, at)
        self._check_alone(event, at)
        for index, name in enumerate(event.sensor_lost):
            self._check_monitor(name, (*at, "sensor_lost", index))
        if event.requirements is not None:
            self._check_change(event.requirements, (*at, "requirements"), ends=event.until_s is not None)
        if event.utilisation is not None:
            self._check_utilisation(event.utilisation, (*at, "utilisation"))

    def _check_times(self, event: EventTable, at: Path) -> None:
        error = self._source.error
        if event.at_s >= self._duration_s:
            raise error(
                (*at, "at_s"), f"found {event.at_s:g} s, the scenario ends at {self._duration_s:g} s; make it earlier"
            )
        if event.until_s is not None and event.until_s <= event.at_s:
            raise error(
                (*at, "until_s"), f"it begins at {event.at_s:g} s and ends at {event.until_s:g} s; let it end later"
            )
        if isinstance(event.ambient_c, RampTable) and event.until_s is None:
            raise error((*at, "ambient_c"), "the air changes evenly until until_s, which is not there; give it")

    def _check_clusters(self, event: EventTable, at: Path) -> None:
        for key in ("background", "slowdown", "caps_mhz"):
            for name in getattr(event, key):
                self._reader.check_cluster(name, (*at, key, name))
        for index, name in enumerate(event.lost):
            self._reader.check_cluster(name, (*at, "lost", index))
        for name, table in event.background.items():
            self._check_load(name, table, (*at, "background", name))
        for name, mhz in event.caps_mhz.items():
            lowest_mhz = self._board.cluster(name).ladder.frequency_mhz[0]
            if mhz < lowest_mhz:
                raise self._source.error(
                    (*at, "caps_mhz", name), f"found {mhz:g}, the lowest clock of {name} is {lowest_mhz:g}; give more"
                )

    def _check_alone(self, event: EventTable, at: Path) -> None:
        """What the board refuses of single figures."""
        for key, of in (("memory_mhz", event.memory_mhz), ("battery_charge", event.battery_charge)):
            self._check_by_board({key: of}, (*at, key))
        for _, air_c in airs(event):
            self._check_by_board({"ambient_c": air_c}, (*at, "ambient_c"))
        self._check_by_board({"taken": frozenset(event.lost)}, (*at, "lost"))

    def _check_by_board(self, said: dict[str, Any], at: Path) -> None:
        try:
            Conditions(**said).check(self._board)
        except TenutoError as error:
            raise self._source.refusal(at, error) from error

    def _check_load(self, name: str, table: BackgroundTable, at: Path) -> None:
        n_cores = self._board.cluster(name).n_cores
        if table.busy_cores is not None and table.busy_share is not None:
            raise self._source.error((*at, "busy_share"), "busy_cores is there, too; drop one")
        if table.busy_cores is not None and table.busy_cores > n_cores:
            raise self._source.error(
                (*at, "busy_cores"), f"asked for {table.busy_cores:g} busy cores, {name} has {n_cores}; ask for less"
            )
        try:
            load = load_of(table, n_cores)
        except TenutoError as error:
            raise self._source.refusal((*at, "n_threads"), error) from error
        if load == BackgroundLoad():
            raise self._source.error(at, "it keeps nothing busy; give busy_cores, busy_share or memory_gb_s")

    def _check_monitor(self, name: str, at: Path) -> None:
        monitors = SimulatedPlatform(self._board).monitors
        known = {one.name for one in monitors} | {one.quantity for one in monitors}
        if name not in known:
            raise self._source.refusal(at, UnknownNameError(f"monitor of {self._board.id}", name, known))

    def _check_change(self, keys: ChangeTable, at: Path, *, ends: bool) -> None:
        application = self._applications.get(keys.application)
        if application is None:
            problem = UnknownNameError("application", keys.application, self._applications)
            raise self._source.refusal((*at, "application"), problem)
        if keys.times_of_largest is not None:
            raise self._source.error((*at, "times_of_largest"), "a new deadline is given in ms; give latency_ms")
        if application.times_of_largest is not None and ends:
            raise self._source.error(
                at,
                f"the deadline of {application.name} is times_of_largest, to which nothing can return at until_s; "
                "drop until_s, or give the application latency_ms",
            )

    def _check_utilisation(self, table: UtilisationTable, at: Path) -> None:
        ways = {"recorded": ("columns",), "fitted": ("cores",)}
        chosen = [name for name in ways if getattr(table, name) is not None]
        if len(chosen) != 1:
            raise self._source.error(at, f"found {' and '.join(chosen) or 'neither'}; give one of recorded and fitted")
        (key,) = ways[chosen[0]]
        clusters = getattr(table, key)
        if not clusters:
            raise self._source.error(at, f"nothing says which clusters it loads; give {key}")
        for name in clusters:
            self._reader.check_cluster(name, (*at, key, name))
