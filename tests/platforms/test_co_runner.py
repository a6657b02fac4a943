"""The disturbance is real, obeys at once, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenuto.errors import PlatformError, UsageError
from tenuto.platforms import CoRunner

CPU = min(os.sched_getaffinity(0))


def cpu_ticks(pid: int) -> int:
    """The time that a process has run for, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def wait_for(happens: Callable[[], Any], what: str) -> None:
    gives_up_at = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < gives_up_at, f"never happened: {what}"
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be collected has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("kind", ["cpu", "memory"])
def test_it_runs_when_told_and_is_quiet_before_and_after(kind: Any) -> None:
    with CoRunner([CPU], kind=kind) as co_runner:
        (pid,) = co_runner.pids
        idle = cpu_ticks(pid)
        time.sleep(0.1)
        assert cpu_ticks(pid) - idle <= 1
        assert co_runner.start() == 1
        assert co_runner.is_running
        wait_for(lambda: cpu_ticks(pid) > idle + 5, "that it uses its processor")
        assert co_runner.stop() == 1
        paused = cpu_ticks(pid)
        time.sleep(0.1)
        assert cpu_ticks(pid) - paused <= 1
        assert not co_runner.is_running
        co_runner.start()
        wait_for(lambda: cpu_ticks(pid) > paused + 2, "that it starts again")
    assert is_gone(pid)


def test_its_processes_are_pinned_and_as_many_as_asked() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with CoRunner(cpus, n_per_cpu=2, nice=5) as co_runner:
        assert (co_runner.n_workers, co_runner.n_alive) == (2 * len(cpus), 2 * len(cpus))
        assert sorted(os.sched_getaffinity(pid).copy().pop() for pid in co_runner.pids) == sorted(cpus * 2)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in co_runner.pids} == {min(own + 5, 19)}


def test_a_worker_that_dies_is_reported_and_can_be_replaced() -> None:
    with CoRunner([CPU], n_per_cpu=2) as co_runner:
        assert co_runner.start() == 2
        victim, survivor = co_runner.pids
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: co_runner.n_alive == 1, "that the death shows")
        assert not co_runner.is_alive
        assert co_runner.start() == 1
        assert co_runner.stop() == 1
        assert co_runner.start() == 1
        assert co_runner.revive() == 1
        assert co_runner.is_alive
        fresh = next(pid for pid in co_runner.pids if pid != survivor)
        wait_for(lambda: cpu_ticks(fresh) > 2, "that the new one runs like the others")
        assert co_runner.revive() == 0


def test_stopping_one_that_does_not_run_and_closing_twice_are_harmless() -> None:
    co_runner = CoRunner([CPU])
    with co_runner:
        assert co_runner.stop() == 1
    co_runner.close()
    assert (co_runner.n_alive, co_runner.pids, co_runner.is_running) == (0, (), False)


def test_it_may_be_entered_again() -> None:
    co_runner = CoRunner([CPU])
    for _ in range(2):
        with co_runner:
            assert co_runner.start() == 1


@pytest.mark.parametrize("state", ["paused", "running"])
def test_it_dies_with_its_parent_however_that_dies(state: str) -> None:
    program = """
        import sys, time
        from tenuto.platforms import CoRunner
        with CoRunner([int(sys.argv[1])], n_per_cpu=2) as co_runner:
            if sys.argv[2] == "running":
                co_runner.start()
            print(*co_runner.pids, flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(CPU), state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(is_gone(pid) for pid in pids)
        parent.kill()
    wait_for(lambda: all(is_gone(pid) for pid in pids), "that its workers end")


def test_a_processor_that_is_not_there_is_an_error_and_leaves_no_process() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text(encoding="ascii") if children.exists() else ""
    with pytest.raises(PlatformError) as caught, CoRunner([CPU, 4000]):
        pytest.fail("started on a processor that does not exist")
    assert caught.value.part == "cpu4000"
    assert (children.read_text(encoding="ascii") if children.exists() else "") == before


@pytest.mark.parametrize("words", [{"cpus": []}, {"cpus": [0], "n_per_cpu": 0}, {"cpus": [0], "kind": "gpu"}])
def test_a_co_runner_of_nothing_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CoRunner(**words)
