"""Residual classifiers: ResNet-18, ResNet-50 and RegNetY-400MF."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import channels, classify, squeeze_excite


def resnet18(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ResNet-18; the Caffe model that the benchmark times also projects the shortcut of its very first block.

    Source: He et al., "Deep residual learning for image recognition", 2016, table 1.
    """
    x = _stem(b, x)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = b.conv(x, width, 3, stride=stride, activation="Relu")
            y = b.conv(y, width, 3)
            shortcut = x if block else b.conv(x, width, 1, stride=stride)
            x = b.activation(b.add(shortcut, y), "Relu")
    return (classify(b, x),)


def resnet50(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ResNet-50 with the stride in the first 1x1 convolution of a stage, as in the paper (3.8 G MACs, not 4.1).

    Source: He et al., "Deep residual learning for image recognition", 2016, table 1.
    """
    x = _stem(b, x)
    for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            y = b.conv(x, width, 1, stride=stride, activation="Relu")
            y = b.conv(y, width, 3, activation="Relu")
            y = b.conv(y, 4 * width, 1)
            shortcut = x if block else b.conv(x, 4 * width, 1, stride=stride)
            x = b.activation(b.add(shortcut, y), "Relu")
    return (classify(b, x),)


def regnety_400m(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """RegNetY-400MF: groups of eight channels, squeeze-and-excitation at a quarter of a block's input width.

    Source: Radosavovic et al., "Designing network design spaces", 2020, figure 16.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    for width, depth in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for block in range(depth):
            stride = 1 if block else 2
            y = b.conv(x, width, 1, activation="Relu")
            y = b.conv(y, width, 3, stride=stride, groups=width // 8, activation="Relu")
            y = squeeze_excite(b, y, channels(b, x) // 4)
            y = b.conv(y, width, 1)
            shortcut = x if block else b.conv(x, width, 1, stride=stride)
            x = b.activation(b.add(shortcut, y), "Relu")
    return (classify(b, x),)


def _stem(b: GraphBuilder, x: str) -> str:
    return b.max_pool(b.conv(x, 64, 7, stride=2, activation="Relu"), 3, stride=2, ceil=True)
