"""Board files: every shipped one loads and makes sense; a bad one is refused with the key at fault."""

import re
from pathlib import Path

import msgspec
import pytest

from tenuto.errors import SpecError, UnknownNameError
from tenuto.platforms.simulated import _board_file, _spec, board_ids, load_board, parameters, read_board

FOLDER = Path(_board_file.__file__).parent / "boards"
RK3588 = (FOLDER / "rk3588@1.toml").read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path: Path):
    """Writes the RK3588's file with one thing replaced, once, and gives its path."""
    written = []

    def change(old: str, new: str) -> Path:
        assert old in RK3588
        path = tmp_path / f"changed-{len(written)}.toml"
        path.write_text(RK3588.replace(old, new, 1), encoding="utf-8")
        written.append(path)
        return path

    return change


def line_of(key: str, text: str = RK3588) -> str:
    found = re.search(rf"^{re.escape(key)} = .*$", text, re.MULTILINE)
    assert found
    return found[0]


@pytest.mark.parametrize("board_id", board_ids())
def test_every_shipped_board_loads_under_its_own_id(board_id: str) -> None:
    assert load_board(board_id).id == board_id


@pytest.mark.parametrize("board_id", board_ids())
def test_what_is_published_or_modelled_of_a_shipped_board_names_a_work(board_id: str) -> None:
    board = load_board(board_id)
    for key, parameter in parameters(board):
        if parameter.source != "assumed":
            assert not board.references[parameter.reference].startswith("no measurement"), key


def test_the_boards_of_the_readme_are_there() -> None:
    names = {board_id.partition("@")[0] for board_id in board_ids()}
    assert names >= {"odroid-xu3", "rk3588", "raspberry-pi-5", "jetson-orin-nano", "jetson-xavier-nx"}


def test_a_name_stands_for_its_newest_version_and_a_misspelt_one_for_none() -> None:
    assert load_board("rk3588").id == "rk3588@1"
    with pytest.raises(UnknownNameError) as caught:
        load_board("rk3558")
    assert "rk3588" in caught.value.matches
    with pytest.raises(UnknownNameError):
        load_board("rk3588@99")


LADDER = line_of("frequency_mhz")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "cpu"', 'kind = "cpu"\nwheels = 4', "clusters[0]"),
        ('kind = "cpu"', 'kind = "dsp"', "clusters[0].kind"),
        (LADDER, "", "clusters[0].ladder"),
        (LADDER, "frequency_mhz = []", "clusters.a55.ladder.frequency_mhz"),
        (LADDER, "frequency_mhz = [1008, 1416, 1200, 1608, 1800]", "clusters.a55.ladder.frequency_mhz"),
        (LADDER, "frequency_mhz = [1008, 1008, 1416, 1608, 1800]", "clusters.a55.ladder.frequency_mhz"),
        (LADDER, "frequency_mhz = [0, 1200, 1416, 1608, 1800]", "clusters.a55.ladder.frequency_mhz"),
        ("voltage_v = [0.675, 0.7125,", "voltage_v = [0.7125, 0.675,", "clusters.a55.ladder.voltage_v"),
        ("voltage_v = [0.675, 0.7125,", "voltage_v = [0.7125,", "clusters.a55.ladder.voltage_v"),
        ("cpus = [0, 1, 2, 3]", "cpus = []", "clusters.a55.cpus"),
        ("cpus = [4, 5, 6, 7]", "cpus = [3, 4, 5, 6]", "clusters"),
        ("capacity_j_per_k = { value = 1,", "capacity_j_per_k = { value = -1,", "thermal.nodes.a76.capacity_j_per_k"),
        ("capacity = 397", "capacity = -1", "clusters[0].capacity"),
        ('from = "linux-base"', 'from = "nowhere"', "clusters.a55.transition_latency_us"),
        ("macs_per_cycle.matmul", "macs_per_cycle.matmuls", "clusters.a55.latency.macs_per_cycle"),
        ("elements_per_cycle.lrn", "elements_per_cycle.lnr", "clusters.a55.latency.elements_per_cycle.lnr"),
        ("int8_speedups.conv3x3", "int8_speedups.conv9x9", "clusters.a55.latency.int8_speedups.conv9x9"),
        (
            line_of("macs_per_cycle.conv"),
            'macs_per_cycle.conv = { value = 0, source = "assumed", from = "ncnn" }',
            "clusters.a55.latency.macs_per_cycle.conv",
        ),
        (
            line_of("parallel_share"),
            'parallel_share = { value = 1.2, source = "assumed", from = "ncnn" }',
            "clusters.a55.latency.parallel_share",
        ),
        (
            line_of("sync_us"),
            'sync_us = { value = nan, source = "assumed", from = "ncnn" }',
            "clusters.a55.latency.sync_us",
        ),
        ("heat_share = { a76 = 1.0 }", "heat_share = { a76 = 0.9 }", "thermal.nodes"),
        ("heat_share = { a76 = 1.0 }", "heat_share = { a67 = 1.0 }", "thermal.nodes.a76.heat_share"),
        ('of = ["a76"]', 'of = ["a77"]', "sensors.bigcore0-thermal.temperature_c.of"),
        ('id = "rk3588@1"', 'id = "rk3588"', "id"),
        ('source = "published"', 'source = "rumoured"', "clusters[0].transition_latency_us.source"),
        ("powersave = 1", "powersave = 3", "clusters[0].measured_as[0].powersave"),
    ],
)
def test_a_bad_file_is_refused_with_the_key_at_fault(write, old: str, new: str, key: str) -> None:
    path = write(old, new)
    with pytest.raises(SpecError) as caught:
        load_board(path)
    assert caught.value.key == key
    assert caught.value.path == path


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    broken = tmp_path / "broken.toml"
    broken.write_text("id = ", encoding="utf-8")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (missing, broken, binary):
        with pytest.raises(SpecError) as caught:
            read_board(path)
        assert caught.value.path == path


def test_the_page_on_writing_a_board_explains_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs/own-board.md").read_text(encoding="utf-8")
    tables = [one for one in vars(_spec).values() if isinstance(one, type) and issubclass(one, _spec.Table)]
    keys = {key.encode_name for table in tables for key in msgspec.structs.fields(table)}
    assert len(keys) > 80
    assert {key for key in keys if f"`{key}`" not in page and f".{key}]`" not in page} == set()
