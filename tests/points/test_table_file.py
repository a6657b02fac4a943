"""The operating table on disk."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import SpecError, UsageError
from tenuto.points import (
    SCHEMA,
    Column,
    Configuration,
    Estimate,
    OperatingPoint,
    OperatingTable,
    SubNetwork,
    read_table,
    write_table,
)
from tenuto.testing.strategies import operating_tables


def small_table(**about: Any) -> OperatingTable:
    """Two points, figures of two sources, one missing."""
    one, two = (SubNetwork.parse(f"fashion/{name}") for name in ("d1", "d2"))
    little, big = Configuration(one, "little", 2, 600_000_000), Configuration(two, "big")
    return OperatingTable.from_points(
        [
            OperatingPoint(little, {"latency_ms": Estimate(2.5, "measured", 0.1)}),
            OperatingPoint(big, {"latency_ms": Estimate(5, "modelled"), "accuracy_pct": Estimate(91, "published")}),
        ],
        about=about,
    )


def spoiled(tmp_path: Path, *keys: str, value: object) -> Path:
    """A table's file in which one field is something else."""
    path = tmp_path / "table.json"
    write_table(small_table(), path)
    content = json.loads(path.read_bytes())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))
    return path


@given(operating_tables())
def test_a_table_survives_the_disk(table: OperatingTable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.json"
        write_table(table, path)
        again = read_table(path)
        assert [path] == list(Path(folder).iterdir())
    assert list(table) == list(again)
    assert table.about == again.about
    assert set(table.metrics) == set(again.metrics)


def test_the_file_reads_without_tenuto_and_says_its_units(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_table(small_table(platform="host"), path)
    content = json.loads(path.read_bytes())
    assert content["about"] == {"platform": "host"}
    assert content["configurations"]["frequency_hz"] == [600_000_000, None]
    assert content["metrics"]["latency_ms"] == {
        "unit": "ms",
        "value": [2.5, 5.0],
        "source": ["measured", "modelled"],
        "stdev": [0.1, None],
    }
    assert content["metrics"]["accuracy_pct"]["value"] == [None, 91.0]


def test_a_file_cut_short_anywhere_is_a_spec_error(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.json", tmp_path / "cut.json"
    write_table(small_table(note="π"), whole)
    content = whole.read_bytes()
    for end in range(len(content.rstrip())):
        cut.write_bytes(content[:end])
        with pytest.raises(SpecError) as caught:
            read_table(cut)
        assert caught.value.path == cut
    cut.write_bytes(content.rstrip())
    assert list(read_table(cut)) == list(read_table(whole))


@given(st.binary(max_size=200), st.data())
def test_a_file_with_other_bytes_in_it_reads_or_is_a_spec_error(noise: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.json"
        write_table(small_table(), path)
        content = path.read_bytes()
        at = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:at] + noise + content[at + len(noise) :])
        try:
            read_table(path)
        except SpecError:
            return
        assert len(read_table(path)) >= 1


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"3", b"null", b'"table"', b"{}", b'{"format": 3}', b"[" * 100_000, b"\0" * 99]
)
def test_a_foreign_file_is_a_spec_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_table(path)
    assert caught.value.path == path


def test_a_missing_file_and_a_folder_are_spec_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(SpecError):
            read_table(path)


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, -1])
def test_another_schema_is_refused_by_its_number(tmp_path: Path, schema: int) -> None:
    path = spoiled(tmp_path, "schema", value=schema)
    with pytest.raises(SpecError) as caught:
        read_table(path)
    assert caught.value.key == "schema"


def test_a_newer_schema_may_have_other_fields(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"format": "tenuto-operating-table", "schema": SCHEMA + 1, "points": []}))
    with pytest.raises(SpecError) as caught:
        read_table(path)
    assert caught.value.key == "schema"


@pytest.mark.parametrize(
    ("keys", "value", "expected_key"),
    [
        (("format",), "other", "format"),
        (("network",), "a b", None),
        (("surprise",), 1, None),
        (("configurations", "sub_network"), ["d1"], "configurations.cluster"),
        (("configurations", "sub_network"), [], "configurations.cluster"),
        (("configurations", "sub_network"), ["d1", "x1"], None),
        (("configurations", "cluster"), ["big"], "configurations.cluster"),
        (("configurations", "cluster"), ["big", ""], None),
        (("configurations", "n_cores"), [1], "configurations.n_cores"),
        (("configurations", "n_cores"), [1, 0], "configurations.n_cores"),
        (("configurations", "n_cores"), [1, True], "configurations.n_cores[1]"),
        (("configurations", "n_cores"), [1, 2**40], "configurations.n_cores"),
        (("configurations", "frequency_hz"), [1, -1], "configurations.frequency_hz"),
        (("configurations", "frequency_hz"), [1, 2**70], "configurations.frequency_hz"),
        (("metrics", "latency_ms", "value"), [1.0], "metrics.latency_ms.value"),
        (("metrics", "latency_ms", "value"), [1.0, -1.0], None),
        (("metrics", "latency_ms", "value"), [1.0, "2"], "metrics[...].value[1]"),
        (("metrics", "latency_ms", "stdev"), [1.0], "metrics.latency_ms.stdev"),
        (("metrics", "latency_ms", "stdev"), [1.0, -1.0], "metrics.latency_ms"),
        (("metrics", "latency_ms", "source"), ["measured"], "metrics.latency_ms.source"),
        (("metrics", "latency_ms", "source"), "guessed", "metrics[...].source"),
        (("metrics", "latency_ms", "source"), ["measured", "guessed"], "metrics[...].source[1]"),
        (("metrics", "latency_ms", "unit"), "s", "metrics.latency_ms.unit"),
        (("metrics", "accuracy_pct", "value"), [None, 100.5], None),
        (("metrics", "speed"), {"unit": "m/s", "value": [1, 2], "source": "measured"}, "metrics.speed"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(
    tmp_path: Path, keys: tuple[str, ...], value: object, expected_key: str | None
) -> None:
    path = spoiled(tmp_path, *keys, value=value)
    with pytest.raises(SpecError) as caught:
        read_table(path)
    assert (path, expected_key) == (caught.value.path, caught.value.key)


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "1e999"])
def test_a_figure_that_is_not_finite_is_a_spec_error(tmp_path: Path, figure: str) -> None:
    path = tmp_path / "table.json"
    write_table(small_table(), path)
    path.write_text(path.read_text().replace("2.5", figure))
    with pytest.raises(SpecError):
        read_table(path)


def test_numpy_numbers_and_paths_in_the_notes_become_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    notes = {"count": np.int64(3), "share": np.float32(0.5), "ok": np.bool_(True), "shape": np.array([1, 28])}
    write_table(small_table(**notes, where=Path("runs")), path)
    assert read_table(path).about == {"count": 3, "share": 0.5, "ok": True, "shape": [1, 28], "where": "runs"}


def test_notes_that_json_cannot_hold_are_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_table(small_table(), path)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        write_table(small_table(board=object()), path)
    assert before == path.read_bytes()


def test_whoever_reads_while_a_table_is_written_reads_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_table(small_table(), path)
    before = path.read_bytes()
    with path.open("rb") as reader:
        write_table(small_table(note="new"), path)
        assert before == reader.read()
    assert read_table(path).about == {"note": "new"}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_table(small_table(), path)
    before = path.read_bytes()
    program = (
        "import signal, sys; from tenuto.points import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "table = read_table(sys.argv[1])\n"
        "try: write_table(table.take([0, 1] * 500), sys.argv[1])\n"
        "except OSError: sys.exit(7)"
    )
    limit = len(before) + 100
    finished = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert finished.returncode == 7
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_hundred_thousand_points_survive_the_disk(tmp_path: Path) -> None:
    n = 100_000
    table = OperatingTable(
        tuple(SubNetwork.parse(f"fashion/d{index}") for index in range(100)),
        ("little", "big"),
        np.arange(n, dtype=np.int32) % 100,
        np.arange(n, dtype=np.int32) // 50_000,
        np.ones(n, dtype=np.int32),
        np.arange(1, n + 1, dtype=np.int64),
        {"latency_ms": Column.uniform(np.linspace(1, 100, n), "modelled")},
    )
    write_table(table, tmp_path / "table.json")
    again = read_table(tmp_path / "table.json")
    assert (table.column("latency_ms").value == again.column("latency_ms").value).all()
    assert (table.frequency_hz == again.frequency_hz).all()
    assert all(table.configuration(row) == again.configuration(row) for row in (0, 7, 49_999, 50_000, n - 1))
