"""Optimised models are made once for a machine, shared, and made anew when they are damaged."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from tenuto.engines import _model_cache
from tenuto.engines._model_cache import default_cache, optimised
from tenuto.engines._onnx_file import weights_of
from tenuto.errors import EngineError
from tenuto.points import SubNetwork


@pytest.fixture
def named(tiny_models: dict[SubNetwork, Path]) -> dict[str, Path]:
    """The tiny models by file name."""
    return {sub_network.name: path for sub_network, path in tiny_models.items()}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_the_weights_of_all_models_share_one_file(named: dict[str, Path], tmp_path: Path) -> None:
    found = optimised(named, tmp_path / "cache")
    assert not found.is_temporary
    weights = {name: {w.name: w for w in weights_of(path.read_bytes())} for name, path in found.paths.items()}
    every = [weight for model in weights.values() for weight in model.values()]
    assert {weight.location for weight in every} == {found.weights.name}
    size = found.weights.stat().st_size
    assert all(weight.offset + (weight.length or 0) <= size for weight in every)
    assert size < sum(weight.length or 0 for weight in every)
    for shared_shape in ((1, 3, 3), (32,)):  # after the output channels: the first convolution, the classifier
        places = {weight.offset for weight in every if weight.shape[1:] == shared_shape}
        assert len(places) == 1


def test_a_second_time_nothing_is_made(named: dict[str, Path], tmp_path: Path) -> None:
    folder = optimised(named, tmp_path / "cache").weights.parent
    before = _inodes(folder)
    assert optimised(named, tmp_path / "cache").weights.parent == folder
    assert _inodes(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink])
@pytest.mark.parametrize("file", ["weights.bin", "w50.onnx", "complete.json"])
def test_a_damaged_entry_is_made_anew(
    damage: Callable[[Path], None], file: str, named: dict[str, Path], tmp_path: Path
) -> None:
    folder = optimised(named, tmp_path / "cache").weights.parent
    before = _contents(folder)
    damage(folder / file)
    again = optimised(named, tmp_path / "cache")
    assert again.weights.parent == folder
    assert not again.is_temporary
    assert _contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_whoever_has_mapped_a_damaged_entry_keeps_what_it_mapped(named: dict[str, Path], tmp_path: Path) -> None:
    folder = optimised(named, tmp_path / "cache").weights.parent
    with (folder / "weights.bin").open("rb") as held:
        (folder / "complete.json").write_text("{}")
        optimised(named, tmp_path / "cache")
        assert held.read() == (folder / "weights.bin").read_bytes()
        assert Path(f"/proc/self/fd/{held.fileno()}").readlink() != folder / "weights.bin"


def test_other_weights_make_another_entry(named: dict[str, Path], tmp_path: Path) -> None:
    first = optimised(named, tmp_path / "cache")
    _flip(named["w100"].with_suffix(".bin"))
    second = optimised(named, tmp_path / "cache")
    assert second.weights.parent != first.weights.parent
    assert second.weights.read_bytes() != first.weights.read_bytes()


def test_another_machine_makes_another_entry(
    named: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = optimised(named, tmp_path / "cache")
    monkeypatch.setattr(_model_cache, "_cpu", lambda: "another processor")
    assert optimised(named, tmp_path / "cache").weights.parent != first.weights.parent


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_folder(named: dict[str, Path], tmp_path: Path) -> None:
    obstacle = tmp_path / "a-file"
    obstacle.write_text("in the way")
    found = optimised(named, obstacle / "cache")
    assert found.is_temporary
    assert {path.name for path in found.paths.values()} <= {path.name for path in found.weights.parent.iterdir()}
    assert obstacle.read_text() == "in the way"


def test_nowhere_to_write_is_an_engine_error(
    named: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, folder: Path) -> None:
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr(_model_cache, "_write", full)
    with pytest.raises(EngineError, match="No space left"):
        optimised(named, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("damage", [_cut, Path.unlink, lambda path: path.write_bytes(b"not a model")])
def test_a_damaged_model_is_an_engine_error(
    damage: Callable[[Path], None], named: dict[str, Path], tmp_path: Path
) -> None:
    damage(named["w50"])
    with pytest.raises(EngineError, match=r"w50\.onnx"):
        optimised(named, tmp_path / "cache")


def test_missing_weights_are_an_engine_error(named: dict[str, Path], tmp_path: Path) -> None:
    named["w50"].with_suffix(".bin").unlink()
    with pytest.raises(EngineError, match=r"w50\.bin"):
        optimised(named, tmp_path / "cache")


def test_processes_that_start_together_agree_on_one_entry(named: dict[str, Path], tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(optimised, [(named, tmp_path / "cache")] * 3)
    assert len({one.weights for one in found}) == 1
    assert not any(one.is_temporary for one in found)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [found[0].weights.parent.name]


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "tenuto" / "engines"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for invalid in ("relative/path", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", invalid)
        assert default_cache() == tmp_path / "home" / ".cache" / "tenuto" / "engines"
