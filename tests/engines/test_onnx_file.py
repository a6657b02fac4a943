"""Weights are found and moved in ONNX files without the onnx package."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenuto.engines._onnx_file import Weight, relocate, weights_of
from tenuto.graphs.protobuf import encode, number
from tenuto.points import SubNetwork


def test_every_external_weight_is_found_with_its_shape_and_place(tiny_models: dict[SubNetwork, Path]) -> None:
    path = tiny_models[SubNetwork("tiny", (("width_pct", (50,)),))]
    found = {weight.name: weight for weight in weights_of(path.read_bytes())}
    assert list(found) == ["w1", "b1", "w2", "b2", "w3", "b3"]
    assert found["w1"] == Weight("w1", (32, 1, 3, 3), 1, "w50.bin", 0, 32 * 9 * 4)
    assert found["b1"].offset == found["w1"].length
    assert found["w3"].shape == (4, 32)


def test_relocating_moves_the_weights_and_nothing_else(tiny_models: dict[SubNetwork, Path]) -> None:
    model = next(iter(tiny_models.values())).read_bytes()
    before = {weight.name: weight for weight in weights_of(model)}
    places = {
        name: ("elsewhere.bin", 64 * index, weight.length or 0) for index, (name, weight) in enumerate(before.items())
    }
    moved = relocate(model, lambda weight: places[weight.name])
    assert {w.name: (w.location, w.offset, w.length) for w in weights_of(moved)} == places
    assert [w.shape for w in weights_of(moved)] == [w.shape for w in before.values()]
    back = relocate(
        moved,
        lambda weight: (before[weight.name].location, before[weight.name].offset, before[weight.name].length or 0),
    )
    assert weights_of(back) == list(before.values())
    assert sorted(back) == sorted(model)


def test_a_weight_stored_inside_the_model_is_left_where_it_is() -> None:
    tensor = b"\x08\x02\x10\x01" + encode(8, b"inline") + encode(9, bytes(8))
    model = encode(7, encode(5, tensor))
    assert weights_of(model) == []
    assert relocate(model, lambda weight: pytest.fail(f"moved {weight}")) == model


def test_dimensions_may_be_packed_and_a_length_may_be_missing() -> None:
    pairs = encode(13, encode(1, b"location") + encode(2, b"a.bin"))
    tensor = encode(1, number(300) + number(2)) + b"\x10\x01" + encode(8, b"w") + pairs + b"\x70\x01"
    assert weights_of(encode(7, encode(5, tensor))) == [Weight("w", (300, 2), 1, "a.bin", 0, None)]


@given(st.binary(max_size=200))
@example(b"\x3a\x05ab")
@example(b"\xff" * 12)
def test_foreign_bytes_are_read_as_no_weights_or_refused(content: bytes) -> None:
    try:
        found = weights_of(content)
    except ValueError:
        return
    assert all(isinstance(weight, Weight) for weight in found)


@given(st.integers(min_value=1, max_value=400))
def test_a_model_cut_short_inside_its_graph_is_refused(n_lost: int) -> None:
    model = b"\x08\x08" + encode(7, encode(1, bytes(500)))
    with pytest.raises(ValueError, match="past the end"):
        weights_of(model[:-n_lost])
