"""`alexnet-groups`: a dynamic AlexNet for CIFAR-10 with channels in four groups that never cross (no torch needed).

Group g of each convolution reads group g of the one before and nothing else, so the first k groups are a network of
their own: 25, 50, 75 or 100 % of the channels, and exactly as much of the work. Each group adds its share to the ten
outputs of the classifier.

Source:
    Xun, Tran-Thanh, Al-Hashimi, Merrett, "Incremental Training and Group Convolution Pruning for Runtime DNN
    Performance Scaling on Heterogeneous Embedded Platforms", MLCAD 2019 (arXiv 2105.03600). Published there: a modified
    AlexNet, CIFAR-10, group convolutions trained one group after the other, four configurations, and the accuracies in
    `PUBLISHED_ACCURACY_PCT` (quoted from memory of the paper, unverified). **Not** published in what could be read, so
    our choice: every shape below, which is AlexNet's (Krizhevsky, Sutskever, Hinton, 2012: 96, 256, 384, 384 and 256
    channels) brought to images of 32 x 32 without the first convolution's stride and the first pooling, so that maps
    are as large as AlexNet's own (32 and 16 for 27 and 13), with a linear classifier in place of its three. The choice
    was made knowing what a published case study of this network answers (docs/boards.md); with smaller maps it has a
    sixth of the work. Latencies and energies of this network are not those of the paper's.
"""

from typing import Final

from tenuto.errors import UnknownNameError
from tenuto.graphs import Graph, GraphBuilder
from tenuto.nets.space import Dimension, SearchSpace
from tenuto.points import SubNetwork

N_GROUPS: Final = 4
N_CLASSES: Final = 10
INPUT_SHAPE: Final = (3, 32, 32)

CHANNELS: Final = (96, 256, 384, 384, 256)
"""Of each convolution, all groups together."""

KERNEL_SIZES: Final = (5, 5, 3, 3, 3)
"""Of each convolution."""

POOLED: Final = (False, True, False, False, True)
"""Whether a 3 x 3 pooling of stride 2 follows each convolution."""

SPACE: Final = SearchSpace("alexnet-groups", (Dimension("width_pct", (25, 50, 75, 100)),))
"""One choice: how much of the channels, a quarter for each group."""

PUBLISHED_ACCURACY_PCT: Final = {"w25": 56.0, "w50": 62.7, "w75": 68.8, "w100": 71.2}
"""Top-1 on CIFAR-10 by sub-network. From memory of the paper, unverified."""


def n_groups(sub_network: SubNetwork) -> int:
    """How many of the four groups run, 1 to 4.

    Raises:
        UnknownNameError: The sub-network is not one of this space.
    """
    if sub_network not in SPACE:
        raise UnknownNameError("sub-network", sub_network.name, (known.name for known in SPACE))
    return N_GROUPS * sub_network.values("width_pct")[0] // 100


def graph(sub_network: SubNetwork) -> Graph:
    """The network for one image; its weights are the first of the whole network's, group by group.

    Raises:
        UnknownNameError: The sub-network is not one of this space.
    """
    groups = n_groups(sub_network)
    builder = GraphBuilder(f"{SPACE.network}/{sub_network.name}")
    value = builder.input(1, *INPUT_SHAPE)
    for index, (channels, kernel, is_pooled) in enumerate(zip(CHANNELS, KERNEL_SIZES, POOLED, strict=True)):
        # The image is nobody's group: all read it.
        crossing = 1 if index == 0 else groups
        value = builder.conv(value, channels * groups // N_GROUPS, kernel, groups=crossing, activation="Relu")
        if is_pooled:
            value = builder.max_pool(value, 3, stride=2, padding=1)
    return builder.build(builder.linear(builder.flatten(value), N_CLASSES))
