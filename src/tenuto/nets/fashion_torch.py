"""The `fashion` super-network in torch (the `train` extra)."""

from collections.abc import Iterable
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenuto.nets.elastic import ElasticConv2d, SharedScaleNorm
from tenuto.nets.fashion import N_CLASSES, SPACE, STAGE_CHANNELS, STEM_CHANNELS, inner_channels
from tenuto.points import SubNetwork


class ConvNorm(nn.Module):
    """A convolution and its norm, both elastic."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = ElasticConv2d(in_channels, out_channels, kernel_size, stride=stride)
        self.norm = SharedScaleNorm(out_channels)

    def run(self, x: Tensor, *, out_channels: int, kernel_size: int, is_largest: bool) -> Tensor:
        """Convolve and normalise (N, C, H, W) into the first `out_channels` channels."""
        return self.norm.run(
            self.conv.run(x, out_channels=out_channels, kernel_size=kernel_size), is_largest=is_largest
        )


class Block(nn.Module):
    """A residual block: k x k to the inner channels, 3 x 3 back."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.widen = ConvNorm(channels, channels, kernel_size)
        self.narrow = ConvNorm(channels, channels, 3)

    def run(self, x: Tensor, *, inner: int, kernel_size: int, is_largest: bool) -> Tensor:
        """Transform (N, C, H, W), through `inner` channels, into the same shape."""
        y = functional.relu(self.widen.run(x, out_channels=inner, kernel_size=kernel_size, is_largest=is_largest))
        y = self.narrow.run(y, out_channels=x.shape[1], kernel_size=3, is_largest=is_largest)
        return functional.relu(x + y)


class FashionNet(nn.Module):
    """Stem, two stages of elastic residual blocks, average pool, classifier."""

    def __init__(self) -> None:
        super().__init__()
        (max_depth, _), (_, max_kernel) = SPACE.largest().values("depth"), SPACE.largest().values("kernel_size")
        self.stem = ConvNorm(1, STEM_CHANNELS, 3)
        self.entries = nn.ModuleList()
        self.stages = nn.ModuleList()
        entering = STEM_CHANNELS
        for stage, channels in enumerate(STAGE_CHANNELS):
            self.entries.append(ConvNorm(entering, channels, 3, stride=1 if stage == 0 else 2))
            self.stages.append(nn.ModuleList(Block(channels, max_kernel) for _ in range(max_depth)))
            entering = channels
        self.classifier = nn.Linear(entering, N_CLASSES)
        for module in self.modules():
            if isinstance(module, ElasticConv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def run(self, x: Tensor, sub_network: SubNetwork, *, is_largest: bool) -> Tensor:
        """Classify (N, 1, 28, 28) in [0, 1] into (N, 10) logits.

        `is_largest` says whose statistics the norms share: true for the sub-network that sets them.
        """
        depth, width_pct, kernel_size = (sub_network.values(dimension.name) for dimension in SPACE.dimensions)
        # Pooling before the norm's affine and ReLU would not commute with a negative gain; the order here is the usual.
        x = functional.relu(self.stem.run(x, out_channels=STEM_CHANNELS, kernel_size=3, is_largest=is_largest))
        x = functional.max_pool2d(x, 2)
        for stage, channels in enumerate(STAGE_CHANNELS):
            entry = cast(ConvNorm, self.entries[stage])
            x = functional.relu(entry.run(x, out_channels=channels, kernel_size=3, is_largest=is_largest))
            inner = inner_channels(stage, width_pct[stage])
            for block in cast(Iterable[Block], islice(self.stages[stage].children(), depth[stage])):
                x = block.run(x, inner=inner, kernel_size=kernel_size[stage], is_largest=is_largest)
        logits: Tensor = self.classifier(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits
