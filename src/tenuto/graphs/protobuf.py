"""Protobuf messages taken apart and put together without the `protobuf` package (a board does not have it).

A message is a row of fields, each a number and a value; what a number means, the caller knows.

Source:
    Protocol Buffers encoding, wire types 0, 1, 2 and 5.
"""

from collections.abc import Iterator
from typing import TypeVar

Message = TypeVar("Message", bytes, memoryview)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT_BITS = 70


def fields(message: Message) -> Iterator[tuple[int, int | Message, Message]]:
    """Each field's number, value, and the bytes of both; fixed-width numbers as bytes.

    A `memoryview` is taken apart into views, so that nothing of it is copied or read before it is asked for.

    Raises:
        ValueError: Not a protobuf message, or cut short.
    """
    at, end = 0, len(message)
    while at < end:
        start = at
        tag, at = _varint(message, at)
        wire_type = tag & 7
        value: int | Message
        if wire_type == _VARINT:
            value, at = _varint(message, at)
        else:
            if wire_type == _BYTES:
                length, at = _varint(message, at)
            elif wire_type in (_FIXED64, _FIXED32):
                length = 8 if wire_type == _FIXED64 else 4
            else:
                raise ValueError(f"wire type {wire_type} at byte {start} is none of protobuf's")
            if at + length > end:
                raise ValueError(f"a field of {length} bytes at byte {at} goes past the end, {end}")
            value, at = message[at : at + length], at + length
        yield tag >> 3, value, message[start:at]


def packed(content: bytes | memoryview) -> Iterator[int]:
    """The whole numbers of a packed field.

    Raises:
        ValueError: Cut short.
    """
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def signed(value: int) -> int:
    """A whole number of a field of type int64 or int32, which encodes negative ones as 64-bit complements."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value


def encode(field: int, content: bytes) -> bytes:
    """A field that holds bytes, text or a message."""
    return number(field << 3 | _BYTES) + number(len(content)) + content


def number(value: int) -> bytes:
    """A whole number of at least 0, 7 bits a byte."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _varint(message: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < _LONGEST_VARINT_BITS:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"a number at byte {at} has no end")
