"""The block around a stream: what is wrong is said before it, and everything is given back after it."""

import errno
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from streams import bare_machine

import tenuto
from tenuto.control import FixedPolicy
from tenuto.decisions import NO_READINGS
from tenuto.engines import TableEngine
from tenuto.errors import (
    PlatformError,
    SpecError,
    TenutoError,
    TraceError,
    TransientError,
    UnknownMetricError,
    UnknownNameError,
    UsageError,
)
from tenuto.nets.package import NetworkPackage, open_package
from tenuto.platforms import LinuxPlatform, Snapshot
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, write_table
from tenuto.requirements import Requirements
from tenuto.runtime import MonotonicClock, Session, Watch, check_table
from tenuto.testing import ManualClock
from tenuto.traces import read_trace

FRAME = np.zeros((1, 1, 28, 28), dtype=np.float32)
NEEDS = Requirements.of(latency_ms=50)


@pytest.fixture(scope="module")
def package() -> NetworkPackage:
    return open_package("fashion")


def table_of(package: NetworkPackage, **about: Any) -> OperatingTable:
    return OperatingTable.from_points(
        (
            OperatingPoint(
                Configuration(one.sub_network, "cpu", 1),
                {"latency_ms": Estimate(1.0 + index, "assumed"), "accuracy_pct": one.accuracy_pct},
            )
            for index, one in enumerate(package.sub_networks)
        ),
        about={"network": "fashion", "digest": package.digest, "batch": 1, "input_shape": [1, 1, 28, 28], **about},
    )


def table_engine(table: OperatingTable, clock: ManualClock) -> TableEngine:
    engine = TableEngine(
        table, cluster="cpu", n_cores=1, input_shape=(1, 28, 28), output_shape=(10,), sleep=clock.advance
    )
    engine.load(table.sub_networks)
    return engine


@pytest.fixture
def session(package: NetworkPackage, tmp_path: Path) -> Session:
    """Over a board of files, with a trace; its clock and engine never wait."""
    table, clock = table_of(package), ManualClock()
    return Session(
        package,
        bare_machine(tmp_path / "board"),
        table,
        NEEDS,
        engine=table_engine(table, clock),
        clock=clock,
        trace=tmp_path / "stream.jsonl",
        seed=7,
    )


class FullDisk:
    """Lets this process's files grow to `n_bytes` only: a disk that is really full, which the kernel enforces."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.n_bytes, self.before[1]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"latency_ms": float("nan")}, UsageError),
        ({"latency_ms": -1.0}, UsageError),
        ({"latency_ms": 0.0}, UsageError),
        ({"latency_ms": 20, "miss_pct": 100}, UsageError),
        ({"latency_ms": 20, "miss_pct": float("nan")}, UsageError),
        ({"accuracy_pct": 101}, UsageError),
        ({"latency_ms": "20"}, UsageError),
        ({"minimise": "latency_ms", "maximise": "accuracy_pct"}, UsageError),
        ({"maximise": "beauty"}, UnknownMetricError),
        ({"power_w": 3.0}, UnknownMetricError),
        ({"minimise": "energy_mj"}, UnknownMetricError),
    ],
    ids=str,
)
def test_requirements_that_make_no_sense_are_refused_before_anything_is_touched(
    package: NetworkPackage, asked: dict[str, Any], kind: type[TenutoError]
) -> None:
    with pytest.raises(kind) as caught:
        tenuto.manage("fashion", table=table_of(package), **asked)
    assert caught.value.exit_code == 2
    if isinstance(caught.value, UnknownMetricError):
        assert caught.value.metric in {"beauty", "power_w", "energy_mj"}


def test_what_no_profile_carries_is_refused_before_one_is_made(
    package: NetworkPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("tenuto.runtime._manage.profile", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(UnknownMetricError, match="a profile of this machine knows no 'power_w'"):
        tenuto.manage(package, power_w=3.0)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_network_is_refused_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        tenuto.manage("fashoin", latency_ms=20)
    assert (caught.value.kind, caught.value.name) == ("network", "fashoin")
    assert caught.value.matches == ("fashion",)


def test_an_unknown_sub_network_is_refused_with_its_neighbours(package: NetworkPackage) -> None:
    with pytest.raises(UnknownNameError) as caught:
        Session(
            package,
            LinuxPlatform(),
            table_of(package),
            NEEDS,
            policy=FixedPolicy(package.sub_networks[0].sub_network.name[:-1]),
        )
    assert caught.value.kind == "sub-network"
    assert package.sub_networks[0].sub_network.name in caught.value.matches


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"network": "digits"}, "network"),
        ({"digest": "sha256:0"}, "digest"),
        ({"batch": 4}, "batch"),
        ({"input_shape": [1, 3, 32, 32]}, "input_shape"),
    ],
)
def test_a_table_of_something_else_is_refused(package: NetworkPackage, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError, match=rf"the table's {key} is .*tenuto profile fashion --batch 1"):
        tenuto.manage("fashion", latency_ms=20, table=table_of(package, **changes))


def test_a_table_that_says_nothing_of_its_origin_is_taken(package: NetworkPackage) -> None:
    check_table(replace(table_of(package), about={}), package, batch=1)


def test_a_damaged_table_is_refused(package: NetworkPackage, tmp_path: Path) -> None:
    path = tmp_path / "cut.table.json"
    write_table(table_of(package), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SpecError) as caught:
        tenuto.manage("fashion", latency_ms=20, table=path)
    assert caught.value.path == path


def test_outside_its_block_nothing_is_managed(session: Session) -> None:
    with pytest.raises(UsageError, match="only inside its block"):
        session(FRAME)
    with session:
        session(FRAME)
    with pytest.raises(UsageError, match="only inside its block"):
        session(FRAME)


def test_a_session_records_a_trace_that_can_be_read(session: Session, tmp_path: Path) -> None:
    with session as net:
        results = [net(FRAME) for _ in range(5)]
    trace = read_trace(tmp_path / "stream.jsonl")
    assert trace.is_complete
    assert [step.index for step in trace.steps] == [0, 1, 2, 3, 4]
    assert [step.decision for step in trace.steps] == [result.decision for result in results]
    assert (trace.header.policy, trace.header.seed, trace.header.network) == ("tenuto", 7, "fashion@1")


def test_a_full_disk_stops_no_stream_and_is_reported_at_its_end(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    n_frames = 2000
    # Room for the header and some hundred steps; the block's end, too, finds the disk full.
    with FullDisk(60_000), pytest.raises(TraceError) as caught, session as net:  # noqa: PT012 - the end of it raises
        results = [net(FRAME) for _ in range(n_frames)]
        assert not any(result.is_late for result in results)
    assert caught.value.path == path
    assert caught.value.n_written is not None
    assert caught.value.n_written > 0
    assert caught.value.n_written + (caught.value.n_lost or 0) == n_frames
    trace = read_trace(path)
    assert not trace.is_complete
    assert len(trace.steps) == caught.value.n_written
    with bare_machine(tmp_path / "board").hold():
        pass  # the board was given back all the same


def test_an_exception_gives_the_board_back_and_keeps_the_trace(session: Session, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), session as net:  # noqa: PT012 - the end of the block is what is tested
        net(FRAME)
        raise KeyboardInterrupt
    assert len(read_trace(tmp_path / "stream.jsonl").steps) == 1
    with bare_machine(tmp_path / "board").hold():
        pass


def test_a_board_that_is_held_by_another_is_left_alone(session: Session, tmp_path: Path) -> None:
    with bare_machine(tmp_path / "board").hold(), pytest.raises(PlatformError) as caught, session:
        pass
    assert caught.value.exit_code == 3
    assert not (tmp_path / "stream.jsonl").exists()


def test_a_trace_in_a_missing_folder_is_refused_and_the_board_given_back(
    package: NetworkPackage, tmp_path: Path
) -> None:
    table, clock = table_of(package), ManualClock()
    board = bare_machine(tmp_path / "board")
    engine = table_engine(table, clock)
    with (
        pytest.raises(TraceError),
        Session(package, board, table, NEEDS, engine=engine, clock=clock, trace=tmp_path / "no" / "stream.jsonl"),
    ):
        pass
    with board.hold():
        pass


def test_the_real_engine_is_opened_for_the_block_and_closed_after_it(package: NetworkPackage, tmp_path: Path) -> None:
    with Session(package, bare_machine(tmp_path), table_of(package), NEEDS) as net:
        result = net(FRAME)
        assert result.output.shape == (1, 10)
        with pytest.raises(UsageError, match="float32"):
            net(FRAME.astype(np.float64))
        assert net(FRAME).step.index == 1


class Readings:
    """A held board that reads what it is told, or throws."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.readings = {"cpu.load_pct": 80.0}

    def apply(self, configuration: Configuration) -> Configuration:
        """Nothing."""
        return configuration

    def snapshot(self) -> Snapshot:
        """The readings, or the problem."""
        if self.problem is not None:
            raise self.problem
        return Snapshot(0.0, self.readings)


@pytest.fixture
def monitors(tmp_path: Path) -> Iterator[Any]:
    return (monitor for monitor in bare_machine(tmp_path / "read").monitors if monitor.quantity == "load_pct")


def wait_until(holds: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < gives_up_at
        time.sleep(0.01)


@pytest.mark.parametrize(
    "problem", [TransientError("later", platform="files"), OSError(errno.EIO, os.strerror(errno.EIO))], ids=repr
)
def test_a_monitor_that_fails_is_absent_until_it_can_be_read_again(monitors: Any, problem: Exception) -> None:
    board, clock = Readings(), MonotonicClock()
    (monitor, *_) = monitors
    board.readings = {monitor.name: 80.0}
    watch = Watch(board, [monitor], clock, None)
    watch.start()
    try:
        wait_until(lambda: watch.readings.get("load_pct") == 80.0)
        board.problem = problem
        wait_until(lambda: watch.readings is NO_READINGS)
        board.problem = None
        wait_until(lambda: watch.readings.get("load_pct") == 80.0)
    finally:
        watch.stop()


def test_the_load_of_others_leaves_out_our_own(monitors: Any) -> None:
    board, clock = Readings(), ManualClock()
    (monitor, *_) = monitors
    board.readings = {monitor.name: 80.0}
    watch = Watch(board, [monitor], clock, None)
    clock.advance(1e6)  # whatever this process used, it is nothing in so long a time
    watch.look()
    assert watch.readings["other_load_pct"] == pytest.approx(80.0, abs=0.1)


def test_the_watch_writes_the_trace_beside_the_stream(session: Session, tmp_path: Path) -> None:
    with session as net:
        net(FRAME)
        wait_until(lambda: len((tmp_path / "stream.jsonl").read_bytes().splitlines()) >= 2)


def test_a_watch_that_never_ran_can_be_stopped() -> None:
    watch = Watch(Readings(), [], ManualClock(), None)
    watch.stop()
    assert watch.readings is NO_READINGS


def test_the_clock_sleeps_until_a_time_and_not_for_one_that_is_past() -> None:
    clock = MonotonicClock()
    before = clock.now_s()
    clock.sleep_until(before - 10)
    clock.sleep_until(before + 0.01)
    assert clock.now_s() >= before + 0.01
