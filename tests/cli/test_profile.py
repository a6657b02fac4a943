"""`tenuto profile`: a table, its evidence, and nothing lost on Ctrl-C."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from commands import PROGRAM, environment, interrupt, run, wait_for_the_board

from tenuto.points import read_table

BRIEF = ("profile", "--cores", "1", "--rounds", "3")


def test_a_profile_prints_one_object_and_keeps_table_and_evidence(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "mine.table.json"
    ran = run(*BRIEF, "--json", "-o", str(target), home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    printed = json.loads(ran.stdout)
    table = read_table(target)
    assert printed["table"] == str(target)
    assert len(printed["points"]) == len(table)
    for point, shown in zip(table, printed["points"], strict=True):
        assert shown["sub_network"] == point.configuration.sub_network.name
        assert shown["latency_ms"]["value"] == pytest.approx(point.metrics["latency_ms"].value)
        assert 0 < shown["latency_ms"]["value"] <= shown["latency_p90_ms"]["value"] <= shown["latency_p99_ms"]["value"]
        assert shown["latency_ms"]["source"] == "measured"
    assert len((target.parent / "mine.measured.jsonl").read_bytes().splitlines()) == 1 + 3 * len(table)
    assert not (target.parent / "mine.samples.jsonl").exists()


def test_a_profile_for_people_lists_every_point(tmp_path: Path) -> None:
    ran = run("profile", "--cores", "1", "--rounds", "1", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "d2.2-w100.100-k5.5" in ran.stdout
    (table,) = (tmp_path / "data").rglob("*.table.json")
    assert str(table) in ran.stderr


def test_ctrl_c_keeps_what_was_measured_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ("profile", "--cores", "1", "--rounds", "40", "-o", str(tmp_path / "mine.table.json"))
    samples = tmp_path / "mine.samples.jsonl"
    stopped = interrupt(
        *words, home=tmp_path, when=lambda _: samples.exists() and len(samples.read_bytes().splitlines()) > 12
    )
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    assert str(samples) in stopped.stderr
    kept = samples.read_bytes().rpartition(b"\n")[0].splitlines()
    assert len(kept) > 12
    assert not (tmp_path / "mine.table.json").exists()

    resumed = run(*words, home=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole = (tmp_path / "mine.measured.jsonl").read_bytes().splitlines()
    assert whole[: len(kept)] == kept


def test_ctrl_c_before_anything_was_measured_says_so(tmp_path: Path) -> None:
    """In the midst of loading a library in C, which turns it into an ImportError."""

    def is_loading(pid: int) -> bool:
        return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")

    stopped = interrupt("profile", home=tmp_path, when=is_loading)
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    assert "interrupted" in stopped.stderr or "Stopped" in stopped.stderr


def test_a_damaged_log_is_refused_and_fresh_forgets_it(tmp_path: Path) -> None:
    words = (*BRIEF, "-o", str(tmp_path / "mine.table.json"))
    samples = tmp_path / "mine.samples.jsonl"
    samples.write_text("not a log\n", encoding="utf-8")
    refused = run(*words, home=tmp_path)
    assert refused.returncode == 2
    assert f"{samples}:1" in refused.stderr
    assert "--fresh" in refused.stderr
    assert samples.read_text(encoding="utf-8") == "not a log\n"
    assert run(*words, "--fresh", home=tmp_path).returncode == 0


def test_a_full_disk_is_reported_and_what_was_measured_stays(tmp_path: Path) -> None:
    def fill() -> None:
        # Set in the child alone: its files may grow to this, which is less than the log needs.
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))

    words = (*BRIEF, "-o", str(tmp_path / "mine.table.json"))
    run("doctor", home=tmp_path)
    wait_for_the_board()
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=fill,
    )
    assert ran.returncode == 2
    assert "File too large" in ran.stderr
    assert "make room" in ran.stderr
    assert "Traceback" not in ran.stderr
    resumed = run(*words, home=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
