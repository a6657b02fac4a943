"""What byte strings share is stored once."""

from hypothesis import given
from hypothesis import strategies as st

from tenuto.storage import ALIGNMENT, place

short_strings = st.lists(st.binary(max_size=6) | st.text("ab", max_size=200).map(str.encode), max_size=12)


@given(short_strings)
def test_every_string_is_where_it_is_said_to_be_and_aligned(blobs: list[bytes]) -> None:
    offsets, content = place(blobs)
    assert set(offsets) == set(blobs)
    for blob, offset in offsets.items():
        assert content[offset : offset + len(blob)] == blob
        assert offset % ALIGNMENT == 0


@given(short_strings)
def test_only_strings_that_begin_no_other_take_space(blobs: list[bytes]) -> None:
    longest = {blob for blob in blobs if blob and not any(other != blob and other.startswith(blob) for other in blobs)}
    offsets, content = place(blobs)
    padded = sum(len(blob) + -len(blob) % ALIGNMENT for blob in longest)
    assert padded - ALIGNMENT < len(content) <= padded or not longest
    assert len({offsets[blob] for blob in longest}) == len(longest)


@given(short_strings)
def test_the_order_does_not_matter(blobs: list[bytes]) -> None:
    assert place(blobs) == place(reversed(blobs))


def test_narrower_weights_lie_inside_the_wider_ones() -> None:
    wide = bytes(range(200))
    offsets, content = place([wide[:50], wide, wide[:120], b"other"])
    assert offsets[wide[:50]] == offsets[wide[:120]] == offsets[wide]
    assert len(content) == 205 + (-5 % ALIGNMENT if content.startswith(b"o") else -200 % ALIGNMENT)
