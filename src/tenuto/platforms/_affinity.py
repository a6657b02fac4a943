"""The cores knob: on which processors the threads of this process may run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

ThreadCpus = Mapping[int, frozenset[int]]
"""Processors by thread."""


class Affinity(Protocol):
    """Where the threads of a process may run."""

    def current(self) -> frozenset[int]:
        """The processors of the main thread, as the kernel reports them now."""
        ...

    def save(self) -> ThreadCpus:
        """Every thread's processors."""
        ...

    def confine(self, cpus: frozenset[int]) -> frozenset[int]:
        """Move every thread to `cpus`; threads started later inherit them.

        As with the kernel's cpusets, a thread that chose processors of its own keeps those of them that are in `cpus`.

        Returns:
            The processors that the kernel reports afterwards.

        Raises:
            OSError: None of them is online and ours.
        """
        ...

    def restore(self, saved: ThreadCpus) -> None:
        """Give the threads that still live what they had, and later ones what the main thread had."""
        ...


class ProcessAffinity:
    """The threads of this process, as the kernel schedules them."""

    def __init__(self) -> None:
        self._imposed: dict[int, frozenset[int]] = {}
        self._chosen: dict[int, frozenset[int]] = {}

    def current(self) -> frozenset[int]:
        """The processors of the main thread."""
        return frozenset(os.sched_getaffinity(os.getpid()))

    def save(self) -> ThreadCpus:
        """Every thread's processors."""
        saved = {}
        for thread in _threads():
            try:
                saved[thread] = frozenset(os.sched_getaffinity(thread))
            except ProcessLookupError:
                continue
        return saved

    def confine(self, cpus: frozenset[int]) -> frozenset[int]:
        """Move every thread to `cpus`, or to those of them that it chose itself."""
        inherited = self.current()
        done: set[int] = set()
        # A thread not yet moved may start another meanwhile: go on until a look finds no new one.
        while fresh := _threads() - done:
            for thread in fresh:
                self._confine_one(thread, cpus, inherited)
            done |= fresh
        self._imposed = {thread: imposed for thread, imposed in self._imposed.items() if thread in done}
        self._chosen = {thread: chosen for thread, chosen in self._chosen.items() if thread in done}
        return self.current()

    def _confine_one(self, thread: int, cpus: frozenset[int], inherited: frozenset[int]) -> None:
        try:
            found = frozenset(os.sched_getaffinity(thread))
            if found not in (inherited, self._imposed.get(thread, inherited)):
                self._chosen[thread] = found  # else it has what we, or the thread that started it, gave it
            imposed = (cpus & self._chosen[thread] if thread in self._chosen else cpus) or cpus
            os.sched_setaffinity(thread, imposed)
        except ProcessLookupError:
            return  # it ended between the look and the move
        self._imposed[thread] = imposed

    def restore(self, saved: ThreadCpus) -> None:
        """Give every thread its processors back."""
        by_default = saved.get(os.getpid(), frozenset())
        for thread in _threads():
            if cpus := saved.get(thread, by_default):
                try:
                    os.sched_setaffinity(thread, cpus)
                except OSError:
                    # All of them were switched off or taken away while we held the board: nothing to go back to.
                    continue


class TreeAffinity:
    """The cores knob of a board that is only a file tree: it remembers, and this process stays where it is."""

    def __init__(self, cpus: tuple[int, ...]) -> None:
        self._allowed = frozenset(cpus)
        self._current = self._allowed

    def current(self) -> frozenset[int]:
        """The processors last asked for."""
        return self._current

    def save(self) -> ThreadCpus:
        """One thread's processors."""
        return {0: self._current}

    def confine(self, cpus: frozenset[int]) -> frozenset[int]:
        """Remember, as the kernel would: only processors that exist."""
        if not cpus & self._allowed:
            raise OSError(22, "none of these processors exists")
        self._current = cpus & self._allowed
        return self._current

    def restore(self, saved: ThreadCpus) -> None:
        """Remember what was saved."""
        self._current = saved[0]


def _threads() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()}
