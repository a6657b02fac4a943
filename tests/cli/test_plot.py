"""`tenuto plot`, as it is typed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run

from tenuto.cli import main

BOARD = ("--board", "odroid-xu3", "--network", "alexnet-groups")

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def tenuto(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code and what it says on standard error."""

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tenuto", "plot", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert out == ""
        return int(ended.value.code or 0), err

    return command


def test_the_trade_off_of_the_poster_is_one_command(tmp_path: Path) -> None:
    words = ("--x", "latency_ms", "--y", "energy_mj", "--cores", "1", "--latency-ms", "400", "--energy-mj", "100")
    ran = run("plot", "tradeoff", *BOARD, *words, "-o", "figure.png", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "The figure is figure.png" in ran.stderr
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_several_budgets_have_the_labels_given_or_the_next_letters(tenuto: Command, tmp_path: Path) -> None:
    budgets = ("--budget", "latency_ms=400,energy_mj=100", "--budget", "latency_ms=200, energy_mj=200, label=A")
    target = tmp_path / "figure.svg"
    code, err = tenuto("tradeoff", *BOARD, *budgets, "--y", "accuracy_pct", "--linear", "-o", str(target))
    assert code == 0, err
    drawn = target.read_text(encoding="utf-8")
    # Words are outlines; Matplotlib leaves each of them as a comment beside its outline.
    assert "<!-- B: " in drawn
    assert "<!-- A: " in drawn


def test_power_is_one_command_too(tenuto: Command, tmp_path: Path) -> None:
    for cluster in ("gpu", "a15"):
        target = tmp_path / f"{cluster}.pdf"
        code, err = tenuto("power", *BOARD, "--cluster", cluster, "-o", str(target))
        assert code == 0, err
        assert target.read_bytes().startswith(b"%PDF")


def test_a_cap_is_said_and_a_published_table_needs_no_board(tenuto: Command, tmp_path: Path) -> None:
    target = str(tmp_path / "figure.png")
    code, err = tenuto("tradeoff", *BOARD, "--only", "a7", "--max-frequency", "a7=1050MHz", "-o", target)
    assert code == 0
    assert "capped at 1.00 GHz" in err
    code, err = tenuto("tradeoff", "--network", "dynamic-ofa-gpu", "--y", "accuracy_pct", "-o", target)
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tradeoff", *BOARD, "-o", "figure.jpg"), ".png, .svg, .pdf"),
        (("tradeoff", *BOARD, "-o", "absent/figure.png"), "absent"),
        (("tradeoff", *BOARD, "--x", "latenc_ms", "-o", "figure.png"), "latency_ms"),
        (("tradeoff", "--network", "dynamic-ofa-cpu", "-o", "figure.png"), "energy_mj"),
        (("tradeoff", *BOARD, "--budget", "latency_ms", "-o", "figure.png"), "latency_ms=400"),
        (("tradeoff", *BOARD, "--budget", "label=A", "-o", "figure.png"), "bound"),
        (("tradeoff", *BOARD, "--budget", "joy_pct=4", "-o", "figure.png"), "joy_pct"),
        (("tradeoff", *BOARD, "--budget", "latency_ms=-4", "-o", "figure.png"), "latency_ms"),
        (("power", *BOARD, "--cluster", "gpx", "-o", "figure.png"), "gpu"),
        (("power", *BOARD, "--cluster", "gpu", "--cores", "2", "-o", "figure.png"), "2 core"),
    ],
)
def test_what_makes_no_sense_is_answered_with_what_to_do(
    tenuto: Command, words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, err = tenuto(*words)
    assert code == 2
    assert said in err
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(
    tenuto: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, err = tenuto("tradeoff", *BOARD, "-o", str(tmp_path / "figure.png"))
    assert code == 2
    assert "tenuto[plot]" in err
