"""Holding a board: one holder at a time, every knob saved, every knob put back on every way out."""

import atexit
import fcntl
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from tenuto.errors import PlatformError
from tenuto.platforms._affinity import Affinity
from tenuto.platforms._board import LinuxBoard
from tenuto.platforms._guardian import Write
from tenuto.platforms._journal import Journal, close, keep_from_children
from tenuto.platforms._readings import Reader, Sources
from tenuto.platforms._topology import CPU_FOLDER
from tenuto.platforms._wiring import Wiring


@dataclass(frozen=True, slots=True)
class Parts:
    """What a hold needs to know of a platform."""

    platform: str
    root: Path
    wirings: Mapping[str, Wiring]
    sources: Sources
    affinity: Affinity
    clock: Callable[[], float]
    write: Write


class LinuxHold:
    """The context manager that `LinuxPlatform.hold` returns.

    Model:
        Restores on leaving, on an exception, on SIGINT, SIGTERM and SIGHUP where the application lets them kill it,
        and at exit. If the process is killed outright, its guardian (started if any clock is ours to set) puts the
        clocks back; its affinity dies with it. Signals can be caught only in the main thread: a hold taken elsewhere
        leaves a fatal signal to the guardian.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._board: LinuxBoard | None = None
        self._owner = 0
        self._lock = -1
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> LinuxBoard:
        """Take the board.

        Raises:
            PlatformError: Somebody holds it, or its clocks could not be guarded.
        """
        if self._board is not None:
            raise self._taken("this very object")
        parts = self._parts
        self._owner = os.getpid()
        self._lock = self._take_lock()
        journal = None
        try:
            is_guarded = any(wiring.is_settable for wiring in parts.wirings.values())
            journal = Journal(parts.platform, lock=self._lock, is_guarded=is_guarded, write=parts.write)
            reader = Reader(parts.sources, parts.clock)
            self._board = LinuxBoard(parts.platform, parts.wirings, parts.affinity, journal, reader)
            atexit.register(self._leave)
            self._catch_signals()
        except BaseException:  # a Ctrl-C, too: nothing has been changed yet
            if journal is not None:
                journal.dismiss_guardian()
            self._close_down()
            raise
        return self._board

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put everything back.

        Raises:
            PlatformError: Something that still exists could not be put back. Where another error is on its way, that
                one is given a note instead.
        """
        failed = self._leave()
        if not failed:
            return
        message = "asked to put the board back, but " + "; ".join(f"{path}: {why}" for path, why in failed.items())
        if error is not None:
            error.add_note(message)
            return
        raise PlatformError(f"{message}; write these files by hand", platform=self._parts.platform, part=min(failed))

    def _leave(self) -> dict[str, str]:
        """Restore once, in the process that took the board; a forked child has nothing to give back."""
        if self._board is None or os.getpid() != self._owner:
            return {}
        interruption: BaseException | None = None
        while True:
            # A second Ctrl-C, or a handler's exit, may strike in the midst of this: first everything goes back.
            try:
                failed = self._close_down()
                break
            except (KeyboardInterrupt, SystemExit) as error:
                interruption = error
        if interruption is not None:
            raise interruption
        return failed

    def _close_down(self) -> dict[str, str]:
        """Every step may be done twice."""
        failed = {} if self._board is None else self._board.release()
        self._release_signals()
        atexit.unregister(self._leave)
        close(self._lock)
        self._board = None
        return failed

    def _take_lock(self) -> int:
        """Lock the folder of the processors itself: nothing to create, nothing to go stale, the same for all users."""
        folder = self._parts.root / CPU_FOLDER
        try:
            descriptor = os.open(folder if folder.is_dir() else self._parts.root, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise PlatformError(
                f"{folder}: asked to hold the board, but {error.strerror}; mount sysfs", platform=self._parts.platform
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _lock_holder(descriptor)
            os.close(descriptor)
            raise self._taken(holder) from error
        keep_from_children(descriptor)
        return descriptor

    def _taken(self, holder: str) -> PlatformError:
        return PlatformError(
            f"asked to hold {self._parts.platform}, but {holder} holds it; wait until it ends, or end it",
            platform=self._parts.platform,
        )

    def _catch_signals(self) -> None:
        """Only those that would kill us on the spot: an application's own handler stays, and so does `nohup`."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _release_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._handlers:
            # Somebody may have put a handler of their own over ours meanwhile: it is theirs to remove.
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_DFL)
        self._handlers.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() != self._owner:  # a forked child inherited the handler: die as it would have
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._leave()
        # An exit, not a kill: files that are being written upstream get closed.
        raise SystemExit(128 + number)


def _lock_holder(descriptor: int) -> str:
    """Who has a file locked, as `/proc/locks` shows it to us."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    for fields in map(str.split, lines):
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == place:
            return "this process" if fields[4] == str(os.getpid()) else f"process {fields[4]}"
    return "another process"
