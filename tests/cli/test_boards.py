"""What `tenuto boards` lists, shows and validates, for people and for programs."""

import json
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from tenuto.cli.boards import command, sheet
from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.platforms.simulated import board_ids, load_board, parameters

BOARDS = ("jetson-orin-nano", "jetson-xavier-nx", "odroid-xu3", "raspberry-pi-5", "rk3588")

LATENCY_HEADER = (
    "board_section,num_threads,powersave(0=all 1=LITTLE 2=big),gpu_device(-1=CPU),cooling_down,loops,model,"
    "min_ms,max_ms,avg_ms,source_line\n"
)


def run(*words: str) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(words))


def told(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_the_list_has_every_board_and_counts_its_sources() -> None:
    listed = json.loads(told("--json"))["boards"]
    assert tuple(one["id"].partition("@")[0] for one in listed) == BOARDS
    for one in listed:
        board = load_board(one["id"])
        assert sum(one["sources"].values()) == len(parameters(board))
        assert one["clusters"] == [cluster.name for cluster in board.clusters]


def test_the_list_for_people_names_every_board() -> None:
    page = told()
    assert all(board_id in page for board_id in board_ids())


@pytest.mark.parametrize("name", BOARDS)
def test_a_sheet_shows_every_figure_with_its_source_and_every_reference(name: str) -> None:
    board = load_board(name)
    console = Console(width=250, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(sheet(board))
    page = captured.get()
    for path, parameter in parameters(board):
        line = next(line for line in page.splitlines() if line.startswith(f"{path} "))
        assert parameter.source in line
        assert line.rstrip().endswith(parameter.reference)
    for cluster in board.clusters:
        assert cluster.title in page
    for result in board.validation:
        assert result.what in page
    assert all(key in page for key in board.references)


@pytest.mark.parametrize(
    "words", [("validate",), ("rk3588", "odroid-xu3"), ("validate", "rk3588", "odroid-xu3"), ("validate", "rk3588")]
)
def test_words_that_make_no_sense_are_told_what_would(words: tuple[str, ...]) -> None:
    assert isinstance(run(*words).exception, UsageError)


@pytest.mark.parametrize("words", [(), ("rk3588",)])
def test_measurements_without_validate_are_not_silently_ignored(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(LATENCY_HEADER)
    assert isinstance(run(*words, "--latency", str(path)).exception, UsageError)


def test_a_sheet_for_programs_is_one_object() -> None:
    shown = json.loads(told("odroid-xu3", "--json"))
    assert shown["id"] == "odroid-xu3@1"
    assert [cluster["name"] for cluster in shown["board"]["clusters"]] == shown["clusters"]


def test_an_unknown_board_brings_its_neighbours() -> None:
    error = run("odroid-xu4").exception
    assert isinstance(error, UnknownNameError)
    assert "odroid-xu3" in error.matches


@pytest.mark.parametrize("kind", ["power", "latency", "thermal"])
def test_measurements_without_the_columns_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n1,2\n")
    error = run("validate", "odroid-xu3", f"--{kind}", str(path)).exception
    assert isinstance(error, SpecError)
    assert error.path == path


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert run("validate", "rk3588", "--latency", str(tmp_path / "none.csv")).exit_code == 2


def test_a_score_is_shown_and_printed_with_the_same_figures(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    section = "Rockchip RK3588 (Cortex-A76 2.4GHz x 4 + Cortex-A55 1.8GHz x 4)"
    path.write_text(
        LATENCY_HEADER
        + f"{section},1,2,-1,0,8,resnet18,50.0,52.0,51.0,1\n{section},1,1,-1,0,8,resnet18,150.0,152.0,151.0,2\n"
    )
    score = json.loads(told("validate", "rk3588", "--latency", str(path), "--json"))["latency"]
    assert score["n_measurements"] == 2
    assert len(score["rows"]) == 2
    page = told("validate", "rk3588", "--latency", str(path))
    for total in score["totals"]:
        assert total["what"] in page.replace("\n", " ")
