"""The `fashion` super-network in torch (the `train` extra)."""

from collections.abc import Iterable
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenuto.nets.elastic import ElasticConv2d, SharedScaleNorm
from tenuto.nets.fashion import KERNEL_SIZES, N_CLASSES, SPACE, STAGE_CHANNELS, STEM_CHANNELS, WIDTHS_PCT
from tenuto.points import SubNetwork


class ConvNorm(nn.Module):
    """A convolution and its norm, both elastic."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, n_variants: int = 1
    ) -> None:
        super().__init__()
        self.conv = ElasticConv2d(in_channels, out_channels, kernel_size, stride=stride)
        self.norm = SharedScaleNorm(out_channels, n_variants=n_variants)

    def run(self, x: Tensor, *, out_channels: int, kernel_size: int, variant: int = 0) -> Tensor:
        """Convolve and normalise (N, C, H, W) into the first `out_channels` channels."""
        return self.norm.run(self.conv.run(x, out_channels=out_channels, kernel_size=kernel_size), variant=variant)


class Block(nn.Module):
    """A residual block: k x k to the inner channels, 3 x 3 back."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        # A kernel size has weights of its own (its centre is cut out), and so has each input width of `narrow`.
        self.widen = ConvNorm(channels, channels, kernel_size, n_variants=len(KERNEL_SIZES))
        self.narrow = ConvNorm(channels, channels, 3, n_variants=len(WIDTHS_PCT))

    def run(self, x: Tensor, *, width_pct: int, kernel_size: int) -> Tensor:
        """Transform (N, C, H, W), through `width_pct` of its channels, into the same shape."""
        channels = x.shape[1]
        variant = KERNEL_SIZES.index(kernel_size)
        y = self.widen.run(x, out_channels=channels * width_pct // 100, kernel_size=kernel_size, variant=variant)
        y = self.narrow.run(
            functional.relu(y), out_channels=channels, kernel_size=3, variant=WIDTHS_PCT.index(width_pct)
        )
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

    def run(self, x: Tensor, sub_network: SubNetwork) -> Tensor:
        """Classify (N, 1, 28, 28) in [0, 1] into (N, 10) logits."""
        depth, width_pct, kernel_size = (sub_network.values(dimension.name) for dimension in SPACE.dimensions)
        x = functional.relu(self.stem.run(x, out_channels=STEM_CHANNELS, kernel_size=3))
        x = functional.max_pool2d(x, 2)
        for stage, channels in enumerate(STAGE_CHANNELS):
            entry = cast(ConvNorm, self.entries[stage])
            x = functional.relu(entry.run(x, out_channels=channels, kernel_size=3))
            for block in cast(Iterable[Block], islice(self.stages[stage].children(), depth[stage])):
                x = block.run(x, width_pct=width_pct[stage], kernel_size=kernel_size[stage])
        logits: Tensor = self.classifier(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits
