"""A trace survives the disk, whole or cut, and a file that is not one is refused with its line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_stream import header, small_table, step

from tenuto.decisions import Decision, Observation, Reason
from tenuto.errors import TraceError
from tenuto.points import table_to_builtins
from tenuto.traces import Event, Step, TraceWriter, read_trace
from tenuto.traces._file import end_line, header_line, record_line

FIGURES = st.floats(allow_nan=False, allow_infinity=False)
MAYBE_FIGURES = st.none() | FIGURES
ROWS = st.none() | st.integers(0, 10**6)
STEPS = st.builds(
    Step,
    index=st.integers(0, 10**9),
    time_s=FIGURES,
    observation=st.builds(
        Observation,
        FIGURES,
        in_force=ROWS,
        latency_ms=MAYBE_FIGURES,
        last_waited_ms=FIGURES,
        waited_ms=FIGURES,
        readings=st.dictionaries(st.text(max_size=9), FIGURES, max_size=3),
    ),
    decision=st.builds(
        Decision,
        st.integers(0, 10**6),
        st.lists(st.text(max_size=9), max_size=3).map(tuple),
        MAYBE_FIGURES,
        MAYBE_FIGURES,
        st.none() | st.builds(Reason, st.none() | st.text(max_size=9), ROWS, ROWS, MAYBE_FIGURES, MAYBE_FIGURES),
    ),
    applied=ROWS,
    latency_ms=MAYBE_FIGURES,
    deadline_ms=MAYBE_FIGURES,
    waited_ms=FIGURES,
    correct=ROWS,
    n_inputs=ROWS,
    error=st.none() | st.text(),
    is_fallback=st.booleans(),
    decide_us=MAYBE_FIGURES,
    load_pct=MAYBE_FIGURES,
    energy_mj=MAYBE_FIGURES,
)


def recorded(path: Path, steps: list[Step]) -> bytes:
    with TraceWriter(path, header()) as writer:
        for each in steps:
            writer.record(each)
    return path.read_bytes()


@given(steps=st.lists(STEPS, max_size=5))
def test_every_step_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    path = tmp_path_factory.mktemp("trace") / "stream.jsonl"
    recorded(path, steps)
    trace = read_trace(path)
    assert tuple(steps) == trace.steps
    assert trace.is_complete


def test_the_header_comes_back_as_it_was(tmp_path: Path) -> None:
    written = header(about={"deadline": "1.2 times the largest's p99"})
    with TraceWriter(tmp_path / "stream.jsonl", written):
        pass
    read = read_trace(tmp_path / "stream.jsonl").header
    names = [name for name in type(written).__slots__ if name != "table"]
    assert [getattr(written, name) for name in names] == [getattr(read, name) for name in names]
    assert table_to_builtins(small_table()) == table_to_builtins(read.table)


def test_an_unplanned_event_joins_the_planned_ones_by_time(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "stream.jsonl", header()) as writer:
        writer.record(step(0))
        writer.record(Event(0.2, "co-runner died"))
        writer.record(step(1))
    trace = read_trace(tmp_path / "stream.jsonl")
    assert (Event(0.2, "co-runner died"), Event(0.4, "co-runner", 0.8)) == trace.events
    assert [each.index for each in trace.steps] == [0, 1]


@given(data=st.data())
def test_a_trace_cut_anywhere_after_its_header_gives_its_whole_steps(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("trace") / "stream.jsonl"
    content = recorded(path, [step(index) for index in range(5)])
    first = content.index(b"\n") + 1
    cut = data.draw(st.integers(first, len(content) - 2))
    path.write_bytes(content[:cut])
    trace = read_trace(path)
    # A step whose line lacks only its newline is whole.
    ends = [match.start() for match in re.finditer(b"\n", content)][1:6]
    assert sum(end <= cut for end in ends) == len(trace.steps)
    assert not trace.is_complete


def test_a_trace_that_lacks_only_its_last_newline_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "stream.jsonl"
    path.write_bytes(recorded(path, [step(0)])[:-1])
    assert read_trace(path).is_complete


LINES = (header_line(header()), record_line(step(0)), record_line(step(1)), end_line(2))
NEWER = LINES[0].replace(b'"schema":1', b'"schema":2', 1)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"", 1, id="empty"),
        pytest.param(LINES[0][:100], 1, id="cut within its header"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", 1, id="a picture"),
        pytest.param(b"[" * 100_000, 1, id="deeply nested"),
        pytest.param(b'{"format":"tenuto-operating-table","schema":1}\n', 1, id="an operating table"),
        pytest.param(NEWER + LINES[1], 1, id="of a newer schema"),
        pytest.param(LINES[0].replace(b'"seed":7', b'"seed":"x"'), 1, id="a header field of the wrong type"),
        pytest.param(LINES[0].replace(b'"bound":20.0', b'"bound":-1.0'), 1, id="a requirement that makes no sense"),
        pytest.param(LINES[0].replace(b'"n_cores":[2,2,2]', b'"n_cores":[2,2]'), 1, id="a table of uneven columns"),
        pytest.param(LINES[0] + b"garbage\n" + LINES[1] + LINES[3], 2, id="garbage in the middle"),
        pytest.param(LINES[0] + LINES[1] + b"\xff\xfe\x00\n" + LINES[2], 3, id="bytes that are no text"),
        pytest.param(LINES[0] + LINES[1] + b'{"index":1}\n' + LINES[3], 3, id="a step without its fields"),
        pytest.param(LINES[0] + LINES[1] + b"\n" + LINES[2], 3, id="an empty line in the middle"),
        pytest.param(LINES[0] + LINES[1] + LINES[3], 3, id="a missing line"),
        pytest.param(b"".join(LINES) + LINES[1], 5, id="steps after its end"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "stream.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError) as raised:
        read_trace(path)
    assert (path, line) == (raised.value.path, raised.value.line)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TraceError) as raised:
        read_trace(tmp_path / "none.jsonl")
    assert (tmp_path / "none.jsonl", None) == (raised.value.path, raised.value.line)
