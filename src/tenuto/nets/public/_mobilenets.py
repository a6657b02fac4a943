"""MobileNet v1, v2 and v3, and the v1 backbone that two detectors share."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import classify, inverted_residual, separable, squeeze_excite

_V3_BLOCKS = (  # kernel, expanded, out, squeezed (0: no squeeze-and-excitation), activation, stride
    (3, 64, 24, 0, "Relu", 2),
    (3, 72, 24, 0, "Relu", 1),
    (5, 72, 40, 18, "Relu", 2),
    (5, 120, 40, 30, "Relu", 1),
    (5, 120, 40, 30, "Relu", 1),
    (3, 240, 80, 0, "HardSwish", 2),
    (3, 200, 80, 0, "HardSwish", 1),
    (3, 184, 80, 0, "HardSwish", 1),
    (3, 184, 80, 0, "HardSwish", 1),
    (3, 480, 112, 120, "HardSwish", 1),
    (3, 672, 112, 168, "HardSwish", 1),
    (5, 672, 160, 168, "HardSwish", 1),
    (5, 672, 160, 168, "HardSwish", 2),
    (5, 960, 160, 240, "HardSwish", 1),
)


def mobilenet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v1, width 1.

    Source: Howard et al., "MobileNets", 2017, table 1.
    """
    return (classify(b, mobilenet_features(b, x)[1]),)


def mobilenet_features(b: GraphBuilder, x: str) -> tuple[str, str]:
    """MobileNet v1 before its classifier: 512 channels at stride 16, and 1024 at stride 32."""
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5):
        x = separable(b, x, width, stride=stride)
    return x, separable(b, separable(b, x, 1024, stride=2), 1024)


def mobilenet_v2(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v2, width 1; the Caffe model that is timed has a 32 to 32 convolution in its first block too.

    That convolution adds 13 M MACs to the 300 M of the paper. Activations are plain ReLU, not ReLU6.

    Source: Sandler et al., "MobileNetV2", 2018, table 2.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    x = inverted_residual(b, x, 16, expanded=32)
    for width, expanded, depth, stride in ((24, 96, 2, 2), (32, 144, 3, 2), (64, 192, 4, 2), (96, 384, 3, 1)):
        x = _v2_stage(b, x, width, expanded=expanded, depth=depth, stride=stride)
    x = _v2_stage(b, x, 160, expanded=576, depth=3, stride=2)
    x = inverted_residual(b, x, 320, expanded=960)
    return (classify(b, b.conv(x, 1280, 1, activation="Relu")),)


def _v2_stage(b: GraphBuilder, x: str, width: int, *, expanded: int, depth: int, stride: int) -> str:
    x = inverted_residual(b, x, width, expanded=expanded, stride=stride)
    for _ in range(depth - 1):
        x = inverted_residual(b, x, width, expanded=6 * width)
    return x


def mobilenet_v3(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v3 large as first published: the first block with 160 channels keeps the image at 14 x 14.

    The final version of the paper strides there and has two blocks of 960 channels after it: 219 M MACs. This one,
    which is the benchmark's, makes 246 M with fewer parameters. The squeezed widths are a quarter of the expanded ones,
    not rounded to a multiple of eight.

    Source: Howard et al., "Searching for MobileNetV3", 2019, table 1 of the first version.
    """
    x = b.conv(x, 16, 3, stride=2, activation="HardSwish")
    y = b.depthwise(x, 3, activation="Relu")
    x = b.add(x, b.conv(y, 16, 1))
    for kernel, expanded, out, squeezed, activation, stride in _V3_BLOCKS:
        y = b.conv(x, expanded, 1, activation=activation)
        if squeezed:  # the gate acts before the activation, which therefore cannot join the convolution
            y = b.depthwise(y, kernel, stride=stride)
            y = b.activation(squeeze_excite(b, y, squeezed, gate="HardSigmoid"), activation)
        else:
            y = b.depthwise(y, kernel, stride=stride, activation=activation)
        y = b.conv(y, out, 1)
        x = b.add(x, y) if b.shape(x) == b.shape(y) else y
    x = b.global_average_pool(b.conv(x, 960, 1, activation="HardSwish"))
    x = b.linear(b.flatten(b.activation(x, "HardSwish")), 1280, activation="HardSwish")
    return (b.softmax(b.linear(x, 1000)),)
