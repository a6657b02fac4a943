"""What we changed on a board and what it was before, kept twice: here, and in a guardian that outlives us."""

import contextlib
import io
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Final

from tenuto.errors import PlatformError
from tenuto.platforms import _guardian
from tenuto.platforms._guardian import Write, restore
from tenuto.platforms._sysfs import read_text

START_TIMEOUT_S: Final = 10.0
"""A guardian needs some 20 ms to start; on a loaded board, longer."""

_inherited: set[int] = set()
"""Descriptors whose life tells others that this process lives: a forked child must not keep them open."""


def _close_in_child() -> None:
    for descriptor in _inherited:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _inherited.clear()


os.register_at_fork(after_in_child=_close_in_child)


def keep_from_children(descriptor: int) -> None:
    """Close a descriptor in every process forked from now on (one that starts a program loses it anyway)."""
    _inherited.add(descriptor)


def close(descriptor: int) -> None:
    """Close a descriptor given to `keep_from_children`; in a forked child, where it is closed already, do nothing."""
    if descriptor in _inherited:
        _inherited.discard(descriptor)
        os.close(descriptor)


class Journal:
    """A write-ahead log of cpufreq files: each is noted, with its text, before it is changed for the first time."""

    def __init__(self, platform: str, *, lock: int, is_guarded: bool, write: Write) -> None:
        self._platform = platform
        self._write = write
        self._saved: dict[str, str] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        if is_guarded:
            self._start_guardian(lock)

    def write(self, path: Path, text: str) -> None:
        """Change a file; `note` it first.

        Raises:
            OSError: The kernel refused.
        """
        self._write(str(path), text)

    def note(self, path: Path) -> None:
        """Remember what a file says, unless it was noted before.

        Raises:
            PlatformError: It cannot be read, so it could not be put back.
        """
        if str(path) in self._saved:
            return
        text = read_text(path)
        if text is None:
            raise PlatformError(
                f"{path}: asked to change it, but it cannot be read, so it could not be put back; "
                "if a processor was switched off, start again",
                platform=self._platform,
                part=str(path),
            )
        self._saved[str(path)] = text
        if self._pipe >= 0:
            with contextlib.suppress(BrokenPipeError):  # somebody killed the guardian: we still restore ourselves
                os.write(self._pipe, json.dumps([str(path), text]).encode() + b"\n")

    def restore(self, folders: tuple[Path, ...] | None = None) -> dict[str, str]:
        """Put the files of some cpufreq folders, or all, back.

        Returns:
            The files that could not be put back, each with the system's reason.
        """
        names = None if folders is None else {str(folder) for folder in folders}
        saved = {path: text for path, text in self._saved.items() if names is None or str(Path(path).parent) in names}
        return restore(saved, self._write)

    def dismiss_guardian(self) -> None:
        """All is put back: let the guardian go."""
        if self._guardian is None:
            return
        with contextlib.suppress(OSError):  # it was killed, or we were interrupted here before
            os.write(self._pipe, b"done\n")
        close(self._pipe)
        self._guardian.wait()
        self._guardian, self._pipe = None, -1

    def _start_guardian(self, lock: int) -> None:
        """Start it and wait until it listens. It keeps the board's lock, so that nobody takes a board half restored."""
        read_end, self._pipe = os.pipe()
        keep_from_children(self._pipe)
        try:
            self._guardian = subprocess.Popen(  # noqa: S603 (our own program, no shell)
                [sys.executable, "-I", "-S", _guardian.__file__],
                stdin=read_end,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
                pass_fds=(lock,),
            )
        except OSError as error:
            close(self._pipe)
            raise self._unguarded(str(error)) from error
        finally:
            os.close(read_end)
        with contextlib.closing(self._guardian.stdout or io.BytesIO()) as answer:
            is_ready = bool(select.select([answer], [], [], START_TIMEOUT_S)[0]) and answer.read(1) != b""
        if not is_ready:
            self._guardian.kill()
            self._guardian.wait()
            close(self._pipe)
            raise self._unguarded(f"it did not answer within {START_TIMEOUT_S:.0f} s")

    def _unguarded(self, found: str) -> PlatformError:
        return PlatformError(
            "asked for a process that puts the clocks back if this one is killed, and could not start it: "
            f"{found}; without it the clocks are not touched: free some memory or processes and try again",
            platform=self._platform,
        )
