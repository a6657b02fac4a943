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
        expected = norm.run(conv.run(x, out_channels=outputs, kernel_size=kernel))
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
            norm.run(seeded(seed + channels, 4, channels, 5, 5))
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
            norm.run(batch)
        norm.end_calibration()
        found = torch.cat([norm.run(batch) for batch in batches]).mean(dim=(0, 2, 3))
    torch.testing.assert_close(found, norm.shift[:4].detach(), rtol=0, atol=1e-5)
    assert norm.mean[4:].tolist() == [0.0, 0.0]


def test_a_second_calibration_forgets_the_first() -> None:
    norm = lived_in_norm(5, 3)
    for offset in (100.0, 0.0):
        norm.begin_calibration()
        with torch.no_grad():
            norm.run(offset + torch.zeros(2, 3, 4, 4))
        norm.end_calibration()
    assert norm.mean.tolist() == [0.0, 0.0, 0.0]


def test_in_training_every_sub_network_is_ordinary_batch_norm() -> None:
    norm, x = lived_in_norm(3, 6).train(), seeded(1, 16, 4, 8, 8)
    expected = functional.batch_norm(x, None, None, norm.gain[:4], norm.shift[:4], training=True)
    torch.testing.assert_close(norm.run(x), expected)


def test_training_leaves_what_was_surveyed_and_calibrated_alone() -> None:
    norm = lived_in_norm(3, 6).train()
    before = norm.deviation.clone(), norm.mean.clone()
    norm.run(5 + 3 * seeded(1, 16, 6, 8, 8))
    assert torch.equal(before[0], norm.deviation)
    assert torch.equal(before[1], norm.mean)


def test_a_survey_shares_the_geometric_mean_of_the_deviations() -> None:
    norm = SharedScaleNorm(3).eval()
    norm.begin_survey()
    with torch.no_grad():
        for scale in (2.0, 8.0):
            norm.run(scale * seeded(1, 64, 3, 8, 8))
    norm.end_survey()
    own = seeded(1, 64, 3, 8, 8).var(dim=(0, 2, 3), correction=0).sqrt()
    torch.testing.assert_close(norm.deviation, (4 * own).unsqueeze(0), rtol=1e-4, atol=1e-4)


def test_each_variant_has_deviations_of_its_own_and_channels_never_seen_keep_one() -> None:
    norm = SharedScaleNorm(4, n_variants=3).eval()
    norm.begin_survey()
    with torch.no_grad():
        norm.run(5 * seeded(1, 64, 2, 8, 8), variant=1)
    norm.end_survey()
    assert norm.deviation[0].tolist() == [1.0] * 4
    assert (norm.deviation[1, :2] > 4).all()
    assert norm.deviation[1, 2:].tolist() == [1.0] * 2
    assert norm.deviation[2].tolist() == [1.0] * 4


def test_a_variant_is_normalised_and_folded_by_its_own_deviation() -> None:
    conv, norm = ElasticConv2d(4, 6, 3), SharedScaleNorm(6, n_variants=2).eval()
    with torch.no_grad():
        norm.deviation[0].fill_(2.0)
        norm.deviation[1].fill_(4.0)
    x = seeded(4, 2, 4, 6, 6)
    with torch.no_grad():
        outputs = [norm.run(conv.run(x, out_channels=6, kernel_size=3), variant=variant) for variant in (0, 1)]
        folded = [norm.folded(conv.active_weight(4, 6, 3), variant=variant)[0] for variant in (0, 1)]
    torch.testing.assert_close(outputs[0], 2 * outputs[1])
    torch.testing.assert_close(folded[0], 2 * folded[1])


def test_norms_are_found_in_order() -> None:
    norms = [SharedScaleNorm(channels) for channels in (1, 2, 3)]
    assert norms == norms_of(torch.nn.Sequential(norms[0], torch.nn.ReLU(), torch.nn.Sequential(*norms[1:])))
