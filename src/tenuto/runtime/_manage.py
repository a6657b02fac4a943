"""Five lines in an application."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from tenuto.control import Policy, TenutoPolicy
from tenuto.engines import Engine, OnnxRuntimeEngine
from tenuto.errors import UnknownMetricError, UsageError
from tenuto.nets.package import NetworkPackage, open_package
from tenuto.platforms import LinuxPlatform, Platform
from tenuto.points import OperatingTable, read_table, write_table
from tenuto.profiling import METRICS, cells_of, default_table_path, engine_for, profile
from tenuto.requirements import Requirements
from tenuto.runtime._clock import Clock, MonotonicClock
from tenuto.runtime._guard import Guarded
from tenuto.runtime._manager import Manager
from tenuto.runtime._result import Result
from tenuto.runtime._watch import Watch
from tenuto.traces import Event, TraceHeader, TraceWriter

QUICK_BUDGET_S = 10.0
"""For the profile that is made when there is none yet."""

_log = logging.getLogger("tenuto")


def manage(
    network: str | Path | NetworkPackage,
    *,
    latency_ms: float | None = None,
    miss_pct: float = 1.0,
    accuracy_pct: float | None = None,
    energy_mj: float | None = None,
    power_w: float | None = None,
    temperature_c: float | None = None,
    memory_mb: float | None = None,
    maximise: str | None = None,
    minimise: str | None = None,
    priorities: Mapping[str, int] | None = None,
    batch: int = 1,
    table: str | Path | OperatingTable | None = None,
    trace: str | Path | None = None,
) -> "Session":
    """Run a network within requirements, whatever happens around it.

    Args:
        network: The name of one that ships with Tenuto (`fashion`), or a package's folder.
        latency_ms: Deadline of each input, from the call.
        miss_pct: How many of a hundred inputs may miss it.
        accuracy_pct: Least accuracy.
        energy_mj: Most energy per inference; needs a table with energies.
        power_w: Most power; needs a table with powers.
        temperature_c: Highest temperature; needs a table with temperatures.
        memory_mb: Most memory for the sub-network's weights.
        maximise: `accuracy_pct`, the default.
        minimise: `latency_ms`, `energy_mj`, ... instead.
        priorities: Which constraint gives way first, where the default order does not suit.
        batch: Items per input.
        table: The profile, or its file; by default this machine's, made now (about ten seconds) if there is none yet.
        trace: A file to record every step in.

    Returns:
        To be used with `with`: the board is put back on every way out.

    Raises:
        UnknownNameError: No such network.
        UsageError: The requirements make no sense, or the table is of another network or batch size.
        UnknownMetricError: The table does not carry a metric that is asked for.
        SpecError: A file is damaged.
        PlatformError: The board cannot be held.
    """
    requirements = Requirements.of(
        latency_ms=latency_ms,
        miss_pct=miss_pct,
        accuracy_pct=accuracy_pct,
        energy_mj=energy_mj,
        power_w=power_w,
        temperature_c=temperature_c,
        memory_mb=memory_mb,
        maximise=maximise,
        minimise=minimise,
        priorities=priorities,
    )
    package = network if isinstance(network, NetworkPackage) else open_package(network)
    platform = LinuxPlatform()
    if isinstance(table, OperatingTable):
        found = table
    elif table is not None:
        found = read_table(table)
    else:
        found = _kept_table(package, platform, batch=batch) or _measure_table(
            package, platform, requirements, batch=batch
        )
    check_table(found, package, batch=batch)
    return Session(package, platform, found, requirements, trace=None if trace is None else Path(trace))


class Session:
    """A network under management, between `with` and the end of its block.

    Args:
        package: The network; None where the engine is brought along and knows it, as on a simulated board.
        platform: Where it runs; held inside the block.
        table: Its profile there.
        requirements: What must hold.
        policy: Ours, unless another is to be tried.
        engine: Opened and closed with the block, unless it is brought along.
        trace: A file to record every step in, or None.
        seed: Noted in the trace.
        events: Noted in the trace.
        clock: Time.
    """

    def __init__(
        self,
        package: NetworkPackage | None,
        platform: Platform,
        table: OperatingTable,
        requirements: Requirements,
        *,
        policy: Policy[Any] | None = None,
        engine: Engine | None = None,
        trace: Path | None = None,
        seed: int | None = None,
        events: tuple[Event, ...] = (),
        clock: Clock | None = None,
    ) -> None:
        self._package, self._platform, self._table, self._requirements = package, platform, table, requirements
        self._policy: Policy[Any] = TenutoPolicy() if policy is None else policy
        Guarded(self._policy, table, requirements)  # what cannot work shall fail here, before a board is held
        self._engine, self._trace, self._seed, self._events = engine, trace, seed, events
        self._clock = MonotonicClock() if clock is None else clock
        self._stack = ExitStack()
        self._manager: Manager | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            engine = self._engine
            if engine is None:
                if self._package is None:
                    raise UsageError("asked for a session without a network; give a package, or an engine with one")
                engine = open_engine(self._package, self._table, self._platform)
                stack.callback(engine.close)
            board = stack.enter_context(self._platform.hold())
            writer = None
            if self._trace is not None:
                writer = stack.enter_context(TraceWriter(self._trace, self.header(events=self._events)))
            watch = Watch(board, self._platform.monitors, self._clock, writer)
            self._manager = Manager(
                engine=engine,
                board=board,
                policy=self._policy,
                table=self._table,
                requirements=self._requirements,
                clock=self._clock,
                watch=watch,
                record=None if writer is None else writer.record,
            )
            watch.start()
            stack.callback(watch.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager = None
        self._stack.__exit__(kind, error, trace)

    def __call__(self, frame: NDArray[Any], *, waited_ms: float = 0.0, labels: NDArray[Any] | None = None) -> Result:
        """Answer one input; see `Manager.__call__`."""
        manager = self._manager or self.manager
        return manager(frame, waited_ms=waited_ms, labels=labels)

    @property
    def manager(self) -> Manager:
        """The loop.

        Raises:
            UsageError: Outside the `with` block.
        """
        if self._manager is None:
            raise UsageError("the network is managed only inside its block: `with tenuto.manage(...) as net:`")
        return self._manager

    @property
    def table(self) -> OperatingTable:
        """The profile that decisions are made from."""
        return self._table

    def header(self, *, events: tuple[Event, ...] = ()) -> TraceHeader:
        """What a trace of this session begins with."""
        package = self._package
        return TraceHeader(
            network=self._table.sub_networks[0].network if package is None else f"{package.name}@{package.version}",
            platform=self._platform.name,
            policy=self._policy.name,
            parameters=self._policy.parameters,
            requirements=self._requirements,
            table=self._table,
            seed=self._seed,
            events=events,
        )


def open_engine(package: NetworkPackage, table: OperatingTable, platform: Platform) -> OnnxRuntimeEngine:
    """An engine with all of a table's sub-networks resident, and threads for as many cores as the table uses."""
    engine = engine_for(package, platform.clusters, int(table.n_cores.max()))
    try:
        engine.load(table.sub_networks)
    except BaseException:
        engine.close()
        raise
    return engine


def check_table(table: OperatingTable, package: NetworkPackage, *, batch: int) -> None:
    """Raise UsageError if a table is not of this network and batch size."""
    expected = {
        "network": package.name,
        "digest": package.digest,
        "batch": batch,
        "input_shape": [batch, *package.input_shape],
    }
    for key, asked in expected.items():
        found = table.about.get(key, asked)
        if found != asked:
            raise UsageError(
                f"the table's {key} is {found!r}, asked for {asked!r}; `tenuto profile {package.name} --batch {batch}` "
                "makes the one that is needed"
            )


def _kept_table(package: NetworkPackage, platform: Platform, *, batch: int) -> OperatingTable | None:
    """The profile that was made here before, if there is one of these very weights."""
    path = default_table_path(package, platform, batch=batch)
    table = read_table(path) if path.exists() else None
    return table if table is not None and table.about.get("digest") == package.digest else None


def _measure_table(
    package: NetworkPackage, platform: Platform, requirements: Requirements, *, batch: int
) -> OperatingTable:
    """A quick profile, which is kept for the next time.

    Raises:
        UnknownMetricError: A requirement needs what no profile carries; nothing was measured.
    """
    for metric in (requirements.objective.metric, *(one.metric for one in requirements.constraints)):
        if metric not in METRICS:
            raise UnknownMetricError(metric, METRICS, where="a profile of this machine")
    _log.warning("no profile of %s on this machine yet: measuring for about %.0f s", package.name, QUICK_BUDGET_S)
    cells = cells_of((one.sub_network for one in package.sub_networks), platform.clusters)
    engine = engine_for(package, platform.clusters, max(cell.n_cores for cell in cells))
    try:
        table = profile(package, engine, platform, cells=cells, batch=batch, budget_s=QUICK_BUDGET_S)
    finally:
        engine.close()
    path = default_table_path(package, platform, batch=batch)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, path)
    except OSError as error:
        _log.warning("%s cannot be written (%s): the next start will measure again", path, error.strerror)
    return table
