"""Elastic layers: one set of weights, run at any width, kernel size and depth.

Two rules make a sub-network's weights *the same bytes* as the super-network's, so that many can stay resident:

* a narrower layer uses the first channels, a smaller kernel the centre of the larger one (Cai et al., Once-for-all,
  2020, section 3, without the learned kernel transform);
* batch-norm divides by one deviation, the largest sub-network's, whichever sub-network runs; only the mean is each
  sub-network's own. Folded into the convolution, the scale is then shared and just the bias differs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ElasticConv2d(nn.Conv2d):
    """A convolution without bias that runs with its first channels and the centre of its kernel."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, bias=False)

    def active_weight(self, in_channels: int, out_channels: int, kernel_size: int) -> Tensor:
        """The weights in force, (out_channels, in_channels, kernel_size, kernel_size), as a view."""
        margin = (self.kernel_size[0] - kernel_size) // 2
        span = slice(margin, margin + kernel_size)
        return self.weight[:out_channels, :in_channels, span, span]

    def run(self, x: Tensor, *, out_channels: int, kernel_size: int) -> Tensor:
        """Convolve (N, C, H, W) with as many input channels as `x` has; the padding keeps H and W at stride 1."""
        weight = self.active_weight(x.shape[1], out_channels, kernel_size)
        return functional.conv2d(x, weight, stride=self.stride, padding=kernel_size // 2)


class SharedScaleNorm(nn.Module):
    """Batch-norm whose deviation is the largest sub-network's and whose mean is the running sub-network's own.

    In training, the largest sub-network uses its batch's deviation and updates the running one; every other
    sub-network divides by the running one. Means are always the batch's. In evaluation both come from
    `deviation` and `mean`, which calibration fills per sub-network.

    Model:
        While calibrating, each batch is normalised by its own mean, and batches count alike whatever their size: give
        batches of one size. A channel that no batch reached keeps the mean 0.
    """

    deviation: Tensor
    mean: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.momentum = momentum
        self.epsilon = epsilon
        self.calibrating = False
        self._mean_sum = torch.zeros(channels)
        self._n_batches = 0

    def run(self, x: Tensor, *, is_largest: bool) -> Tensor:
        """Normalise (N, C, H, W), where C may be fewer than the layer's channels."""
        channels = x.shape[1]
        gain, shift = self.gain[:channels], self.shift[:channels]
        if self.training and is_largest:
            variance = torch.ones(channels)
            normed = functional.batch_norm(
                x, torch.zeros(channels), variance, gain, shift, training=True, momentum=1.0, eps=self.epsilon
            )
            with torch.no_grad():
                # A sub-network trained alone uses only the first channels; the others keep what they have.
                self.deviation[:channels].lerp_((variance + self.epsilon).sqrt(), self.momentum)
            return normed
        if self.training:
            x = x - x.mean(dim=(0, 2, 3), keepdim=True)
            mean = torch.zeros(channels)
        elif self.calibrating:
            mean = x.mean(dim=(0, 2, 3))
            self._mean_sum[:channels] += mean
            self._n_batches += 1
        else:
            mean = self.mean[:channels]
        variance = self.deviation[:channels] ** 2
        return functional.batch_norm(x, mean, variance, gain, shift, training=False, eps=0.0)

    def begin_calibration(self) -> None:
        """Forget the means; evaluation batches from here on are normalised by, and counted into, their own."""
        self.calibrating = True
        self._mean_sum = torch.zeros_like(self._mean_sum)
        self._n_batches = 0

    def end_calibration(self) -> None:
        """Keep the average of the batches seen since `begin_calibration`."""
        self.calibrating = False
        self.mean.copy_(self._mean_sum / max(self._n_batches, 1))

    def folded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The convolution weight and bias that equal `weight` followed by this layer in evaluation.

        The weight is the same whichever sub-network was calibrated, up to the channels and kernel taken from it.
        """
        channels = weight.shape[0]
        scale = (self.gain / self.deviation)[:channels]
        return weight * scale.reshape(-1, 1, 1, 1), self.shift[:channels] - self.mean[:channels] * scale


def norms_of(network: nn.Module) -> list[SharedScaleNorm]:
    """Every norm of a network, in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, SharedScaleNorm)]
