"""The `fashion` super-network."""

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from hypothesis import given, settings  # noqa: E402 - after the skip
from hypothesis import strategies as st  # noqa: E402

from tenuto.nets.elastic import ElasticConv2d  # noqa: E402
from tenuto.nets.fashion import INPUT_SHAPE, LADDER, N_CLASSES, SPACE, macs  # noqa: E402
from tenuto.nets.fashion_torch import FashionNet  # noqa: E402
from tenuto.points import SubNetwork  # noqa: E402

sub_networks = st.sampled_from(list(SPACE))


def counted_macs(network: FashionNet, sub_network: SubNetwork) -> int:
    """Multiply-accumulates of one image, seen by watching every layer run."""
    total = 0

    class Watched(ElasticConv2d):
        def run(self, x: "torch.Tensor", *, out_channels: int, kernel_size: int) -> "torch.Tensor":
            nonlocal total
            y = super().run(x, out_channels=out_channels, kernel_size=kernel_size)
            total += y[0].numel() * x.shape[1] * kernel_size**2
            return y

    for module in network.modules():
        if isinstance(module, ElasticConv2d):
            module.__class__ = Watched
    hook = network.classifier.register_forward_hook(lambda _, inputs, output: weigh(inputs[0][0], output[0]))

    def weigh(x: "torch.Tensor", y: "torch.Tensor") -> None:
        nonlocal total
        total += x.numel() * y.numel()

    with torch.no_grad():
        network.eval().run(torch.zeros(1, *INPUT_SHAPE), sub_network)
    hook.remove()
    return total


@given(sub_networks)
@settings(max_examples=25)
def test_macs_are_those_that_the_layers_do(sub_network: SubNetwork) -> None:
    assert macs(sub_network) == counted_macs(FashionNet(), sub_network)


@pytest.mark.parametrize("name", LADDER)
def test_every_rung_turns_images_into_logits(name: str) -> None:
    with torch.no_grad():
        logits = FashionNet().eval().run(torch.rand(3, *INPUT_SHAPE), SPACE.parse(name))
    assert logits.shape == (3, N_CLASSES)
    assert torch.isfinite(logits).all()


def test_a_sub_network_uses_no_weight_outside_its_setting() -> None:
    network, sub_network = FashionNet(), SPACE.parse("d1.1-w25.50-k3.3")
    network.train().run(torch.rand(2, *INPUT_SHAPE), sub_network).sum().backward()
    shallow = network.stages[0][0].widen.conv.weight.grad
    assert shallow[:8, :, 1:4, 1:4].abs().sum() > 0
    assert shallow[8:].abs().sum() == 0
    assert shallow[:, :, 0].abs().sum() == 0
    assert network.stages[0][1].widen.conv.weight.grad is None


def test_the_names_in_the_state_are_those_of_released_weights() -> None:
    names = set(FashionNet().state_dict())
    assert {"stem.conv.weight", "entries.1.norm.deviation", "stages.1.0.widen.norm.gain", "classifier.bias"} <= names
    assert len(names) == 57
