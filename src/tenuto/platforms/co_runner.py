"""A real disturbance: processes that compete for chosen processors, or for memory, when told to."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, get_args

from tenuto.errors import PlatformError, UsageError

Kind = Literal["cpu", "memory"]

READY_TIMEOUT_S: Final = 30.0
"""A worker needs some 20 ms to start; much longer where others already fill its processor."""

PAUSE_TIMEOUT_S: Final = 5.0
"""A worker answers within a millisecond of its own running time; until then it shares its processor with others."""

_PROGRAM: Final = str(Path(__file__).with_name("_co_runner_worker.py"))
_NAME: Final = "co-runner"


class CoRunner:
    """CPU-bound processes, started ahead and paused, each pinned to one processor.

    ```python
    with CoRunner([0, 1]) as co_runner:
        co_runner.start()   # at once: the processes are there already
        ...
        co_runner.stop()    # returns when they are quiet
    ```

    The processes end when the context does, and when this process dies in any way. One that dies is missing from
    `n_alive`; `revive` replaces it.

    Args:
        cpus: The processors to disturb.
        kind: `cpu`: arithmetic in registers and first-level cache; `memory`: copies that sweep 64 MB.
        n_per_cpu: Processes on each processor; with n of them a process of ours gets about 1/(n+1) of it.
        nice: Their niceness; negative needs a permission.

    Raises:
        UsageError: No processor, an unknown kind, or no process per processor.
    """

    def __init__(self, cpus: Iterable[int], *, kind: Kind = "cpu", n_per_cpu: int = 1, nice: int = 0) -> None:
        self._cpus = tuple(cpus)
        if not self._cpus or n_per_cpu < 1:
            raise UsageError(
                f"asked for {n_per_cpu} processes on each of {len(self._cpus)} processors; "
                "a co-runner needs one of each at least"
            )
        if kind not in get_args(Kind):
            raise UsageError(f"asked for a co-runner of kind {kind!r}; known: {', '.join(get_args(Kind))}")
        self._kind = kind
        self._nice = nice
        self._places = tuple(cpu for cpu in self._cpus for _ in range(n_per_cpu))
        self._workers: list[subprocess.Popen[bytes]] = []
        self._is_running = False

    @property
    def n_workers(self) -> int:
        """How many processes there should be."""
        return len(self._places)

    @property
    def n_alive(self) -> int:
        """How many of them live."""
        return sum(worker.poll() is None for worker in self._workers)

    @property
    def is_alive(self) -> bool:
        """Whether all of them live."""
        return self.n_alive == self.n_workers

    @property
    def is_running(self) -> bool:
        """Whether they were told to run."""
        return self._is_running

    @property
    def pids(self) -> tuple[int, ...]:
        """The process numbers of those that live."""
        return tuple(worker.pid for worker in self._workers if worker.poll() is None)

    def __enter__(self) -> "CoRunner":
        """Start the processes, paused.

        Raises:
            PlatformError: One would not start, or may not run on its processor.
        """
        try:
            self._workers = [self._spawn(cpu) for cpu in self._places]
            self._wait_until_ready(self._workers)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self.close()

    def start(self) -> int:
        """Let them run.

        Returns:
            How many do: those that live.
        """
        self._is_running = True
        return sum(_tell(worker, b"g") for worker in self._workers)

    def stop(self) -> int:
        """Pause them, and wait until they are quiet.

        Returns:
            How many are paused: those that live.

        Raises:
            PlatformError: One did not answer.
        """
        if not self._is_running:
            return self.n_alive
        told = [worker for worker in self._workers if _tell(worker, b"p")]
        self._is_running = False
        deadline_s = time.monotonic() + PAUSE_TIMEOUT_S
        answers = [_answers(worker, b"p", deadline_s) for worker in told]
        silent = [worker.pid for worker, answer in zip(told, answers, strict=True) if answer is None]
        if silent:
            raise PlatformError(
                f"asked co-runner processes {silent} to pause, no answer in {PAUSE_TIMEOUT_S:.0f} s; "
                "something stopped them or keeps their processor: close the co-runner",
                platform=_NAME,
            )
        return sum(answer is True for answer in answers)

    def revive(self) -> int:
        """Replace the processes that died; the new ones run if the others do.

        Returns:
            How many were replaced.

        Raises:
            PlatformError: One would not start.
        """
        fresh = []
        for index, worker in enumerate(self._workers):
            if worker.poll() is not None:
                _forget(worker)
                self._workers[index] = self._spawn(self._places[index])
                fresh.append(self._workers[index])
        self._wait_until_ready(fresh)
        if self._is_running:
            for worker in fresh:
                _tell(worker, b"g")
        return len(fresh)

    def close(self) -> None:
        """End the processes; may be called twice."""
        workers, self._workers = self._workers, []
        self._is_running = False
        for worker in workers:
            worker.kill()
        for worker in workers:
            _forget(worker)

    def _spawn(self, cpu: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 (our own program, no shell)
                [sys.executable, "-I", "-S", _PROGRAM, str(cpu), self._kind, str(self._nice)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                env={},
                start_new_session=True,  # a Ctrl-C is for us; we end them
            )
        except OSError as error:
            raise self._would_not_start(cpu, str(error)) from error

    def _wait_until_ready(self, workers: Iterable[subprocess.Popen[bytes]]) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        for worker in workers:
            if _answers(worker, b"r", deadline_s) is not True:
                worker.kill()
                worker.wait()
                said = worker.stderr.read().decode(errors="replace") if worker.stderr else ""
                cpu = self._places[self._workers.index(worker)]
                raise self._would_not_start(cpu, said.strip().rpartition("\n")[2] or "it did not answer")

    def _would_not_start(self, cpu: int, found: str) -> PlatformError:
        return PlatformError(
            f"asked for a co-runner on processor {cpu} at nice {self._nice}, found: {found}; "
            f"processors that are ours: {sorted(os.sched_getaffinity(0))}",
            platform=_NAME,
            part=f"cpu{cpu}",
        )


def _tell(worker: subprocess.Popen[bytes], command: bytes) -> bool:
    """Whether it could be told: a dead one cannot."""
    if worker.stdin is None or worker.poll() is not None:
        return False
    try:
        worker.stdin.write(command)
    except OSError:
        return False
    return True


def _answers(worker: subprocess.Popen[bytes], expected: bytes, deadline_s: float) -> bool | None:
    """True when it answers, False when it died, None when it stays silent."""
    if worker.stdout is None:
        return False
    left_s = max(0.0, deadline_s - time.monotonic())
    if not select.select([worker.stdout], [], [], left_s)[0]:
        return None
    return bool(worker.stdout.read(1) == expected)


def _forget(worker: subprocess.Popen[bytes]) -> None:
    """Collect a dead process and close its pipes."""
    worker.wait()
    for pipe in (worker.stdin, worker.stdout, worker.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
