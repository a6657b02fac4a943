"""Protobuf messages are taken apart and put together without the protobuf package."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenuto.graphs.protobuf import encode, fields, number, packed, signed


@given(st.integers(min_value=0, max_value=2**63), st.integers(min_value=1, max_value=1000))
def test_numbers_survive_encoding(value: int, field: int) -> None:
    ((found_field, found, whole),) = fields(number(field << 3) + number(value))
    assert (found_field, found) == (field, value)
    assert whole == number(field << 3) + number(value)


@given(st.lists(st.tuples(st.integers(min_value=1, max_value=500), st.binary(max_size=300)), max_size=5))
def test_bytes_survive_encoding_and_views_copy_nothing(parts: list[tuple[int, bytes]]) -> None:
    message = b"".join(encode(field, content) for field, content in parts)
    assert [(field, value) for field, value, _ in fields(message)] == parts
    views = [value for _, value, _ in fields(memoryview(message))]
    assert all(isinstance(view, memoryview) and view.obj is message for view in views)
    assert [bytes(view) for view in views if isinstance(view, memoryview)] == [content for _, content in parts]


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_negative_numbers_are_complements_of_64_bits(value: int) -> None:
    (found,) = packed(number(value & (1 << 64) - 1))
    assert signed(found) == value


@given(st.binary(max_size=200))
@example(b"\x3a\x05ab")
@example(b"\xff" * 12)
@example(b"\x0b")
def test_foreign_bytes_are_fields_or_refused(content: bytes) -> None:
    try:
        wholes = [whole for _, _, whole in fields(content)]
    except ValueError:
        return
    assert b"".join(wholes) == content


def test_fixed_width_numbers_are_given_as_bytes() -> None:
    message = number(1 << 3 | 1) + bytes(8) + number(2 << 3 | 5) + b"abcd"
    assert [(field, value) for field, value, _ in fields(message)] == [(1, bytes(8)), (2, b"abcd")]


def test_a_field_that_goes_past_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="past the end"):
        list(fields(encode(7, bytes(50))[:-1]))
