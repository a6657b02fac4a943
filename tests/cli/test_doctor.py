"""What `tenuto doctor` says, for people and for programs."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from tenuto.cli.doctor import DoctorReport, command, doctor, render
from tenuto.platforms import Cluster, Knob, LinuxPlatform, Missing
from tenuto.testing.trees import BARE_VM, JETSON, ODROID_XU3, TreeBoard, tree_state, write_tree


def run(*words: str) -> Any:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(words))


def rendered(report: DoctorReport, *, width: int = 100) -> str:
    text = io.StringIO()
    render(report, Console(file=text, width=width))
    return text.getvalue()


def page(platform: LinuxPlatform) -> str:
    return rendered(doctor(platform))


def test_json_is_one_object_with_the_attribute_names(tmp_path: Path) -> None:
    write_tree(tmp_path, ODROID_XU3)
    result = run("--json", "--root", str(tmp_path))
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert set(report) == {"platform", "machine", "clusters", "knobs", "monitors", "missing"}
    assert report["platform"] == "Hardkernel Odroid XU3, 8 cores"
    assert report["clusters"][0]["opps"][0] == {"frequency_hz": 200_000_000, "voltage_v": None}
    assert {knob["name"]: knob["is_writable"] for knob in report["knobs"]} == {
        "little.cores": True,
        "little.frequency_hz": True,
        "big.cores": True,
        "big.frequency_hz": True,
    }
    readings = {monitor["name"]: (monitor["quantity"], monitor["value"]) for monitor in report["monitors"]}
    assert readings["ina231-a15.power_w"] == ("power_w", 2.79)
    assert readings["load_pct"] == ("load_pct", None)
    assert report["missing"] == []
    assert report["machine"]["kernel"] == "6.6.0-tree"
    assert "onnxruntime" in report["machine"]


def test_this_machine_is_examined_without_being_changed() -> None:
    platform = LinuxPlatform()
    before = platform.read_knobs()
    result = run("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["platform"] == platform.name
    assert platform.read_knobs() == before


def test_a_board_that_is_held_can_be_examined(tmp_path: Path) -> None:
    write_tree(tmp_path, JETSON)
    platform = LinuxPlatform(tmp_path)
    with platform.hold():
        values = {monitor.name: monitor.value for monitor in doctor(platform).monitors}
    assert values["VDD_IN.power_w"] == pytest.approx(3.577, abs=1e-3)


@pytest.mark.parametrize("board", [BARE_VM, ODROID_XU3, JETSON], ids=["vm", "xu3", "jetson"])
def test_examining_writes_nothing(tmp_path: Path, board: TreeBoard) -> None:
    write_tree(tmp_path, board)
    before = tree_state(tmp_path)
    page(LinuxPlatform(tmp_path))
    assert tree_state(tmp_path) == before


def test_a_person_reads_what_is_missing_why_and_what_would_give_it(tmp_path: Path) -> None:
    write_tree(tmp_path, BARE_VM)
    text = page(LinuxPlatform(tmp_path))
    for words in ("setting the frequency", "no cpufreq driver", "virtual machine", "power", "temperature"):
        assert words in text
    assert "Here Tenuto chooses sub-network and cores; it cannot see temperature and power." in text


def test_a_command_to_copy_is_never_wrapped() -> None:
    command = "sudo chmod a+w /sys/devices/system/cpu/cpufreq/policy*/scaling_{governor,setspeed,min_freq,max_freq}"
    knob = Knob("cpu.frequency_hz", (1_000_000_000,), is_writable=False, remedy=command)
    missing = Missing("setting the frequency", "its files are not ours to write", command)
    report = DoctorReport("a board", {}, (Cluster("cpu", (0,)),), (knob,), (), (missing,))
    text = rendered(report, width=60)
    assert command in text
    assert "not now" in text
    assert "Here Tenuto chooses sub-network; it cannot see temperature" in text


def test_names_in_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    write_tree(tmp_path, TreeBoard(1, model="Board [red]x[/red]", zones_millidegrees=(("[bold]", 20_000),)))
    text = page(LinuxPlatform(tmp_path))
    assert "Board [red]x[/red]" in text
    assert "[bold].temperature_c" in text
