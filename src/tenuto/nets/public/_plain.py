"""Classifiers without shortcuts: AlexNet, VGG-16 and GoogLeNet, as Caffe's model zoo has them."""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._blocks import classify

_INCEPTION = (  # 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, after the pool; None halves the image
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def alexnet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """AlexNet with its convolutions 2, 4 and 5 in two groups, as on the two GPUs of the paper.

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
    """
    x = b.conv(x, 96, 11, stride=4, padding=0, activation="Relu")
    x = b.max_pool(b.lrn(x), 3, stride=2)
    x = b.conv(x, 256, 5, groups=2, activation="Relu")
    x = b.max_pool(b.lrn(x), 3, stride=2)
    x = b.conv(x, 384, 3, activation="Relu")
    x = b.conv(x, 384, 3, groups=2, activation="Relu")
    x = b.conv(x, 256, 3, groups=2, activation="Relu")
    return (_three_linear(b, b.max_pool(x, 3, stride=2)),)


def vgg16(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """VGG-16, configuration D.

    Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, table 1.
    """
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = b.conv(x, width, 3, activation="Relu")
        x = b.max_pool(x, 2, stride=2)
    return (_three_linear(b, x),)


def googlenet(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """GoogLeNet without the two classifiers that only help its training.

    Source: Szegedy et al., "Going deeper with convolutions", 2015, table 1.
    """
    x = b.conv(x, 64, 7, stride=2, activation="Relu")
    x = b.lrn(b.max_pool(x, 3, stride=2, ceil=True))
    x = b.conv(x, 64, 1, activation="Relu")
    x = b.conv(x, 192, 3, activation="Relu")
    x = b.max_pool(b.lrn(x), 3, stride=2, ceil=True)
    for widths in _INCEPTION:
        x = b.max_pool(x, 3, stride=2, ceil=True) if widths is None else _inception(b, x, widths)
    return (classify(b, x),)


def _inception(b: GraphBuilder, x: str, widths: tuple[int, ...]) -> str:
    one, three_reduced, three, five_reduced, five, pooled = widths
    return b.concat(
        b.conv(x, one, 1, activation="Relu"),
        b.conv(b.conv(x, three_reduced, 1, activation="Relu"), three, 3, activation="Relu"),
        b.conv(b.conv(x, five_reduced, 1, activation="Relu"), five, 5, activation="Relu"),
        b.conv(b.max_pool(x, 3, stride=1, padding=1), pooled, 1, activation="Relu"),
    )


def _three_linear(b: GraphBuilder, x: str) -> str:
    x = b.linear(b.flatten(x), 4096, activation="Relu")
    return b.softmax(b.linear(b.linear(x, 4096, activation="Relu"), 1000))
