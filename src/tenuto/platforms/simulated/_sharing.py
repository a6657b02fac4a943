"""Several inferences of ours at once on one board: who runs where, how fast, and what they draw together.

Model:
    **Cores.** To an inference, the cores of our others on its cluster are busy cores like those of others
    (`contention.core_slowdown`). **An accelerator** is shared out equally in time: beside k - 1 of ours each takes k
    times as long, besides what it waits for programs of others. **Memory.** What our others ask for, each as it would
    run were there no memory traffic but that of programs of others, counts as others' traffic. **Power.** Cores busy
    with either are busy; an accelerator that several share is filled as much as they fill it on average.

    What is left of an inference goes on at a new pace whenever a clock, the world, or who is there changes.

    Left out: caches that ours sweep for each other (except `first_run_us` and `migration_us` for those of one owner),
    and that the kernel would rather move a thread of ours to another cluster than let it wait.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenuto.platforms.simulated import contention
from tenuto.platforms.simulated._domain import NEVER, Domain

if TYPE_CHECKING:
    from tenuto.platforms.simulated._board import Board, Work


@dataclass(slots=True, eq=False)
class Running:
    """An inference under way. What it was asked for stays; how far it is, is the board's.

    Attributes:
        work: What it takes.
        cluster: Where it was put.
        n_cores: On how many cores.
        began_s: When.
        owner: Whose it is.
        ended_s: When it was done; None before.
    """

    work: "Work"
    cluster: str
    n_cores: int
    began_s: float
    owner: Hashable = None
    ended_s: float | None = None
    index: int = field(default=0, repr=False)  # of the cluster that it was put on
    left: float = field(default=1.0, repr=False)  # at `since_s`, in times of the work
    pause_s: float | None = field(default=0.0, repr=False)  # before it begins, besides waking; None once it has begun
    place: int = field(default=-1, repr=False)  # where it is; -1 is nowhere, or alone and in pulses
    cores: int = field(default=0, repr=False)
    clock_hz: int = field(default=0, repr=False)
    seconds: float = field(default=0.0, repr=False)  # that the work would take at the present pace
    since_s: float = field(default=0.0, repr=False)
    end_s: float = field(default=NEVER, repr=False)  # if nothing changes any more


class Crew:
    """Our inferences on one board.

    While there is one alone, no governor looks at it and no kernel moves it, the board runs it in pulses, which is
    quicker and comes to the same.

    Args:
        board: The board.

    Attributes:
        running: Those under way.
        ended: Those that ended while somebody only let time pass.
    """

    def __init__(self, board: "Board") -> None:
        self._board = board
        self.running: list[Running] = []
        self.ended: list[Running] = []
        self._version = -1

    @property
    def in_pulses(self) -> Running | None:
        """The only one, if its cluster does not know of it."""
        running = self.running
        return running[0] if len(running) == 1 and running[0].place < 0 else None

    def start(self, running: Running) -> None:
        """One more, from now on."""
        self.running.append(running)
        domain = self._board.domains[running.index]
        if len(self.running) > 1 or domain.driven_hz is None or domain.is_taken:
            self.arrange()

    def advance(self, time_s: float) -> list[Running]:
        """Let time pass until `time_s`, until some end, or until the board switches itself off.

        Returns:
            Those that ended; of a board that is off, all are lost.
        """
        board = self._board
        time_s = max(time_s, board.time_s)
        while self.running and not board.is_off:
            ended = self._go_on(time_s)
            if ended or (board.time_s >= time_s and board.next_s > time_s):
                self.settle()
                return ended
        if self.running:  # of a board that is off
            self.running = []
            self.arrange()
        while board.next_s <= time_s and not board.is_off:
            board.time_s = board.next_s
            board.happen()
        if not board.is_off:
            board.time_s = time_s
        return []

    def settle(self) -> None:
        """Let all go on as the board is now, if it has changed; until then it does not show."""
        if self.running and self.in_pulses is None and self._is_stale():
            self.arrange()

    def _go_on(self, time_s: float) -> list[Running]:
        """Until something happens, or some are done, which are returned."""
        board, alone = self._board, self.in_pulses
        if alone is not None:
            left, alone.pause_s = board.pulses(
                alone.work, alone.left, alone.index, alone.n_cores, time_s, pause_s=alone.pause_s
            )
            alone.left = left
            if not left:
                alone.ended_s = board.time_s
                self.running = []
                return [alone]
            if board.is_off or board.time_s >= time_s:
                return []
        if self._is_stale():  # or the only one no longer runs in pulses
            self.arrange()
        end_s = min([one.end_s for one in self.running])
        if end_s <= min(board.next_s, time_s):
            board.time_s = max(board.time_s, end_s)
            return self._end()
        board.time_s = min(board.next_s, time_s)
        if board.next_s <= time_s:
            board.happen()
        return []

    def _end(self) -> list[Running]:
        """Those that are done by now."""
        now_s = self._board.time_s
        ended = [one for one in self.running if one.end_s <= now_s]
        for one in ended:
            one.ended_s = now_s
        self.running = [one for one in self.running if one.ended_s is None]
        self.arrange()
        return ended

    def _is_stale(self) -> bool:
        """Whether anything has changed that the pace depends on, other than who is there."""
        board = self._board
        if board.version != self._version:
            return True
        domains = board.domains
        return any(one.place < 0 or domains[one.place].clock_hz != one.clock_hz for one in self.running)

    def arrange(self) -> None:
        """Let everybody go on where they may, as fast as they can, and draw what that draws."""
        board, running = self._board, self.running
        domains, self._version = board.domains, board.version
        cores, members = [0] * len(domains), [0] * len(domains)
        for one in running:
            place, n_cores = board.place(one.index, one.n_cores)
            if place != one.place:
                self._progress(one)
                if one.pause_s is None and (one.place >= 0 or place != one.index):
                    one.pause_s = 0.0  # the cluster that it comes to must wake
                one.place, one.cores, one.seconds = place, n_cores, 0.0
            cores[place] += n_cores
            members[place] += 1
        demands = self._demands(cores, members) if len(running) > 1 else [0.0]
        fills, moved = [0.0] * len(domains), 0.0
        for index, one in enumerate(running):
            domain = domains[one.place]
            beside_gb_s = sum([other for place, other in enumerate(demands) if place != index]) / 1e9
            longer, clock_hz = longer_by(domain, one.cores, cores[one.place], members[one.place]), domain.clock_hz
            seconds, fill, bytes_per_s = one.work.at(board, one.place, one.cores, clock_hz, beside_gb_s)
            fills[one.place] += fill / members[one.place]
            moved += bytes_per_s / longer
            one.clock_hz = clock_hz
            self._pace(one, seconds * longer, domain)
        # An accelerator is one core.
        taken = [min(n_cores, domain.n_cores) for n_cores, domain in zip(cores, domains, strict=True)]
        board.occupy(taken, fills, moved)

    def _demands(self, cores: list[int], members: list[int]) -> list[float]:
        """What each asks of the memory, in bytes a second."""
        board = self._board
        demands = []
        for one in self.running:
            domain = board.domains[one.place]
            longer = longer_by(domain, one.cores, cores[one.place], members[one.place])
            demands.append(one.work.at(board, one.place, one.cores, domain.clock_hz)[2] / longer)
        return demands

    def _pace(self, one: Running, seconds: float, domain: Domain) -> None:
        now_s = self._board.time_s
        if seconds == one.seconds:
            return
        self._progress(one)
        if one.pause_s is not None:
            one.left += (domain.exit_s(now_s) + one.pause_s) / seconds
            one.pause_s = None
        one.seconds, one.since_s, one.end_s = seconds, now_s, now_s + one.left * seconds

    def _progress(self, one: Running) -> None:
        """What it has done so far."""
        now_s = self._board.time_s
        if one.seconds:
            one.left = max(one.left - (now_s - one.since_s) / one.seconds, 0.0)
        one.since_s = now_s


def longer_by(domain: Domain, n_cores: int, n_own: int, n_members: int) -> float:
    """How many times longer an inference takes beside our others than without.

    Args:
        domain: Where.
        n_cores: On how many cores it is.
        n_own: On how many cores ours are together.
        n_members: How many ours are.
    """
    if not domain.is_cpu:
        return float(n_members)
    if n_own == n_cores:
        return 1.0
    busy, n_there = domain.others_cores, domain.n_cores
    return contention.core_slowdown(n_own, busy, n_there) / contention.core_slowdown(n_cores, busy, n_there)
