"""Many byte strings in one, what they share stored once."""

from collections.abc import Iterable
from typing import Final

ALIGNMENT: Final = 64
"""Each string starts at a multiple of this: a cache line, and enough for every vector instruction."""


def place(blobs: Iterable[bytes]) -> tuple[dict[bytes, int], bytes]:
    """Lay byte strings out in one; a string that begins another one shares its place.

    Returns:
        Where each is found, and the whole.
    """
    offsets: dict[bytes, int] = {}
    content = bytearray()
    longer = b""
    # In descending order, whatever begins with a string comes right before it.
    for blob in sorted(set(blobs), reverse=True):
        if longer.startswith(blob):
            offsets[blob] = offsets.get(longer, 0)
        else:
            content.extend(bytes(-len(content) % ALIGNMENT))
            offsets[blob] = len(content)
            content.extend(blob)
        longer = blob
    return offsets, bytes(content)
