"""Our own command as a process of its own, on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tenuto.errors import PlatformError
from tenuto.platforms import LinuxPlatform

PROGRAM = "from tenuto.cli import main; main()"
PATIENCE_S = 120.0


def run(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    wait_for_the_board()
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *words],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def interrupt(*words: str, home: Path, when: Callable[[int], bool]) -> subprocess.CompletedProcess[str]:
    """A command that gets a Ctrl-C as soon as `when` says so of its process number."""
    wait_for_the_board()
    arguments = [sys.executable, "-W", "error", "-c", PROGRAM, *words]
    with subprocess.Popen(
        arguments, env=environment(home), cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None or when(process.pid))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def environment(home: Path) -> dict[str, str]:
    """One that keeps profiles and models to the test."""
    return {**os.environ, "XDG_DATA_HOME": str(home / "data"), "COLUMNS": "160", "NO_COLOR": "1"}


def wait_for_the_board() -> None:
    """One program at a time holds a machine: let another end first."""

    def is_free() -> bool:
        try:
            with LinuxPlatform().hold():
                return True
        except PlatformError:
            return False

    wait_until(is_free)


def wait_until(holds: Callable[[], bool]) -> None:
    gives_up_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < gives_up_at, "waited in vain"
        time.sleep(0.02)


def holds_the_board(pid: int) -> bool:
    """Whether a process has the board's lock, and so is measuring or streaming."""
    locks = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
    return any(fields[1] == "FLOCK" and fields[4] == str(pid) for fields in locks if len(fields) > 4)


def children(pid: int) -> list[int]:
    """The processes that a process started from its main thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
