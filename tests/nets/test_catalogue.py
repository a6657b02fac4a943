"""The networks that can be calculated with."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tenuto.errors import SpecError, UnknownNameError
from tenuto.graphs import infer_shapes, layer_costs
from tenuto.nets import dynamic_ofa
from tenuto.nets.catalogue import network_names, open_network
from tenuto.nets.package import open_package, shipped_packages

DYNAMIC = ("alexnet-groups", "dynamic-ofa-gpu", "dynamic-ofa-cpu", "fashion")


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_dynamic_network_has_sub_networks_of_its_own_name_with_accuracies_and_their_origin(name: str) -> None:
    network = open_network(name)
    assert network.name == name
    assert {member.sub_network.network for member in network.members} == {name}
    assert len({member.title for member in network.members}) == len(network.members)
    accuracies = [member.accuracy_pct for member in network.members if member.accuracy_pct is not None]
    assert len(accuracies) == len(network.members)
    assert {accuracy.source for accuracy in accuracies} == {"measured" if name == "fashion" else "published"}
    assert network.accuracy_from


def test_every_public_network_is_one_sub_network() -> None:
    public = [name for name in network_names() if name not in DYNAMIC]
    assert {"mobilenet_v3", "vision_transformer", "resnet18_int8"} <= set(public)
    network = open_network("mobilenet_v3")
    assert network.has_graphs
    assert [(member.sub_network.name, member.accuracy_pct) for member in network.members] == [("r224", None)]


def test_the_shipped_network_has_the_cards_multiply_accumulates() -> None:
    macs = {packaged.sub_network: packaged.macs for packaged in open_package("fashion").sub_networks}
    for member in open_network("fashion").members:
        assert member.graph is not None
        assert sum(cost.macs for cost in layer_costs(member.graph, batch=1)) == macs[member.sub_network]


def test_the_published_ladders_are_tables_of_one_core_at_an_unknown_clock() -> None:
    for name, n_levels, slowest_ms in (("dynamic-ofa-gpu", 6, 79.6), ("dynamic-ofa-cpu", 7, 1860.0)):
        table = open_network(name).published
        assert table is not None
        points = list(table)
        assert len(points) == n_levels
        assert {point.configuration.frequency_hz for point in points} == {None}
        assert {estimate.source for point in points for estimate in point.metrics.values()} == {"published"}
        for metric in ("latency_ms", "accuracy_pct"):
            assert (np.diff(table.column(metric).value) > 0).all()
        assert points[-1].metrics["latency_ms"].value == slowest_ms


def test_the_ladder_for_the_cpu_has_no_graphs_because_its_settings_are_not_known() -> None:
    assert not open_network("dynamic-ofa-cpu").has_graphs
    assert open_network("dynamic-ofa-gpu").has_graphs


def test_the_ladder_for_the_gpu_has_about_the_published_multiply_accumulates_in_the_published_order() -> None:
    counted = []
    for level in dynamic_ofa.GPU_LADDER:
        network = dynamic_ofa.graph(level.sub_network)
        counted.append(sum(cost.macs for cost in layer_costs(network)) / 1e6)
        assert level.macs_m is not None
        assert 1.0 < counted[-1] / level.macs_m < 1.12
        shapes = infer_shapes(network)
        assert [shapes[name] for name in network.outputs] == [(1, 1000)]
    assert counted == sorted(counted)


@pytest.mark.parametrize(
    ("channels", "expected"), [(19.2, 24), (16, 16), (28.8, 32), (134.4, 136), (4, 8), (1, 8), (12, 16), (18, 24)]
)
def test_widths_are_multiples_of_eight_that_lose_less_than_a_tenth(channels: float, expected: int) -> None:
    assert dynamic_ofa.rounded(channels) == expected


def test_a_package_can_be_given_by_its_folder() -> None:
    folder = shipped_packages()["fashion"]
    assert [one.sub_network for one in open_network(folder).members] == [
        one.sub_network for one in open_network("fashion").members
    ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One ONNX file, copied out of a package."""
    return Path(shutil.copy(open_package("fashion").sub_networks[0].model, tmp_path / "any name.onnx"))


def test_files_of_other_names_are_levels_by_rising_work(tmp_path: Path, model: Path) -> None:
    biggest = max(open_package("fashion").sub_networks, key=lambda packaged: packaged.macs)
    shutil.copy(biggest.model, tmp_path / "a-big-one.onnx")
    network = open_network(tmp_path)
    assert [(member.sub_network.name, member.title) for member in network.members] == [
        ("l1", "any name"),
        ("l2", "a-big-one"),
    ]
    assert [member.accuracy_pct for member in network.members] == [None, None]
    assert open_network(model).members[0].sub_network.name == "l1"


def test_files_named_like_sub_networks_are_those(tmp_path: Path) -> None:
    for packaged in open_package("fashion").sub_networks[:2]:
        shutil.copy(packaged.model, tmp_path / f"{packaged.sub_network.name}.onnx")
    names = {member.sub_network.name for member in open_network(tmp_path).members}
    assert names == {packaged.sub_network.name for packaged in open_package("fashion").sub_networks[:2]}


def test_an_unknown_name_is_answered_with_those_that_resemble_it() -> None:
    with pytest.raises(UnknownNameError) as caught:
        open_network("alexnet-group")
    assert (caught.value.kind, caught.value.matches[0]) == ("network", "alexnet-groups")


def test_a_folder_without_a_network_and_a_file_that_is_none_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        open_network(tmp_path)
    assert caught.value.path == tmp_path
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(SpecError):
        open_network(tmp_path / "broken.onnx")
    with pytest.raises(SpecError):
        open_network(tmp_path / "absent.onnx")
