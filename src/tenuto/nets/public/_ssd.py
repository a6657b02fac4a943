"""Single-shot detectors on MobileNet v1 and SqueezeNet 1.1, with the 20 classes of VOC.

Decoding the boxes and suppressing overlaps (`DetectionOutput`) is not in the graphs: its time depends on the image, and
the benchmark's constant image yields next to nothing to suppress.

Source: Liu et al., "SSD", 2016; the two networks are the Caffe models MobileNet-SSD and SqueezeNet-SSD.
"""

from tenuto.graphs import GraphBuilder
from tenuto.nets.public._mobilenets import mobilenet_features
from tenuto.nets.public._squeezenets import fire, halve, squeezenet_features

_N_CLASSES = 21
"""20 and the background."""


def mobilenet_ssd(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """MobileNet v1, eight more convolutions, and 1x1 heads on six sizes of image."""
    stride16, x = mobilenet_features(b, x)
    features = [stride16, x]
    for narrow, wide in ((256, 512), (128, 256), (128, 256), (64, 128)):
        x = b.conv(b.conv(x, narrow, 1, activation="Relu"), wide, 3, stride=2, activation="Relu")
        features.append(x)
    return _heads(b, features, n_priors=(3, 6, 6, 6, 6, 6), kernel=1)


def squeezenet_ssd(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """SqueezeNet 1.1, two more fire modules, four more convolutions, and 3x3 heads on six sizes of image."""
    fire5, x = squeezenet_features(b, x)
    # Scale and shift of each channel: to a runtime a batch normalisation after a concatenation is this.
    features = [b.depthwise(fire5, 1), x]
    for _ in range(2):
        x = fire(b, halve(b, x), 96, 384)
        features.append(x)
    for narrow, wide in ((128, 256), (64, 128)):
        x = b.conv(b.conv(x, narrow, 1, activation="Relu"), wide, 3, stride=2, activation="Relu")
        features.append(x)
    return _heads(b, features, n_priors=(4, 6, 6, 6, 6, 4), kernel=3)


def _heads(b: GraphBuilder, features: list[str], *, n_priors: tuple[int, ...], kernel: int) -> tuple[str, str]:
    places, classes = [], []
    for feature, n in zip(features, n_priors, strict=True):
        places.append(_channels_last(b, b.conv(feature, 4 * n, kernel)))
        classes.append(_channels_last(b, b.conv(feature, _N_CLASSES * n, kernel)))
    joined = b.concat(*classes, axis=1)
    n_images, n_scores = b.shape(joined)
    scores = b.softmax(b.reshape(joined, n_images, n_scores // _N_CLASSES, _N_CLASSES))
    return b.concat(*places, axis=1), scores


def _channels_last(b: GraphBuilder, x: str) -> str:
    return b.flatten(b.transpose(x, 0, 2, 3, 1))
