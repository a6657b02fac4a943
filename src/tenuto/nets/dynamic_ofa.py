"""Dynamic-OFA's published ladders on a Jetson Xavier NX: sub-networks of Once-for-All's MobileNetV3 (no torch needed).

Source:
    Xun, Tran-Thanh, Al-Hashimi, Merrett, "Dynamic-OFA: Runtime DNN Architecture Switching for Performance Scaling on
    Heterogeneous Embedded Platforms", CVPR workshops 2021 (arXiv 2105.03596), and the files and figures of its
    repository UoS-EEC/DynamicOFA (no licence file: figures only). Settings, accuracies and multiply-accumulates of the
    GPU ladder are read from its files; latencies, and all of the CPU ladder, are read off its figure of the comparison
    with other networks (figure 4a), to about 0.3 ms on the GPU and 10 ms on the CPU. The figure of the search (figure
    3) shows the same GPU ladder 14 to 22 % quicker, under other conditions that are not stated; neither are the clocks.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tenuto.graphs import Graph, GraphBuilder
from tenuto.points import NO_FREQUENCY, Column, OperatingTable, SubNetwork

WIDTH: Final = 1.2
"""Of the super-network, over the widths below."""

BLOCKS_PER_STAGE: Final = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """Four blocks of Once-for-All's MobileNetV3.

    Attributes:
        channels: Between its blocks, at width 1.
        stride: Of its first block.
        activation: Inside its blocks.
        is_squeezed: Whether its blocks have squeeze-and-excite.
    """

    channels: int
    stride: int
    activation: str
    is_squeezed: bool


STAGES: Final = (
    Stage(24, 2, "Relu", False),
    Stage(40, 2, "Relu", True),
    Stage(80, 2, "HardSwish", False),
    Stage(112, 1, "HardSwish", True),
    Stage(160, 2, "HardSwish", True),
)
"""Cai et al., "Once-for-All", 2020."""

STEM_CHANNELS: Final = 16
HEAD_CHANNELS: Final = 960
FEATURES: Final = 1280
N_CLASSES: Final = 1000


@dataclass(frozen=True, slots=True)
class Level:
    """One rung of a published ladder.

    Attributes:
        sub_network: Its setting; a bare level where that is not known.
        accuracy_pct: Top-1 on ImageNet.
        latency_ms: On the Xavier NX, as plotted.
        macs_m: Multiply-accumulates, where known.
    """

    sub_network: SubNetwork
    accuracy_pct: float
    latency_ms: float
    macs_m: float | None = None


def _gpu(depth: str, kernel: str, expand: str, resolution: int) -> SubNetwork:
    """A setting with a digit for each choice."""
    setting = {"depth": depth, "kernel_size": kernel, "expand_ratio": expand}
    choices = tuple((dimension, tuple(int(digit) for digit in digits)) for dimension, digits in setting.items())
    return SubNetwork("dynamic-ofa-gpu", (*choices, ("resolution", (resolution,))))


GPU_LADDER: Final = (
    Level(_gpu("32322", "57773557775353373377", "64464364644646464334", 176), 74.202, 48.8, 212.1),
    Level(_gpu("32332", "73577357575353353337", "64444666334646634333", 176), 74.968, 53.0, 230.2),
    Level(_gpu("33333", "55737773777577737777", "34344443443344444444", 192), 76.134, 58.8, 275.5),
    Level(_gpu("23334", "73535733555777553337", "66334433644464464633", 208), 77.540, 62.1, 337.4),
    Level(_gpu("24443", "53377333753575737757", "66434663463466664446", 224), 78.346, 71.5, 497.4),
    Level(_gpu("44444", "55555773577777557555", "66666646646666666663", 224), 79.030, 79.6, 693.5),
)
"""Each stage's depth; kernel size and expand ratio of all twenty blocks, those that the depth leaves out included."""

CPU_LADDER: Final = tuple(
    Level(SubNetwork("dynamic-ofa-cpu", (("level", (level,)),)), accuracy_pct, latency_ms)
    for level, (accuracy_pct, latency_ms) in enumerate(
        ((72.5, 500.0), (76.3, 680.0), (77.1, 880.0), (77.4, 1170.0), (78.1, 1560.0), (78.4, 1640.0), (78.5, 1860.0)),
        start=1,
    )
)
"""On one core. Which sub-networks these are is not said where it could be read."""


def published_table(ladder: tuple[Level, ...], cluster: str) -> OperatingTable:
    """A ladder as an operating table: one core, and no clock, for it is not known."""
    n = len(ladder)
    figures = {
        "latency_ms": [level.latency_ms for level in ladder],
        "accuracy_pct": [level.accuracy_pct for level in ladder],
        "macs_m": [level.macs_m for level in ladder if level.macs_m is not None],
    }
    return OperatingTable(
        tuple(level.sub_network for level in ladder),
        (cluster,),
        np.arange(n, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.ones(n, dtype=np.int32),
        np.full(n, NO_FREQUENCY, dtype=np.int64),
        {name: Column.uniform(values, "published") for name, values in figures.items() if len(values) == n},
        {
            "platform": "Jetson Xavier NX",
            "from": "Xun et al., Dynamic-OFA, 2021, figure 4a",
            "measured": "read off the figure; clocks and power mode are not stated",
        },
    )


def graph(sub_network: SubNetwork) -> Graph:
    """A sub-network of Once-for-All's MobileNetV3 at width 1.2, for one image of its resolution.

    Args:
        sub_network: Five depths (2 to 4), twenty kernel sizes and expand ratios, one resolution.

    Raises:
        UnknownNameError: One of these dimensions is missing.

    Model:
        Counted by these rules the ladder has 5 to 11 % more multiply-accumulates than were published with it; how
        those were counted is not said.
    """
    depth, kernel_size = sub_network.values("depth"), sub_network.values("kernel_size")
    expand_ratio, (resolution,) = sub_network.values("expand_ratio"), sub_network.values("resolution")
    builder = GraphBuilder(f"{sub_network.network}/{sub_network.name}")
    value = builder.conv(
        builder.input(1, 3, resolution, resolution), width(STEM_CHANNELS), 3, stride=2, activation="HardSwish"
    )
    # A fixed block: nothing is expanded, and what enters is added.
    inner = builder.depthwise(value, 3, activation="Relu")
    value = builder.add(builder.conv(inner, width(STEM_CHANNELS), 1), value)
    for index, stage in enumerate(STAGES):
        for block in range(depth[index]):
            place = BLOCKS_PER_STAGE * index + block
            value = _block(builder, value, stage, is_first=block == 0, choice=(kernel_size[place], expand_ratio[place]))
    value = builder.conv(value, width(HEAD_CHANNELS), 1, activation="HardSwish")
    value = builder.conv(builder.global_average_pool(value), width(FEATURES), 1, activation="HardSwish")
    return builder.build(builder.linear(builder.flatten(value), N_CLASSES))


def _block(builder: GraphBuilder, value: str, stage: Stage, *, is_first: bool, choice: tuple[int, int]) -> str:
    """Kernel size and expand ratio are the choice."""
    (kernel_size, expand_ratio), stride = choice, stage.stride if is_first else 1
    entering, leaving = builder.shape(value)[1], width(stage.channels)
    middle = rounded(entering * expand_ratio)
    inner = builder.conv(value, middle, 1, activation=stage.activation)
    inner = builder.depthwise(inner, kernel_size, stride=stride, activation=stage.activation)
    if stage.is_squeezed:
        gate = builder.conv(builder.global_average_pool(inner), rounded(middle // 4), 1, activation="Relu")
        inner = builder.mul(inner, builder.conv(gate, middle, 1, activation="HardSigmoid"))
    inner = builder.conv(inner, leaving, 1)
    return builder.add(inner, value) if stride == 1 and entering == leaving else inner


def width(channels: int) -> int:
    """Channels of the super-network, which is wider than the original by `WIDTH`."""
    return rounded(channels * WIDTH)


def rounded(channels: float) -> int:
    """The nearest multiple of 8, halves up and at least 8; the next one where that would lose more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
