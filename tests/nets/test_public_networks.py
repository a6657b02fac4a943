"""The networks of the ncnn benchmark: are they the published ones?"""

import csv
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tenuto.errors import UnknownNameError
from tenuto.graphs import Graph, LayerCost, infer_shapes, layer_costs, unknown_operators
from tenuto.nets.public import PUBLIC_NETWORKS, public_graph

DATA = Path(os.environ.get("TENUTO_DATA", Path(__file__).parents[3] / "shared" / "data"))
LATENCIES = DATA / "boards" / "ncnn_latency_ms.csv"


@dataclass(frozen=True)
class Published:
    """Figures of a network, in millions; `more_*` is what the benchmark's model file has beyond the published one."""

    macs_m: float
    parameters_m: float | None
    source: str
    more_macs_m: float = 0
    more_parameters_m: float = 0
    tolerance_pct: float = 3


PUBLISHED = {
    # 0.72 GFLOP an image; conv10 of the file sees 16 x 16 pixels, not 14 x 14: 60 x 512 000.
    "squeezenet": Published(360, 1.24, "SqueezeNet 1.1, authors' repository", 30.7, tolerance_pct=8),
    "mobilenet": Published(569, 4.2, "Howard 2017, table 8"),
    # The file has a 32 to 32 convolution at 112 x 112 in the first block.
    "mobilenet_v2": Published(300, 3.4, "Sandler 2018, table 4", 12.8),
    # The file is the first version's: 672 to 160 channels at 14 x 14, and one block of 960 channels fewer.
    "mobilenet_v3": Published(219, 5.4, "Howard 2019, table 3", 29.0, -0.33),
    # The file narrows more where it halves the image.
    "shufflenet": Published(137, None, "Zhang 2018, table 1 (3 groups)", -10.4),
    "shufflenet_v2": Published(146, 2.3, "Ma 2018, table 8, and the authors' repository"),
    "mnasnet": Published(315, 4.4, "MnasNet-B1, authors' released models"),
    # The file's first block yields 32 channels, not 16.
    "proxylessnasnet": Published(320, 4.1, "Cai 2019, mobile", 16.1),
    "efficientnet_b0": Published(390, 5.3, "Tan and Le 2019, table 2"),
    "efficientnetv2_b0": Published(720, 7.1, "EfficientNetV2, authors' released models"),
    "regnety_400m": Published(400, 4.3, "Radosavovic 2020, figure 16"),
    "googlenet": Published(1500, 6.8, "Szegedy 2015, section 1 and table 1", tolerance_pct=6),
    # The file also projects the first block's shortcut: 64 to 64 channels at 56 x 56.
    "resnet18": Published(1800, 11.7, "He 2016, table 1", 12.8),
    "alexnet": Published(720, 61, "Krizhevsky 2012 (60 million parameters), Caffe's model zoo"),
    "vgg16": Published(15500, 138, "Simonyan 2015, table 2"),
    "resnet50": Published(3800, 25.5, "He 2016, table 1"),
    "mobilenet_ssd": Published(1200, None, "Howard 2017, table 13 (300 pixels)", tolerance_pct=5),
    "yolov4-tiny": Published(3450, 6.06, "authors' configuration: 6.9 billion operations"),
    "nanodet_m": Published(360, 0.95, "NanoDet, author's table: 0.72 GFLOP", tolerance_pct=6),
    "yolo-fastest-1.1": Published(126, 0.35, "Yolo-Fastest 1.1, author's table: 0.252 GFLOP", tolerance_pct=8),
    "yolo-fastestv2": Published(106, 0.25, "Yolo-FastestV2, author's table: 0.212 GFLOP"),
    "vision_transformer": Published(13060, 88.3, "ViT-B/32 at 384 pixels, published results of the timm library"),
}

# Millions of MACs of all convolutions and linear layers of the benchmark's model files, from their lists of weight
# counts and sizes. Two upsamplings by transposed convolution are 0.1 % that our graphs do not have.
COUNTED_MACS_M = {
    "squeezenet": 418.47, "mobilenet": 568.74, "mobilenet_v2": 313.62, "mobilenet_v3": 245.56, "shufflenet": 127.06,
    "shufflenet_v2": 144.91, "mnasnet": 314.42, "proxylessnasnet": 336.48, "efficientnet_b0": 385.81,
    "efficientnetv2_b0": 718.09, "regnety_400m": 401.84, "blazeface": 29.37, "googlenet": 1582.67, "resnet18": 1826.92,
    "alexnet": 724.41, "vgg16": 15470.26, "resnet50": 3857.97, "squeezenet_ssd": 1175.97, "mobilenet_ssd": 1148.48,
    "mobilenet_yolo": 2605.27, "mobilenetv2_yolov3": 1182.56, "nanodet_m": 342.22, "yolo-fastest-1.1": 125.44,
    "yolo-fastestv2": 106.38, "FastestDet": 121.49, "vision_transformer": 12656.03,
}  # fmt: skip

BENCHMARK = {
    "squeezenet", "squeezenet_int8", "mobilenet", "mobilenet_int8", "mobilenet_v2", "mobilenet_v3", "shufflenet",
    "shufflenet_v2", "mnasnet", "proxylessnasnet", "efficientnet_b0", "efficientnetv2_b0", "regnety_400m",
    "blazeface", "googlenet", "googlenet_int8", "resnet18", "resnet18_int8", "alexnet", "vgg16", "vgg16_int8",
    "resnet50", "resnet50_int8", "squeezenet_ssd", "squeezenet_ssd_int8", "mobilenet_ssd", "mobilenet_ssd_int8",
    "mobilenet_yolo", "mobilenetv2_yolov3", "yolov4-tiny", "nanodet_m", "yolo-fastest-1.1", "yolo-fastestv2",
    "vision_transformer", "FastestDet",
}  # fmt: skip

every_network = pytest.mark.parametrize("name", sorted(PUBLIC_NETWORKS))


def total_macs(graph: Graph) -> float:
    return sum(layer.macs for layer in layer_costs(graph))


def parameters(graph: Graph) -> int:
    return sum(math.prod(weight.shape) for weight in graph.weights.values() if weight.values is None)


def macs_by_kind(name: str) -> dict[str, float]:
    macs: dict[str, float] = {}
    for layer in layer_costs(public_graph(name)):
        macs[layer.kind] = macs.get(layer.kind, 0) + layer.macs
    return macs


def test_every_network_that_the_benchmark_times_is_there() -> None:
    assert set(PUBLIC_NETWORKS) == BENCHMARK
    assert all(name == network.name for name, network in PUBLIC_NETWORKS.items())


def test_every_network_of_the_measured_boards_is_there() -> None:
    if not LATENCIES.is_file():
        pytest.skip(f"{LATENCIES} is not here; TENUTO_DATA names the folder of the shared data")
    with LATENCIES.open(newline="") as lines:
        measured = {row["model"] for row in csv.DictReader(lines)}
    assert len(measured) == 23
    assert measured <= frozenset(PUBLIC_NETWORKS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_multiplies_as_often_as_published(name: str) -> None:
    published = PUBLISHED[name]
    expected = published.macs_m + published.more_macs_m
    assert pytest.approx(expected, rel=published.tolerance_pct / 100) == total_macs(public_graph(name)) / 1e6


@pytest.mark.parametrize("name", [name for name, figures in PUBLISHED.items() if figures.parameters_m is not None])
def test_a_network_has_as_many_parameters_as_published(name: str) -> None:
    published = PUBLISHED[name]
    assert published.parameters_m is not None
    expected = published.parameters_m + published.more_parameters_m
    # Ours have biases where the published counts may have the two or four numbers of a batch normalisation.
    tolerance = max(published.tolerance_pct, 3) / 100
    assert pytest.approx(expected, rel=tolerance) == parameters(public_graph(name)) / 1e6


@pytest.mark.parametrize("name", COUNTED_MACS_M)
def test_a_networks_layers_with_weights_are_those_of_the_benchmarks_file(name: str) -> None:
    layers = [layer for layer in layer_costs(public_graph(name)) if layer.kind != "matmul"]
    assert pytest.approx(COUNTED_MACS_M[name], rel=1e-3) == sum(layer.macs for layer in layers) / 1e6


@every_network
def test_no_layer_lacks_a_cost_rule(name: str) -> None:
    graph = public_graph(name)
    assert unknown_operators(graph) == ()
    assert {layer.source for layer in layer_costs(graph)} == {"modelled"}


@every_network
def test_a_network_reads_one_square_image(name: str) -> None:
    side = PUBLIC_NETWORKS[name].input_side
    assert [(1, 3, side, side)] == list(public_graph(name).inputs.values())


@every_network
def test_twice_the_batch_is_twice_the_work(name: str) -> None:
    one, two = layer_costs(public_graph(name)), layer_costs(public_graph(name), batch=2)
    assert [2 * layer.macs for layer in one] == [layer.macs for layer in two]
    assert [2 * layer.output_bytes for layer in one] == [layer.output_bytes for layer in two]
    assert [layer.weight_bytes for layer in one] == [layer.weight_bytes for layer in two]


@pytest.mark.parametrize("name", sorted(name for name in PUBLIC_NETWORKS if name.endswith("_int8")))
def test_a_quantised_network_is_the_same_one_in_smaller_elements(name: str) -> None:
    quantised = layer_costs(public_graph(name))
    whole = layer_costs(public_graph(name.removesuffix("_int8")))
    assert [(layer.kind, layer.macs) for layer in whole] == [(layer.kind, layer.macs) for layer in quantised]
    assert {"int8"} == {layer.element for layer in quantised}
    assert {"float32"} == {layer.element for layer in whole}

    def bytes_of(layers: tuple[LayerCost, ...]) -> float:
        return sum(layer.input_bytes + layer.output_bytes for layer in layers)

    assert bytes_of(whole) == 4 * bytes_of(quantised)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("squeezenet", [(1, 1000)]),
        ("blazeface", [(1, 96, 8, 8)]),
        ("mobilenet_ssd", [(1, 4 * 1917), (1, 1917, 21)]),
        ("squeezenet_ssd", [(1, 4 * 8030), (1, 8030, 21)]),
        ("mobilenet_yolo", [(1, 125, 13, 13), (1, 125, 26, 26)]),
        ("yolov4-tiny", [(1, 255, 13, 13), (1, 255, 26, 26)]),
        ("yolo-fastest-1.1", [(1, 255, 10, 10), (1, 255, 20, 20)]),
        ("yolo-fastestv2", [(1, 22, 22, 95), (1, 11, 11, 95)]),
        ("FastestDet", [(1, 85, 22, 22)]),
        ("nanodet_m", [(1, n, c) for n in (1600, 400, 100) for c in (80, 32)]),
    ],
)
def test_a_network_answers_in_the_shapes_of_the_benchmarks_file(name: str, outputs: list[tuple[int, ...]]) -> None:
    graph = public_graph(name)
    shapes = infer_shapes(graph)
    assert outputs == [shapes[output] for output in graph.outputs]


def test_the_work_of_each_family_is_of_the_kind_that_it_is_known_for() -> None:
    vgg = macs_by_kind("vgg16")
    assert {"conv3x3", "linear"} == {kind for kind, macs in vgg.items() if macs}
    mobile = macs_by_kind("mobilenet")  # Howard 2017, table 2: 94.86 % in 1x1 convolutions, 3.06 % in depthwise ones
    assert pytest.approx(94.86, abs=0.2) == 100 * mobile["pointwise"] / sum(mobile.values())
    assert pytest.approx(3.06, abs=0.1) == 100 * mobile["depthwise"] / sum(mobile.values())
    transformer = macs_by_kind("vision_transformer")  # 12 blocks, two products of 145 x 145 x 768 each
    assert transformer["matmul"] == 12 * 2 * 145 * 145 * 768
    grouped = [layer.n_groups for layer in layer_costs(public_graph("alexnet")) if layer.kind.startswith("conv")]
    assert grouped == [1, 2, 1, 2, 2]


def test_a_network_can_be_described_for_another_image() -> None:
    small = replace(PUBLIC_NETWORKS["mobilenet"], input_side=160).build()
    # Howard 2017, table 7: 290 M at 160 pixels.
    assert pytest.approx(290, rel=0.02) == total_macs(small) / 1e6


def test_a_graph_is_built_once() -> None:
    assert public_graph("blazeface") is public_graph("blazeface")


def test_an_unknown_network_is_an_error_that_names_its_neighbours() -> None:
    with pytest.raises(UnknownNameError) as caught:
        public_graph("mobilenet_v4")
    assert (caught.value.kind, caught.value.name) == ("public network", "mobilenet_v4")
    assert {"mobilenet_v2", "mobilenet_v3"} <= set(caught.value.matches)
