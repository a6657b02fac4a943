"""The public networks by the name that the ncnn benchmark gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from tenuto.errors import UnknownNameError
from tenuto.graphs import Element, Graph, GraphBuilder
from tenuto.nets.public import (
    _light_detectors,
    _mobilenets,
    _plain,
    _residual,
    _searched,
    _shufflenets,
    _squeezenets,
    _ssd,
    _transformer,
    _yolo,
)

Describe = Callable[[GraphBuilder, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """One network of the benchmark.

    Attributes:
        name: As in the benchmark's output, and in files of its latencies.
        input_side: Pixels; the image is square, with three channels.
        paper: Where its architecture was published.
        element: Type of its weights and activations.
        describe: Adds its layers to a builder, after the given input, and returns its outputs.
    """

    name: str
    input_side: int
    paper: str
    element: Element
    describe: Describe

    def build(self) -> Graph:
        """The network as a graph for one image, without weights' values."""
        builder = GraphBuilder(self.name, element=self.element)
        image = builder.input(1, 3, self.input_side, self.input_side)
        return builder.build(*self.describe(builder, image))


_FLOAT = (  # in the benchmark's order
    ("squeezenet", 227, "Iandola et al. 2016, SqueezeNet", _squeezenets.squeezenet),
    ("mobilenet", 224, "Howard et al. 2017, MobileNets", _mobilenets.mobilenet),
    ("mobilenet_v2", 224, "Sandler et al. 2018, MobileNetV2", _mobilenets.mobilenet_v2),
    ("mobilenet_v3", 224, "Howard et al. 2019, Searching for MobileNetV3", _mobilenets.mobilenet_v3),
    ("shufflenet", 224, "Zhang et al. 2018, ShuffleNet", _shufflenets.shufflenet),
    ("shufflenet_v2", 224, "Ma et al. 2018, ShuffleNet V2", _shufflenets.shufflenet_v2),
    ("mnasnet", 224, "Tan et al. 2019, MnasNet", _searched.mnasnet),
    ("proxylessnasnet", 224, "Cai et al. 2019, ProxylessNAS", _searched.proxylessnasnet),
    ("efficientnet_b0", 224, "Tan and Le 2019, EfficientNet", _searched.efficientnet_b0),
    ("efficientnetv2_b0", 224, "Tan and Le 2021, EfficientNetV2", _searched.efficientnetv2_b0),
    ("regnety_400m", 224, "Radosavovic et al. 2020, Designing network design spaces", _residual.regnety_400m),
    ("blazeface", 128, "Bazarevsky et al. 2019, BlazeFace", _light_detectors.blazeface),
    ("googlenet", 224, "Szegedy et al. 2015, Going deeper with convolutions", _plain.googlenet),
    ("resnet18", 224, "He et al. 2016, Deep residual learning", _residual.resnet18),
    ("alexnet", 227, "Krizhevsky et al. 2012, AlexNet", _plain.alexnet),
    ("vgg16", 224, "Simonyan and Zisserman 2015, VGG", _plain.vgg16),
    ("resnet50", 224, "He et al. 2016, Deep residual learning", _residual.resnet50),
    ("squeezenet_ssd", 300, "Liu et al. 2016, SSD", _ssd.squeezenet_ssd),
    ("mobilenet_ssd", 300, "Liu et al. 2016, SSD", _ssd.mobilenet_ssd),
    ("mobilenet_yolo", 416, "Redmon and Farhadi 2017, YOLO9000", _yolo.mobilenet_yolo),
    ("mobilenetv2_yolov3", 352, "Redmon and Farhadi 2018, YOLOv3", _yolo.mobilenetv2_yolov3),
    ("yolov4-tiny", 416, "Wang et al. 2021, Scaled-YOLOv4", _yolo.yolov4_tiny),
    ("nanodet_m", 320, "no paper; the NanoDet model", _light_detectors.nanodet_m),
    ("yolo-fastest-1.1", 320, "no paper; the Yolo-Fastest model", _yolo.yolo_fastest),
    ("yolo-fastestv2", 352, "no paper; the Yolo-FastestV2 model", _light_detectors.yolo_fastestv2),
    (
        "vision_transformer",
        384,
        "Dosovitskiy et al. 2021, An image is worth 16x16 words",
        _transformer.vision_transformer,
    ),
    ("FastestDet", 352, "no paper; the FastestDet model", _light_detectors.fastestdet),
)

_ALSO_INT8 = frozenset(
    {"squeezenet", "mobilenet", "googlenet", "resnet18", "vgg16", "resnet50", "squeezenet_ssd", "mobilenet_ssd"}
)


def _networks() -> dict[str, PublicNetwork]:
    networks = {}
    for name, input_side, paper, describe in _FLOAT:
        networks[name] = PublicNetwork(name, input_side, paper, "float32", describe)
        if name in _ALSO_INT8:
            networks[f"{name}_int8"] = PublicNetwork(f"{name}_int8", input_side, paper, "int8", describe)
    return networks


PUBLIC_NETWORKS: Mapping[str, PublicNetwork] = MappingProxyType(_networks())
"""Every network that ncnn's benchmark times, in its order.

Model:
    An int8 network is the same graph with every element one byte. In the benchmark's files a convolution's output is
    int8 only where nothing but quantised convolutions reads it (MobileNet throughout, the others in part); pooling,
    sums, concatenation and softmax work on floats, and so does the last linear layer of GoogLeNet and the two ResNets.
    What follows a detector's last convolutions (decoding boxes, suppressing overlaps) is in no graph.

Source:
    Layers, widths and input sides as in the benchmark's own model files (Tencent/ncnn, benchmark/*.param), compared
    convolution by convolution; only that of yolov4-tiny could not be read. They sometimes depart from the papers: the
    docstring of each network says where.
"""


@cache
def public_graph(name: str) -> Graph:
    """The graph of a public network, built once.

    Raises:
        UnknownNameError: The benchmark has no such network.
    """
    network = PUBLIC_NETWORKS.get(name)
    if network is None:
        raise UnknownNameError("public network", name, PUBLIC_NETWORKS)
    return network.build()
