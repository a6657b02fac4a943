"""Elastic layers: one set of weights, run at any width, kernel size and depth.

Two rules make a sub-network's weights *the same bytes* as those of others, so that many can stay resident:

* a narrower layer uses the first channels, a smaller kernel the centre of the larger one (Cai et al., Once-for-all,
  2020, section 3, without the learned kernel transform);
* once trained, batch-norm divides by one deviation for all sub-networks that use the same slice of the weights anyway;
  only the mean is each sub-network's own. Folded into the convolution, the scale is then shared and just the bias
  differs.
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
    """Batch-norm whose deviations are shared by sub-networks and whose mean is the running sub-network's own.

    In training every batch is normalised by its own mean and deviation, as usual: a deviation shared already then lets
    narrow sub-networks push the scale up against the wide ones, and costs the largest several per cent of accuracy.
    Afterwards `survey` finds the deviations to share, and calibration the means that go with them.

    Args:
        channels: Of the widest convolution before it.
        n_variants: Slices of that convolution's weights that are stored apart anyway (its kernel sizes, or its input
            widths): each has a deviation of its own, which costs no bytes.
        epsilon: Added to variances.

    Model:
        While surveying or calibrating, each batch is normalised by its own mean, and batches count alike whatever their
        size: give batches of one size. A channel that no batch reached keeps the mean 0 and the deviation 1.
    """

    deviation: Tensor
    mean: Tensor

    def __init__(self, channels: int, *, n_variants: int = 1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(n_variants, channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.epsilon = epsilon
        self.surveying = False
        self.calibrating = False
        self._log_sum = torch.zeros(n_variants, channels)
        self._n_seen = torch.zeros(n_variants, channels)
        self._mean_sum = torch.zeros(channels)
        self._n_batches = 0

    def run(self, x: Tensor, *, variant: int = 0) -> Tensor:
        """Normalise (N, C, H, W), where C may be fewer than the layer's channels."""
        channels = x.shape[1]
        gain, shift = self.gain[:channels], self.shift[:channels]
        if self.training or self.surveying:
            if self.surveying:
                variance = x.var(dim=(0, 2, 3), correction=0) + self.epsilon
                self._log_sum[variant, :channels] += variance.log() / 2
                self._n_seen[variant, :channels] += 1
            return functional.batch_norm(x, None, None, gain, shift, training=True, eps=self.epsilon)
        mean = self.mean[:channels]
        if self.calibrating:
            mean = x.mean(dim=(0, 2, 3))
            self._mean_sum[:channels] += mean
            self._n_batches += 1
        variance = self.deviation[variant, :channels] ** 2
        return functional.batch_norm(x, mean, variance, gain, shift, training=False, eps=0.0)

    def begin_survey(self) -> None:
        """Forget the deviations; from here on batches are normalised as in training, and their deviations counted."""
        self.surveying = True
        self._log_sum = torch.zeros_like(self.deviation)
        self._n_seen = torch.zeros_like(self.deviation)

    def end_survey(self) -> None:
        """Share the geometric mean of the deviations seen since `begin_survey`, one for each variant and channel."""
        self.surveying = False
        self.deviation.copy_((self._log_sum / self._n_seen.clamp_min(1)).exp())

    def begin_calibration(self) -> None:
        """Forget the means; batches from here on are normalised by, and counted into, their own."""
        self.calibrating = True
        self._mean_sum = torch.zeros_like(self._mean_sum)
        self._n_batches = 0

    def end_calibration(self) -> None:
        """Keep the average of the batches seen since `begin_calibration`."""
        self.calibrating = False
        self.mean.copy_(self._mean_sum / max(self._n_batches, 1))

    def folded(self, weight: Tensor, *, variant: int = 0) -> tuple[Tensor, Tensor]:
        """The convolution weight and bias that equal `weight` followed by this layer in evaluation.

        The weight is the same whichever sub-network was calibrated, up to the channels and kernel taken from it.
        """
        channels = weight.shape[0]
        scale = self.gain[:channels] / self.deviation[variant, :channels]
        return weight * scale.reshape(-1, 1, 1, 1), self.shift[:channels] - self.mean[:channels] * scale


def norms_of(network: nn.Module) -> list[SharedScaleNorm]:
    """Every norm of a network, in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, SharedScaleNorm)]
