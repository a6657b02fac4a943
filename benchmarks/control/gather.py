"""What is asked for, jobs by name, and figures from results: shares, energies, accuracies, intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.control.passages import Job, Result, loaded
from benchmarks.control.runs import Runs
from tenuto.scenarios import Scenario
from tenuto.simulation import Interval, interval, passages_of

KEEPS_PCT = 0.5
"""Where the clairvoyant misses less than this, a promise can be kept."""


Figure: TypeAlias = Callable[[Result], float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to compute.

    Attributes:
        scenarios: Ids of those that ship.
        seeds: Of everything random.
        is_quick: Leave out what takes long; a smoke run.
    """

    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    is_quick: bool = False

    def jobs(self, scenario: str, *policies: str, miss_pct: float | None = None) -> list[Job]:
        """A scenario under policies, every seed."""
        return [job_of(scenario, policy, seed, miss_pct) for policy in policies for seed in self.seeds]


def job_of(scenario: str, policy: str, seed: int, miss_pct: float | None = None) -> Job:
    """A job, the same value for the same passage: the clairvoyant does not mind a miss budget."""
    if miss_pct is not None:
        whole = loaded(scenario)
        is_own = not _has_noise(whole) and (policy == "oracle" or _miss_pcts(whole) == {miss_pct})
        miss_pct = None if is_own else 1.0 if policy == "oracle" else miss_pct
    return Job(scenario, policy, seed, miss_pct)


def _has_noise(scenario: Scenario) -> bool:
    return any(one.noise for one in passages_of(scenario))


def _miss_pcts(scenario: Scenario) -> set[float]:
    found = set()
    for one in passages_of(scenario):
        found |= {app.miss_pct for app in one.applications if app.times_of_largest is not None}
        every = [app.requirements for app in one.applications] + [change.requirements for change in one.changes]
        found |= {each.miss_pct for asked in every if (each := asked.constraint("latency_ms")) is not None}
    return found


@dataclass(frozen=True, slots=True)
class Gathered:
    """One scenario's results by policy and seed, of those seeds that all policies have."""

    scenario: str
    results: dict[str, dict[int, Result]]

    @classmethod
    def of(
        cls, runs: Runs, asked: Asked, scenario: str, policies: Sequence[str], miss_pct: float | None = None
    ) -> "Gathered":
        """Look them up."""
        found = {
            policy: {
                seed: result
                for seed in asked.seeds
                if (result := runs.of(job_of(scenario, policy, seed, miss_pct))) is not None
            }
            for policy in policies
        }
        seeds = set.intersection(*(set(one) for one in found.values())) if found else set()
        return cls(scenario, {policy: {seed: one[seed] for seed in sorted(seeds)} for policy, one in found.items()})

    @property
    def seeds(self) -> list[int]:
        """Those there are."""
        return list(next(iter(self.results.values()), {}))

    def values(self, policy: str, figure: Figure) -> list[float]:
        """One policy's figure, by seed."""
        return [figure(result) for result in self.results[policy].values()]

    def mean(self, policy: str, figure: Figure) -> Interval | None:
        """Over seeds."""
        values = self.values(policy, figure)
        return interval(values) if values else None

    def against(self, policy: str, other: str, figure: Figure, *, is_share: bool = False) -> Interval | None:
        """One policy's figure less another's, seed by seed; in per cent of the other's if `is_share`."""
        pairs = zip(self.values(policy, figure), self.values(other, figure), strict=True)
        differences = [100 * (mine / its - 1) if is_share else mine - its for mine, its in pairs if its or not is_share]
        return interval(differences) if differences else None

    def against_mean(self, policy: str, other: str, figure: Figure, *, is_share: bool = False) -> float:
        """The mean of that; NaN where there is none."""
        found = self.against(policy, other, figure, is_share=is_share)
        return math.nan if found is None else found.mean

    def labels(self) -> list[str]:
        """Of the variants."""
        first = next((one for each in self.results.values() for one in each.values()), None)
        return [] if first is None else [one.label for one in first.passed]

    def pooled_misses(self, policy: str, variant: int) -> tuple[int, int]:
        """Missed and all inputs of one variant, over seeds."""
        parts = [one for result in self.results[policy].values() for one in result.passed[variant].applications]
        return sum(one.n_missed for one in parts), sum(one.n for one in parts)

    def variants_where(self, policy: str, *, misses_below_pct: float) -> list[int]:
        """Those where a policy misses less."""
        found = []
        for variant in range(len(self.labels())):
            missed, n = self.pooled_misses(policy, variant)
            if n and 100 * missed / n < misses_below_pct:
                found.append(variant)
        return found


def miss_pct(variants: Sequence[int] | None = None) -> Figure:
    """Late or never answered."""
    return lambda result: _over_inputs(result, variants, lambda one: 100 * sum(a.n_missed for a in one.applications))


def accuracy_pct(variants: Sequence[int] | None = None) -> Figure:
    """Delivered: a late answer counts as wrong."""
    return lambda result: _over_inputs(result, variants, lambda one: sum(a.delivered for a in one.applications))


def energy_mj(variants: Sequence[int] | None = None) -> Figure:
    """For each input, of clusters and memory, idle time included."""
    return lambda result: _over_inputs(result, variants, lambda one: one.energy_mj)


def board_energy_mj(variants: Sequence[int] | None = None) -> Figure:
    """The same with the rest of the board."""
    return lambda result: _over_inputs(result, variants, lambda one: one.board_energy_mj)


def latency_ms(result: Result) -> float:
    """From arrival to answer, the mean."""
    parts = [one for passed in result.passed for one in passed.applications]
    return sum(one.response_ms for one in parts) / max(sum(one.n_answered for one in parts), 1)


def throttled_s(result: Result) -> float:
    """How long heat held a clock down."""
    return sum(one.throttled_s for one in result.passed)


def hottest_c(result: Result) -> float:
    """Of any part of the board."""
    return max((one.hottest_c for one in result.passed if one.hottest_c is not None), default=float("nan"))


def battery_pct(result: Result) -> float:
    """Left."""
    return min((one.battery_pct for one in result.passed if one.battery_pct is not None), default=float("nan"))


def _over_inputs(result: Result, variants: Sequence[int] | None, total: Callable[[Any], float]) -> float:
    passed = result.passed if variants is None else [result.passed[index] for index in variants]
    n = sum(one.n for each in passed for one in each.applications)
    return sum(total(one) for one in passed) / n if n else float("nan")


def minimises_energy(scenario: str) -> str:
    """`yes`, `no` or `mixed`: whether its applications minimise energy."""
    kinds = {
        each.requirements.objective.metric == "energy_mj"
        for one in passages_of(loaded(scenario))
        for each in one.applications
    }
    return "mixed" if len(kinds) > 1 else "yes" if kinds == {True} else "no"
