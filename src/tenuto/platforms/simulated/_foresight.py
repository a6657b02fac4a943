"""What inferences to come would take and draw, for who may know it: an oracle that other policies are measured by.

Model:
    **Latency** is what the board would really take if nothing else changed meanwhile: waking, what an application pays
    for coming from elsewhere, the old clock until the new one is in force, programs of others, and our others that run.
    That a new clock also changes how much memory traffic our others on the same cluster make is left out.

    **Energy** is that of all clusters, and of the traffic that the inference makes, over the inference and what is then
    left of the period, in which its cluster idles at its clock. All others stay as they are now: the other clusters,
    programs of others, and our others that run, also after the inference. Temperatures stay, too. The memory's idle
    power and the rest of the board are the same whatever is chosen, and left out. A clock that is left to a governor
    stays what the governor makes it now.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownNameError, UsageError
from tenuto.platforms.simulated import contention
from tenuto.platforms.simulated._board import Board, Work
from tenuto.platforms.simulated._domain import NEVER
from tenuto.platforms.simulated._hold import check_clock
from tenuto.platforms.simulated._sharing import longer_by
from tenuto.platforms.simulated._work import NetworkWork, ScaledWork
from tenuto.platforms.simulated.power import REFERENCE_C, W_PER_PJ_S

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
_Beside = tuple[Work, int, int, int]  # where, on how many cores, at which clock
Row = tuple[NetworkWork | ScaledWork, str, int, int | None]

_MOST_KNOWN: Final = 2048


class _Unit(NamedTuple):
    """A work on some cores of a cluster, at all clocks of the ladder."""

    work: NetworkWork | ScaledWork
    cluster: int
    n_cores: int


@dataclass(slots=True, eq=False)
class _World:
    """What follows from the world, and from who of ours runs, for each unit at each clock of its ladder."""

    latency_ms: Floats
    busy: Floats  # at work, watts for each V², without leakage
    idle: Floats  # after it
    waiting: Floats  # the part of `idle` that sleep states take from
    traffic_w: Floats  # of the inference, in the memory


@dataclass(slots=True, eq=False)
class _Present:
    """What follows for each row from the clocks as they are."""

    old_ms: Floats  # an inference at the clock in force
    ratio: Floats  # at the new clock / at the old
    settle_ms: Floats
    is_settling: bool
    old_w: tuple[Floats, Floats]  # at work, at the clock in force: what does not leak, and what does at 25 °C
    new_w: tuple[Floats, Floats]
    old_idle_w: Floats  # after it, without leakage
    idle_w: Floats
    waiting_w: Floats
    does_doze: bool
    is_lost: NDArray[np.bool_] | None


class Places:
    """Where inferences may run: what of it does not change with the board is worked out once.

    Args:
        board: The board.
        rows: Work, cluster, number of cores, and clock, None for the governor's.

    Raises:
        UnknownNameError: No such cluster.
        UsageError: No row, more cores than a cluster has, or a clock that is not on its ladder.
    """

    def __init__(self, board: Board, rows: Sequence[Row]) -> None:
        if not rows:
            raise UsageError("asked to foresee no row at all; give at least one")
        names = [domain.name for domain in board.domains]
        units: dict[_Unit, int] = {}
        unit, wanted = [], []
        for work, name, n_cores, frequency_hz in rows:
            if name not in names:
                raise UnknownNameError("cluster", name, names)
            index = names.index(name)
            domain = board.domains[index]
            if not 1 <= n_cores <= domain.n_cores:
                raise UsageError(f"{name}: asked {n_cores} cores, the cluster has {domain.n_cores}; ask for 1 to that")
            if frequency_hz is not None:
                check_clock(domain.spec, frequency_hz)
            unit.append(units.setdefault(_Unit(work, index, n_cores), len(units)))
            wanted.append(-1 if frequency_hz is None else domain.ladder_hz.index(frequency_hz))
        self._board, self._tables = board, _Tables(board)
        self._unit, self._wanted = np.array(unit), np.array(wanted)
        self._units = tuple(units)
        self._works = list(dict.fromkeys(one.work for one in self._units))
        cluster_of = np.array([one.cluster for one in self._units])
        self.clusters = cluster_of[self._unit]
        self._work = np.array([self._works.index(one.work) for one in self._units])[self._unit]
        # Each unit at each clock of its ladder, one unit after the other: which unit, and which cell of the board.
        sizes = np.array([len(board.domains[cluster].ladder_hz) for cluster in cluster_of])
        starts = np.cumsum(sizes) - sizes
        self._start = starts[self._unit]
        self._of = np.repeat(np.arange(len(sizes)), sizes)
        self._cell = np.arange(len(self._of)) - starts[self._of] + self._tables.starts[cluster_of[self._of]]
        self._cluster = cluster_of[self._of]
        self._top = (starts + sizes - 1)[self._of]
        self._n_cores = np.array([float(one.n_cores) for one in self._units])[self._of]
        models = [one.work.models[one.cluster] for one in self._units]
        self._fill = np.array([model.fill for model in models])[self._of]
        n_bytes = np.array([model.n_bytes for model in models])[self._of]
        self._traffic_w_ms = 1000 * board.spec.memory.pj_per_byte.value * W_PER_PJ_S * n_bytes
        self._accelerated = np.flatnonzero([not board.domains[cluster].is_cpu for cluster in self._cluster])
        self._places = {(one.cluster, one.n_cores) for one in self._units}
        self._alone: dict[tuple[int, float], Floats] = {}
        self._worlds: dict[tuple[_Beside, ...], _World] = {}
        self._version = -1
        self._key: tuple[object, ...] = ()
        self._present: _Present | None = None
        self._polled_c: object = None
        self._leaking: tuple[Floats, Floats, Floats, Floats] = (np.empty(0),) * 4
        self._pauses: dict[tuple[int, int], Floats] = {}

    def foresee(
        self,
        factor: float,
        period_ms: float,
        pauses_ms: Sequence[tuple[float, float]],
        last: tuple[object, int] | None,
        leaves: Collection[str],
    ) -> tuple[Floats, Floats]:
        """What `SimulatedPlatform.foresee` says."""
        board = self._board
        now_s, domains = board.time_s, board.domains
        present = self._look()
        old_w, new_w, old_idle_w, idle_w = self._leaking
        exits_ms = np.array([1000 * domain.exit_s(now_s) for domain in domains])
        busy_ms = factor * present.old_ms + exits_ms.take(self.clusters)
        if last is not None:
            busy_ms += self._paused(pauses_ms, last)
        if present.is_settling:
            settle_ms = present.settle_ms
            before_ms = np.minimum(busy_ms, settle_ms)
            after_ms = (busy_ms - before_ms) * present.ratio
            latency_ms = before_ms + after_ms
            energy_mj = old_w * before_ms + new_w * after_ms
        else:
            latency_ms = busy_ms
            energy_mj = new_w * busy_ms
        span_ms = np.maximum(latency_ms, period_ms)
        rest_ms = span_ms - latency_ms
        energy_mj += idle_w * rest_ms
        if present.is_settling:
            # A short inference is over before the new clock comes.
            energy_mj += (old_idle_w - idle_w) * np.minimum(np.maximum(settle_ms - latency_ms, 0.0), rest_ms)
        for reached_ms, share in self._tables.dozes if present.does_doze else ():
            slept_ms = np.maximum(rest_ms - reached_ms.take(self.clusters), 0.0)
            energy_mj -= present.waiting_w * share.take(self.clusters) * slept_ms
        powers_w = board.powers_w
        total_w = sum(powers_w[: len(domains)])
        others_w = np.array([total_w - power_w for power_w in powers_w[: len(domains)]])
        for index, domain in enumerate(domains):
            if domain.name in leaves:
                others_w += domain.left_alone_w - powers_w[index]
                others_w[index] -= domain.left_alone_w - powers_w[index]
        energy_mj += others_w.take(self.clusters) * span_ms
        if present.is_lost is not None:
            latency_ms = np.where(present.is_lost, np.inf, latency_ms)
            energy_mj = np.where(present.is_lost, np.inf, energy_mj)
        return latency_ms, energy_mj

    def _paused(self, pauses_ms: Sequence[tuple[float, float]], last: tuple[object, int]) -> Floats:
        """What an application pays that ran `last` what it ran, where it did."""
        work, cluster = last
        which = next((index for index, one in enumerate(self._works) if one is work), -1)
        found = self._pauses.get((which, cluster))
        if found is None:
            migration, first_run = np.array(pauses_ms).T
            found = np.where(self.clusters != cluster, migration[self.clusters], 0.0)
            found += np.where(self._work != which, first_run[self.clusters], 0.0)
            self._pauses[which, cluster] = found
        return found

    def _look(self) -> _Present:
        """Work out anew what has changed."""
        board = self._board
        domains = board.domains
        places = [(one.work, *board.place(one.index, one.n_cores)) for one in board.crew.running]
        beside = tuple([(work, place, n_cores, domains[place].clock_hz) for work, place, n_cores in places])
        # How long a clock that was asked for still takes changes all the time.
        is_pending = any(domain.clock_due_s != NEVER for domain in domains)
        key = (board.version, beside, *[domain.state for domain in domains])
        present = self._present
        if present is None or is_pending or key != self._key:
            present = self._present = self._at_clocks(self._in_world(beside))
            self._key, self._polled_c = key, None
        if board.polled_c is not self._polled_c:
            self._polled_c = board.polled_c
            grow = self._tables.growth(board.polled_c)[self.clusters]
            old, new = present.old_w, present.new_w
            old_leakage_w, leakage_w = old[1] * grow, new[1] * grow
            self._leaking = (
                old[0] + old_leakage_w,
                new[0] + leakage_w,
                present.old_idle_w + old_leakage_w,
                present.idle_w + leakage_w,
            )
        return present

    def _at_clocks(self, world: _World) -> _Present:
        board, tables, clusters = self._board, self._tables, self.clusters
        steps = np.array([domain.steps(board.time_s) for domain in board.domains]).T
        clock, coming, cap, governed = steps[:4].astype(np.int64)
        wanted = np.where(self._wanted < 0, governed[clusters], self._wanted)
        old, new = clock[clusters], np.minimum(wanted, cap[clusters])
        settle_ms = np.where(new == coming[clusters], 1000 * steps[4][clusters], 1000 * steps[5][clusters])
        settle_ms[new == old] = 0.0
        start = tables.starts[clusters]
        old_rail, new_rail = self._rails(start + old, wanted), self._rails(start + new, wanted)
        before, after = self._start + old, self._start + new
        squared, leakage_w = tables.squared[new_rail], tables.leakage_w[new_rail]
        old_ms, waiting_w = world.latency_ms[before], squared * world.waiting[after]
        lost = np.array([domain.is_taken for domain in board.domains])
        return _Present(
            old_ms=old_ms,
            ratio=world.latency_ms[after] / old_ms,
            settle_ms=settle_ms,
            is_settling=bool(settle_ms.any()),
            old_w=(
                tables.squared[old_rail] * world.busy[before] + world.traffic_w[before],
                tables.leakage_w[old_rail],
            ),
            new_w=(squared * world.busy[after] + world.traffic_w[after], leakage_w),
            old_idle_w=tables.squared[old_rail] * world.idle[before],
            idle_w=squared * world.idle[after],
            waiting_w=waiting_w,
            does_doze=bool(waiting_w.any()),
            is_lost=lost[clusters] if lost.any() else None,
        )

    def _rails(self, cell: Indices, wanted: Indices) -> Indices:
        """Where voltages come from: the clock, but for clusters whose rail heat does not let down so far."""
        rail = cell
        for index, domain in enumerate(self._board.domains):
            if domain.held_rail_hz(domain.top_hz) is not None:
                steps = [domain.ladder_hz.index(domain.held_rail_hz(hz) or hz) for hz in domain.ladder_hz]
                here, start = self.clusters == index, self._tables.starts[index]
                rail = np.where(here, np.maximum(cell, start + np.array(steps)[np.where(here, wanted, 0)]), rail)
        return rail

    def _in_world(self, beside: tuple[_Beside, ...]) -> _World:
        if self._board.version != self._version or len(self._worlds) > _MOST_KNOWN:
            self._worlds.clear()
            self._version = self._board.version
        found = self._worlds.get(beside)
        if found is None:
            found = self._worlds[beside] = self._work_out(_Ours(self._board, beside))
        return found

    def _work_out(self, ours: "_Ours") -> _World:
        tables, cell, cluster = self._tables, self._cell, self._cluster
        busy, n_there, members = ours.busy[cell], tables.n_cores[cluster], ours.members[cluster]
        shared = np.minimum(busy, 1.0)
        alone_ms = self._alone_ms(ours)
        latency_ms = alone_ms * self._slowdown(ours, alone_ms)
        n_busy = np.minimum(ours.cores[cluster] + self._n_cores + busy, n_there)
        fill = (ours.fills[cluster] + self._fill) / (members + 1) * (1 - shared) + shared
        at_work, _ = tables.dynamic(cluster, cell, n_busy, fill)
        n_busy = np.minimum(ours.cores[cluster] + busy, n_there)
        fill = np.where(members > 0, ours.fills[cluster] / np.maximum(members, 1) * (1 - shared) + shared, 1.0)
        idle, waiting = tables.dynamic(cluster, cell, n_busy, fill)
        return _World(latency_ms, at_work, idle, np.where(n_busy == 0, waiting, 0.0), self._traffic_w_ms / latency_ms)

    def _alone_ms(self, ours: "_Ours") -> Floats:
        """Alone on its cluster."""
        shares = {place: ours.memory_share(*place) for place in self._places}
        if len(self._alone) > _MOST_KNOWN:
            self._alone.clear()
        parts = []
        for index, one in enumerate(self._units):
            key = index, shares[one.cluster, one.n_cores]
            found = self._alone.get(key)
            if found is None:
                ladder_hz = np.array(self._board.domains[one.cluster].ladder_hz)
                model = one.work.models[one.cluster]
                found = one.work.factor * model.latencies_ms(one.n_cores, ladder_hz, memory_share=key[1])
                self._alone[key] = found
            parts.append(found)
        return np.concatenate(parts)

    def _slowdown(self, ours: "_Ours", alone_ms: Floats) -> Floats:
        """By programs of others and by our others, as `contention` has it."""
        tables, cluster = self._tables, self._cluster
        n_ours = ours.cores[cluster] + self._n_cores
        slowdown = np.maximum((n_ours + ours.busy[self._cell]) / tables.n_cores[cluster], 1.0)
        if self._accelerated.size:
            rows = self._accelerated
            of = cluster[rows]
            ratio = tables.clock_ratio[self._cell[rows]]
            busy = np.minimum(ours.queue_busy[of] * ratio, contention.MOST_BUSY)
            own_ratio = alone_ms[rows] / alone_ms[self._top[rows]]
            wait = tables.queue_share[of] * ratio * busy / (1 - busy) / own_ratio
            slowdown[rows] = (1 + np.minimum(wait, contention.LONGEST_WAIT)) * (ours.members[of] + 1)
        total: Floats = slowdown * ours.published[cluster]
        return total


class _Tables:
    """What of a board's clusters does not change: by cluster, or by cell, which is a cluster's clock."""

    def __init__(self, board: Board) -> None:
        domains = board.domains
        sizes = np.array([len(domain.ladder_hz) for domain in domains])
        self.starts = np.cumsum(sizes) - sizes
        coefficients = [domain.power_model.coefficients(hz) for domain in domains for hz in domain.ladder_hz]
        self.squared, self._uncore, self._core, self.leakage_w = np.array(coefficients).T
        self.clock_ratio = np.array([domain.top_hz / hz for domain in domains for hz in domain.ladder_hz])
        models = [domain.power_model for domain in domains]
        self.n_cores = np.array([float(domain.n_cores) for domain in domains])
        self._activity = np.array([model.activity for model in models])
        self._empty = np.array([model.empty_activity for model in models])
        self._idle = np.array([model.idle_share for model in models])
        self._per_k = np.array([model.static_per_k for model in models])
        self._nodes = [domain.node for domain in domains]
        queues = [domain.spec.contention.queue_share for domain in domains]
        self.queue_share = np.array([one.value if one else 0.0 for one in queues])
        dozes = [domain.dozes for domain in domains]
        # After how many ms of idleness what part of the power of waiting cores goes, by cluster.
        self.dozes: list[tuple[Floats, Floats]] = []
        for level in range(max(map(len, dozes))):
            reached = [1000 * one[level][0] if level < len(one) else 0.0 for one in dozes]
            before = [one[level - 1][1] if 0 < level <= len(one) else 1.0 for one in dozes]
            after = [one[level][1] if level < len(one) else before[index] for index, one in enumerate(dozes)]
            self.dozes.append((np.array(reached), np.array(before) - np.array(after)))

    def growth(self, temperatures_c: Sequence[float]) -> Floats:
        """What temperature makes of leakage, by cluster."""
        celsius = np.array([temperatures_c[node] for node in self._nodes])
        grown: Floats = np.exp(self._per_k * (celsius - REFERENCE_C))
        return grown

    def dynamic(self, cluster: Indices, cell: Indices, n_busy: Floats, fill: Floats) -> tuple[Floats, Floats]:
        """What clusters draw for each V², without leakage (`power`); and what of it cores draw that wait."""
        empty = self._empty[cluster]
        busy = n_busy * self._activity[cluster] * (empty + (1.0 - empty) * fill)
        waiting = self._core[cell] * ((self.n_cores[cluster] - n_busy) * self._idle[cluster])
        return self._uncore[cell] + self._core[cell] * busy + waiting, waiting


class _Ours:
    """Our inferences that run, and programs of others, by cluster or cell."""

    def __init__(self, board: Board, beside: tuple[_Beside, ...]) -> None:
        self._board, self._beside = board, beside
        domains = board.domains
        n_clusters = len(domains)
        self.cores, self.members, self.fills = np.zeros(n_clusters), np.zeros(n_clusters), np.zeros(n_clusters)
        for work, place, n_cores, clock_hz in beside:
            self.cores[place] += n_cores
            self.members[place] += 1
            self.fills[place] += work.at(board, place, n_cores, clock_hz)[1]
        slowdown = board.conditions.slowdown
        self.published = np.array([slowdown.get(domain.name, 1.0) for domain in domains])
        self.queue_busy = np.array([0.0 if domain.is_taken else domain.background.busy_cores for domain in domains])
        self.busy = np.array([domain.others_cores_at(hz) for domain in domains for hz in domain.ladder_hz])

    def memory_share(self, cluster: int, n_cores: int) -> float:
        """What is left of the memory's bandwidth for one more there."""
        board = self._board
        memory, traffic = board.spec.memory, board.domains[cluster].spec.contention
        beside_gb_s = 0.0
        for work, place, own, clock_hz in self._beside:
            domain = board.domains[place]
            is_here = place == cluster
            n_own, n_members = int(self.cores[place]), int(self.members[place])
            longer = longer_by(domain, own, n_own + is_here * n_cores, n_members + is_here)
            beside_gb_s += work.at(board, place, own, clock_hz)[2] / longer / 1e9
        return contention.memory_share(
            board.others_gb_s + beside_gb_s,
            memory.bandwidth_gb_s.value,
            board.memory_clock_share,
            traffic.memory_sensitivity.value,
        )
