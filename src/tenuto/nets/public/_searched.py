"""Classifiers found by search: MnasNet, ProxylessNAS and two EfficientNets."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import channels, classify, inverted_residual, squeeze_excite

_PROXYLESS_STAGES = (  # width; kernel and expanded channels of each block; the first block of all but one halves
    (32, 2, ((5, 48), (3, 96))),
    (40, 2, ((7, 96), (3, 120), (5, 120), (5, 120))),
    (80, 2, ((7, 240), (5, 240), (5, 240), (5, 240))),
    (96, 1, ((5, 480), (5, 288), (5, 288), (5, 288))),
    (192, 2, ((7, 576), (7, 1152), (7, 576), (7, 576))),
    (320, 1, ((7, 1152),)),
)


def mnasnet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MnasNet-B1: the benchmark's file has no squeeze-and-excitation, so it is not A1.

    Source: Tan et al., "MnasNet", 2019; B1 (315 M MACs, 4.4 M parameters) is the authors' released model without
    squeeze-and-excitation.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    x = b.conv(b.depthwise(x, 3, activation="Relu"), 16, 1)
    for width, depth, kernel, ratio, stride in (
        (24, 3, 3, 3, 2),
        (40, 3, 5, 3, 2),
        (80, 3, 5, 6, 2),
        (96, 2, 3, 6, 1),
        (192, 4, 5, 6, 2),
        (320, 1, 3, 6, 1),
    ):
        for block in range(depth):
            expanded = ratio * channels(b, x)
            x = inverted_residual(b, x, width, expanded=expanded, kernel=kernel, stride=1 if block else stride)
    return (classify(b, b.conv(x, 1280, 1, activation="Relu")),)


def proxylessnasnet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ProxylessNAS, the network found for mobile phones.

    The benchmark's file yields 32 channels, not 16, from the very first block, which adds 16 M MACs to the 320 M of the
    paper; we follow the file, because that is what was timed.

    Source: Cai, Zhu, Han, "ProxylessNAS", 2019, figure 4.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Relu")
    x = b.conv(b.depthwise(x, 3, activation="Relu"), 32, 1)
    for width, first_stride, blocks in _PROXYLESS_STAGES:
        for block, (kernel, expanded) in enumerate(blocks):
            stride = 1 if block else first_stride
            x = inverted_residual(b, x, width, expanded=expanded, kernel=kernel, stride=stride)
    return (classify(b, b.conv(x, 1280, 1, activation="Relu")),)


def efficientnet_b0(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """EfficientNet-B0.

    Source: Tan, Le, "EfficientNet", 2019, table 1.
    """
    x = b.conv(x, 32, 3, stride=2, activation="Swish")
    x = squeeze_excite(b, b.depthwise(x, 3, activation="Swish"), 8, activation="Swish")
    x = b.conv(x, 16, 1)
    for width, depth, kernel, stride in (
        (24, 2, 3, 2),
        (40, 2, 5, 2),
        (80, 3, 3, 2),
        (112, 3, 5, 1),
        (192, 4, 5, 2),
        (320, 1, 3, 1),
    ):
        x = _swish_stage(b, x, width, depth, kernel=kernel, stride=stride)
    return (classify(b, b.conv(x, 1280, 1, activation="Swish")),)


def efficientnetv2_b0(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """EfficientNetV2-B0: dense convolutions in the first three stages, depthwise ones after.

    The benchmark's file adds the bias of a block's last convolution in an operator of its own, after the shortcut; we
    do not, so it makes 15 small passes over memory that this graph does not show.

    Source: Tan, Le, "EfficientNetV2", 2021; B0 is in the authors' released code (0.7 G MACs, 7.1 M parameters).
    """
    x = b.conv(x, 32, 3, stride=2, padding=_same(2), activation="Swish")
    x = b.conv(x, 16, 3, activation="Swish")
    for width, depth in ((32, 2), (48, 2)):
        for block in range(depth):
            stride = 1 if block else 2
            y = b.conv(x, 4 * channels(b, x), 3, stride=stride, padding=_same(stride), activation="Swish")
            y = b.conv(y, width, 1)
            x = b.add(x, y) if b.shape(x) == b.shape(y) else y
    for width, depth, ratio, stride in ((96, 3, 4, 2), (112, 5, 6, 1), (192, 8, 6, 2)):
        x = _swish_stage(b, x, width, depth, ratio=ratio, stride=stride)
    return (classify(b, b.conv(x, 1280, 1, activation="Swish"), softmax=False),)


def _swish_stage(
    b: GraphBuilder, x: str, width: int, depth: int, *, ratio: int = 6, kernel: int = 3, stride: int = 1
) -> str:
    for block in range(depth):
        x = inverted_residual(
            b,
            x,
            width,
            expanded=ratio * channels(b, x),
            kernel=kernel,
            stride=1 if block else stride,
            activation="Swish",
            squeezed=channels(b, x) // 4,
        )
    return x


def _same(stride: int) -> tuple[int, int, int, int] | None:
    # TensorFlow pads an even image below and to the right only.
    return (0, 0, 1, 1) if stride == 2 else None
