"""Detectors of the YOLO family. Their last step, decoding and suppressing boxes, is not in the graphs."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import inverted_residual, separable
from tenuto.nets.public._mobilenets import mobilenet_features

_LEAKY = "LeakyRelu"


def mobilenet_yolo(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v1 with YOLO v2 heads at strides 32 and 16 (5 boxes of 20 classes each).

    The file upsamples with a grouped transposed convolution that also halves the channels, two into one; here that is a
    grouped 1x1 convolution and a plain upsampling, 0.2 % fewer MACs in all.

    Source: the Caffe model MobileNet-YOLO; no paper. Redmon, Farhadi, "YOLO9000", 2017, for the heads.
    """
    stride16, x = mobilenet_features(b, x)
    x = separable(b, x, 1024)
    up = b.upsample(b.conv(x, 512, 1, groups=512), 2)
    fine = separable(b, b.add(stride16, up), 1024)
    return b.conv(x, 125, 1), b.conv(fine, 125, 1)


def mobilenetv2_yolov3(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v2 with light YOLO v3 heads at strides 32 and 16 (3 boxes of 20 classes each).

    Source: the Caffe model MobileNetV2-YOLOv3; no paper. Redmon, Farhadi, "YOLOv3", 2018, for the heads.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    x = b.conv(b.depthwise(x, 3, activation="Relu"), 16, 1)
    for width, expanded, stride in (
        (24, 96, 2),
        (24, 144, 1),
        (32, 144, 2),
        *((32, 192, 1),) * 2,
        (64, 192, 2),
        *((64, 384, 1),) * 3,
        (96, 384, 1),
        *((96, 576, 1),) * 2,
    ):
        x = inverted_residual(b, x, width, expanded=expanded, stride=stride)
    stride16 = b.conv(x, 576, 1, activation="Relu")  # the finer head reads it before its block filters it
    x = b.conv(b.depthwise(stride16, 3, stride=2, activation="Relu"), 160, 1)
    for _ in range(2):
        x = inverted_residual(b, x, 160, expanded=960)
    x = inverted_residual(b, x, 320, expanded=960)
    x = b.conv(x, 1280, 1, activation="Relu")
    coarse = separable(b, x, 576)
    fine = separable(b, b.add(b.upsample(coarse, 2), separable(b, stride16, 576)), 576)
    return b.conv(coarse, 75, 1), b.conv(fine, 75, 1)


def yolov4_tiny(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """YOLOv4-tiny: three partial stages (half of the channels pass by), heads at strides 32 and 16.

    Written from the published configuration, not from the benchmark's file, which we could not read; the total (6.9
    billion operations, two a MAC) agrees.

    Source: Wang, Bochkovskiy, Liao, "Scaled-YOLOv4", 2021, and the authors' yolov4-tiny configuration.
    """
    x = b.conv(x, 32, 3, stride=2, activation=_LEAKY)
    x = b.conv(x, 64, 3, stride=2, activation=_LEAKY)
    partial = x
    for width in (64, 128, 256):
        half = width // 2
        x = b.conv(x, width, 3, activation=_LEAKY)
        first = b.conv(b.split(x, (half, half))[1], half, 3, activation=_LEAKY)
        second = b.conv(first, half, 3, activation=_LEAKY)
        partial = b.conv(b.concat(second, first), width, 1, activation=_LEAKY)
        x = b.max_pool(b.concat(x, partial), 2, stride=2)
    x = b.conv(x, 512, 3, activation=_LEAKY)
    x = b.conv(x, 256, 1, activation=_LEAKY)
    coarse = b.conv(b.conv(x, 512, 3, activation=_LEAKY), 255, 1)
    up = b.upsample(b.conv(x, 128, 1, activation=_LEAKY), 2)
    fine = b.conv(b.concat(up, partial), 256, 3, activation=_LEAKY)
    return coarse, b.conv(fine, 255, 1)


def yolo_fastest(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """Yolo-Fastest 1.1: narrow inverted residuals, pyramid pooling, heads at strides 32 and 16 (3 boxes, 80 classes).

    Source: the author's configuration of Yolo-Fastest 1.1; no paper.
    """
    x = b.conv(x, 8, 3, stride=2, activation=_LEAKY)
    for width, expanded, stride in (
        (4, 8, 1),
        (4, 8, 1),
        (8, 24, 2),
        *((8, 32, 1),) * 2,
        (8, 32, 2),
        *((8, 48, 1),) * 2,
        (16, 48, 1),
        *((16, 96, 1),) * 4,
        (24, 96, 2),
        *((24, 136, 1),) * 4,
    ):
        x = inverted_residual(b, x, width, expanded=expanded, stride=stride, activation=_LEAKY)
    stride16 = x
    x = inverted_residual(b, x, 48, expanded=136, stride=2, activation=_LEAKY)
    for _ in range(5):
        x = inverted_residual(b, x, 48, expanded=224, activation=_LEAKY)
    pooled = [b.max_pool(x, side, stride=1, padding=side // 2) for side in (9, 5, 3)]
    x = b.conv(b.concat(*pooled, x), 96, 1, activation=_LEAKY)
    fine = b.concat(b.upsample(x, 2), stride16)
    return _large_kernel_head(b, x), _large_kernel_head(b, fine)


def _large_kernel_head(b: GraphBuilder, x: str) -> str:
    width = b.shape(x)[1]
    for _ in range(2):
        x = b.conv(b.depthwise(x, 5, activation=_LEAKY), width, 1)
    return b.conv(x, 255, 1)
