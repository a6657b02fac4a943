"""The optimum of the same model, as a mixed-integer linear programme; for measuring how good quick answers are."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from tenuto.control.allotting._allotter import Allotter
from tenuto.control.allotting._answer import answer
from tenuto.control.allotting._fronts import Cell
from tenuto.control.allotting._model import NEVER, Floats, Model
from tenuto.control.allotting._prepared import Now, Prepared
from tenuto.control.allotting._search import Found
from tenuto.control.allotting._values import Allotments, Asked, Budget, Paced
from tenuto.decisions import Allotment
from tenuto.errors import UsageError

_NOTHING: Final[Mapping[str, Mapping[str, Paced]]] = MappingProxyType({})
_NOBODY: Final[Mapping[str, Allotment]] = MappingProxyType({})
_OPEN: Final[Mapping[str, int]] = MappingProxyType({})


def allot_exactly(
    allotter: Allotter,
    beliefs: Mapping[str, Mapping[str, Paced]] = _NOTHING,
    budgets: Sequence[Budget] = (),
    *,
    current: Mapping[str, Allotment] = _NOBODY,
    caps_hz: Mapping[str, int] = _OPEN,
    time_limit_s: float = 60.0,
) -> Allotments:
    """The best answer there is to `Allotter.allot`; takes seconds.

    Returns:
        `is_exact` is False where the time limit came first.

    Raises:
        UsageError: scipy is not installed, or no answer was found in time.

    Model:
        One binary for every row, clock and application that waits; first the least penalty, then, with no more than
        that, the least cost (HiGHS, no gap allowed). Its tolerance of 1e-6 on integers is what "exact" means.
    """
    prepared = allotter.prepared
    now = Now.of(prepared, Asked(beliefs, tuple(budgets), current, caps_hz))
    programme = _Programme(prepared, now)
    least = programme.solve(programme.penalty, time_limit_s)
    programme.bound(programme.penalty, float(np.rint(least.fun)) + 0.5)
    best = programme.solve(programme.cost, time_limit_s)
    return answer(
        prepared, now, programme.found(best.x), names=allotter.names, binding=None, is_exact=bool(best.status == 0)
    )


class _Programme:
    """Columns: rows, clocks, empty clusters, those that wait, late ones, their penalties, clusters that are shared."""

    def __init__(self, prepared: Prepared, now: Now) -> None:
        self.prepared, self.now, model = prepared, now, prepared.model
        self.n, self.n_clusters = len(model.applicants), len(model.resources)
        self.row, self.cell, self.app, self.cluster, self.clock, figures = _candidates(prepared, now)
        self.points, row_penalty, self.power_w, latency_ms, promised_ms, busy, n_cores = figures
        n_rows = len(self.row)
        self.ladder_at = np.concatenate(([0], np.cumsum([len(one) for one in model.ladders]))) + n_rows
        self.empty_at = int(self.ladder_at[-1])
        self.wait_at = self.empty_at + self.n_clusters
        self.late_at = self.wait_at + self.n
        self.penalty_at = self.late_at + self.n
        self.shared_at = self.penalty_at + self.n
        self.n_columns = self.shared_at + self.n_clusters
        self.upper = np.ones(self.n_columns)
        self.upper[self.penalty_at : self.shared_at] = np.inf
        self.integral = np.ones(self.n_columns)
        self.integral[self.penalty_at : self.shared_at] = 0
        self.entries: list[tuple[Any, Any]] = []
        self.lows: list[float] = []
        self.highs: list[float] = []
        self._cost()
        self._choices()
        for budget, (weights, bound) in enumerate(zip(now.weights, now.bounds, strict=True)):
            del budget
            columns = np.concatenate([np.arange(n_rows), np.arange(n_rows, self.wait_at)])
            idle_w = np.concatenate(
                [weight * idle for weight, idle in zip(weights, now.idle_w, strict=True)] + [weights * now.empty_w]
            )
            self._add(columns, np.concatenate([self.power_w * weights[self.cluster], idle_w]), -np.inf, float(bound))
        for cluster, resource in enumerate(model.resources):
            here = np.flatnonzero(self.cluster == cluster)
            if not resource.is_shared:
                self._add(here, n_cores[here], -np.inf, resource.n_cores)
                continue
            self._add(
                np.append(here, self.shared_at + cluster), np.append(np.ones(len(here)), 1.0 - self.n), -np.inf, 1.0
            )
            most = model.prices.most_busy
            self._add(
                np.append(here, self.shared_at + cluster), np.append(busy[here], 1.0 - most), -np.inf, 1.0 + 1e-12
            )
            self._responses(model, here, latency_ms, promised_ms)
        for a in range(self.n):
            mine = np.flatnonzero(self.app == a)
            self._add(np.append(mine, self.penalty_at + a), np.append(row_penalty[mine], -1.0), -np.inf, 0.0)
            self._add(
                np.array([self.late_at + a, self.penalty_at + a]),
                np.array([model.late_penalty[a], -1.0]),
                -np.inf,
                0.0,
            )

    def _cost(self) -> None:
        now, model = self.now, self.prepared.model
        self.penalty, self.cost = np.zeros(self.n_columns), np.zeros(self.n_columns)
        self.penalty[self.wait_at : self.late_at] = model.wait_penalty
        self.penalty[self.penalty_at : self.shared_at] = 1.0
        self.cost[: len(self.row)] = self.points
        base = np.concatenate(now.base)
        clocks = slice(int(self.ladder_at[0]), int(self.ladder_at[-1]))
        self.cost[clocks] = np.where(base < NEVER / 2, base, 0.0)
        self.upper[clocks] = np.where(base < NEVER / 2, 1.0, 0.0)
        self.cost[self.empty_at : self.wait_at] = now.empty_cost

    def _choices(self) -> None:
        for a in range(self.n):
            mine = np.flatnonzero(self.app == a)
            self._add(np.append(mine, self.wait_at + a), np.ones(len(mine) + 1), 1.0, 1.0)
        for cluster in range(self.n_clusters):
            clocks = np.arange(self.ladder_at[cluster], self.ladder_at[cluster + 1])
            self._add(np.append(clocks, self.empty_at + cluster), np.ones(len(clocks) + 1), 1.0, 1.0)
        ladder = self.ladder_at[self.cluster] + self.clock
        group = self.app * self.n_columns + ladder
        order = np.argsort(group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            if len(rows):
                self._add(np.append(rows, ladder[rows[0]]), np.append(np.ones(len(rows)), -1.0), -np.inf, 0.0)

    def _responses(self, model: Model, here: Any, latency_ms: Floats, promised_ms: Floats) -> None:
        """An application in turns is late if its own promise and one job of each other exceed the deadline."""
        for a in range(self.n):
            deadline_ms = float(model.deadline_ms[a])
            mine = here[(self.app[here] == a) & (promised_ms[here] <= deadline_ms)]  # the others are late by themselves
            if not len(mine) or not np.isfinite(deadline_ms):
                continue
            others = here[self.app[here] != a]
            longest = [latency_ms[others[self.app[others] == b]].max(initial=0.0) for b in range(self.n)]
            most = float(sum(longest))
            # promise + others <= D + most x late + most x (1 - placed): with placed = sum of mine
            self._add(
                np.concatenate([mine, others, [self.late_at + a]]),
                np.concatenate([promised_ms[mine] - deadline_ms + most, latency_ms[others], [-most]]),
                -np.inf,
                most + 1e-9 * deadline_ms,
            )

    def _add(self, columns: Any, values: Any, low: float, high: float) -> None:
        self.entries.append((np.asarray(columns, dtype=np.int64), np.asarray(values, dtype=np.float64)))
        self.lows.append(low)
        self.highs.append(high)

    def bound(self, objective: Floats, most: float) -> None:
        """No more than `most` of it."""
        columns = np.flatnonzero(objective)
        self._add(columns, objective[columns], -np.inf, most)

    def solve(self, objective: Floats, time_limit_s: float) -> Any:
        """HiGHS' result."""
        try:
            from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415
            from scipy.sparse import csr_array  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                "the exact allotment needs scipy, which is not here; pip install 'tenuto[search]'"
            ) from error
        columns = np.concatenate([one for one, _ in self.entries])
        values = np.concatenate([one for _, one in self.entries])
        ends = np.cumsum([0, *(len(one) for one, _ in self.entries)])
        matrix = csr_array((values, columns, ends), shape=(len(self.entries), self.n_columns))
        result = milp(
            objective,
            integrality=self.integral,
            bounds=Bounds(np.zeros(self.n_columns), self.upper),
            constraints=LinearConstraint(matrix, np.array(self.lows), np.array(self.highs)),
            options={"time_limit": time_limit_s, "mip_rel_gap": 0.0},
        )
        if result.x is None:
            raise UsageError(f"no allotment found in {time_limit_s} s: {result.message}; give it longer")
        return result

    def found(self, values: Floats) -> Found:
        """The answer that these columns are."""
        now = self.now
        cells: list[Cell | None] = [None] * self.n
        for at in np.flatnonzero(values[: len(self.row)] > 0.5):
            cells[int(self.app[at])] = int(self.row[at]), int(self.cell[at])
        used = set(self.cluster[np.flatnonzero(values[: len(self.row)] > 0.5)].tolist())
        clocks: list[int | None] = [None] * self.n_clusters
        power_w = now.empty_w.tolist()
        for cluster in used:
            chosen = values[self.ladder_at[cluster] : self.ladder_at[cluster + 1]]
            clock = int(np.argmax(chosen))
            clocks[cluster] = clock
            here = np.flatnonzero((self.cluster == cluster) & (values[: len(self.row)] > 0.5))
            power_w[cluster] = float(now.idle_w[cluster][clock] + self.power_w[here].sum())
        return Found(tuple(cells), tuple(clocks), 0.0, tuple(power_w))


def _candidates(prepared: Prepared, now: Now) -> Any:
    """Every row: where it stands among the cells, and what it costs."""
    cells, seen, rows = prepared.cells, now.seen, prepared.model.rows
    row, cell = np.nonzero(cells.index >= 0)
    at = cells.index[row, cell]
    latency_ms = seen.latency_ms[row, cell]
    figures = (
        now.cost[row, cell],
        seen.penalty[row, cell],
        seen.power_w[row, cell],
        latency_ms,
        seen.promised_ms[row, cell],
        np.minimum(latency_ms * cells.rate[cell], 1.0),
        rows.n_cores[at].astype(np.float64),
    )
    return row, cell, rows.app[at], rows.cluster[at], rows.clock[at], figures
