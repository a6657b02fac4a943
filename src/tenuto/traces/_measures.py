"""The measures of a stream, the same in every report."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tenuto.traces._step import Event, Step

RECOVERY_HOLD: Final = 10
"""Consecutive deadlines that must hold before a stream counts as recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """How a stream went. None is a figure that does not exist, never zero.

    Latency here is from an input's arrival to its answer, waiting included: what its deadline bounds.

    Attributes:
        n: Steps.
        n_missed: Answers that came after their deadline, or never.
        miss_pct: Of the steps that had a deadline or no answer, those missed; None if there were none.
        longest_miss_run: Most misses in a row.
        latency_mean_ms: Over the answers; None without any.
        latency_median_ms: Likewise.
        latency_p99_ms: Likewise, interpolated linearly.
        accuracy_pct: Of the labelled inputs, those answered right and in time; None without labels.
        switches_per_min: How often the point in force changed; None below two steps.
        decision_median_us: What deciding took; None where nobody timed it.
        decision_p99_us: Likewise.
        n_disturbed: Steps within a disturbance.
        recovery_frames: From the first miss within a disturbance until the deadline holds again: for the next
            `RECOVERY_HOLD` steps, or until the disturbance ends. 0 if it held throughout; of several disturbances the
            worst; None if it never held again while one lasted (or if nothing was disturbed: see `n_disturbed`).
        recovery_s: The same in seconds.
        energy_mj: Mean of one inference; None where nothing measures it.
        given_up_pct: Steps whose decision gave up a constraint.
        n_failed: Steps without an answer.
        n_fallback: Steps in which the manager fell back to its safe configuration.
    """

    n: int
    n_missed: int
    miss_pct: float | None
    longest_miss_run: int
    latency_mean_ms: float | None
    latency_median_ms: float | None
    latency_p99_ms: float | None
    accuracy_pct: float | None
    switches_per_min: float | None
    decision_median_us: float | None
    decision_p99_us: float | None
    n_disturbed: int
    recovery_frames: int | None
    recovery_s: float | None
    energy_mj: float | None
    given_up_pct: float | None
    n_failed: int
    n_fallback: int


def measure(steps: Iterable[Step], *, disturbances: Iterable[Event] = ()) -> Measures:
    """Measure a stream.

    Args:
        steps: In the order of their inputs.
        disturbances: What made it harder and from when to when; one without an end lasts to the end of the stream.

    Model:
        Recovery counts from the first miss, not from the moment the disturbance was asked for: a co-runner needs some
        time to start, and the deadlines that hold meanwhile are nobody's merit.
    """
    steps = tuple(steps)
    missed = [step.is_missed for step in steps]
    judged = [step for step in steps if step.deadline_ms is not None or step.latency_ms is None]
    responses_ms = [step.response_ms for step in steps if step.response_ms is not None]
    decide_us = [step.decide_us for step in steps if step.decide_us is not None]
    energies_mj = [step.energy_mj for step in steps if step.energy_mj is not None]
    disturbed = [[step for step in steps if _is_within(step, event)] for event in disturbances]
    recovery = _worst([_recovery(frames) for frames in disturbed if frames])
    return Measures(
        n=len(steps),
        n_missed=sum(missed),
        miss_pct=_pct(sum(step.is_missed for step in judged), len(judged)),
        longest_miss_run=max((len(list(run)) for is_missed, run in itertools.groupby(missed) if is_missed), default=0),
        latency_mean_ms=float(np.mean(responses_ms)) if responses_ms else None,
        latency_median_ms=_quantile(responses_ms, 0.5),
        latency_p99_ms=_quantile(responses_ms, 0.99),
        accuracy_pct=_accuracy_pct(steps),
        switches_per_min=_switches_per_min(steps),
        decision_median_us=_quantile(decide_us, 0.5),
        decision_p99_us=_quantile(decide_us, 0.99),
        n_disturbed=len({step.index for frames in disturbed for step in frames}),
        recovery_frames=None if recovery is None else recovery[0],
        recovery_s=None if recovery is None else recovery[1],
        energy_mj=float(np.mean(energies_mj)) if energies_mj else None,
        given_up_pct=_pct(sum(bool(step.decision.given_up) for step in steps), len(steps)),
        n_failed=sum(step.latency_ms is None for step in steps),
        n_fallback=sum(step.is_fallback for step in steps),
    )


def _is_within(step: Step, event: Event) -> bool:
    return event.time_s <= step.time_s and (event.until_s is None or step.time_s < event.until_s)


def _recovery(frames: Sequence[Step]) -> tuple[int, float] | None:
    """Frames and seconds from the first miss until the deadline holds again; None if it never does."""
    missed = [frame.is_missed for frame in frames]
    if True not in missed:
        return 0, 0.0
    first = missed.index(True)
    for index in range(first + 1, len(frames)):
        if not any(missed[index : index + RECOVERY_HOLD]):
            return index - first, frames[index].time_s - frames[first].time_s
    return None


def _worst(recoveries: Sequence[tuple[int, float] | None]) -> tuple[int, float] | None:
    held = [recovery for recovery in recoveries if recovery is not None]
    return max(held, default=None) if len(held) == len(recoveries) else None


def _accuracy_pct(steps: Sequence[Step]) -> float | None:
    """Late and missing answers are wrong; a step in time whose answers nobody checked says nothing."""
    labelled = [step for step in steps if step.n_inputs and (step.is_missed or step.correct is not None)]
    n_right = sum(step.correct or 0 for step in labelled if not step.is_missed)
    return _pct(n_right, sum(step.n_inputs or 0 for step in labelled))


def _switches_per_min(steps: Sequence[Step]) -> float | None:
    if len(steps) < 2 or steps[-1].time_s <= steps[0].time_s:
        return None
    known = [step.applied for step in steps if step.applied is not None]
    n_switches = sum(before != after for before, after in itertools.pairwise(known))
    return 60.0 * n_switches / (steps[-1].time_s - steps[0].time_s)


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def _pct(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
