"""Figure 2: whether the miss promise holds, for three promises, in every scenario and every variant of it."""

import math
from collections.abc import Iterator

import msgspec

from benchmarks.control.answer import Answer, Detail
from benchmarks.control.gather import KEEPS_PCT, Asked, Gathered
from benchmarks.control.passages import Job
from benchmarks.control.runs import Runs

MISS_PCTS = (5.0, 1.0, 0.1)
POLICIES = ("tenuto", "alert", "oracle")
TOLERATED = 1.2
UNLIKELY = 1e-3
LONG = ("rk3588-day@1", "battery@1")
"""Left out of a quick run, but for the promise they make themselves."""


def jobs(asked: Asked) -> list[Job]:
    """What must be run."""
    return [
        job
        for miss_pct in MISS_PCTS
        for scenario in asked.scenarios
        if not _is_left_out(asked, scenario, miss_pct)
        for job in asked.jobs(scenario, *POLICIES, miss_pct=miss_pct)
    ]


def _is_left_out(asked: Asked, scenario: str, miss_pct: float) -> bool:
    return asked.is_quick and scenario in LONG and miss_pct != 1.0


class Case(msgspec.Struct, frozen=True):
    """One variant of a scenario under one promise: misses in per cent, pooled over seeds."""

    promise_pct: float
    scenario: str
    label: str
    n: int
    tenuto_pct: float
    alert_pct: float
    oracle_pct: float
    is_beyond_chance: bool

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.scenario} {self.label}".strip()

    @property
    def counts(self) -> bool:
        """Whether the promise can be kept."""
        return self.oracle_pct < KEEPS_PCT

    def keeps(self, pct: float) -> bool:
        """Whether so many misses are within the promise."""
        return pct <= TOLERATED * self.promise_pct


def answer(runs: Runs, asked: Asked) -> Answer:
    """The figure."""
    cases = [
        case
        for miss_pct in MISS_PCTS
        for scenario in asked.scenarios
        if not _is_left_out(asked, scenario, miss_pct)
        for case in _cases(Gathered.of(runs, asked, scenario, POLICIES, miss_pct), miss_pct)
    ]
    counted = [one for one in cases if one.counts]
    header = ("promise, %", "scenario", "variant", "inputs", "oracle misses, %", "tenuto", "alert", "kept")
    return Answer(
        "2",
        "Miss promise",
        f"misses <= {TOLERATED} x promise wherever the oracle misses < {KEEPS_PCT} %, for promises of 5, 1 and 0.1 %",
        "; ".join(_words([one for one in counted if one.promise_pct == miss_pct]) for miss_pct in MISS_PCTS),
        f"every scenario and variant is a case, pooled over {len(asked.seeds)} seeds and all applications, under the "
        "board's own bursty noise; beyond chance: a 1-in-1000 tail of independent misses at the tolerated rate",
        bool(counted) and all(one.keeps(one.tenuto_pct) for one in counted),
        (
            Detail(
                "Misses by scenario, variant and promise; empty where the oracle misses too much",
                header,
                tuple(_row(one) for one in cases),
            ),
        ),
        {"cases": [msgspec.structs.asdict(one) for one in cases]},
    )


def _words(counted: list[Case]) -> str:
    """Of one promise."""
    if not counted:
        return "no case counts"
    n, promise_pct = sum(one.n for one in counted), counted[0].promise_pct
    ours, alert = max(counted, key=lambda one: one.tenuto_pct), max(counted, key=lambda one: one.alert_pct)
    return (
        f"{promise_pct:g} %: {sum(one.keeps(one.tenuto_pct) for one in counted)} of {len(counted)} cases kept "
        f"(ALERT {sum(one.keeps(one.alert_pct) for one in counted)}), "
        f"{sum(one.is_beyond_chance for one in counted)} broken beyond chance, "
        f"pooled {sum(one.tenuto_pct * one.n for one in counted) / n:.2f} % "
        f"(ALERT {sum(one.alert_pct * one.n for one in counted) / n:.2f}), "
        f"worst {ours.tenuto_pct:.2f} % ({ours.name}), ALERT's {alert.alert_pct:.2f} % ({alert.name})"
    )


def _row(one: Case) -> tuple[str, ...]:
    return (
        f"{one.promise_pct:g}",
        one.scenario,
        one.label,
        str(one.n),
        *(f"{pct:.2f}" for pct in (one.oracle_pct, one.tenuto_pct, one.alert_pct)),
        "" if not one.counts else "yes" if one.keeps(one.tenuto_pct) else "NO",
    )


def _cases(gathered: Gathered, miss_pct: float) -> Iterator[Case]:
    for variant, label in enumerate(gathered.labels()):
        counts = {policy: gathered.pooled_misses(policy, variant) for policy in POLICIES}
        missed, n = counts["tenuto"]
        if n:
            ours, alert, oracle = (100 * counts[policy][0] / n for policy in POLICIES)
            tolerated = TOLERATED * miss_pct / 100
            is_beyond_chance = missed > tolerated * n and _tail(missed, n, tolerated) < UNLIKELY
            yield Case(miss_pct, gathered.scenario, label, n, ours, alert, oracle, is_beyond_chance)


def _tail(k: int, n: int, p: float) -> float:
    """Of a binomial: the probability of `k` or more."""
    term = math.exp(
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    )
    total = 0.0
    for i in range(k, n + 1):
        total += term
        term *= (n - i) / (i + 1) * p / (1 - p)
        if term <= 1e-12 * total:
            break
    return total
