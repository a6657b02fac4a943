"""The search space of `fashion`, a residual network for 28 x 28 grey images (no torch needed)."""

from tenuto.nets.space import Dimension, SearchSpace
from tenuto.points import SubNetwork

STAGE_CHANNELS = (32, 64)
"""Channels between the blocks of each stage; the blocks' inner channels are what `width_pct` scales."""

STEM_CHANNELS = 16
N_CLASSES = 10
INPUT_SHAPE = (1, 28, 28)

WIDTHS_PCT = (25, 50, 75, 100)
KERNEL_SIZES = (3, 5)

SPACE = SearchSpace(
    "fashion",
    (
        Dimension("depth", (1, 2), n_choices=2),
        Dimension("width_pct", WIDTHS_PCT, n_choices=2),
        Dimension("kernel_size", KERNEL_SIZES, n_choices=2),
    ),
)
"""Per stage: blocks, inner width in per cent, and kernel size of each block's first convolution."""

LADDER = (
    "d1.1-w25.25-k3.3",
    "d1.1-w50.50-k3.3",
    "d1.1-w100.50-k3.3",
    "d1.2-w100.50-k3.3",
    "d1.2-w75.100-k3.3",
    "d2.2-w75.100-k3.3",
    "d2.2-w100.100-k3.3",
    "d1.2-w100.100-k3.5",
    "d2.2-w100.100-k5.3",
    "d2.2-w75.100-k5.5",
    "d2.2-w100.100-k5.5",
)
"""The sub-networks that are deployed, from 3.7 to 29.2 million multiply-accumulates.

All 256 were timed as static ONNX exports (batch of 16, one thread, x86_64, interleaved, lower quartile of 25 runs:
1.7 to 10.5 ms). These lie on or next to the front of multiply-accumulates against latency, each 1.1 to 1.3 times as
slow as the one before. Accuracy takes no part in the choice: multiply-accumulates stand for it.
"""

CLASSES = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""What each output stands for."""


def inner_channels(stage: int, width_pct: int) -> int:
    """The channels between the two convolutions of a block."""
    return STAGE_CHANNELS[stage] * width_pct // 100


def macs(sub_network: SubNetwork) -> int:
    """Multiply-accumulates for one image."""
    depth, width_pct, kernel_size = (sub_network.values(dimension.name) for dimension in SPACE.dimensions)
    total = 28 * 28 * 9 * STEM_CHANNELS
    entering = STEM_CHANNELS
    for stage, (channels, side) in enumerate(zip(STAGE_CHANNELS, (14, 7), strict=True)):
        inner = inner_channels(stage, width_pct[stage])
        block = channels * inner * (kernel_size[stage] ** 2 + 9)
        total += side * side * (9 * entering * channels + depth[stage] * block)
        entering = channels
    return total + entering * N_CLASSES
