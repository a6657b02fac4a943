"""Files that appear whole or not at all, and byte strings laid out so that what they share is stored once."""

import os
from collections.abc import Iterable
from pathlib import Path
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


def replace_file(path: Path, content: bytes) -> None:
    """Write a file; one that is there is replaced only once the new one is complete and on the disk.

    Raises:
        OSError: The disk is full or the folder cannot be written; a file that was there is as it was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
