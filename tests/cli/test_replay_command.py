"""`tenuto replay`, as it is typed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import PATIENCE_S, PROGRAM, children, environment, wait_until

from tenuto.cli import main
from tenuto.scenarios import scenario_ids
from tenuto.simulation import GOVERNORS

Command = Callable[..., tuple[int, str, str]]

KEYS = {
    "policy",
    "seed",
    "miss_pct",
    "longest_miss_run",
    "recovery_s",
    "latency_mean_ms",
    "latency_p99_ms",
    "energy_mj_per_inference",
    "accuracy_pct",
    "energy_over_oracle_pct",
    "switches_per_min",
    "decision_median_us",
    "decision_p99_us",
}
"""What others read; more may come."""

SMALL = """\
id = "small@1"
title = "Small"
description = "A test"
board = "raspberry-pi-5@1"
duration_s = 2

[[applications]]
name = "camera"
network = "dynamic-ofa-gpu"
n_cores = [4]
period_ms = 100
latency_ms = 60

[[events]]
label = "busy"
at_s = 1
background = { a76 = { busy_cores = 2 } }
"""


@pytest.fixture
def tenuto(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command in this process, in a folder of its own: its exit code, its output and its complaints."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL, encoding="utf-8")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tenuto", "replay", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


def answer(ran: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = ran
    assert code == 0, err
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def test_json_has_an_object_for_each_policy_and_seed(tenuto: Command) -> None:
    words = ("--policy", "tenuto", "--policy", "oracle", "--seeds", "9001:9003", "--jobs", "1", "--json")
    found = answer(tenuto("small.toml", *words))
    assert [(one["policy"], one["seed"]) for one in found["results"]] == [
        ("tenuto", 9001),
        ("tenuto", 9002),
        ("oracle", 9001),
        ("oracle", 9002),
    ]
    for one in found["results"]:
        assert one.keys() >= KEYS
        for name in ("miss_pct", "latency_mean_ms", "energy_mj_per_inference", "accuracy_pct", "decision_p99_us"):
            assert isinstance(one[name], float)
    assert (found["scenario"], found["board"], found["source"]) == ("small@1", "raspberry-pi-5@1", "modelled")
    assert found["seeds"] == [9001, 9002]
    summary = {one["policy"]: one for one in found["summary"]}
    mean = sum(one["miss_pct"] for one in found["results"][:2]) / 2
    assert summary["tenuto"]["miss_pct"]["mean"] == pytest.approx(mean)
    assert summary["tenuto"]["n_seeds"] == 2
    assert summary["oracle"]["energy_over_oracle_pct"]["mean"] == 0


def test_people_get_policies_side_by_side_and_files_if_they_ask(tenuto: Command) -> None:
    words = ("--policy", "tenuto", "--policy", "schedutil+static", "--seeds", "1", "--jobs", "1")
    code, out, err = tenuto("small.toml", *words, "--report", "page.html", "--trace", "traces/here")
    assert code == 0, err
    for part in ("Small", "small@1", "tenuto", "schedutil+static", "missed, %", "energy each, mJ", "chosen beforehand"):
        assert part in out
    assert "<html" in Path("page.html").read_text(encoding="utf-8")
    assert len(list(Path("traces/here").iterdir())) == 2
    assert "page.html" in err


def test_without_a_scenario_those_that_ship_are_listed(tenuto: Command) -> None:
    found = answer(tenuto("--json"))
    assert [one["id"] for one in found["scenarios"]] == list(scenario_ids())
    assert {"tenuto", "alert", "oracle", "oracle-static", *(f"{one}+static" for one in GOVERNORS)} <= set(
        found["policies"]
    )
    code, out, _ = tenuto()
    assert code == 0
    assert all(one in out for one in scenario_ids())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("xu3-haet",), "xu3-heat"),
        (("absent.toml",), "absent.toml"),
        (("small.toml", "--policy", "tenutto"), "tenuto"),
        (("small.toml", "--policy", "tenuto", "--policy", "tenuto"), "twice"),
        (("small.toml", "--policy", "fixed-enormous", "--jobs", "1"), "enormous"),
        (("small.toml", "--seeds", "0"), "--seeds"),
        (("small.toml", "--seeds", "many"), "--seeds"),
        (("small.toml", "--seeds", "5:5"), "--seeds"),
        (("small.toml", "--seeds", "5:4"), "--seeds"),
        (("small.toml", "--seeds=-2:4"), "--seeds"),
        (("small.toml", "--seeds", "1:2:3"), "--seeds"),
        (("small.toml", "--seeds", "1.5"), "--seeds"),
        (("small.toml", "--seeds", "٣"), "--seeds"),
        (("small.toml", "--seeds", ""), "--seeds"),
        (("small.toml", "--seeds", "99999999999"), "--seeds"),
        (("small.toml", "--seeds", "9" * 5000), "--seeds"),
        (("small.toml", "--report", "absent/page.html"), "absent"),
        (("small.toml", "--report", "."), "folder"),
        (("small.toml", "--trace", "small.toml"), "small.toml"),
        (("small.toml", "--trace", "small.toml/inside"), "small.toml"),
        (("damaged.toml",), "damaged.toml:5"),
        (("empty.toml",), "empty.toml"),
        (("small.toml", "--jobs", "0"), "--jobs"),
    ],
)
def test_wrong_input_is_refused_clearly_and_nothing_is_written(
    tenuto: Command, words: tuple[str, ...], told: str
) -> None:
    Path("damaged.toml").write_text(SMALL.replace("duration_s = 2", "duration_s = -2"), encoding="utf-8")
    Path("empty.toml").touch()
    before = sorted(path.name for path in Path().rglob("*"))
    code, out, err = tenuto(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert sorted(path.name for path in Path().rglob("*")) == before


def test_a_ctrl_c_ends_all_processes_at_once(tmp_path: Path) -> None:
    """The scenario is an hour long, so that nobody is done by then."""
    (tmp_path / "long.toml").write_text(SMALL.replace("duration_s = 2", "duration_s = 36000"), encoding="utf-8")
    words = ("replay", "long.toml", "--policy", "tenuto", "--policy", "oracle", "--seeds", "4", "--jobs", "2")
    arguments = [sys.executable, "-W", "error", "-c", PROGRAM, *words]
    with subprocess.Popen(
        arguments, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            workers: list[int] = []

            def are_at_work() -> bool:
                workers[:] = [child for child in children(process.pid) if _used_s(child) > 1]
                return process.poll() is not None or len(workers) >= 2

            wait_until(are_at_work)
            started = children(process.pid)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    assert len(workers) >= 2
    wait_until(lambda: not any(_is_there(child) for child in started))
    assert [path.name for path in tmp_path.iterdir()] == ["long.toml"]


def _used_s(pid: int) -> float:
    """Processor time of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
