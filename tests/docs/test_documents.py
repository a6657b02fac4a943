"""The documents say what is so: their code runs, their links lead somewhere, their commands exist."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

WITH_CODE = [path for path in DOCUMENTS if PYTHON_BLOCK.search(path.read_text(encoding="utf-8"))]

PICTURES_MADE_LATER = {ROOT / "docs" / "demo.svg"}
"""`tenuto demo --picture` makes it, on a machine that is quiet."""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """As GitHub makes them: lower case, letters, digits, hyphens and underscores, blanks as hyphens."""
    titles = (match[1].strip().lower() for match in HEADING.finditer(text))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.fixture(scope="session")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for profiles, so that the machine is measured once for all documents."""
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("document", WITH_CODE, ids=shown)
def test_the_python_of_a_document_runs_from_top_to_bottom(document: Path, data_home: Path, tmp_path: Path) -> None:
    code = "\n".join(PYTHON_BLOCK.findall(document.read_text(encoding="utf-8")))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(data_home), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_the_links_within_the_repository_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for place, anchor in LINK.findall(text):
        if "://" in place:
            continue
        target = (document.parent / place).resolve() if place else document
        if target not in PICTURES_MADE_LATER:
            assert target.exists(), place
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{place}#{anchor}"


@cache
def help_of(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", "from tenuto.cli import main; main()", *words, "--help"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_a_documented_command_has_every_documented_option(document: Path) -> None:
    blocks = "\n".join(SHELL_BLOCK.findall(document.read_text(encoding="utf-8")))
    for line in blocks.splitlines():
        words = line.partition("#")[0].replace(".venv/bin/", "").split()
        if len(words) < 2 or words[0] != "tenuto" or words[1].startswith("-"):
            continue
        asked = {word for word in words if word.startswith("--")}
        told = help_of(words[1])
        if "COMMAND" in told:
            told = help_of(words[1], words[2])
        assert {word for word in asked if word not in told} == set(), line


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    mention = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
    named = {name for path in DOCUMENTS for name in mention.findall(path.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= named <= targets


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {place for place, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {shown(path) for path in DOCUMENTS} - {"README.md"} <= linked
