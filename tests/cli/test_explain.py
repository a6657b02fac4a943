"""`tenuto explain`, as it is typed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.cli import main
from tenuto.cli._moments import place_at
from tenuto.decisions import Allotment, Decision, Observation, Reason
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.traces import Event, Step, Trace, TraceHeader, TraceWriter

GOLDEN = Path(__file__).parents[1] / "golden" / "toy-slowdowns@1.trace.jsonl"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tenuto(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code, its output and its complaints."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tenuto", "explain", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


def made_up_table() -> OperatingTable:
    figures = (
        (1, "a7", 600_000_000, 40.0, 60.0),
        (2, "a7", 600_000_000, 80.0, 70.0),
        (2, "a15", 1_800_000_000, 30.0, 70.0),
    )
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork("toy", (("level", (level,)),)), cluster, 2, hz),
            {"latency_ms": Estimate(ms, "modelled"), "accuracy_pct": Estimate(pct, "published")},
        )
        for level, cluster, hz, ms, pct in figures
    )


def made_up_trace() -> Trace:
    """A disturbance, a miss, a switch, a change of requirements, a skip, a fallback and a cap, all within a second."""
    needs, tighter = Requirements.of(latency_ms=50), Requirements.of(latency_ms=35)
    reason = Reason("latency_ms", 2, 1, 84.0, 10.0)
    common: dict[str, Any] = {"deadline_ms": 50.0, "decide_us": 6.25}
    calm = Decision(0, (), 1.0, 42.0, reason)
    moved = Decision(2, (), 1.2, 31.5, Reason(None, 0))
    steps = (
        Step(index=0, time_s=0.0, observation=Observation(0.0), decision=calm, applied=0, latency_ms=41.0, **common),
        Step(
            index=1,
            time_s=0.1,
            observation=Observation(0.1, 0, 41.0, 0.0, 4.0, {"load_pct": 35.0, "temperature_c": 61.5}, 2),
            decision=calm,
            applied=0,
            latency_ms=66.0,
            waited_ms=4.0,
            **common,
        ),
        Step(
            index=2,
            time_s=0.2,
            observation=Observation(0.2, 0, 66.0, 4.0, allotment=Allotment("a15", 2, 1_800_000_000)),
            decision=moved,
            applied=2,
            latency_ms=30.5,
            **common,
        ),
        Step(
            index=3,
            time_s=0.3,
            observation=Observation(0.3),
            decision=moved,
            error="skipped: stale",
            **common | {"deadline_ms": 35.0},
        ),
        Step(
            index=4,
            time_s=0.4,
            observation=Observation(0.4),
            decision=Decision(2, ("latency_ms",)),
            applied=0,
            latency_ms=39.0,
            error="big: asked 1800000000, the platform reports 600000000",
            is_fallback=True,
            **common | {"deadline_ms": 35.0},
        ),
    )
    events = (Event(0.05, "two busy loops", 0.15), Event(0.25, "tighter", None, 3, tighter))
    header = TraceHeader(
        network="toy", platform="a made-up board", policy="tenuto", requirements=needs, table=made_up_table()
    )
    return Trace(header, steps, events, is_complete=True)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The made-up trace as a file."""
    trace, path = made_up_trace(), tmp_path / "made-up.trace.jsonl"
    with TraceWriter(path, trace.header) as writer:
        for record in (*trace.steps, *trace.events):
            writer.record(record)
    return path


def answer(ran: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = ran
    assert code == 0, err
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def test_a_moment_says_what_was_seen_chosen_and_why_and_what_came_of_it(tenuto: Command, recorded: Path) -> None:
    found = answer(tenuto(str(recorded), "--at", "0.1s", "--json"))
    assert (found["step"], found["time_s"], found["policy"]) == (1, 0.1, "tenuto")
    assert found["observed"]["latency_ms"] == 41.0
    assert found["observed"]["in_force"]["cluster"] == "a7"
    assert (found["observed"]["waited_ms"], found["observed"]["n_queued"]) == (4.0, 2)
    assert found["observed"]["readings"] == {"load_pct": 35.0, "temperature_c": 61.5}
    assert found["observed"]["during"] == ["two busy loops"]
    assert found["decision"]["metrics"]["latency_ms"] == {"value": 40.0, "source": "modelled"}
    assert found["decision"]["promised_latency_ms"] == 42.0
    assert (found["reason"]["binding"], found["reason"]["relaxed_bound"], found["reason"]["gain"]) == (
        "latency_ms",
        84.0,
        10.0,
    )
    assert found["reason"]["runner_up"]["configuration"]["cluster"] == "a15"
    assert found["reason"]["excluded"]["configuration"]["sub_network"] == "l2"
    assert (found["outcome"]["response_ms"], found["outcome"]["is_missed"]) == (70.0, True)
    assert found["changed"] == []


def test_in_words_it_carries_the_same_figures(tenuto: Command, recorded: Path) -> None:
    code, out, _ = tenuto(str(recorded), "--at", "0.1")
    assert code == 0
    for words in (
        "latency_ms <= 50 ms (at most 1 % late), maximise accuracy_pct",
        "took 41.00 ms, 1.02 times its profile",
        "had waited 4.00 ms; 2 more wait behind it",
        "temperature 61.5 °C",
        "two busy loops",
        "l1 on a7, 2 cores at 600 MHz (40.00 ms modelled, 60.00 % published)",
        "at most 42.00 ms in all but 1 % of cases, 4.00 ms before the deadline of 50.00 ms",
        "a bound of 84.00 ms, 34.00 ms more than asked, would gain 10.00 % of accuracy_pct",
        "runner-up l2 on a15",
        "late by 20.00 ms: 70.00 ms of 50.00 ms, waiting 4.00 ms of it",
        "24.00 ms more than was promised",
        "6.2 µs",
    ):
        assert words in out


def test_a_switch_says_what_changed_and_where_it_was_allotted(tenuto: Command, recorded: Path) -> None:
    found = answer(tenuto(str(recorded), "--policy-step", "2", "--json"))
    assert found["changed"] == [
        "sub-network l1 to l2",
        "cluster a7 to a15",
        "clock 600 MHz to 1.80 GHz",
        "believed slowdown 1.00 to 1.20",
        "binding was latency_ms, now nothing",
    ]
    _, out, _ = tenuto(str(recorded), "--policy-step", "2")
    assert "allotted 2 of a15 at 1.80 GHz" in out
    assert "a15 is believed to take 1.20 times as long as profiled" in out
    assert "in time by 19.50 ms" in out


def test_a_fallback_and_a_bound_given_up_under_new_requirements_are_told(tenuto: Command, recorded: Path) -> None:
    found = answer(tenuto(str(recorded), "--at", "0.42s", "--json"))
    assert found["step"] == 4
    assert found["requirements"]["constraints"][0]["bound"] == 35.0
    assert found["decision"]["given_up"] == ["latency_ms"]
    assert found["outcome"]["is_as_decided"] is False
    assert found["outcome"]["is_fallback"] is True
    assert found["reason"]["is_given"] is False
    _, out, _ = tenuto(str(recorded), "--at", "0.42s")
    for words in ("gives up latency_ms", "in force was l1 on a7", "fell back", "reports 600000000", "gives no reason"):
        assert words in out


def test_an_input_that_was_skipped_had_no_answer(tenuto: Command, recorded: Path) -> None:
    code, out, _ = tenuto(str(recorded), "--policy-step", "3")
    assert code == 0
    assert "no answer came" in out
    assert "skipped: stale" in out
    assert "the requirements are new" in out


def test_the_digest_has_every_miss_and_switch_with_its_reason(tenuto: Command, recorded: Path) -> None:
    found = answer(tenuto(str(recorded), "--json"))
    assert (found["steps"], found["missed"], found["fallbacks"]) == (5, 3, 1)
    assert [(one["step"], one["kinds"]) for one in found["happenings"]] == [
        (1, ["missed"]),
        (2, ["switch"]),
        (3, ["missed", "error", "requirements"]),
        (4, ["missed", "fallback", "error"]),
    ]
    assert all(one["reason"] for one in found["happenings"])
    code, out, _ = tenuto(str(recorded))
    assert code == 0
    assert "latency_ms keeps l2 on a7 out, which needs 84.00 ms" in " ".join(out.split())


def test_the_digest_of_a_calm_stream_says_that_nothing_happened(tenuto: Command, tmp_path: Path) -> None:
    trace, path = made_up_trace(), tmp_path / "calm.jsonl"
    with TraceWriter(path, trace.header) as writer:
        writer.record(trace.steps[0])
    code, out, _ = tenuto(str(path))
    assert code == 0
    assert "Nothing was missed" in out


@pytest.mark.parametrize("at", ["8.1s", "-100s", "1h", "2m5s"])
def test_a_time_outside_of_the_trace_is_refused_with_the_times_there_are(tenuto: Command, at: str) -> None:
    code, out, err = tenuto(str(GOLDEN), "--at", at)
    assert (code, out) == (2, "")
    assert "0.00 to 7.97 s" in err


@pytest.mark.parametrize("at", ["", "soon", "12,3", "3ms", "s", "--3", "1e3", "nan", "٣"])
def test_what_is_no_time_is_refused(tenuto: Command, at: str) -> None:
    code, out, err = tenuto(str(GOLDEN), f"--at={at}")
    assert (code, out) == (2, "")
    assert "--at" in err


def test_a_step_that_is_not_there_and_two_ways_to_ask_are_refused(tenuto: Command) -> None:
    assert tenuto(str(GOLDEN), "--policy-step", "240")[0] == 2
    assert tenuto(str(GOLDEN), "--policy-step", "-1")[0] == 2
    assert tenuto(str(GOLDEN), "--policy-step", "3", "--at", "1s")[0] == 2
    assert answer(tenuto(str(GOLDEN), "--policy-step", "0", "--json"))["step"] == 0


def test_files_that_are_no_traces_or_have_nothing_to_tell_are_refused(tenuto: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    with TraceWriter(empty, made_up_trace().header):
        pass
    beyond = tmp_path / "beyond.jsonl"
    with TraceWriter(beyond, made_up_trace().header) as writer:
        writer.record(Step(index=0, time_s=0.0, observation=Observation(0.0), decision=Decision(3)))
    text = tmp_path / "text.jsonl"
    text.write_text("hello\n", encoding="utf-8")
    for path in (empty, beyond, text, tmp_path / "absent.jsonl", tmp_path):
        code, out, err = tenuto(str(path))
        assert (code, out) == (2, "")
        assert path.name in err


def test_a_trace_that_was_cut_short_is_explained_with_a_warning(tenuto: Command, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"\n".join(GOLDEN.read_bytes().split(b"\n")[:30]) + b"\n")
    code, out, err = tenuto(str(path), "--at", "0.5", "--json")
    assert code == 0
    assert json.loads(out)["is_complete"] is False
    assert "cut short" in err


@given(hours=st.integers(0, 2), minutes=st.integers(0, 90), tenths=st.integers(0, 900))
def test_a_time_finds_the_last_step_that_had_begun(hours: int, minutes: int, tenths: int) -> None:
    trace = made_up_trace()
    time_s = 3600 * hours + 60 * minutes + tenths / 10
    steps = tuple(
        Step(index=n, time_s=at, observation=Observation(at), decision=Decision(0))
        for n, at in enumerate((0.0, max(time_s - 0.01, 0.0), time_s, time_s + 0.02))
    )
    long = Trace(trace.header, steps, (), is_complete=True)
    assert steps[place_at(long, f"{hours}h{minutes}m{tenths / 10}s")].time_s == time_s
    assert place_at(long, "-0s") == 3
