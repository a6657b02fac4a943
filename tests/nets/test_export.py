"""Exported files are the trained network, each on its own, with shared weights stored once."""
# ruff: noqa: E402  (what needs torch is imported once we know that it is there)

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
onnx = pytest.importorskip("onnx", reason="needs the train extra")

from tenuto.errors import UnknownNameError
from tenuto.nets.elastic import norms_of
from tenuto.nets.export import build_model, export_package, export_static, n_parameters, place
from tenuto.nets.fashion import SPACE, macs
from tenuto.nets.fashion_torch import FashionNet
from tenuto.nets.training import calibrate
from tenuto.points import SubNetwork

NAMES = ("d2.2-w100.100-k5.5", "d2.2-w50.50-k5.5", "d1.2-w25.75-k3.5", "d1.1-w25.25-k3.3")
SUB_NETWORKS = [SPACE.parse(name) for name in NAMES]


@pytest.fixture(scope="module")
def network() -> FashionNet:
    """Random weights, and norms as training would leave them: no gain, shift or deviation is the neutral one."""
    torch.manual_seed(11)
    network = FashionNet()
    with torch.no_grad():
        for norm in norms_of(network):
            norm.gain.uniform_(0.5, 1.5)
            norm.shift.normal_(0, 0.3)
            norm.deviation.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Images to calibrate with, and to try."""
    return torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def _answers(path: Path, images: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"frame": images.unsqueeze(1).float().div(255).numpy()})[0]


def _expected(network: FashionNet, sub_network: SubNetwork, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network.run(images.unsqueeze(1).float().div(255), sub_network).numpy()


@pytest.fixture(scope="module")
def package(
    network: FashionNet, images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> dict[SubNetwork, Path]:
    """All of `SUB_NETWORKS`, in one folder."""
    folder = tmp_path_factory.mktemp("package") / "deployed"
    return export_package(network, SUB_NETWORKS, folder, calibrate=lambda one: calibrate(network, one, images))


@pytest.mark.parametrize("sub_network", SUB_NETWORKS, ids=NAMES)
def test_the_exported_file_answers_as_torch_does(
    sub_network: SubNetwork, network: FashionNet, images: torch.Tensor, package: dict[SubNetwork, Path]
) -> None:
    calibrate(network, sub_network, images)
    found, expected = _answers(package[sub_network], images), _expected(network, sub_network, images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


def test_a_file_alone_answers_as_the_same_one_of_a_package(
    network: FashionNet, images: torch.Tensor, package: dict[SubNetwork, Path], tmp_path: Path
) -> None:
    for sub_network in SUB_NETWORKS:
        calibrate(network, sub_network, images)
        alone = export_static(network, sub_network, tmp_path / f"{sub_network.name}.onnx")
        assert np.array_equal(_answers(alone, images), _answers(package[sub_network], images))
        assert alone.with_suffix(".bin").exists()


def test_any_onnx_tool_opens_each_file_as_it_stands(package: dict[SubNetwork, Path]) -> None:
    for path in package.values():
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(path)
        assert all(tensor.raw_data for tensor in model.graph.initializer)
        ((batch, *item),) = [
            [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim] for one in model.graph.input
        ]
        assert (batch, item) == ("n", [1, 28, 28])


def test_wider_and_deeper_sub_networks_lend_their_weights(package: dict[SubNetwork, Path]) -> None:
    files = [onnx.load(path, load_external_data=False) for path in package.values()]
    places = [
        {
            tensor.name: (entry["offset"], entry["length"])
            for tensor in model.graph.initializer
            for entry in [{pair.key: pair.value for pair in tensor.external_data}]
        }
        for model in files
    ]
    largest, half, *_ = places
    for name in ("stem.weight", "entry0.weight", "entry1.weight", "classifier.weight"):
        assert len({place[name] for place in places}) == 1
    for name in ("stage0.0.widen.weight", "stage1.1.widen.weight"):
        assert half[name][0] == largest[name][0]
        assert int(half[name][1]) * 2 == int(largest[name][1])
    assert len({place["stage0.0.narrow.bias"] for place in places[:3]}) == 3  # what calibration made differs


def test_the_shared_file_is_smaller_than_its_parts_and_aligned(package: dict[SubNetwork, Path]) -> None:
    folder = next(iter(package.values())).parent
    assert {path.name for path in folder.iterdir()} == {f"{name}.onnx" for name in NAMES} | {"weights.bin"}
    models = [onnx.load(path) for path in package.values()]
    apart = sum(len(tensor.raw_data) for model in models for tensor in model.graph.initializer)
    assert (folder / "weights.bin").stat().st_size < 0.8 * apart
    for path in package.values():
        for tensor in onnx.load(path, load_external_data=False).graph.initializer:
            offset = {pair.key: pair.value for pair in tensor.external_data}["offset"]
            assert int(offset) % 64 == 0


def test_each_file_has_the_convolutions_that_its_work_is_counted_for(network: FashionNet) -> None:
    for sub_network in SUB_NETWORKS:
        model = build_model(network, sub_network)
        shapes = [tuple(tensor.dims) for tensor in model.graph.initializer if len(tensor.dims) == 4]
        sides = {1: 28, 16: 14}
        counted = 0
        for outputs, inputs, *kernel in shapes:
            in_second_stage = 64 in (outputs, inputs)
            side = sides.get(inputs, 14) if not in_second_stage else 7
            counted += outputs * inputs * kernel[0] * kernel[1] * side * side
        assert counted + 64 * 10 == macs(sub_network)


def test_the_largest_sub_network_carries_every_convolution_weight_and_one_bias_per_norm(network: FashionNet) -> None:
    convolutions = sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    biases = sum(norm.shift.numel() for norm in norms_of(network))
    classifier = sum(parameter.numel() for parameter in network.classifier.parameters())
    assert n_parameters(build_model(network, SPACE.largest())) == convolutions + biases + classifier


def test_exporting_again_gives_the_same_bytes(
    network: FashionNet, images: torch.Tensor, package: dict[SubNetwork, Path], tmp_path: Path
) -> None:
    again = export_package(network, SUB_NETWORKS, tmp_path, calibrate=lambda one: calibrate(network, one, images))
    for sub_network, path in package.items():
        assert again[sub_network].read_bytes() == path.read_bytes()
    assert (tmp_path / "weights.bin").read_bytes() == (path.parent / "weights.bin").read_bytes()


def test_a_sub_network_of_another_network_is_refused(network: FashionNet) -> None:
    stranger = SubNetwork.parse("fashion/d3.1-w100.100-k5.5")
    with pytest.raises(UnknownNameError) as caught:
        build_model(network, stranger)
    assert caught.value.name == stranger.name


def test_bytes_that_begin_others_share_their_place() -> None:
    offsets, content = place([b"ab", b"abcd", b"x", b"ab", b""])
    assert offsets[b"ab"] == offsets[b"abcd"]
    assert {content[start : start + len(blob)] for blob, start in offsets.items()} == {b"", b"ab", b"abcd", b"x"}
    assert len(content) == 64 + 4
