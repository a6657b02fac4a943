"""Write a trace while the stream runs, without ever stopping it."""

import itertools
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from tenuto.errors import TraceError
from tenuto.traces._file import end_line, header_line, record_line
from tenuto.traces._step import Event, Step, TraceHeader

MAX_PENDING: Final = 50_000
"""Steps kept in memory while the disk takes none: half an hour at 30 a second, some 40 MB."""

_CHUNK: Final = 256
"""Steps encoded at a time, so that a retry on a disk that is still full costs a millisecond at most, whatever waits."""


class _Written(NamedTuple):
    """How far the file has come. One value, replaced in one assignment: Ctrl-C finds it before or after, never between.

    Attributes:
        size: Bytes, up to the end of the last whole line.
        last: Ordinal of the last record in the file; -1 before the first.
        n_steps: How many of the records are steps.
    """

    size: int = 0
    last: int = -1
    n_steps: int = 0


class TraceWriter:
    """Records steps in a file.

    `record` only appends to a queue (well under a microsecond, no I/O). `flush` encodes and writes; the runtime calls
    it in the idle time between two inferences, where it disturbs nobody (some 4 µs a step and one write), and may as
    well call it from a thread of its own: the two do not wait for each other. There is no thread in here, because one
    would take the interpreter's lock at moments that nobody chose, in the middle of what is being measured.

    A full disk stops nothing: what is not written stays in memory and is tried again at each `flush`. When
    `max_pending` steps wait, recording ends there, so that the file is always a gapless beginning of the stream and
    replays; `n_dropped` counts the rest. A half-written line is cut off again.

    As a context manager it closes on every way out. While another exception is on its way, a failure to close is
    added to that one as a note.
    """

    def __init__(self, path: str | Path, header: TraceHeader, *, max_pending: int = MAX_PENDING) -> None:
        """Create the file, or replace it.

        Raises:
            TraceError: The file cannot be created. (A full disk is no reason yet: see `close`.)
        """
        self.path = Path(path)
        self.n_dropped = 0
        self.problem: OSError | None = None
        self._max_pending = max_pending
        self._ordinals = itertools.count()
        self._pending: deque[tuple[int, Step | Event]] = deque()
        self._header = header_line(header)
        self._written = _Written()
        self._flushing = threading.Lock()
        try:
            self._descriptor: int | None = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise TraceError(
                path, f"cannot be created ({error.strerror}); choose another place for the trace", n_written=0, n_lost=0
            ) from error
        self.flush()

    @property
    def n_written(self) -> int:
        """Steps that are in the file."""
        return self._written.n_steps

    @property
    def unwritten(self) -> tuple[Step, ...]:
        """Steps that are in memory only; they can still be used after a `close` that failed."""
        last = self._written.last
        return tuple(record for ordinal, record in tuple(self._pending) if ordinal > last and isinstance(record, Step))

    def record(self, step: Step | Event) -> None:
        """Keep a step, or an event that nobody planned, in the order of the calls."""
        if self.n_dropped or len(self._pending) >= self._max_pending:
            self.n_dropped += 1
        else:
            self._pending.append((next(self._ordinals), step))

    def flush(self) -> bool:
        """Write what waits, as far as the disk takes it. Raises nothing for a disk that does not.

        Returns:
            Whether all that was recorded is in the file; if not, `problem` says why.
        """
        with self._flushing:
            if self._descriptor is None:
                return not self._pending and not self.n_dropped
            try:
                self._drain(self._descriptor)
                self.problem = None
            except _ShortWriteError as error:
                self.problem = error.cause
                self._cut(self._descriptor)
            return self.problem is None and not self.n_dropped

    def close(self) -> None:
        """Write the rest and the line that says so. Closing again does nothing.

        Raises:
            TraceError: Something is not in the file; says how many steps are, and what to do.
        """
        is_flushed = self.flush()
        with self._flushing:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        problem = self.problem
        try:
            if problem is None:
                _append(descriptor, end_line(self.n_written, n_dropped=self.n_dropped), self._written.size)
                os.fsync(descriptor)
        except OSError as error:
            problem = error.cause if isinstance(error, _ShortWriteError) else error
            is_flushed = False
            self._cut(descriptor)
        finally:
            os.close(descriptor)
        if not is_flushed:
            self._fail(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except TraceError as error:
            if exception is None:
                raise
            exception.add_note(str(error))

    def _cut(self, descriptor: int) -> None:
        """Leave no half-written line. Where even that is refused, the reader passes over one at the end."""
        with suppress(OSError):
            os.ftruncate(descriptor, self._written.size)

    def _drain(self, descriptor: int) -> None:
        if self._written.size == 0:
            # A cut header is worth nothing, so it is written whole or not at all.
            _append(descriptor, self._header, 0)
            self._written = _Written(size=len(self._header))
        while self._pending:
            # By index: an iterator would fail if another thread recorded meanwhile.
            chunk = [self._pending[index] for index in range(min(_CHUNK, len(self._pending)))]
            # After Ctrl-C between writing and forgetting, records are in the file and here.
            chunk = [(ordinal, record) for ordinal, record in chunk if ordinal > self._written.last]
            if chunk:
                self._write(descriptor, chunk)
            while self._pending and self._pending[0][0] <= self._written.last:
                self._pending.popleft()

    def _write(self, descriptor: int, chunk: list[tuple[int, Step | Event]]) -> None:
        lines = [record_line(record) for _, record in chunk]
        start = self._written.size
        try:
            _append(descriptor, b"".join(lines), start)
        except _ShortWriteError as error:
            # The whole lines stay; `flush` cuts off the rest.
            room = error.n_bytes
            n_whole = sum(end <= room for end in itertools.accumulate(map(len, lines)))
            self._written = self._after(chunk[:n_whole], lines[:n_whole])
            raise
        self._written = self._after(chunk, lines)

    def _after(self, chunk: list[tuple[int, Step | Event]], lines: list[bytes]) -> _Written:
        return _Written(
            self._written.size + sum(map(len, lines)),
            chunk[-1][0] if chunk else self._written.last,
            self._written.n_steps + sum(isinstance(record, Step) for _, record in chunk),
        )

    def _fail(self, problem: OSError | None) -> None:
        n_lost = len(self.unwritten) + self.n_dropped
        why = f"the disk refused ({problem.strerror})" if problem else f"more than {self._max_pending} steps waited"
        state = "its steps are all there, only the closing line is not" if n_lost == 0 else f"{n_lost} steps are not"
        raise TraceError(
            self.path,
            f"asked to record every step; {why}: the first {self.n_written} steps are in the file and can be replayed, "
            f"{state}; free some space or choose another place, and record again",
            n_written=self.n_written,
            n_lost=n_lost,
        ) from problem


class _ShortWriteError(OSError):
    """Some bytes went out before the disk refused."""

    def __init__(self, cause: OSError, n_bytes: int) -> None:
        self.cause = cause
        self.n_bytes = n_bytes
        super().__init__(cause.errno, cause.strerror)


def _append(descriptor: int, content: bytes, offset: int) -> None:
    """Write at an absolute place: to do it again after an interruption changes nothing."""
    n_done = 0
    while n_done < len(content):
        try:
            n_done += os.pwrite(descriptor, content[n_done:], offset + n_done)
        except OSError as error:
            raise _ShortWriteError(error, n_done) from error
