"""Recording never stops the stream: not for a full disk, not for Ctrl-C; and nothing half-written stays."""

import resource
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_stream import header, step

from tenuto.errors import TraceError
from tenuto.traces import TraceWriter, read_trace
from tenuto.traces._file import header_line, record_line

HEADER_BYTES = len(header_line(header()))


class LimitedFile:
    """Lets this process's files grow to `n_bytes` only: a disk that is really full, which the kernel enforces."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.n_bytes, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


def test_a_full_disk_stops_nothing_and_closing_says_what_is_missing() -> None:
    writer = TraceWriter("/dev/full", header())
    for index in range(300):
        writer.record(step(index))
        writer.flush()
    with pytest.raises(TraceError) as raised:
        writer.close()
    assert (Path("/dev/full"), 0, 300) == (raised.value.path, raised.value.n_written, raised.value.n_lost)
    assert [step(index) for index in range(300)] == list(writer.unwritten)


@given(room=st.integers(-2, 6_000))
def test_a_disk_that_fills_up_keeps_the_whole_steps_that_fit(
    tmp_path_factory: pytest.TempPathFactory, room: int
) -> None:
    path = tmp_path_factory.mktemp("trace") / "stream.jsonl"
    lines = [len(record_line(step(index))) for index in range(10)]
    with LimitedFile(HEADER_BYTES + room):
        writer = TraceWriter(path, header())
        for index in range(10):
            writer.record(step(index))
        is_flushed = writer.flush()
        on_disk = path.read_bytes()
    n_fitting = sum(sum(lines[: index + 1]) <= room for index in range(10)) if room >= 0 else 0
    assert n_fitting == writer.n_written
    assert is_flushed == (n_fitting == 10)
    assert (not on_disk) if room < 0 else (HEADER_BYTES + sum(lines[:n_fitting]) == len(on_disk))
    assert 10 - n_fitting == len(writer.unwritten)
    # Room again: the rest follows, in order.
    writer.close()
    trace = read_trace(path)
    assert [step(index) for index in range(10)] == list(trace.steps)
    assert trace.is_complete


def test_a_disk_that_stays_full_leaves_a_trace_that_reads(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    with LimitedFile(HEADER_BYTES + 3 * len(record_line(step(0))) + 11):
        writer = TraceWriter(path, header())
        for index in range(5):
            writer.record(step(index))
        with pytest.raises(TraceError) as raised:
            writer.close()
    assert (raised.value.n_written, raised.value.n_lost) == (3, 2)
    trace = read_trace(path)
    assert [step(0), step(1), step(2)] == list(trace.steps)
    assert not trace.is_complete


def test_no_room_for_the_closing_line_alone_loses_no_step(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    with LimitedFile(HEADER_BYTES + len(record_line(step(0))) + 3):
        writer = TraceWriter(path, header())
        writer.record(step(0))
        with pytest.raises(TraceError) as raised:
            writer.close()
    assert (raised.value.n_written, raised.value.n_lost) == (1, 0)
    assert path.read_bytes().endswith(record_line(step(0)))


def test_when_memory_is_full_too_the_trace_ends_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    writer = TraceWriter(path, header(), max_pending=3)
    for index in range(5):
        writer.record(step(index))
    writer.flush()
    writer.record(step(5))
    with pytest.raises(TraceError) as raised:
        writer.close()
    assert (raised.value.n_written, raised.value.n_lost) == (3, 3)
    trace = read_trace(path)
    assert [each.index for each in trace.steps] == [0, 1, 2]
    assert not trace.is_complete


def test_what_was_written_once_is_not_written_again_after_an_interruption(tmp_path: Path) -> None:
    """Ctrl-C between writing a chunk and noting it leaves both the bytes and the steps."""
    path = tmp_path / "stream.jsonl"
    with TraceWriter(path, header()) as writer:
        writer.record(step(0))
        writer.record(step(1))
        before = writer._written
        writer.flush()
        writer._written = before
        writer._pending.extend([(0, step(0)), (1, step(1))])
        writer.record(step(2))
    assert [each.index for each in read_trace(path).steps] == [0, 1, 2]


def test_a_second_close_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    writer = TraceWriter(path, header())
    writer.record(step(0))
    writer.close()
    content = path.read_bytes()
    writer.close()
    assert content == path.read_bytes()
    assert writer.flush()


def test_a_folder_that_is_not_there_is_refused_before_the_stream_starts(tmp_path: Path) -> None:
    with pytest.raises(TraceError) as raised:
        TraceWriter(tmp_path / "none" / "stream.jsonl", header())
    assert tmp_path / "none" / "stream.jsonl" == raised.value.path


def test_an_exception_on_its_way_is_kept_and_learns_of_the_full_disk() -> None:
    def stream() -> None:
        with TraceWriter("/dev/full", header()) as writer:
            writer.record(step(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:
        stream()
    assert "/dev/full" in raised.value.__notes__[0]


def test_steps_recorded_while_another_thread_flushes_all_arrive_in_order(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    done = threading.Event()
    with TraceWriter(path, header()) as writer:

        def flush_on() -> None:
            while not done.is_set():
                writer.flush()

        thread = threading.Thread(target=flush_on)
        thread.start()
        for index in range(5_000):
            writer.record(step(index))
        done.set()
        thread.join()
    assert list(range(5_000)) == [each.index for each in read_trace(path).steps]


def test_ctrl_c_leaves_a_complete_trace(tmp_path: Path) -> None:
    """A process that records as fast as it can is interrupted; every step up to then is in the file, once."""
    path = tmp_path / "stream.jsonl"
    code = """
        import sys
        from small_stream import header, step
        from tenuto.traces import TraceWriter
        with TraceWriter(sys.argv[1], header()) as writer:
            print("go", flush=True)
            for index in range(10**9):
                writer.record(step(index))
                if index % 7 == 0:
                    writer.flush()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    while path.stat().st_size < 200_000:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    trace = read_trace(path)
    assert trace.is_complete
    assert list(range(len(trace.steps))) == [each.index for each in trace.steps]
