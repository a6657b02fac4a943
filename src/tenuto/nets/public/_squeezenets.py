"""SqueezeNet 1.1, and the parts of it that the detector built on it shares."""

from tenuto.graphs import GraphBuilder


def squeezenet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """SqueezeNet 1.1; in the benchmark's file the last convolution pads its image by one pixel, 31 M MACs more.

    Source: Iandola et al., "SqueezeNet", 2016; version 1.1 is the authors' repository.
    """
    _, x = squeezenet_features(b, x)
    x = b.conv(x, 1000, 1, padding=1, activation="Relu")
    return (b.softmax(b.flatten(b.global_average_pool(x))),)


def squeezenet_features(b: GraphBuilder, x: str) -> tuple[str, str]:
    """Everything before SqueezeNet's last convolution: the outputs of its modules 5 (stride 8) and 9 (stride 16)."""
    x = b.conv(x, 64, 3, stride=2, padding=0, activation="Relu")
    for squeezed, expanded in ((16, 64), (32, 128)):
        x = halve(b, x)
        x = fire(b, fire(b, x, squeezed, expanded), squeezed, expanded)
    fire5 = x
    x = halve(b, x)
    for squeezed, expanded in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(b, x, squeezed, expanded)
    return fire5, x


def fire(b: GraphBuilder, x: str, squeezed: int, expanded: int) -> str:
    """Narrow with 1x1, then widen with 1x1 and 3x3 side by side (Iandola et al., section 3.2)."""
    x = b.conv(x, squeezed, 1, activation="Relu")
    return b.concat(b.conv(x, expanded, 1, activation="Relu"), b.conv(x, expanded, 3, activation="Relu"))


def halve(b: GraphBuilder, x: str) -> str:
    """Caffe's 3x3 pooling at stride 2, which rounds up."""
    return b.max_pool(x, 3, stride=2, ceil=True)
