"""What is kept of a passage: counts and sums, so that seeds and variants can be pooled."""

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from tenuto.nets.catalogue import open_network
from tenuto.points import SubNetwork
from tenuto.simulation import ApplicationRun, Outcome
from tenuto.traces import Step

HOLDS = 10
"""A deadline holds again when so many in a row are in time: one lucky answer is no compliance."""


class Recovery(msgspec.Struct, frozen=True):
    """What followed a disturbance.

    Attributes:
        n_late: Inferences begun after it until the deadline held again; None if it never did.
        begins_ms: From the disturbance until the first of those that held began; 0 where none was late.
        answered_ms: Until that one was answered.
        lowest: Title of the least accurate sub-network used from a second after it on.
        usual: Title of the one used most from then on.
    """

    n_late: int | None
    begins_ms: float | None
    answered_ms: float | None
    lowest: str
    usual: str


class Application(msgspec.Struct, frozen=True):
    """One application's part. `delivered` is the sum of the accuracies of what was in time, per cent."""

    name: str
    n: int
    n_missed: int
    delivered: float
    response_ms: float
    n_answered: int
    p99_ms: float | None
    longest_miss_run: int
    given_up: int
    n_fallback: int
    n_switches: int
    decide_us: tuple[float, float] | None = None
    recovery: Recovery | None = None


class Passed(msgspec.Struct, frozen=True):
    """One variant's passage."""

    label: str
    seconds: float
    applications: tuple[Application, ...]
    energy_mj: float
    board_energy_mj: float
    throttled_s: float
    hottest_c: float | None
    battery_pct: float | None
    off_s: float | None
    trouble: tuple[str, ...] = ()


def passed_of(outcome: Outcome) -> Passed:
    """What is kept of a passage."""
    scenario = outcome.scenario
    disturbed_s = next((one.time_s for one in scenario.disturbances if one.until_s is None and one.time_s > 0), None)
    return Passed(
        scenario.label,
        scenario.duration_s,
        tuple(_application(run, disturbed_s) for run in outcome.runs),
        outcome.energy_mj,
        outcome.board_energy_mj,
        outcome.throttled_s,
        outcome.hottest_c,
        outcome.battery_pct,
        outcome.off_s,
        tuple(sentence for run in outcome.runs for sentence in run.trouble),
    )


def _application(run: ApplicationRun, disturbed_s: float | None) -> Application:
    accuracy = run.table.column("accuracy_pct").value.tolist()
    responses = np.array([step.response_ms for step in run.steps if step.response_ms is not None])
    decide_us = np.array([step.decide_us for step in run.steps if step.decide_us is not None])
    applied = [step.applied for step in run.steps if step.applied is not None]
    return Application(
        run.name,
        len(run.steps),
        sum(step.is_missed for step in run.steps),
        sum(accuracy[_row(step)] for step in run.steps if not step.is_missed),
        float(responses.sum()),
        len(responses),
        float(np.quantile(responses, 0.99)) if len(responses) else None,
        _longest_run([step.is_missed for step in run.steps]),
        sum(bool(step.decision.given_up) for step in run.steps),
        sum(step.is_fallback for step in run.steps),
        sum(before != after for before, after in itertools.pairwise(applied)),
        (float(np.median(decide_us)), float(np.quantile(decide_us, 0.99))) if len(decide_us) else None,
        None if disturbed_s is None else recovery_of(run, disturbed_s),
    )


def recovery_of(run: ApplicationRun, disturbed_s: float) -> Recovery | None:
    """What followed a disturbance; None where nothing was begun after it."""
    after = [step for step in run.steps if step.time_s >= disturbed_s]
    later = [_row(step) for step in after if step.time_s >= disturbed_s + 1]
    if not later:
        return None
    accuracy = run.table.column("accuracy_pct").value
    rows = np.array(later)
    networks = [run.table.configuration(int(row)).sub_network for row in (rows[np.argmin(accuracy[rows])],)]
    counts = np.bincount(run.table.sub_network_index[rows])
    lowest, usual = title_of(networks[0]), title_of(run.table.sub_networks[int(counts.argmax())])
    first = _first_that_holds([step.is_missed for step in after])
    if first is None:
        return Recovery(None, None, None, lowest, usual)
    step = after[first]
    begins_ms = 1000 * (step.time_s - disturbed_s) if first else 0.0
    return Recovery(first, begins_ms, 1000 * (step.time_s - disturbed_s) + (step.latency_ms or 0.0), lowest, usual)


def _first_that_holds(missed: Sequence[bool]) -> int | None:
    """The first of `HOLDS` in a row that are in time."""
    for index in range(max(len(missed) - HOLDS + 1, 0)):
        if not any(missed[index : index + HOLDS]):
            return index
    return None


def _row(step: Step) -> int:
    return step.decision.point if step.applied is None else step.applied


def _longest_run(missed: Sequence[bool]) -> int:
    longest = current = 0
    for one in missed:
        current = current + 1 if one else 0
        longest = max(longest, current)
    return longest


def title_of(sub_network: SubNetwork) -> str:
    """As the catalogue calls it."""
    return _titles(sub_network.network).get(sub_network, sub_network.name)


@lru_cache(maxsize=8)
def _titles(network: str) -> dict[SubNetwork, str]:
    for name in (network, re.sub(r"[^a-z0-9]+", "-", network.lower())):
        try:
            return {one.sub_network: one.title for one in open_network(name).members}
        except ValueError:
            continue
    return {}
