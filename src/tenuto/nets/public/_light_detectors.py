"""Small detectors: BlazeFace, and three on ShuffleNet v2. Decoding and suppressing boxes is not in the graphs."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import channels
from tenuto.nets.public._shufflenets import shufflenet_v2_stages

_LEAKY = "LeakyRelu"


def blazeface(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """BlazeFace, the backbone for the front camera only: the benchmark's file ends before the four head convolutions.

    Its sixteen blocks are one 3x3 depthwise and one 1x1 convolution each. Where a block widens, the shortcut gets
    channels of zeros; the copy of the first channels stands for that here (same bytes).

    Source: Bazarevsky et al., "BlazeFace", 2019, with the widths of the released model.
    """
    x = b.conv(x, 24, 5, stride=2, padding=(1, 1, 2, 2), activation="Relu")
    for width, stride in (
        *((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1), (88, 1), (96, 2)),
        *((96, 1),) * 4,
    ):
        y = b.depthwise(x, 3, stride=stride, padding=(0, 0, 2, 2) if stride == 2 else None)
        y = b.conv(y, width, 1)
        shortcut = b.max_pool(x, 2, stride=2) if stride == 2 else x
        x = b.activation(b.add(y, _widened(b, shortcut, width)), "Relu")
    return (x,)


def _widened(b: GraphBuilder, x: str, width: int) -> str:
    added = width - channels(b, x)
    return b.concat(x, b.split(x, (added, channels(b, x) - added))[0]) if added else x


def nanodet_m(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """NanoDet-m: ShuffleNet v2 1.0x, a pyramid of 96 channels without convolutions, a head for each of three sizes.

    Halving by bilinear interpolation reads each 2x2 block once, as the average pooling that stands for it here.

    Source: the author's NanoDet-m model; no paper. Li et al., "Generalized focal loss", 2020, for its head.
    """
    x = b.max_pool(b.conv(x, 24, 3, stride=2, activation=_LEAKY), 3, stride=2, padding=1)
    stages = shufflenet_v2_stages(b, x, (116, 232, 464), activation=_LEAKY)
    fine, middle, coarse = (b.conv(stage, 96, 1) for stage in stages)
    middle = b.add(middle, b.upsample(coarse, 2))
    fine = b.add(fine, b.upsample(middle, 2))
    middle = b.add(middle, b.average_pool(fine, 2, stride=2))
    coarse = b.add(coarse, b.average_pool(middle, 2, stride=2))
    return tuple(output for level in (fine, middle, coarse) for output in _nanodet_head(b, level))


def _nanodet_head(b: GraphBuilder, x: str) -> tuple[str, str]:
    for _ in range(2):
        x = b.conv(b.depthwise(x, 3, activation=_LEAKY), 96, 1, activation=_LEAKY)
    x = b.conv(x, 112, 1)
    n, _, height, width = b.shape(x)
    classes, distances = b.split(x, (80, 32))
    classes = b.reshape(b.activation(classes, "Sigmoid"), n, 80, height * width)
    distances = b.reshape(distances, n, 32, height * width)
    return b.transpose(classes, 0, 2, 1), b.transpose(distances, 0, 2, 1)


def yolo_fastestv2(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """Yolo-FastestV2: a narrow ShuffleNet v2, two sizes of image, depthwise 5x5 heads (3 boxes, 80 classes).

    Source: the author's Yolo-FastestV2 model; no paper.
    """
    _, stride16, stride32 = _narrow_backbone(b, x)
    coarse = b.conv(stride32, 72, 1, activation="Relu")
    fine = b.conv(b.concat(b.upsample(stride32, 2), stride16), 72, 1, activation="Relu")
    return _fastestv2_head(b, fine), _fastestv2_head(b, coarse)


def _narrow_backbone(b: GraphBuilder, x: str) -> tuple[str, str, str]:
    x = b.max_pool(b.conv(x, 24, 3, stride=2, activation="Relu"), 3, stride=2, padding=1)
    return shufflenet_v2_stages(b, x, (48, 96, 192), shuffle_last=False)


def _fastestv2_head(b: GraphBuilder, x: str) -> str:
    classes, boxes = _tower(b, x), _tower(b, x)
    places = b.conv(boxes, 12, 1, activation="Sigmoid")
    found = b.conv(classes, 3, 1, activation="Sigmoid")
    scores = b.softmax(b.transpose(b.conv(classes, 80, 1), 0, 2, 3, 1))
    joined = b.concat(places, found, b.transpose(scores, 0, 3, 1, 2))
    return b.transpose(joined, 0, 2, 3, 1)


def _tower(b: GraphBuilder, x: str) -> str:
    for _ in range(2):
        x = b.conv(b.depthwise(x, 5, activation="Relu"), 72, 1)
    return x


def fastestdet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """FastestDet: the same backbone joined at stride 16, parallel 5x5 depthwise convolutions, one box a cell.

    Source: the author's FastestDet model; no paper.
    """
    stride8, stride16, stride32 = _narrow_backbone(b, x)
    x = b.concat(b.average_pool(stride8, 3, stride=2, padding=1), stride16, b.upsample(stride32, 2))
    x = b.conv(x, 96, 1, activation="Relu")
    branches = []
    for depth in (1, 2, 3):
        y = x
        for _ in range(depth):
            y = b.depthwise(y, 5, activation="Relu")
        branches.append(y)
    x = b.activation(b.add(x, b.conv(b.concat(*branches), 96, 1)), "Relu")
    x = b.conv(x, 96, 1, activation="Relu")
    found, places, classes = (b.conv(b.depthwise(x, 5, activation="Relu"), width, 1) for width in (1, 4, 80))
    # Classes compete along the channels: softmax works on the last axis, so they go there and back.
    scores = b.transpose(b.softmax(b.transpose(classes, 0, 2, 3, 1)), 0, 3, 1, 2)
    return (b.concat(b.activation(found, "Sigmoid"), places, scores),)
