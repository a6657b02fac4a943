"""One passage by its name: a scenario, what is changed in it, a policy, a seed; and what is kept of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from time import perf_counter

import msgspec
import numpy as np

from benchmarks.control import loads
from benchmarks.control.passed import Passed, passed_of, title_of
from tenuto.control import TenutoPolicy, open_policy
from tenuto.requirements import Requirements
from tenuto.scenarios import Scenario, load_scenario
from tenuto.simulation import Outcome, choose_static, passages_of, simulate
from tenuto.simulation._applications import governed, prepare
from tenuto.simulation._choose import CHOOSING_SEED

WITHOUT = "tenuto-without-"
LARGEST = "performance+largest"
"""The most accurate network, all cores of the quickest cluster, under the governor `performance`: no choice at all."""

TRIED = 4
"""A load's places are tried with so many seeds, for with one a burst or two decide."""

NEAR_PCT = 0.5
"""Where no place of a load keeps the promise, those with so many more misses than the best are as good."""


class Job(msgspec.Struct, frozen=True):
    """One policy through all variants of a scenario with one seed.

    Attributes:
        scenario: Its id, or one of `loads`.
        policy: As a replay knows it, `tenuto-without-PART`, or `performance+largest`.
        seed: Of everything random; None asks for the rows that suit a static policy best.
        miss_pct: Of every application, instead of its own, under the board's own noise; None changes nothing.
        rows: For a static policy, by variant and application.
        bounds_mj: Of energy, one for each application, with latency as the objective; () changes nothing.
    """

    scenario: str
    policy: str
    seed: int | None
    miss_pct: float | None = None
    rows: tuple[tuple[int, ...], ...] | None = None
    bounds_mj: tuple[float, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """What came of a job.

    Attributes:
        passed: One for each variant.
        rows: Where rows were asked for, by variant and application.
        unplaced: The same networks where a kernel would put them by itself.
        words: What those rows are.
        bounds_mj: The energies of those rows, for each application of the first variant.
        took_s: Computing.
    """

    passed: tuple[Passed, ...] = ()
    rows: tuple[tuple[int, ...], ...] | None = None
    unplaced: tuple[tuple[int, ...], ...] | None = None
    words: tuple[str, ...] = ()
    bounds_mj: tuple[float, ...] = ()
    took_s: float = 0.0


def scenario_of(job: Job) -> Scenario:
    """The scenario, changed as the job says."""
    scenario = loaded(job.scenario)
    if job.miss_pct is not None:
        scenario = _map(scenario, lambda one: _promising(one, job.miss_pct or 0.0))
    if job.bounds_mj:
        scenario = _map(scenario, lambda one: _quick(one, job.bounds_mj))
    return scenario


def run(job: Job) -> Result:
    """Do it."""
    begin = perf_counter()
    scenarios = passages_of(scenario_of(job))
    if job.seed is None:
        chosen = tuple(_chosen(one, job) for one in scenarios)
        tables = [governed(one.table) for one in prepare(scenarios[0])]
        points = [table.configuration(row) for table, row in zip(tables, chosen[0], strict=True)]
        return Result(
            rows=chosen,
            unplaced=tuple(_unplaced(one, rows) for one, rows in zip(scenarios, chosen, strict=True)),
            words=tuple(f"{title_of(one.sub_network)} on {one.n_cores} of {one.cluster}" for one in points),
            bounds_mj=tuple(float(t.column("energy_mj").value[r]) for t, r in zip(tables, chosen[0], strict=True)),
            took_s=perf_counter() - begin,
        )
    rows: Sequence[tuple[int, ...] | None] = job.rows or (None,) * len(scenarios)
    passed = tuple(passed_of(_simulated(one, job, chosen)) for one, chosen in zip(scenarios, rows, strict=True))
    return Result(passed, took_s=perf_counter() - begin)


@lru_cache(maxsize=64)
def loaded(name: str) -> Scenario:
    """A scenario that ships, or one of `loads`."""
    return loads.build(name) if loads.is_load(name) else load_scenario(name)


def _simulated(scenario: Scenario, job: Job, rows: tuple[int, ...] | None) -> Outcome:
    seed = CHOOSING_SEED if job.seed is None else job.seed
    if job.policy.startswith(WITHOUT):
        part = job.policy.removeprefix(WITHOUT)
        policies = [TenutoPolicy(without=(part,)) for _ in scenario.applications]
        return simulate(scenario, job.policy, seed=seed, policies=policies)
    if job.policy == LARGEST:
        return simulate(scenario, "performance+static", seed=seed, rows=_largest_rows(scenario))
    return simulate(scenario, job.policy, seed=seed, rows=rows)


def _chosen(scenario: Scenario, job: Job) -> tuple[int, ...]:
    """The rows of a static policy: of a load, where its fixed network takes least."""
    if not loads.is_fixed_load(job.scenario):
        return choose_static(scenario, job.policy)
    table = governed(prepare(scenario)[0].table)
    requirements = scenario.applications[0].requirements
    floor, deadline = requirements.constraint("accuracy_pct"), requirements.constraint("latency_ms")
    if floor is None or deadline is None:
        raise AssertionError("a load has both")
    tried = []
    for row in np.flatnonzero(table.column("accuracy_pct").value >= floor.bound).tolist():
        if table.column("latency_ms").value[row] <= deadline.bound:
            seeds = range(CHOOSING_SEED, CHOOSING_SEED + TRIED)
            passed = [passed_of(simulate(scenario, job.policy, seed=seed, rows=(row,))) for seed in seeds]
            every = [one for each in passed for one in each.applications]
            missed_pct = 100 * sum(one.n_missed for one in every) / sum(one.n for one in every)
            tried.append((missed_pct, sum(one.energy_mj for one in passed), row))
    allowed_pct = max(deadline.miss_pct, min(tried)[0] + NEAR_PCT)
    return (min((energy_mj, row) for miss_pct, energy_mj, row in tried if miss_pct <= allowed_pct)[1],)


def _unplaced(scenario: Scenario, chosen: tuple[int, ...]) -> tuple[int, ...]:
    """The same networks on all cores of the quickest cluster, where a kernel puts threads that keep it busy."""
    rows = []
    for one, row in zip(prepare(scenario), chosen, strict=True):
        table = governed(one.table)
        same = np.flatnonzero(table.sub_network_index == table.sub_network_index[row])
        cluster = table.cluster_index[same[np.argmin(table.column("latency_ms").value[same])]]
        there = same[table.cluster_index[same] == cluster]
        rows.append(int(there[np.argmax(table.n_cores[there])]))
    return tuple(rows)


def _largest_rows(scenario: Scenario) -> tuple[int, ...]:
    rows = []
    for one in prepare(scenario):
        table = governed(one.table)
        accuracy, latency_ms = table.column("accuracy_pct").value, table.column("latency_ms").value
        best = np.flatnonzero(accuracy == np.nanmax(accuracy))
        cluster = table.cluster_index[best[np.argmin(latency_ms[best])]]
        there = best[table.cluster_index[best] == cluster]
        rows.append(int(there[np.argmax(table.n_cores[there])]))
    return tuple(rows)


def _map(scenario: Scenario, change: Callable[[Scenario], Scenario]) -> Scenario:
    """Both a scenario and its variants changed."""
    return change(replace(scenario, variants=tuple(change(one) for one in scenario.variants)))


def _promising(scenario: Scenario, miss_pct: float) -> Scenario:
    def promised(requirements: Requirements) -> Requirements:
        constraints = tuple(
            replace(one, miss_pct=miss_pct) if one.metric == "latency_ms" else one for one in requirements.constraints
        )
        return replace(requirements, constraints=constraints)

    applications = tuple(
        replace(one, requirements=promised(one.requirements), miss_pct=miss_pct) for one in scenario.applications
    )
    changes = tuple(replace(one, requirements=promised(one.requirements)) for one in scenario.changes)
    return replace(scenario, applications=applications, changes=changes, noise={})


def _quick(scenario: Scenario, bounds_mj: Sequence[float]) -> Scenario:
    """As quick as can be within so much energy for each inference."""
    applications = []
    for one, bound_mj in zip(scenario.applications, bounds_mj, strict=True):
        before = one.requirements
        bounds = {constraint.metric: constraint.bound for constraint in before.constraints}
        deadline = before.constraint("latency_ms")
        after = Requirements.of(
            **{**bounds, "energy_mj": bound_mj},  # type: ignore[arg-type]
            miss_pct=1.0 if deadline is None else deadline.miss_pct,
            minimise="latency_ms",
            period_ms=before.period_ms,
            mission=before.mission,
        )
        applications.append(replace(one, requirements=after))
    return replace(scenario, applications=tuple(applications))


def policy_module(name: str) -> str | None:
    """The module of `tenuto.control` that a policy's decisions come from; None for the arrangements of a simulation."""
    if name.startswith("tenuto"):
        return TenutoPolicy.__module__
    if name in ("oracle", "oracle-static", LARGEST) or name.endswith("+static"):
        return None
    return type(open_policy(name)).__module__
