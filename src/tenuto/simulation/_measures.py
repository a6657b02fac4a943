"""How a policy fared: the measures of one seed, and their means with confidence intervals over seeds."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from tenuto.simulation._outcome import ApplicationRun, Outcome
from tenuto.traces import Step, measure

_STUDENT_95: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t at 97.5 % for 1, 2, ... degrees of freedom (from any table); from 16 on 2.12 falls slowly to 1.96."""


class SeedMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """One policy and one seed, all applications and all variants of the scenario together. None where there is none.

    Attributes:
        policy: Its name.
        seed: Of the passage.
        n: Inputs.
        miss_pct: Of them, answered late or never.
        longest_miss_run: Most in a row, of any application.
        recovery_s: From the first miss within a disturbance until the deadline holds again; the worst. None if it never
            did, or if nothing was disturbed.
        latency_mean_ms: From arrival to answer.
        latency_p99_ms: The same.
        energy_mj_per_inference: Of clusters and memory, idle time included, over inputs.
        board_energy_mj_per_inference: With the rest of the board.
        accuracy_pct: Delivered: a late or missing answer counts as wrong.
        energy_over_oracle_pct: Above the oracle's with the same seed; None where the oracle was not run.
        accuracy_under_oracle_pct: Points below the oracle's.
        switches_per_min: How often an application's point in force changed.
        decision_median_us: What deciding took.
        decision_p99_us: The same.
        throttled_s: How long heat held a clock down.
        hottest_c: Highest temperature of any part of the board.
        battery_pct: Left at the end; None without a battery.
        off_s: When the board switched itself off; None if it did not.
        given_up_pct: Of the decisions, those that gave up a constraint.
        n_fallback: Decisions that the runtime had to replace.
    """

    policy: str
    seed: int
    n: int
    miss_pct: float | None
    longest_miss_run: int
    recovery_s: float | None
    latency_mean_ms: float | None
    latency_p99_ms: float | None
    energy_mj_per_inference: float | None
    board_energy_mj_per_inference: float | None
    accuracy_pct: float | None
    energy_over_oracle_pct: float | None
    accuracy_under_oracle_pct: float | None
    switches_per_min: float | None
    decision_median_us: float | None
    decision_p99_us: float | None
    throttled_s: float
    hottest_c: float | None
    battery_pct: float | None
    off_s: float | None
    given_up_pct: float | None
    n_fallback: int


class Interval(msgspec.Struct, frozen=True):
    """A mean over seeds, and its 95 % confidence interval (Student's t); None bounds with one seed."""

    mean: float
    low: float | None
    high: float | None


def measures_of(outcomes: Sequence[Outcome]) -> SeedMeasures:
    """Measure one policy and seed.

    Args:
        outcomes: One for each variant of the scenario, or one.
    """
    runs = [run for outcome in outcomes for run in outcome.runs]
    steps = [step for run in runs for step in run.steps]
    n = len(steps)
    responses_ms = np.array([step.response_ms for step in steps if step.response_ms is not None])
    decide_us = np.array([step.decide_us for step in steps if step.decide_us is not None])
    passages = [
        measure(run.steps, disturbances=[one for one in run.events if one.label != "requirements"]) for run in runs
    ]
    recoveries = [one.recovery_s for one in passages if one.n_disturbed]
    seconds = sum(outcome.scenario.duration_s for outcome in outcomes)
    energy_mj = sum(outcome.energy_mj for outcome in outcomes) / n if n else None
    accuracy_pct = _delivered_pct(runs)
    hottest = [outcome.hottest_c for outcome in outcomes if outcome.hottest_c is not None]
    batteries = [outcome.battery_pct for outcome in outcomes if outcome.battery_pct is not None]
    offs = [outcome.off_s for outcome in outcomes if outcome.off_s is not None]
    return SeedMeasures(
        policy=outcomes[0].policy,
        seed=outcomes[0].seed,
        n=n,
        miss_pct=100 * sum(step.is_missed for step in steps) / n if n else None,
        longest_miss_run=max((one.longest_miss_run for one in passages), default=0),
        recovery_s=None if not recoveries or None in recoveries else max(one for one in recoveries if one is not None),
        latency_mean_ms=float(responses_ms.mean()) if len(responses_ms) else None,
        latency_p99_ms=float(np.quantile(responses_ms, 0.99)) if len(responses_ms) else None,
        energy_mj_per_inference=energy_mj,
        board_energy_mj_per_inference=sum(outcome.board_energy_mj for outcome in outcomes) / n if n else None,
        accuracy_pct=accuracy_pct,
        energy_over_oracle_pct=None,
        accuracy_under_oracle_pct=None,
        switches_per_min=60 * sum(_n_switches(run.steps) for run in runs) / seconds if seconds else None,
        decision_median_us=float(np.median(decide_us)) if len(decide_us) else None,
        decision_p99_us=float(np.quantile(decide_us, 0.99)) if len(decide_us) else None,
        throttled_s=sum(outcome.throttled_s for outcome in outcomes),
        hottest_c=max(hottest, default=None),
        battery_pct=min(batteries, default=None),
        off_s=min(offs, default=None),
        given_up_pct=100 * sum(bool(step.decision.given_up) for step in steps) / n if n else None,
        n_fallback=sum(step.is_fallback for step in steps),
    )


def against(measures: SeedMeasures, oracle: SeedMeasures) -> SeedMeasures:
    """The same, with what was spent and lost against the oracle of the same seed."""
    energy, least = measures.energy_mj_per_inference, oracle.energy_mj_per_inference
    accuracy, best = measures.accuracy_pct, oracle.accuracy_pct
    return msgspec.structs.replace(
        measures,
        energy_over_oracle_pct=None if energy is None or not least else 100 * (energy / least - 1),
        accuracy_under_oracle_pct=None if accuracy is None or best is None else best - accuracy,
    )


_NOT_MEASURES: Final = frozenset({"policy", "seed"})


def summarise(measures: Sequence[SeedMeasures]) -> dict[str, Interval | None]:
    """Each measure's mean over seeds and its confidence interval; None where no seed has it."""
    summary: dict[str, Interval | None] = {}
    for name in SeedMeasures.__struct_fields__:
        if name in _NOT_MEASURES:
            continue
        values = [float(value) for one in measures if (value := getattr(one, name)) is not None]
        summary[name] = interval(values) if values else None
    return summary


def interval(values: Sequence[float]) -> Interval:
    """The mean, and where the true mean lies with 95 % confidence if seeds are alike."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean, None, None)
    student = _STUDENT_95[n - 2] if n - 2 < len(_STUDENT_95) else 1.96 + 2.4 / (n - 1)
    half = student * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def _delivered_pct(runs: Sequence[ApplicationRun]) -> float | None:
    delivered, n = 0.0, 0
    for run in runs:
        if "accuracy_pct" not in run.table.metrics:
            return None
        accuracy = run.table.column("accuracy_pct").value.tolist()
        n += len(run.steps)
        delivered += sum(accuracy[_row(step)] for step in run.steps if not step.is_missed)
    return delivered / n if n else None


def _row(step: Step) -> int:
    """The row that answered: where heat moved the clock off the table, the sub-network is still the one decided."""
    return step.decision.point if step.applied is None else step.applied


def _n_switches(steps: Sequence[Step]) -> int:
    known = [step.applied for step in steps if step.applied is not None]
    return sum(before != after for before, after in itertools.pairwise(known))


def rounded(measures: SeedMeasures) -> Mapping[str, object]:
    """As plain values, figures with six significant digits."""
    plain: dict[str, object] = {}
    for name in measures.__struct_fields__:
        value = getattr(measures, name)
        plain[name] = float(f"{value:.6g}") if isinstance(value, float) else value
    return plain
