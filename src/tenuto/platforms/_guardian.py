"""Puts cpufreq files back, also when the process that changed them was killed.

Run as a program (standard library only, so that it starts in milliseconds), it reads one JSON line
`[path, text]` for each file about to be changed, with the text that the file had. The line `done` ends it. If the
pipe closes without that line, its owner is dead, and it puts every file back.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping

Write = Callable[[str, str], None]

GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})
"""What the kernel says of a file whose processor was switched off meanwhile."""


def write_file(path: str, text: str) -> None:
    """Write an existing file; never create one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)


def restore(saved: Mapping[str, str], write: Write = write_file) -> dict[str, str]:
    """Put cpufreq files back, in an order that the kernel accepts.

    Args:
        saved: The text that each file had, by path; only files that were changed.
        write: Writes one file.

    Returns:
        The files that could not be put back, each with the system's reason. A file that no longer exists is none.
    """
    failed: dict[str, str] = {}
    for folder in dict.fromkeys(os.path.dirname(path) for path in saved):  # noqa: PTH120 (starts without pathlib)
        for name in (*_limits_in_order(folder, saved), *_governor_in_order(folder, saved)):
            path = f"{folder}/{name}"
            if path not in saved:
                continue
            try:
                write(path, saved[path])
            except OSError as error:
                if error.errno not in GONE:
                    failed[path] = error.strerror or str(error)
    return failed


def _limits_in_order(folder: str, saved: Mapping[str, str]) -> tuple[str, str]:
    """The kernel refuses a maximum below the minimum, even for a moment."""
    high, low_now = saved.get(f"{folder}/scaling_max_freq", ""), _read(f"{folder}/scaling_min_freq")
    goes_below = high.isdigit() and low_now.isdigit() and int(high) < int(low_now)
    return ("scaling_min_freq", "scaling_max_freq") if goes_below else ("scaling_max_freq", "scaling_min_freq")


def _governor_in_order(folder: str, saved: Mapping[str, str]) -> tuple[str, ...]:
    """A speed can be written under the `userspace` governor only, and reads `<unsupported>` under any other."""
    if not saved.get(f"{folder}/scaling_setspeed", "").isdigit():
        return ("scaling_governor",)
    if saved.get(f"{folder}/scaling_governor") == "userspace":
        return ("scaling_governor", "scaling_setspeed")
    has_speed = _read(f"{folder}/scaling_governor") == "userspace"
    return ("scaling_setspeed", "scaling_governor") if has_speed else ("scaling_governor",)


def _read(path: str) -> str:
    """A file's text, empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (starts without pathlib)
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def main() -> None:
    """Wait for the owner to finish or to die."""
    # A Ctrl-C or a service manager's stop goes to the owner; we outlive it, whatever ends it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(sys.stdout.fileno(), b"ready\n")
    saved: dict[str, str] = {}
    for line in sys.stdin.buffer:
        if line == b"done\n":
            return
        path, text = json.loads(line)
        saved[path] = text
    restore(saved)


if __name__ == "__main__":
    main()
