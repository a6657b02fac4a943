"""The conformance suite of a platform: real, simulated or made of files, they all pass it."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from tenuto.errors import DeniedError, KnobRejectedError, PlatformError, UnknownNameError, UnsupportedError, UsageError
from tenuto.platforms import PLAUSIBLE, Cluster, HeldBoard, Platform, Snapshot
from tenuto.points import Configuration, SubNetwork
from tenuto.testing._killed import kill_holder
from tenuto.units import QUANTITIES

_SUB_NETWORK = SubNetwork("conformance", (("depth", (1,)),))


FIRST_READING_S = 5.0
"""By when every monitor has given a reading: the slowest sensors have periods of about a second."""

LATE_S = 0.5
"""By when a clock that was asked for is in force: boards take 1 to 8 ms, and their drivers may look less often."""

RESTORED_S = 10.0
"""By when a board whose holder was killed is as before: somebody else has to notice."""

_Sleep = Callable[[float], object]


def check_platform(platform: Platform, *, sleep: _Sleep = time.sleep) -> None:
    """Prove that a platform keeps the promises of `tenuto.platforms.Platform`.

    It holds the board several times, sets every knob that it may to its ends, and leaves everything as it was. It also
    forks a process that holds the board and is killed. On a real machine, run it when nothing else is being measured
    there.

    Args:
        platform: Nobody may hold it.
        sleep: Lets so many seconds pass on the board: of a simulated one its clock's `advance`.

    Raises:
        AssertionError: A promise is broken; says which, and what was found.
    """
    _check_names(platform)
    for cluster in platform.clusters:
        _check_cluster(cluster)
    with _held(platform, "an unused hold") as board:
        _check_readings(platform, board.snapshot())
        _check_time(board, sleep)
        _check_absence(platform, board, sleep)
        _check_refusals(platform, board)
        _check_second_hold(platform)
    for cluster in platform.clusters:
        with _held(platform, f"driving {cluster.name}") as board:
            _check_every_setting(cluster, board)
            _check_readings(platform, board.snapshot())
        with _held(platform, f"changing the clock of {cluster.name}") as board:
            _check_late_clock(platform, cluster, board, sleep)
    _check_migration(platform)
    for interruption in (_OnPurposeError, KeyboardInterrupt):
        _check_interruption(platform, interruption)
    _check_killed(platform, sleep)


class _OnPurposeError(Exception):
    pass


def _expect(is_kept: bool, promise: str, found: object) -> None:
    if not is_kept:
        raise AssertionError(f"{promise}; found {found!r}")


def _check_names(platform: Platform) -> None:
    _expect(isinstance(platform, Platform), "it has every member of Platform", platform)
    _expect(bool(platform.name.strip()), "it has a name", platform.name)
    for kind, names in (
        ("clusters", [cluster.name for cluster in platform.clusters]),
        ("knobs", [knob.name for knob in platform.knobs]),
        ("monitors", [monitor.name for monitor in platform.monitors]),
    ):
        _expect(len(set(names)) == len(names) and all(names), f"the names of its {kind} are unique", names)
    _expect(bool(platform.clusters), "it has a cluster", platform.clusters)
    cpus = [cpu for cluster in platform.clusters for cpu in cluster.cpus]
    _expect(len(set(cpus)) == len(cpus), "a core belongs to one cluster", cpus)
    capacities = [cluster.capacity for cluster in platform.clusters if cluster.capacity is not None]
    _expect(capacities == sorted(capacities), "clusters come by rising capacity", capacities)
    for knob in platform.knobs:
        owner, _, quantity = knob.name.rpartition(".")
        owners = [cluster.name for cluster in platform.clusters]
        _expect(owner in owners and quantity in {"cores", "frequency_hz"}, "a knob is named cluster.quantity", knob)
        _expect(list(knob.domain) == sorted(set(knob.domain)), "a knob's domain ascends", knob)
        _expect(knob.is_writable or bool(knob.remedy), "a knob that we may not set says what would allow it", knob)
    for monitor in platform.monitors:
        _expect(monitor.quantity in QUANTITIES, "a monitor's quantity is one of units.QUANTITIES", monitor)


def _check_cluster(cluster: Cluster) -> None:
    clocks = [opp.frequency_hz for opp in cluster.opps]
    _expect(clocks == sorted(set(clocks)), "a cluster's clocks ascend", cluster)
    _expect(all(1e6 <= clock <= 1e11 for clock in clocks), "clocks are in Hz", clocks)
    _expect(cluster.capacity is None or 1 <= cluster.capacity <= 1024, "capacity is 1 to 1024", cluster.capacity)


def _check_readings(platform: Platform, snapshot: Snapshot) -> None:
    quantities = {monitor.name: monitor.quantity for monitor in platform.monitors}
    for name, value in snapshot.readings.items():
        _expect(name in quantities, "a reading belongs to a monitor that is listed", name)
        _expect(math.isfinite(value), f"{name} is a number; what cannot be read is not in a snapshot", value)
        low, high = PLAUSIBLE.get(quantities[name], (float("-inf"), float("inf")))
        _expect(low <= value <= high, f"{name} is between {low} and {high}", value)


def _check_refusals(platform: Platform, board: HeldBoard) -> None:
    before = platform.read_knobs()
    first = _configurations(platform.clusters[0])[0]
    _expect_error(board, replace(first, cluster="no-such-cluster"), UnknownNameError)
    for cluster in platform.clusters:
        configuration = _configurations(cluster)[0]
        _expect_error(board, replace(configuration, n_cores=len(cluster.cpus) + 1 if cluster.cpus else 2), UsageError)
        off_ladder_hz = (cluster.opps[0].frequency_hz if cluster.opps else 1_000_000_000) + 1
        refusals = (UsageError,) if cluster.opps else (UsageError, UnsupportedError, DeniedError)
        _expect_error(board, replace(configuration, frequency_hz=off_ladder_hz), *refusals)
    _expect(platform.read_knobs() == before, "a refused configuration changes nothing", platform.read_knobs())


def _expect_error(board: HeldBoard, configuration: Configuration, *kinds: type[Exception]) -> None:
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        applied = board.apply(configuration)
    except kinds:
        return
    raise AssertionError(f"{configuration} is refused with {names}; found that it was applied as {applied}")


def _check_second_hold(platform: Platform) -> None:
    try:
        with platform.hold():
            pass
    except PlatformError:
        return
    raise AssertionError("a board that is held cannot be held again; found that it can")


def _configurations(cluster: Cluster) -> list[Configuration]:
    """The corners of a cluster's settings: one core and all, slowest and fastest clock, and up and down again."""
    counts = sorted({1, max(1, len(cluster.cpus))})
    clocks = [opp.frequency_hz for opp in cluster.opps]
    ends: list[int | None] = [clocks[-1], clocks[0], clocks[len(clocks) // 2], clocks[-1]] if clocks else [None]
    return [Configuration(_SUB_NETWORK, cluster.name, count, clock) for clock in ends for count in counts]


def _least(cluster: Cluster) -> Configuration:
    """One core at the slowest clock: where no board is by itself."""
    return min(_configurations(cluster), key=lambda one: (one.frequency_hz or 0, one.n_cores))


def _check_every_setting(cluster: Cluster, board: HeldBoard) -> None:
    for configuration in _configurations(cluster):
        try:
            applied = board.apply(configuration)
        except KnobRejectedError:
            # A real board may be too hot for its highest clock today: saying so is keeping the promise.
            continue
        _expect(applied == configuration, "what was applied is what the board reports", applied)


def _check_migration(platform: Platform) -> None:
    """Over to each cluster and back, with clocks left behind."""
    with _held(platform, "moving between clusters") as board:
        for cluster in (*platform.clusters, *reversed(platform.clusters)):
            with suppress(KnobRejectedError):
                board.apply(_configurations(cluster)[0])


def _check_time(board: HeldBoard, sleep: _Sleep) -> None:
    """One time for all readings, which goes on as time does."""
    before = board.snapshot().time_s
    _expect(
        isinstance(before, float) and math.isfinite(before), "a snapshot says when it was taken, in seconds", before
    )
    at_once = board.snapshot().time_s
    _expect(at_once >= before, "the time of snapshots does not go back", (before, at_once))
    sleep(0.02)
    later = board.snapshot().time_s
    _expect(later > at_once, "a later snapshot has a later time", (at_once, later))
    passed_s = later - at_once
    _expect(passed_s >= 0.015, "the time of snapshots is in seconds, and follows `sleep`", passed_s)


def _check_absence(platform: Platform, board: HeldBoard, sleep: _Sleep) -> None:
    """What is listed is read sooner or later."""
    silent = {monitor.name for monitor in platform.monitors}
    began_s = board.snapshot().time_s
    while silent:
        snapshot = board.snapshot()
        _check_readings(platform, snapshot)
        silent -= snapshot.readings.keys()
        _expect(
            not silent or snapshot.time_s - began_s <= FIRST_READING_S,
            f"a monitor that is listed has a reading within {FIRST_READING_S:g} s; what cannot be read is not listed",
            sorted(silent),
        )
        sleep(0.05)


def _check_late_clock(platform: Platform, cluster: Cluster, board: HeldBoard, sleep: _Sleep) -> None:
    """From one end of the ladder to the other: the clock shown is the old one, then the new one, and no other."""
    name, ladder_hz = f"{cluster.name}.frequency_hz", [opp.frequency_hz for opp in cluster.opps]
    if len(ladder_hz) < 2 or name not in {monitor.name for monitor in platform.monitors}:
        return

    def shown_hz() -> int | None:
        reading = board.snapshot().readings.get(name)
        # A measured mean may be a little off the step.
        return None if reading is None else min(ladder_hz, key=lambda step_hz: abs(step_hz - reading))

    configuration = replace(_configurations(cluster)[0], n_cores=1)
    previous_hz: int | None = None
    for wanted_hz in (ladder_hz[0], ladder_hz[-1], ladder_hz[0]):
        try:
            board.apply(replace(configuration, frequency_hz=wanted_hz))
        except KnobRejectedError:
            return  # a cap of the moment
        began_s = board.snapshot().time_s
        while (found := shown_hz()) != wanted_hz:
            if previous_hz is not None:
                promise = f"{name} shows the old clock or the new one (old, new, shown)"
                _expect(found in {previous_hz, None}, promise, (previous_hz, wanted_hz, found))
            is_in_time = board.snapshot().time_s - began_s <= LATE_S
            _expect(is_in_time, f"{name} shows a clock within {LATE_S:g} s (asked, shown)", (wanted_hz, found))
            sleep(0.001)
        for _ in range(3):
            sleep(0.005)
            _expect(shown_hz() == wanted_hz, f"{name} stays at the clock that was asked for", (wanted_hz, shown_hz()))
        previous_hz = wanted_hz


def _check_interruption(platform: Platform, kind: type[BaseException]) -> None:
    """An error, or Ctrl-C, in the midst of a hold."""
    with suppress(kind), _held(platform, f"a {kind.__name__.strip('_')}") as board:
        _check_every_setting(platform.clusters[-1], board)
        with suppress(KnobRejectedError):
            board.apply(_least(platform.clusters[-1]))
        raise kind
    try:
        board.apply(_configurations(platform.clusters[0])[0])
    except PlatformError:
        return
    raise AssertionError("a board that was given back obeys no more; found that it does")


def _check_killed(platform: Platform, sleep: _Sleep) -> None:
    """A process that holds the board, has set it, and is killed outright."""
    before = dict(platform.read_knobs())

    def take() -> object:
        hold = platform.hold()
        board = hold.__enter__()
        for cluster in platform.clusters:
            with suppress(KnobRejectedError):
                board.apply(_least(cluster))
        return hold, board

    kill_holder(take)
    gives_up_s = time.monotonic() + RESTORED_S
    while True:
        try:
            _check_restored(platform, before, "its holder was killed")
            with platform.hold():
                pass
            break
        except (AssertionError, PlatformError) as error:
            if time.monotonic() > gives_up_s:
                promise = f"a board whose holder was killed is as before, and free, within {RESTORED_S:g} s"
                raise AssertionError(f"{promise}; {error}") from error
            time.sleep(0.01)  # whoever puts it back is another process, in real time
            sleep(0.01)
    with _held(platform, "its holder was killed") as board:
        _check_every_setting(platform.clusters[0], board)


@contextmanager
def _held(platform: Platform, while_doing: str) -> Iterator[HeldBoard]:
    """Hold the board; afterwards, also after an exception, every knob reads as before."""
    before = dict(platform.read_knobs())
    with ExitStack() as stack:
        stack.callback(_check_restored, platform, before, while_doing)
        try:
            board = stack.enter_context(platform.hold())
        except PlatformError as error:
            raise AssertionError(f"a board that nobody holds can be held; found {error}") from error
        yield board


def _check_restored(platform: Platform, before: Mapping[str, str], while_doing: str) -> None:
    now = dict(platform.read_knobs())
    changed = {name: (before.get(name), now.get(name)) for name in before.keys() | now.keys()}
    changed = {name: texts for name, texts in changed.items() if texts[0] != texts[1]}
    _expect(not changed, f"after {while_doing} every knob is as it was (before, after)", changed)
