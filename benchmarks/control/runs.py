"""Jobs on the machine's cores, and what came of them kept in a file, so that an interrupted run goes on."""

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.control.passages import Job, Result, run
from benchmarks.control.sources import key

FILE = "control-passages.jsonl"
SLOWEST = ("battery", "rk3588-day", "xu3-heat", "xu3-phases")
"""Scenarios that are begun first, lest one core finish alone."""


class _Kept(msgspec.Struct):
    key: str
    result: Result


def default_cache() -> Path:
    """The user's cache folder for this."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenuto" / "benchmarks"


@dataclass
class Runs:
    """Results by job: computed once, kept, found again while the sources that they depend on are the same.

    Attributes:
        folder: Where they are kept.
        n_workers: Processes.
        failed: Why jobs failed.
        n_computed: Jobs that were computed, not found.
        computed_s: What they took, over all processes.
        n_inputs: Of them.
    """

    folder: Path
    n_workers: int
    failed: dict[Job, str] = field(default_factory=dict)
    _known: dict[str, Result] = field(default_factory=dict)
    _pool: ProcessPoolExecutor | None = None
    n_computed: int = 0
    computed_s: float = 0.0
    n_inputs: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / FILE
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    kept = msgspec.json.decode(line, type=_Kept)
                except msgspec.DecodeError:  # a run that was killed while it wrote, or an older form
                    continue
                self._known[kept.key] = kept.result

    def of(self, job: Job) -> Result | None:
        """What came of a job; None where it failed or was not asked for."""
        return self._known.get(key(job))

    def do(self, jobs: Iterable[Job], what: str) -> None:
        """Compute what is not known yet."""
        asked = [job for job in dict.fromkeys(jobs) if key(job) not in self._known and job not in self.failed]
        if not asked:
            return
        asked.sort(key=_order)
        begin, n_done = perf_counter(), 0
        if self._pool is None:  # one for all, so that all of its processes have read the same sources
            self._pool = ProcessPoolExecutor(self.n_workers, mp_context=get_context("spawn"))
        with (self.folder / FILE).open("ab") as file:
            file.write(b"\n")  # after a line that was cut off
            pending = {self._pool.submit(run, job): job for job in asked}
            for future in as_completed(pending):
                job = pending.pop(future)
                try:
                    result = future.result()
                except Exception as error:  # one passage's trouble is reported, the others go on
                    self.failed[job] = f"{type(error).__name__}: {error}"
                    _say(f"{job.scenario} {job.policy} seed {job.seed}: {self.failed[job]}\n")
                    continue
                self._known[key(job)] = result
                file.write(msgspec.json.encode(_Kept(key(job), result)) + b"\n")
                file.flush()
                n_done += 1
                self._count(result)
                self._show(what, n_done, len(asked), perf_counter() - begin)
        _say("\n")

    def __enter__(self) -> "Runs":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _count(self, result: Result) -> None:
        self.n_computed += 1
        self.computed_s += result.took_s
        self.n_inputs += sum(one.n for passed in result.passed for one in passed.applications)

    def _show(self, what: str, n_done: int, n_all: int, took_s: float) -> None:
        if sys.stderr.isatty() or n_done == n_all or n_done % 20 == 0:
            left_s = took_s / n_done * (n_all - n_done)
            _say(f"\r{what}: {n_done} of {n_all} passages, {took_s:.0f} s, about {left_s:.0f} s left   ")


def _order(job: Job) -> tuple[int, int, str]:
    """Slow ones first; the clairvoyant, which runs a mission many times over, before all others."""
    slow = next((index for index, name in enumerate(SLOWEST) if job.scenario.startswith(name)), len(SLOWEST))
    return (slow, job.policy != "oracle", job.scenario)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
