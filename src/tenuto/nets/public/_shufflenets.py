"""ShuffleNet v1 and v2, and the v2 backbone that three detectors share."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import channels, classify


def shufflenet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ShuffleNet v1, 1x, three groups.

    In the benchmark's file a unit that halves the image narrows to a quarter of the channels that it adds, not of those
    that it yields: 127 M MACs where the paper has 137 M.

    Source: Zhang et al., "ShuffleNet", 2018, table 1.
    """
    x = b.max_pool(b.conv(x, 24, 3, stride=2, activation="Relu"), 3, stride=2, ceil=True)
    for width, depth in ((240, 4), (480, 8), (960, 4)):
        for unit in range(depth):
            x = _unit_v1(b, x, width) if unit else _unit_v1_down(b, x, width)
    return (classify(b, x),)


def shufflenet_v2(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ShuffleNet v2 at 1.0x: the benchmark's file has 116, 232 and 464 channels, not the 48, 96 and 192 of 0.5x.

    Source: Ma et al., "ShuffleNet V2", 2018, table 5.
    """
    x = b.max_pool(b.conv(x, 24, 3, stride=2, activation="Relu"), 3, stride=2, ceil=True)
    x = shufflenet_v2_stages(b, x, (116, 232, 464))[-1]
    return (classify(b, b.conv(x, 1024, 1, activation="Relu")),)


def shufflenet_v2_stages(
    b: GraphBuilder, x: str, widths: tuple[int, int, int], *, activation: str = "Relu", shuffle_last: bool = True
) -> tuple[str, str, str]:
    """The three stages of ShuffleNet v2, of 4, 8 and 4 units; each halves the image.

    Args:
        b: The builder.
        x: What the first stage reads, at a quarter of the input's side.
        widths: Channels that each stage yields.
        activation: After each 1x1 convolution.
        shuffle_last: Whether a stage's last unit shuffles; where only the next unit of the same stage does, not.

    Returns:
        The outputs of the stages, at strides 8, 16 and 32.
    """
    outputs = []
    for width, depth in zip(widths, (4, 8, 4), strict=True):
        for unit in range(depth):
            half = width // 2
            if unit:
                kept, y = b.split(x, (half, half))
            else:
                kept, y = b.conv(b.depthwise(x, 3, stride=2), half, 1, activation=activation), x
            y = b.conv(y, half, 1, activation=activation)
            y = b.conv(b.depthwise(y, 3, stride=1 if unit else 2), half, 1, activation=activation)
            x = b.concat(kept, y)
            if shuffle_last or unit < depth - 1:
                x = b.channel_shuffle(x, 2)
        outputs.append(x)
    return outputs[0], outputs[1], outputs[2]


def _unit_v1(b: GraphBuilder, x: str, width: int) -> str:
    y = b.conv(x, width // 4, 1, groups=3, activation="Relu")
    y = b.depthwise(b.channel_shuffle(y, 3), 3)
    return b.activation(b.add(x, b.conv(y, width, 1, groups=3)), "Relu")


def _unit_v1_down(b: GraphBuilder, x: str, width: int) -> str:
    # What the pooled input does not fill of the width, the branch does. The first unit's 1x1 convolution is not grouped
    # because it has so few inputs (section 3.2 of the paper), and nothing is then to be shuffled.
    first = channels(b, x) == 24
    added = width - channels(b, x)
    y = b.conv(x, added // 4, 1, groups=1 if first else 3, activation="Relu")
    y = b.depthwise(y if first else b.channel_shuffle(y, 3), 3, stride=2)
    y = b.conv(y, added, 1, groups=3)
    return b.activation(b.concat(b.average_pool(x, 3, stride=2, ceil=True), y), "Relu")
