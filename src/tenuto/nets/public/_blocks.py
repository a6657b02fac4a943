"""Blocks that several of the public networks are made of.

A block takes the builder and the value it works on, and returns the value it yields. Batch normalisation does not
appear: every runtime folds it into the convolution before it, and so does the benchmark that times these networks.
"""

from tenuto.graphs import GraphBuilder


def channels(b: GraphBuilder, x: str) -> int:
    """Channels of an image (N, C, H, W)."""
    return b.shape(x)[1]


def separable(b: GraphBuilder, x: str, out_channels: int, *, stride: int = 1, activation: str = "Relu") -> str:
    """A 3x3 depthwise convolution and a 1x1 one, both activated (Howard et al., MobileNets, 2017, section 3.1)."""
    x = b.depthwise(x, 3, stride=stride, activation=activation)
    return b.conv(x, out_channels, 1, activation=activation)


def squeeze_excite(b: GraphBuilder, x: str, squeezed: int, *, activation: str = "Relu", gate: str = "Sigmoid") -> str:
    """Scale each channel by a gate computed from the mean of all (Hu et al., Squeeze-and-Excitation, 2018).

    Its two 1x1 convolutions see one pixel, so they are written as what they are to a runtime: linear layers.
    """
    n, c = b.shape(x)[:2]
    mean = b.flatten(b.global_average_pool(x))
    weight = b.linear(b.linear(mean, squeezed, activation=activation), c, activation=gate)
    return b.mul(x, b.reshape(weight, n, c, 1, 1))


def inverted_residual(
    b: GraphBuilder,
    x: str,
    out_channels: int,
    *,
    expanded: int,
    kernel: int = 3,
    stride: int = 1,
    activation: str = "Relu",
    squeezed: int = 0,
) -> str:
    """Widen, filter each channel, narrow again, and add the input where shapes allow (Sandler et al., 2018).

    Args:
        b: The builder.
        x: An image.
        out_channels: After narrowing, which has no activation.
        expanded: Channels in between.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution.
        activation: After widening and after filtering.
        squeezed: Channels of a squeeze-and-excitation after filtering; 0 for none.
    """
    y = b.conv(x, expanded, 1, activation=activation)
    y = b.depthwise(y, kernel, stride=stride, activation=activation)
    if squeezed:
        y = squeeze_excite(b, y, squeezed, activation=activation)
    y = b.conv(y, out_channels, 1)
    return b.add(x, y) if b.shape(x) == b.shape(y) else y


def classify(b: GraphBuilder, x: str, *, n_classes: int = 1000, softmax: bool = True) -> str:
    """Mean over pixels, one linear layer, probabilities."""
    logits = b.linear(b.flatten(b.global_average_pool(x)), n_classes)
    return b.softmax(logits) if softmax else logits
