"""Every example runs as a program, says something, and keeps the manners of an example."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for profiles: the examples' own, never the user's."""
    return tmp_path_factory.mktemp("examples")


def test_there_are_examples() -> None:
    assert [path.name[:2] for path in EXAMPLES] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints_something(example: Path, home: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) >= 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_one_will_see(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert "You will see" in (ast.get_docstring(ast.parse(text)) or "")


def test_the_example_that_reads_a_table_given_by_path_imports_no_tenuto(tmp_path: Path) -> None:
    """With `-I -S` and no site packages there is no Tenuto to import."""
    from tenuto.points import write_table  # noqa: PLC0415 - only this test needs it
    from tenuto.testing.policies import sample_table  # noqa: PLC0415 - likewise

    path = tmp_path / "sample.table.json"
    write_table(sample_table(), path)
    example = next(path for path in EXAMPLES if path.name.startswith("04"))
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(example), str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[0] == "sample, tenuto-operating-table of schema 1"
    assert sum(line.endswith("*") for line in ran.stdout.splitlines()) == 4
