"""`tenuto select`, as it is typed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import run

from tenuto.cli import main
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork, write_table

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tenuto(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code, its output and its complaints."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tenuto", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two networks on two clusters, with figures of every kind of source."""
    rows = (
        ("w50", "a7", 400_000_000, 300.0, 40.0, 60.0),
        ("w50", "a15", 1_000_000_000, 100.0, 90.0, 60.0),
        ("w100", "a7", 900_000_000, 390.0, 95.0, 70.0),
        ("w100", "a7", 1_400_000_000, 250.0, 160.0, 70.0),
        ("w100", "a15", 1_000_000_000, 190.0, 180.0, 70.0),
    )
    points = (
        OperatingPoint(
            Configuration(SubNetwork.parse(f"toy/{name}"), cluster, 1, hz),
            {
                "latency_ms": Estimate(ms, "measured"),
                "energy_mj": Estimate(mj, "modelled"),
                "accuracy_pct": Estimate(pct, "published"),
            },
        )
        for name, cluster, hz, ms, mj, pct in rows
    )
    path = tmp_path / "toy.table.json"
    write_table(OperatingTable.from_points(points), path)
    return path


def answer(ran: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = ran
    assert code == 0, err
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def test_a_choice_carries_its_figures_their_sources_and_the_reason(tenuto: Command, table: Path) -> None:
    found = answer(
        tenuto(
            "select",
            "--table",
            str(table),
            "--latency-ms",
            "400",
            "--energy-mj",
            "100",
            "--maximise",
            "accuracy_pct",
            "--json",
        )
    )
    assert found["configuration"] == {"sub_network": "w100", "cluster": "a7", "n_cores": 1, "frequency_hz": 900_000_000}
    assert found["metrics"] == {
        "latency_ms": {"value": 390.0, "source": "measured"},
        "energy_mj": {"value": 95.0, "source": "modelled"},
        "accuracy_pct": {"value": 70.0, "source": "published"},
    }
    assert found["violated"] == []
    assert found["runner_up"]["configuration"]["sub_network"] == "w50"
    assert found["reason"]["objective"] == "accuracy_pct"


def test_a_tighter_deadline_moves_to_the_other_cluster_and_says_what_keeps_the_better_one_out(
    tenuto: Command, table: Path
) -> None:
    found = answer(tenuto("select", "--table", str(table), "--latency-ms", "200", "--energy-mj", "100", "--json"))
    assert found["configuration"]["cluster"] == "a15"
    assert found["configuration"]["sub_network"] == "w50"
    assert found["reason"]["binding"] == "energy_mj"
    first, second = found["reason"]["relaxations"]
    assert (first["metric"], first["relaxed_bound"], first["gain"], first["gain_metric"]) == (
        "energy_mj",
        180.0,
        10.0,
        "accuracy_pct",
    )
    assert first["configuration"]["cluster"] == "a15"
    assert (second["metric"], second["relaxed_bound"]) == ("latency_ms", 390.0)


def test_where_nothing_is_feasible_it_says_what_it_gave_up_and_what_would_have_been_enough(
    tenuto: Command, table: Path
) -> None:
    found = answer(tenuto("select", "--table", str(table), "--latency-ms", "200", "--accuracy-pct", "80", "--json"))
    assert found["violated"] == ["accuracy_pct"]
    assert found["reason"]["enough"] == {"accuracy_pct": 70.0}
    assert found["reason"]["enough_alone"] == {"accuracy_pct": 70.0}
    assert found["configuration"]["cluster"] == "a15"
    code, out, _ = tenuto("select", "--table", str(table), "--latency-ms", "200", "--accuracy-pct", "80")
    assert code == 0
    assert "given up accuracy_pct >= 80 %" in out
    assert "accuracy_pct >= 70.00 %" in out


def test_people_read_choice_reason_runner_up_and_origin(tenuto: Command, table: Path) -> None:
    def heads(out: str) -> list[str]:
        return [line.split()[0] for line in out.splitlines() if line and not line.startswith(" ")]

    code, out, _ = tenuto("select", "--table", str(table), "--latency-ms", "200", "--energy-mj", "100")
    assert code == 0
    assert heads(out) == ["choice", "why", "from"]
    assert "Binding is energy_mj <= 100 mJ: 180.0 mJ would allow w100 on a15, 1 core at 1.00 GHz" in out
    code, out, _ = tenuto("select", "--table", str(table), "--latency-ms", "400")
    assert code == 0
    assert heads(out) == ["choice", "why", "runner-up", "from"]
    assert "390.00 ms measured · 95.0 mJ modelled · 70.00 % published" in out


def test_what_is_left_of_a_board_is_chosen_from_and_a_cap_says_what_it_became(tenuto: Command) -> None:
    words = ("select", "--board", "odroid-xu3", "--network", "alexnet-groups", "--latency-ms", "2000")
    found = answer(
        tenuto(
            *words, "--without", "a15", "--without", "gpu", "--max-frequency", "a7=1.05GHz", "--cores", "1,2", "--json"
        )
    )
    assert found["configuration"]["cluster"] == "a7"
    assert found["configuration"]["n_cores"] in (1, 2)
    assert found["configuration"]["frequency_hz"] <= 1_000_000_000
    assert found["available"]["clusters"] == ["a7"]
    assert found["available"]["max_frequency_hz"] == {"a7": {"asked": 1_050_000_000, "became": 1_000_000_000}}
    assert found["available"]["n_points"] == 4 * 2 * 9
    assert {estimate["source"] for estimate in found["metrics"].values()} <= {"modelled", "assumed", "published"}
    _, out, _ = tenuto(*words, "--only", "a7", "--max-frequency", "a7=1050MHz")
    assert "a7 is capped at 1.00 GHz: 1.05 GHz is not a step of its ladder" in out


@pytest.mark.parametrize(
    ("text", "hz"), [("a7=900MHz", 900), ("a7=0.9GHz", 900), ("a7=900000kHz", 900), ("a7 = 900000000 hz", 900)]
)
def test_a_clock_may_be_given_in_any_unit(tenuto: Command, table: Path, text: str, hz: int) -> None:
    found = answer(tenuto("select", "--table", str(table), "--max-frequency", text, "--json"))
    assert found["available"]["max_frequency_hz"]["a7"] == {"asked": hz * 10**6, "became": hz * 10**6}


def test_a_cluster_that_nothing_can_use_is_offered_on_request_only(tenuto: Command) -> None:
    on_a_board = ("select", "--board", "odroid-xu3", "--network", "alexnet-groups", "--minimise", "energy_mj", "--json")
    quiet = answer(tenuto(*on_a_board))["available"]
    assert (quiet["clusters"], list(quiet["left_out"])) == (["a15", "a7"], ["gpu"])
    for words in (("--with", "gpu"), ("--max-frequency", "gpu=600MHz")):
        asked = answer(tenuto(*on_a_board, *words))["available"]
        assert (asked["clusters"], asked["left_out"]) == (["a15", "a7", "gpu"], {})
    assert "unverified" in answer(tenuto(*on_a_board))["accuracy_from"]
    alone = answer(tenuto(*on_a_board, "--only", "gpu"))
    assert (alone["configuration"]["cluster"], alone["available"]["left_out"]) == ("gpu", {})
    code, _, complaint = tenuto(*on_a_board, "--with", "gpo")
    assert (code, "gpu" in complaint) == (2, True)
    assert "--with gpu" in tenuto(*on_a_board[:-1])[1]


@pytest.mark.parametrize(
    ("budgets", "cluster", "mhz"),
    [
        (("--latency-ms", "400", "--energy-mj", "100"), "a7", 800),
        (("--latency-ms", "200", "--energy-mj", "200"), "a15", 700),
    ],
)
def test_the_published_case_study_comes_out_of_one_core(
    tenuto: Command, budgets: tuple[str, ...], cluster: str, mhz: int
) -> None:
    """Published: the whole network on the A7 near 900 MHz, and with the tighter deadline on the A15 near 1 GHz."""
    found = answer(
        tenuto("select", "--board", "odroid-xu3", "--network", "alexnet-groups", *budgets, "--cores", "1", "--json")
    )
    expected = {"sub_network": "w100", "cluster": cluster, "n_cores": 1, "frequency_hz": mhz * 10**6}
    assert (found["configuration"], found["violated"]) == (expected, [])


def test_a_published_table_needs_no_board(tenuto: Command) -> None:
    found = answer(tenuto("select", "--network", "dynamic-ofa-gpu", "--latency-ms", "60", "--json"))
    assert found["metrics"]["latency_ms"] == {"value": 58.8, "source": "published"}
    assert found["configuration"]["frequency_hz"] is None
    assert found["reason"]["binding"] == "latency_ms"


def test_without_an_accuracy_the_least_energy_is_chosen_unless_told_otherwise(tenuto: Command) -> None:
    words = ("select", "--board", "odroid-xu3", "--network", "squeezenet", "--only", "a7", "--json")
    assert answer(tenuto(*words))["reason"]["objective"] == "energy_mj"
    found = answer(tenuto(*words, "--minimise", "latency_ms"))
    assert found["configuration"] == {
        "sub_network": "r227",
        "cluster": "a7",
        "n_cores": 4,
        "frequency_hz": 1_400_000_000,
    }
    code, _, err = tenuto(*words, "--maximise", "accuracy_pct")
    assert code == 2
    assert "accuracy_pct" in err
    assert "energy_mj" in err, "it says what there is"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--board", "odroid-xu", "--network", "fashion"), "did you mean odroid-xu3"),
        (("--board", "odroid-xu3", "--network", "fashoin"), "did you mean fashion"),
        (("--board", "odroid-xu3", "--network", "fashion", "--without", "a51"), "did you mean a15"),
        (("--board", "odroid-xu3", "--network", "fashion", "--max-frequency", "a51=1GHz"), "did you mean a15"),
        (("--board", "odroid-xu3"), "--network"),
        (("--network", "fashion"), "--board"),
        (("--board", "odroid-xu3", "--network", "dynamic-ofa-cpu"), "not known"),
        (("--network", "dynamic-ofa-cpu", "--energy-mj", "5"), "energy_mj"),
        (("--network", "dynamic-ofa-gpu", "--max-frequency", "gpu=1GHz"), "not ours"),
        (("--board", "odroid-xu3", "--network", "fashion", "--max-frequency", "a7=1000"), "unit"),
        (("--board", "odroid-xu3", "--network", "fashion", "--max-frequency", "a7=150MHz"), "200 MHz"),
        (("--board", "odroid-xu3", "--network", "fashion", "--cores", "1,x"), "--cores"),
        (("--board", "odroid-xu3", "--network", "fashion", "--cores", "9"), "nothing is left"),
        (("--board", "odroid-xu3", "--network", "fashion", "--latency-ms", "nan"), "latency_ms"),
        (("--board", "odroid-xu3", "--network", "fashion", "--minimise", "accuracy_pct"), "maximise"),
        (("--board", "odroid-xu3", "--network", "fashion", "--maximise", "joy"), "joy"),
        (("--board", "odroid-xu3", "--network", "fashion", "--silicon-c", "nan"), "--silicon-c"),
        (("--board", "odroid-xu3", "--table", "t.json"), "one or the other"),
        (("--table", "absent.json"), "absent.json"),
        (("--board", "absent.toml", "--network", "fashion"), "absent.toml"),
    ],
)
def test_what_makes_no_sense_is_answered_with_what_to_do(tenuto: Command, words: tuple[str, ...], said: str) -> None:
    code, out, err = tenuto("select", *words)
    assert code == 2
    assert out == ""
    assert said in err


def test_an_operator_without_a_rule_of_cost_is_named_on_standard_error(tenuto: Command, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, 8)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Frobnicate", ["x"], ["y"], domain="odd")], "odd", value[:1], value[1:])
    onnx.save(helper.make_model(graph), tmp_path / "odd.onnx")
    code, out, err = tenuto("select", "--board", "odroid-xu3", "--network", str(tmp_path / "odd.onnx"), "--json")
    assert code == 0
    assert "Frobnicate" in err
    assert json.loads(out)["metrics"]["latency_ms"]["source"] == "assumed"


def test_the_command_answers_in_a_process_of_its_own(tmp_path: Path) -> None:
    ran = run("select", "--network", "dynamic-ofa-cpu", "--latency-ms", "900", "--json", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["configuration"]["sub_network"] == "l3"
    assert ran.stderr == ""
