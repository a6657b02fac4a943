"""Where the jobs of a campaign are done: in this process, in others on this machine, or on a Ray cluster."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, Protocol

from tenuto.errors import TenutoError, UsageError


class Pool(Protocol):
    """Does jobs."""

    def submit(self, work: Callable[[Any], Any], job: Any, /) -> "Future[Any]":
        """Begin a job, if not at once then later."""
        ...


class _Here:
    """A pool that does everything at once, in this process."""

    def submit(self, work: Callable[[Any], Any], job: Any, /) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(work(job))
        return future


@contextmanager
def here() -> Iterator[Pool]:
    """In this process, one after the other."""
    yield _Here()


@contextmanager
def processes(n_workers: int | None) -> Iterator[Pool]:
    """In processes of their own, which are gone when the block is left, however that is.

    Args:
        n_workers: How many; None is one for each processor.

    Raises:
        UsageError: One of them ended without an answer.
    """
    before = set(active_children())
    with ProcessPoolExecutor(
        n_workers or os.cpu_count(), mp_context=get_context("spawn"), initializer=_let_the_parent_decide
    ) as pool:
        try:
            yield pool
        except BaseException as problem:
            # What they are at is of no use to anybody any more, and may take minutes.
            for process in set(active_children()) - before:
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(problem, BrokenProcessPool):
                raise UsageError(
                    "a process that replayed ended without an answer; memory may be short, so ask for fewer processes"
                ) from problem
            raise


def _let_the_parent_decide() -> None:
    """A Ctrl-C in a terminal goes to all processes; the first of them ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _OnRay:
    """A pool on a Ray cluster."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._refs: list[Any] = []
        self._remotes: dict[Callable[[Any], Any], Any] = {}

    def submit(self, work: Callable[[Any], Any], job: Any, /) -> "Future[Any]":
        remote = self._remotes.get(work)
        if remote is None:
            remote = self._remotes[work] = self._ray.remote(_told)
        ref = remote.remote(work, job)
        self._refs.append(ref)
        future: Future[Any] = Future()

        def answer(done: "Future[Any]") -> None:
            try:
                found = done.result()
            except Exception as problem:  # Ray's own troubles, and what the job did not raise on purpose
                future.set_exception(problem)
                return
            if isinstance(found, TenutoError):
                future.set_exception(found)
            else:
                future.set_result(found)

        ref.future().add_done_callback(answer)
        return future

    def cancel(self) -> None:
        """Let nobody work for nothing."""
        for ref in self._refs:
            self._ray.cancel(ref, force=True)


def _told(work: Callable[[Any], Any], job: Any) -> Any:
    """What a job gives, or what it raises on purpose, which Ray would hand back in a wrapping of its own."""
    try:
        return work(job)
    except TenutoError as problem:
        return problem


@contextmanager
def on_ray_cluster() -> Iterator[Pool]:
    """On the Ray cluster that this process, `RAY_ADDRESS` or this machine has, or else one that is started here.

    Its machines need this version of Tenuto, and files at the same places.

    Raises:
        UsageError: Ray is not installed, or there is no cluster where one was said to be.
    """
    try:
        import ray  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("asked to run on Ray, which is not installed; pip install 'tenuto[cluster]'") from error
    is_ours = not ray.is_initialized()
    if is_ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody agreed to tell anybody
        try:
            ray.init(log_to_driver=False, include_dashboard=None)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(f"asked to run on Ray, which did not start: {error}; see RAY_ADDRESS") from error
    pool = _OnRay(ray)
    try:
        yield pool
    except BaseException:
        pool.cancel()
        raise
    finally:
        if is_ours:
            ray.shutdown()
