"""Which clocks are read and which dice are thrown while something runs."""

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

_CLOCKS: Final = frozenset(
    name
    for name in (
        *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"),
        *("process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns"),
    )
    if hasattr(time, name)
)
_DICE: Final = ("random", "getrandbits", "seed")


def impure_calls(run: Callable[[], object]) -> list[str]:
    """The clocks that `run` reads and the unseeded chance that it uses, by name.

    Model:
        Seen through the interpreter's profiling hook, which tells of every call of a built-in function, whatever name
        it was imported by. Compiled extensions that read a clock themselves are not seen; and nothing is where another
        profiler is at work, for there is one hook.
    """
    found: set[str] = set()
    shared = getattr(random, "_inst", None)

    def look(frame: Any, event: str, function: Any) -> None:
        del frame
        if event != "c_call":
            return
        module, name = getattr(function, "__module__", None), getattr(function, "__name__", "")
        owner = getattr(function, "__self__", None)
        if module == "time" and name in _CLOCKS:
            found.add(f"time.{name}")
        elif isinstance(owner, type) and owner.__module__ == "datetime" and name in ("now", "utcnow", "today"):
            found.add(f"datetime.{owner.__name__}.{name}")
        elif owner is shared and shared is not None and name in _DICE:
            found.add(f"random.{name}")
        elif function is os.urandom or (name == "urandom" and module == os.urandom.__module__):
            found.add("os.urandom, as generators without a seed do")

    if sys.getprofile() is not None:
        return []
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(None)
    return sorted(found)
