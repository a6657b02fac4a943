"""A program that keeps one processor busy while it is told to. Arguments: processor, kind, nice.

It reads `g` (go), `p` (pause; answered with `p`) on its input, and ends when that closes or its parent is gone.
Standard library only: it starts in milliseconds.
"""

import os
import select
import sys

TURN = 20_000
"""Loop turns between two looks at the input: about 1 ms."""

ARRAY_BYTES = 64 << 20
"""Larger than the caches of the boards we know, so that each copy goes through memory."""

CHUNK_BYTES = 4 << 20
"""Copied between two looks at the input: about 1 ms."""

IDLE_LOOK_S = 1.0
"""How often a paused worker looks whether its parent still lives."""


def main() -> None:
    """Obey until the input closes."""
    cpu, kind, nice = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.sched_setaffinity(0, {cpu})
    if nice:
        os.nice(nice)
    parent = os.getppid()
    array = memoryview(bytearray(ARRAY_BYTES if kind == "memory" else 2 * CHUNK_BYTES))
    array[:] = bytes([1]) * len(array)  # touched, so that the pages are there before the first turn
    place = 0
    _say(b"r")
    is_going = False
    while os.getppid() == parent:
        if select.select([0], [], [], 0 if is_going else IDLE_LOOK_S)[0]:
            command = os.read(0, 1)
            if not command:
                return
            is_going = command == b"g"
            if command == b"p":
                _say(b"p")
        if not is_going:
            continue
        if kind == "memory":
            half = len(array) // 2
            array[half + place : half + place + CHUNK_BYTES] = array[place : place + CHUNK_BYTES]
            place = (place + CHUNK_BYTES) % half
        else:
            value = 1
            for _ in range(TURN):
                value = (value * 1103515245 + 12345) & 0x7FFFFFFF


def _say(answer: bytes) -> None:
    os.write(1, answer)


if __name__ == "__main__":
    main()
