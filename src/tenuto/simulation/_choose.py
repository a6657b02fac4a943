"""The best fixed point in hindsight: what somebody would have picked who had tried them all in this very scenario.

Tried on passages with a seed of their own, so that the choice does not know the noise that it is judged by later. With
several applications one is chosen after the other, the most important first, beside the choices made so far.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.scenarios import Application, Scenario
from tenuto.simulation._arranged import World, arrangement
from tenuto.simulation._measures import measures_of
from tenuto.simulation._outcome import Outcome
from tenuto.simulation._window import window

CHOOSING_SEED: Final = 4_999
"""No seed that a replay draws by default."""

MOST_INPUTS: Final = 6000
"""A scenario with more is tried in so many from the application's coming on; where a battery must last, in all."""

SLOWER: Final = (1.0, 1.1, 1.25, 1.5, 2.0, 2.75)
"""For each of these slowdowns the best points that still keep the deadline are tried."""

N_EACH: Final = 4


def choose_static(scenario: Scenario, name: str) -> tuple[int, ...]:
    """Each application's row for ever, for a static policy.

    Args:
        scenario: Without variants.
        name: Of the policy: a governor's, or `oracle-static`.
    """
    arranged = arrangement(name)
    worlds = [World.of(_shortened(scenario, one), arranged) for one in scenario.applications]
    lists = [_shortlist(one.tables[index], one.prepared[index].requirements) for index, one in enumerate(worlds)]
    rows = [shortlist[0] for shortlist in lists]
    order = sorted(range(len(rows)), key=lambda index: -scenario.applications[index].priority)
    for index in order:
        if len(lists[index]) > 1:
            world = worlds[index]
            scores = {row: _score(world, [*rows[:index], row, *rows[index + 1 :]], index) for row in lists[index]}
            rows[index] = min(lists[index], key=scores.__getitem__)
    return tuple(rows)


def _score(world: World, rows: Sequence[int], index: int) -> tuple[float, ...]:
    """Lower is better: an empty battery, misses beyond the budget, heat, the accuracy floor, then the objective."""
    outcome = world.run(CHOOSING_SEED, rows=rows)
    only = replace(outcome, runs=(outcome.runs[index],))
    return _cost(only, world.prepared[index].requirements, rows[index])


def _cost(outcome: Outcome, requirements: Requirements, row: int) -> tuple[float, ...]:
    measures = measures_of([outcome])
    floor, table = requirements.constraint("accuracy_pct"), outcome.runs[0].table
    short = 0.0 if floor is None else max(floor.bound - float(table.column("accuracy_pct").value[row]), 0.0)
    deadline, warmest = requirements.constraint("latency_ms"), requirements.constraint("temperature_c")
    budget_pct = 0.0 if deadline is None else deadline.miss_pct
    late = max((measures.miss_pct or 0.0) - budget_pct, 0.0)
    hot = 0.0 if warmest is None else max((measures.hottest_c or 0.0) - warmest.bound, 0.0)
    accuracy, energy = measures.accuracy_pct or 0.0, measures.energy_mj_per_inference or 0.0
    objective = -accuracy if requirements.objective.metric == "accuracy_pct" else energy
    return (float(measures.off_s is not None), round(late, 1), round(hot, 0), short, objective, energy)


def _shortened(scenario: Scenario, application: Application) -> Scenario:
    """What of a scenario one application is tried in."""
    periods_ms = [one.arrivals.period_ms for one in scenario.applications if one.arrivals.period_ms is not None]
    longest_s = MOST_INPUTS / sum(1000 / period_ms for period_ms in periods_ms) if periods_ms else scenario.duration_s
    must_last = any(one.requirements.mission is not None for one in scenario.applications)
    if must_last or scenario.duration_s <= longest_s:
        return scenario
    begin_s = application.from_s
    return window(scenario, begin_s, min(begin_s + longest_s, scenario.duration_s))


def _shortlist(table: OperatingTable, requirements: Requirements) -> list[int]:
    """Rows worth trying: all of a small table; else the best for each of several slowdowns, and the fastest."""
    if len(table) <= N_EACH * len(SLOWER):
        return list(range(len(table)))
    latency_ms = table.column("latency_ms").value
    deadline = requirements.constraint("latency_ms")
    bound_ms = np.inf if deadline is None else deadline.bound
    keeps = np.ones(len(table), dtype=bool)
    for constraint in requirements.constraints:
        if constraint.metric == "accuracy_pct" and constraint.metric in table.metrics:
            keeps &= table.column("accuracy_pct").value >= constraint.bound
    cost = _objective(table, requirements)
    chosen: dict[int, None] = {}
    for factor in SLOWER:
        rows = np.flatnonzero(keeps & (latency_ms * factor <= bound_ms))
        # Of each cluster, so that one that others use later does not take all places.
        for cluster in range(len(table.clusters)):
            there = rows[table.cluster_index[rows] == cluster]
            chosen.update(dict.fromkeys(there[np.argsort(cost[there])[:N_EACH]].tolist()))
    chosen[int(np.argmin(latency_ms))] = None
    kept = np.flatnonzero(keeps)
    if len(kept):
        chosen[int(kept[np.argmin(latency_ms[kept])])] = None
    return list(chosen)


def _objective(table: OperatingTable, requirements: Requirements) -> NDArray[np.float64]:
    if requirements.objective.metric == "accuracy_pct":
        # Of equals the one that takes least.
        energy = table.column("energy_mj").value
        result: NDArray[np.float64] = -table.column("accuracy_pct").value + 1e-6 * energy / energy.max()
        return result
    if requirements.period_ms is None or "idle_power_w" not in table.metrics:
        return table.column("energy_mj").value
    latency_ms, idle_w = table.column("latency_ms").value, table.column("idle_power_w").value
    busy_ms = np.minimum(latency_ms, requirements.period_ms)
    spent: NDArray[np.float64] = table.column("power_w").value * busy_ms + idle_w * (requirements.period_ms - busy_ms)
    return spent
