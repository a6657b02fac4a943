"""The command line as a whole: exit codes, messages, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, run, wait_for_the_board

from tenuto.cli import main
from tenuto.platforms import LinuxPlatform


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("profile", "fashoin"), "did you mean fashion"),
        (("profile", "--cluster", "cpuu"), "unknown cluster 'cpuu'"),
        (("profile", "--cores", "99"), "nothing to measure"),
        (("profile", "--rounds", "0"), "--rounds"),
        (("profile", "--batch", "-1"), "--batch"),
        (("profile", "--output", "."), "is a folder"),
        (("profile", "--no-such-option"), "--no-such-option"),
        (("demo", "--seconds", "nan"), "seconds: asked nan"),
        (("demo", "--seconds", "0"), "seconds: asked 0"),
        (("demo", "--seconds", "-3"), "seconds: asked -3"),
        (("demo", "--seconds", "1"), "frames for each of 4 policies"),
        (("demo", "--seconds", "long"), "--seconds"),
        (("demo", "--report", "nowhere/report.html"), "nowhere is not a folder"),
        (("demo", "--picture", "."), "is a folder"),
        (("dmeo",), "dmeo"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_ends_at_once_with_exit_2_and_says_what_is_wrong(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["tenuto", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert says in printed.err
    assert printed.out == ""
    assert list(tmp_path.rglob("*")) == [], "nothing was measured or written"


def test_without_a_word_the_commands_are_listed(tmp_path: Path) -> None:
    ran = run("--help", home=tmp_path)
    assert ran.returncode == 0
    assert all(command in ran.stdout for command in ("demo", "doctor", "profile", "train"))


def test_a_board_that_another_program_holds_is_exit_3(tmp_path: Path) -> None:
    wait_for_the_board()
    with LinuxPlatform().hold():
        ran = subprocess.run(
            [sys.executable, "-c", "from tenuto.cli import main; main()", "profile", "--quick"],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ran.returncode == 3
    assert "wait until it ends" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_command_line_loads_nothing_before_it_can_answer_a_ctrl_c() -> None:
    program = "import sys, tenuto.cli; print(sorted({'typer', 'numpy', 'onnxruntime', 'rich'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
