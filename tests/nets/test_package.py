"""A package's card survives the disk, and damage is noticed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.nets import package as package_module
from tenuto.nets.package import (
    CARD_FILE,
    NetworkPackage,
    PackagedSubNetwork,
    measured_accuracy,
    open_package,
    shipped_packages,
    write_card,
)
from tenuto.points import Estimate, SubNetwork

NAMES = ("d1.1-w25.25-k3.3", "d2.2-w100.100-k5.5")


@pytest.fixture
def package(tmp_path: Path) -> NetworkPackage:
    """Two sub-networks on disk; the card says what the files are, whatever they hold."""
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    packaged = []
    for index, name in enumerate(NAMES):
        (folder / f"{name}.onnx").write_bytes(f"model {index}".encode())
        sub_network = SubNetwork.parse(f"mini/{name}")
        accuracy = Estimate(90.25 + index, "measured", 0.3)
        packaged.append(PackagedSubNetwork(sub_network, folder / f"{name}.onnx", accuracy, 1000 * (index + 1), 77))
    return NetworkPackage(
        "mini", 1, folder, tuple(packaged), (1, 28, 28), "float32", ("shirt", "bag"), "test images", 10_000,
        {"n_epochs": 16, "alone": None},
    )  # fmt: skip


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / CARD_FILE).read_bytes())
    change(card)
    (folder / CARD_FILE).write_text(json.dumps(card))


@pytest.mark.parametrize("as_type", [str, Path])
def test_a_package_survives_the_disk(package: NetworkPackage, as_type: type) -> None:
    write_card(package)
    found = open_package(as_type(package.folder))
    assert found.digest.startswith("sha256:")
    for name in NetworkPackage.__slots__:
        if name != "digest":
            assert getattr(found, name) == getattr(package, name)
    assert list(found.models) == [packaged.sub_network for packaged in package.sub_networks]
    assert found.find(NAMES[1]).accuracy_pct == Estimate(91.25, "measured", 0.3)


def test_writing_again_gives_the_same_card_and_leaves_nothing_beside_it(package: NetworkPackage) -> None:
    before = write_card(package).read_bytes()
    assert write_card(open_package(package.folder)).read_bytes() == before
    assert sorted(path.suffix for path in package.folder.iterdir()) == [".bin", ".json", ".onnx", ".onnx"]


def test_an_unknown_sub_network_names_the_near_ones(package: NetworkPackage) -> None:
    with pytest.raises(UnknownNameError) as caught:
        package.find("d2.2-w100.100-k5.3")
    assert caught.value.matches[0] == "d2.2-w100.100-k5.5"


def test_a_shipped_network_is_found_by_its_name(
    package: NetworkPackage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_card(package)
    (tmp_path / "packaged").mkdir()
    package.folder.rename(tmp_path / "packaged" / "mini")
    monkeypatch.setattr(package_module.resources, "files", lambda _: tmp_path)
    assert list(shipped_packages()) == ["mini"]
    assert open_package("mini").name == "mini"
    with pytest.raises(UnknownNameError) as caught:
        open_package("mni")
    assert (caught.value.kind, caught.value.name, caught.value.matches) == ("network", "mni", ("mini",))


@pytest.mark.parametrize("name", shipped_packages())
def test_every_shipped_network_opens(name: str) -> None:
    found = open_package(name)
    assert found.name == name
    assert all(packaged.accuracy_pct.source == "measured" for packaged in found.sub_networks)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        open_package(tmp_path)
    assert caught.value.path == tmp_path / CARD_FILE


@pytest.mark.parametrize("n_kept", [0, 1, 100, -3])
def test_a_card_cut_short_is_refused(n_kept: int, package: NetworkPackage) -> None:
    card = write_card(package)
    card.write_bytes(card.read_bytes()[:n_kept])
    with pytest.raises(SpecError) as caught:
        open_package(package.folder)
    assert caught.value.path == card


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda card: card.update(format="something else"), "format"),
        (lambda card: card.update(schema=2, new_in_two=True), "schema"),
        (lambda card: card.update(version="one"), "version"),
        (lambda card: card.update(sub_networks=[]), "sub_networks"),
        (lambda card: card.update(input_shape=[1, 0, 28]), "input_shape"),
        (lambda card: card.update(input_shape=[]), "input_shape"),
        (lambda card: card["sub_networks"][0].update(model="../elsewhere.onnx"), "model"),
        (lambda card: card["sub_networks"][0].update(name="x"), "name"),
        (lambda card: card["sub_networks"][0]["accuracy_pct"].update(value=101), "accuracy_pct"),
        (lambda card: card["sub_networks"][1].update(accuracy_pct={"value": 9}), "sub_networks[1].accuracy_pct"),
        (lambda card: card.update(digest="sha256:0"), "digest"),
    ],
)  # fmt: skip
def test_a_card_that_makes_no_sense_is_refused(
    change: Callable[[dict[str, Any]], object], key: str, package: NetworkPackage
) -> None:
    write_card(package)
    _rewrite(package.folder, change)
    with pytest.raises(SpecError) as caught:
        open_package(package.folder)
    assert caught.value.key == key


@pytest.mark.parametrize("file", ["weights.bin", f"{NAMES[0]}.onnx"])
def test_a_changed_file_is_noticed(file: str, package: NetworkPackage) -> None:
    write_card(package)
    content = bytearray((package.folder / file).read_bytes())
    content[3] ^= 1
    (package.folder / file).write_bytes(bytes(content))
    with pytest.raises(SpecError) as caught:
        open_package(package.folder)
    assert caught.value.key == "digest"


def test_a_missing_model_is_noticed(package: NetworkPackage) -> None:
    write_card(package)
    (package.folder / f"{NAMES[0]}.onnx").unlink()
    with pytest.raises(SpecError) as caught:
        open_package(package.folder)
    assert caught.value.path == package.folder / f"{NAMES[0]}.onnx"


def test_a_model_outside_the_folder_is_refused(package: NetworkPackage, tmp_path: Path) -> None:
    packaged = package.sub_networks[0]
    astray = PackagedSubNetwork(
        packaged.sub_network, tmp_path / "a.onnx", packaged.accuracy_pct, packaged.macs, packaged.parameters
    )
    with pytest.raises(UsageError, match=r"a\.onnx"):
        write_card(
            NetworkPackage("mini", 1, package.folder, (astray,), (1, 28, 28), "float32", ("shirt",), "images", 10)
        )
    assert not (package.folder / CARD_FILE).exists()


@given(st.integers(min_value=1, max_value=10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_counted_accuracy_is_a_share_with_its_own_deviation(counts: tuple[int, int]) -> None:
    n_right, n_evaluated = counts
    accuracy = measured_accuracy(n_right, n_evaluated)
    assert accuracy.source == "measured"
    assert accuracy.value * n_evaluated / 100 == pytest.approx(n_right)
    assert accuracy.stdev is not None
    assert 0 <= accuracy.stdev <= 50 / n_evaluated**0.5 + 1e-9


@pytest.mark.parametrize(("n_right", "n_evaluated"), [(0, 0), (3, 2), (-1, 5)])
def test_an_impossible_count_is_refused(n_right: int, n_evaluated: int) -> None:
    with pytest.raises(UsageError):
        measured_accuracy(n_right, n_evaluated)
