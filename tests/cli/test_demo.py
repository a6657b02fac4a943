"""`tenuto demo`, as it is typed."""

import json
from pathlib import Path

import pytest
from commands import children, holds_the_board, interrupt, run

KEYS = {
    "policy",
    "miss_pct",
    "recovery_frames",
    "recovery_s",
    "latency_p99_ms",
    "accuracy_pct",
    "switches_per_min",
    "decision_median_us",
}


def test_the_demonstration_prints_one_object_and_writes_its_report(tmp_path: Path) -> None:
    ran = run("demo", "--seconds", "3", "--json", "--report", "page.html", "--picture", "lines.svg", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(ran.stdout)
    assert [entry["policy"] for entry in shown["policies"]] == [
        "tenuto",
        "fixed-largest",
        "fixed-smallest",
        "level-step",
    ]
    for entry in shown["policies"]:
        assert entry.keys() >= KEYS
        assert 0 <= entry["miss_pct"] <= 100
        assert 0 <= entry["accuracy_pct"] <= 100
        assert entry["latency_p99_ms"] > 0
        assert entry["decision_median_us"] > 0
    assert shown["deadline_ms"] > 0
    assert "The report is page.html" in ran.stderr
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" in (tmp_path / "lines.svg").read_text(encoding="utf-8")


def is_profiling(pid: int) -> bool:
    return holds_the_board(pid) and not children(pid)


def is_streaming(pid: int) -> bool:
    return bool(children(pid)) and holds_the_board(pid)


@pytest.mark.parametrize("phase", [is_profiling, is_streaming])
def test_ctrl_c_ends_it_without_a_trace_of_it(phase: object, tmp_path: Path) -> None:
    seen: list[int] = []

    def when(pid: int) -> bool:
        assert callable(phase)
        if not phase(pid):
            return False
        seen.extend(children(pid))
        return True

    stopped = interrupt("demo", "--seconds", "30", "--json", home=tmp_path, when=when)
    assert stopped.returncode == 130
    assert stopped.stdout == ""
    assert "Traceback" not in stopped.stderr
    assert "every knob is as it was" in stopped.stderr
    assert not any(Path(f"/proc/{pid}").exists() for pid in seen), "its co-runners are gone"
