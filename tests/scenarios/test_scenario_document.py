"""The document of the format names every key that a file may have."""

import re
from pathlib import Path

import msgspec
import pytest

from tenuto.scenarios import _format, scenario_ids
from tenuto.scenarios._variants import SweepTable

DOCUMENT = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
TABLES = [
    one
    for one in vars(_format).values()
    if isinstance(one, type) and issubclass(one, _format.Table) and one is not _format.Table
]


@pytest.mark.parametrize("table", [*TABLES, SweepTable], ids=lambda table: table.__name__)
def test_every_key_stands_in_the_document(table: type[msgspec.Struct]) -> None:
    prose = re.sub(r"^```.*?^```$", "", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
    spans = " ".join(re.findall(r"`([^`]+)`", prose))
    named = set(re.findall(r"\w+", spans))
    keys = {field.encode_name for field in msgspec.structs.fields(table)}
    assert keys
    assert keys - named == set()


def test_every_shipped_scenario_stands_in_the_document() -> None:
    assert set(re.findall(r"^\| `([a-z0-9-]+@\d+)`", DOCUMENT, re.MULTILINE)) == set(scenario_ids())
