"""Elastic layers: one set of weights for every sub-network."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from hypothesis import given  # noqa: E402 - after the skip
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from tenuto.nets.elastic import ElasticConv2d, SharedScaleNorm, norms_of  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Several threads would add in another order, and the last bit would differ."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seeded(seed: int, *shape: int) -> "torch.Tensor":
    """Normal figures that depend on the seed alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lived_in_norm(seed: int, channels: int) -> SharedScaleNorm:
    """A norm whose every figure is other than at birth."""
    norm = SharedScaleNorm(channels)
    with torch.no_grad():
        norm.gain.copy_(seeded(seed, channels))
        norm.shift.copy_(seeded(seed + 1, channels))
        norm.deviation.copy_(seeded(seed + 2, channels).abs() + 0.5)
        norm.mean.copy_(seeded(seed + 3, channels))
    return norm.eval()


def test_a_smaller_kernel_is_the_centre_and_a_narrower_layer_the_first_channels() -> None:
    conv = ElasticConv2d(4, 6, 5)
    active = conv.active_weight(3, 2, 3)
    assert torch.equal(active, conv.weight[:2, :3, 1:4, 1:4])
    assert active.untyped_storage().data_ptr() == conv.weight.untyped_storage().data_ptr()
    assert torch.equal(conv.active_weight(4, 6, 5), conv.weight)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_elastic_convolution_is_the_convolution_with_the_weights_cut_out(kernel_size: int, stride: int) -> None:
    conv = ElasticConv2d(4, 6, 5, stride=stride)
    x = seeded(1, 2, 3, 8, 8)
    weight = conv.weight[
        :2, :3, 2 - kernel_size // 2 : 3 + kernel_size // 2, 2 - kernel_size // 2 : 3 + kernel_size // 2
    ]
    expected = functional.conv2d(x, weight, stride=stride, padding=kernel_size // 2)
    found = conv.run(x, out_channels=2, kernel_size=kernel_size)
    assert torch.equal(expected, found)
    assert found.shape[2:] == (8 // stride, 8 // stride)


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 6), st.sampled_from([1, 3, 5]))
def test_the_folded_convolution_equals_convolution_and_norm(seed: int, inputs: int, outputs: int, kernel: int) -> None:
    conv, norm = ElasticConv2d(4, 6, 5), lived_in_norm(seed, 6)
    x = seeded(seed + 4, 2, inputs, 6, 6)
    with torch.no_grad():
        expected = norm.run(conv.run(x, out_channels=outputs, kernel_size=kernel), is_largest=False)
        weight, bias = norm.folded(conv.active_weight(inputs, outputs, kernel))
        found = functional.conv2d(x, weight, bias, padding=kernel // 2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 6))
def test_folded_weights_are_the_same_bytes_whatever_was_calibrated(seed: int, one: int, other: int) -> None:
    conv, norm = ElasticConv2d(4, 6, 5), lived_in_norm(seed, 6)
    folded = []
    for channels in (one, other):
        norm.begin_calibration()
        with torch.no_grad():
            norm.run(seeded(seed + channels, 4, channels, 5, 5), is_largest=False)
            norm.end_calibration()
            folded.append(norm.folded(conv.active_weight(4, channels, 3))[0])
    common = min(one, other)
    assert folded[0][:common].numpy().tobytes() == folded[1][:common].numpy().tobytes()


def test_calibration_puts_each_channels_mean_on_the_shift() -> None:
    norm = lived_in_norm(5, 6)
    batches = [3 + seeded(seed, 8, 4, 5, 5) for seed in range(3)]
    norm.begin_calibration()
    with torch.no_grad():
        for batch in batches:
            norm.run(batch, is_largest=False)
        norm.end_calibration()
        found = torch.cat([norm.run(batch, is_largest=False) for batch in batches]).mean(dim=(0, 2, 3))
    torch.testing.assert_close(found, norm.shift[:4].detach(), rtol=0, atol=1e-5)
    assert norm.mean[4:].tolist() == [0.0, 0.0]


def test_a_second_calibration_forgets_the_first() -> None:
    norm = lived_in_norm(5, 3)
    for offset in (100.0, 0.0):
        norm.begin_calibration()
        with torch.no_grad():
            norm.run(offset + torch.zeros(2, 3, 4, 4), is_largest=False)
        norm.end_calibration()
    assert norm.mean.tolist() == [0.0, 0.0, 0.0]


def test_in_training_only_the_largest_moves_the_shared_deviation() -> None:
    norm = SharedScaleNorm(6).train()
    x = 3 * seeded(1, 16, 6, 8, 8)
    norm.run(x[:, :4], is_largest=False)
    assert norm.deviation.tolist() == [1.0] * 6
    norm.run(x, is_largest=True)
    expected = 0.9 + 0.1 * x.var(dim=(0, 2, 3)).sqrt()
    torch.testing.assert_close(norm.deviation, expected, rtol=1e-4, atol=1e-4)


def test_a_narrow_network_trained_alone_moves_only_its_own_channels() -> None:
    norm = SharedScaleNorm(6).train()
    norm.run(3 * seeded(1, 16, 2, 8, 8), is_largest=True)
    assert (norm.deviation[:2] > 1.1).all()
    assert norm.deviation[2:].tolist() == [1.0] * 4


def test_in_training_the_largest_is_ordinary_batch_norm() -> None:
    norm, x = SharedScaleNorm(6).train(), seeded(1, 16, 6, 8, 8)
    expected = functional.batch_norm(x, None, None, norm.gain, norm.shift, training=True)
    torch.testing.assert_close(norm.run(x, is_largest=True), expected)


def test_norms_are_found_in_order() -> None:
    norms = [SharedScaleNorm(channels) for channels in (1, 2, 3)]
    assert norms == norms_of(torch.nn.Sequential(norms[0], torch.nn.ReLU(), torch.nn.Sequential(*norms[1:])))
