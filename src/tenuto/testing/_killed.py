"""Another process that takes something and is killed."""

import os
import select
import signal
import warnings
from collections.abc import Callable
from typing import Final

_TAKES_S: Final = 30.0
"""How long it may need to take it."""


def kill_holder(take: Callable[[], object]) -> None:
    """Fork a process, let it take what is to be taken, and kill it so that it can do nothing about it.

    Args:
        take: Takes it, and returns what must stay alive for it to stay taken.

    Raises:
        AssertionError: It could not take it, or did not within half a minute.
    """
    told, tell = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads: the child uses no lock that one of ours may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _be_killed(take, tell)
    os.close(tell)
    try:
        is_told, _, _ = select.select([told], [], [], _TAKES_S)
        said = os.read(told, 10_000).decode(errors="replace") if is_told else f"nothing for {_TAKES_S:g} s"
    finally:
        os.close(told)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if said != "taken":
        raise AssertionError(f"another process can hold a board that nobody holds; found {said or 'that it died'}")


def _be_killed(take: Callable[[], object], tell: int) -> None:
    """The child's life. It must never come back into our caller's frames."""
    try:
        # What a test runner does with signals and at exit is not the child's to do.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        taken = take()
        os.write(tell, b"taken")
        while taken is not None:  # so that nobody collects it meanwhile
            signal.pause()
    except BaseException as error:
        os.write(tell, repr(error).encode()[:10_000])
    finally:
        os._exit(1)
