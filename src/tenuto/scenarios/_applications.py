"""Applications of a scenario's file, checked against the board and their networks."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Final

from tenuto.errors import TenutoError, UnknownMetricError
from tenuto.nets.catalogue import CataloguedNetwork, network_names
from tenuto.platforms.simulated import BoardSpec
from tenuto.requirements import Mission, Requirements
from tenuto.scenarios._files import find_data
from tenuto.scenarios._format import AnchorTable, ApplicationTable, RampTable, RequirementKeys, ScenarioTable
from tenuto.scenarios._lines import Path
from tenuto.scenarios._scenario import Anchor, Application, Arrivals
from tenuto.scenarios._source import Source

_PLAIN: Final = ("latency_ms", "accuracy_pct", "energy_mj", "power_w", "temperature_c", "memory_mb")


class Reader:
    """Makes values of the applications of one file.

    Args:
        table: The file.
        source: Where its keys stand.
        board: The scenario's.
        open_network: What opens one by name.

    Attributes:
        coolest_c: The coolest air of the scenario.
    """

    def __init__(
        self, table: ScenarioTable, source: Source, board: BoardSpec, open_network: Callable[[str], CataloguedNetwork]
    ) -> None:
        self._table, self._source, self._board, self._open = table, source, board, open_network
        airs = (
            []
            if any(event.ambient_c is not None and event.at_s == 0 for event in table.events)
            else [board.thermal.ambient_c.value]
        )
        for event in table.events:
            if isinstance(event.ambient_c, RampTable):
                airs += [event.ambient_c.begin, event.ambient_c.end]
            elif event.ambient_c is not None:
                airs.append(event.ambient_c)
        self.coolest_c = min(airs)

    def applications(self) -> tuple[Application, ...]:
        """All of them.

        Raises:
            SpecError: Something does not fit.
        """
        found: dict[str, Application] = {}
        for index, one in enumerate(self._table.applications):
            if one.name in found:
                raise self._source.error(
                    ("applications", index, "name"), f"two applications are called {one.name!r}; give each its own name"
                )
            found[one.name] = self._application(one, ("applications", index))
        return tuple(found.values())

    def requirements(self, keys: RequirementKeys, at: Path, network: str, period_ms: float | None) -> Requirements:
        """Requirements of one application, from its table or from an event's.

        Raises:
            SpecError: They contradict each other, the network or the board.
        """
        source = self._source
        if keys.latency_ms is not None and keys.times_of_largest is not None:
            raise source.error((*at, "times_of_largest"), "the deadline is given twice, latency_ms is there; drop one")
        if keys.latency_ms is not None and keys.latency_ms > 1000 * self._table.duration_s:
            raise source.error(
                (*at, "latency_ms"),
                f"asked for {keys.latency_ms:g} ms, the scenario ends after {self._table.duration_s:g} s; ask for less",
            )
        if keys.maximise is not None and keys.minimise is not None:
            raise source.error((*at, "minimise"), "there is an objective to maximise already; a plan has one, drop one")
        if keys.accuracy_pct is not None:
            self._check_accuracy(keys.accuracy_pct, (*at, "accuracy_pct"), network)
        if keys.temperature_c is not None and keys.temperature_c <= self.coolest_c:
            raise source.error(
                (*at, "temperature_c"),
                f"asked for {keys.temperature_c:g} °C, the air has {self.coolest_c:g} °C and nothing here cools below "
                "it; ask for more",
            )
        mission = None
        if keys.mission_s is not None:
            has_battery = self._board.battery is not None or self._table.battery_wh is not None
            if not has_battery and keys.mission_mj is None:
                raise source.error(
                    (*at, "mission_s"), f"{self._board.id} has no battery; give battery_wh, or mission_mj beside it"
                )
            mission = Mission(keys.mission_s, keys.mission_mj)
        elif keys.mission_mj is not None:
            raise source.error((*at, "mission_mj"), "there is no mission_s to spend it in; give that, too")
        bounds = {name: getattr(keys, name) for name in _PLAIN}
        try:
            return Requirements.of(
                **bounds,
                miss_pct=keys.miss_pct,
                maximise=keys.maximise,
                minimise=keys.minimise,
                priorities=keys.priorities,
                period_ms=period_ms,
                mission=mission,
            )
        except TenutoError as error:
            raise source.refusal((*at, *_at_fault(keys, error)), error) from error

    def _application(self, one: ApplicationTable, at: Path) -> Application:
        source = self._source
        network = self._located(one.network)
        self._check_network(network, (*at, "network"))
        for index, name in enumerate(one.clusters):
            self.check_cluster(name, (*at, "clusters", index))
        clusters = [self._board.cluster(name) for name in one.clusters] or list(self._board.clusters)
        most = max(cluster.n_cores for cluster in clusters)
        for index, n in enumerate(one.n_cores):
            if n > most:
                names = ", ".join(f"{cluster.name}: {cluster.n_cores}" for cluster in clusters)
                raise source.error((*at, "n_cores", index), f"asked for {n} cores, there are {names}; ask for less")
        if one.from_s >= self._table.duration_s:
            raise source.error(
                (*at, "from_s"),
                f"found {one.from_s:g} s, the scenario ends at {self._table.duration_s:g} s; make it earlier",
            )
        if one.until_s is not None and one.until_s <= one.from_s:
            raise source.error(
                (*at, "until_s"), f"it comes at {one.from_s:g} s and goes at {one.until_s:g} s; let it go later"
            )
        arrivals = self._arrivals(one, at)
        period_ms = arrivals.period_ms if arrivals.cv2 == 0 and arrivals.times_s is None else None
        return Application(
            one.name,
            network,
            self.requirements(one, at, network, period_ms),
            arrivals,
            one.clusters,
            one.n_cores,
            one.priority,
            one.from_s,
            one.until_s,
            one.times_of_largest,
            one.miss_pct,
            None if one.anchor is None else self._anchor(one.anchor, network, (*at, "anchor")),
        )

    def _arrivals(self, one: ApplicationTable, at: Path) -> Arrivals:
        ways = [name for name in ("period_ms", "rate_hz", "arrivals") if getattr(one, name) is not None]
        if len(ways) > 1:
            raise self._source.error(
                (*at, ways[1]), f"it is said twice when inputs come, {ways[0]} is there, too; drop one"
            )
        if one.cv2 is not None and one.rate_hz is None:
            raise self._source.error((*at, "cv2"), "cv2 goes with rate_hz, which is not there; give it, or drop cv2")
        if one.arrivals is not None:
            file = find_data(one.arrivals.file, self._source, (*at, "arrivals", "file"))
            times_s = _recorded_s(file, self._source, (*at, "arrivals", "file"), one.arrivals.times_faster)
            kept = tuple(one.from_s + time_s for time_s in times_s if one.from_s + time_s < self._table.duration_s)
            if not kept:
                raise self._source.error((*at, "arrivals"), "no input comes before the scenario ends; let it last")
            span_s = min(times_s[-1] + one.from_s, self._table.duration_s) - one.from_s
            return Arrivals(1000 * span_s / len(kept) if span_s else 1000 * self._table.duration_s, times_s=kept)
        if one.rate_hz is not None:
            return Arrivals(1000 / one.rate_hz, 1.0 if one.cv2 is None else one.cv2)
        if one.period_ms is None and one.times_of_largest is None:
            raise self._source.error(at, "nothing says when inputs come; give period_ms, rate_hz or arrivals")
        return Arrivals(one.period_ms)

    def _anchor(self, anchor: AnchorTable, network_name: str, at: Path) -> Anchor:
        source = self._source
        self.check_cluster(anchor.cluster, (*at, "cluster"))
        cluster = self._board.cluster(anchor.cluster)
        if anchor.n_cores > cluster.n_cores:
            raise source.error((*at, "n_cores"), f"asked for {anchor.n_cores}, {cluster.name} has {cluster.n_cores}")
        frequency_hz = round(anchor.frequency_mhz * 1e6)
        if frequency_hz not in cluster.frequencies_hz:
            listed = ", ".join(f"{hz / 1e6:g}" for hz in cluster.frequencies_hz)
            raise source.error(
                (*at, "frequency_mhz"),
                f"found {anchor.frequency_mhz:g}, which is no clock of {cluster.name}; its clocks are {listed}",
            )
        network = self._open(network_name)
        names = {
            name: member.sub_network for member in network.members for name in (member.title, member.sub_network.name)
        }
        for name in anchor.latency_ms:
            if name not in names:
                titles = ", ".join(member.title for member in network.members)
                raise source.error(
                    (*at, "latency_ms", name), f"{network_name} has no sub-network {name!r}; it has {titles}"
                )
        named = {names[name] for name in anchor.latency_ms}
        if len(named) != len(anchor.latency_ms) or len(named) not in (1, len(network.members)):
            raise source.error(
                (*at, "latency_ms"),
                f"it names {len(named)} of {len(network.members)} sub-networks; name one, by which all are scaled, or "
                "each once",
            )
        return Anchor(anchor.cluster, anchor.n_cores, frequency_hz, anchor.latency_ms, anchor.reference)

    def _located(self, network: str) -> str:
        """A network's name, or the whole path of one that stands beside the scenario's file."""
        beside = self._source.path.parent / network
        return str(beside.absolute()) if network not in network_names() and beside.exists() else network

    def check_cluster(self, name: str, at: Path) -> None:
        """Refuse a cluster that the board lacks."""
        try:
            self._board.cluster(name)
        except TenutoError as error:
            raise self._source.refusal(at, error) from error

    def _check_network(self, name: str, at: Path) -> None:
        try:
            network = self._open(name)
        except TenutoError as error:
            raise self._source.refusal(at, error) from error
        if not network.has_graphs:
            raise self._source.error(
                at,
                f"what {name} computes is not known, so it cannot be simulated; known are {', '.join(network_names())}",
            )

    def _check_accuracy(self, floor_pct: float, at: Path, network: str) -> None:
        members = self._open(network).members
        known = [member.accuracy_pct.value for member in members if member.accuracy_pct is not None]
        if not known:
            raise self._source.error(at, f"nothing is known of the accuracy of {network}; drop the floor")
        if floor_pct > max(known):
            raise self._source.error(
                at, f"asked for {floor_pct:g} %, the best sub-network of {network} has {max(known):g} %; ask for less"
            )


def _at_fault(keys: RequirementKeys, error: TenutoError) -> Path:
    """Which key a refusal of the requirements is about."""
    if isinstance(error, UnknownMetricError):
        for name in ("maximise", "minimise"):
            if getattr(keys, name) == error.metric:
                return (name,)
        return ("priorities", error.metric)
    words = str(error).split()
    return ("maximise",) if words[:1] == ["maximise"] else ("minimise",) if words[:1] == ["minimise"] else ()


def _recorded_s(file: FilePath, source: Source, at: Path, times_faster: float) -> list[float]:
    """The first column of a CSV file, as seconds from its first row."""
    with file.open(encoding="utf-8", newline="") as lines:
        cells = [row[0].strip() for row in csv.reader(lines) if row]
    times_s = []
    for number, cell in enumerate(cells, start=1):
        try:
            times_s.append(_seconds(cell))
        except ValueError:
            if number > 1:  # the first row may name the columns
                raise source.error(
                    at, f"{file.name}, row {number}: found {cell!r}; give seconds, or date and time"
                ) from None
    if not times_s or times_s != sorted(times_s):
        raise source.error(at, f"{file.name}: found {len(times_s)} times; give at least one, and in order")
    return [(time_s - times_s[0]) / times_faster for time_s in times_s]


def _seconds(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        # Without a zone it must not be taken for local time, whose days may have 23 hours.
        return datetime.fromisoformat(cell).replace(tzinfo=UTC).timestamp()
