"""Figure 4: against schedutil with a fixed network, at loads of 30 to 90 % and for two networks at several paces."""

import msgspec
import numpy as np

from benchmarks.control import loads
from benchmarks.control.answer import Answer, Detail, shown
from benchmarks.control.gather import (
    Asked,
    Figure,
    Gathered,
    accuracy_pct,
    board_energy_mj,
    energy_mj,
    latency_ms,
    miss_pct,
)
from benchmarks.control.passages import Job, Result
from benchmarks.control.runs import Runs

BASELINE = "schedutil+static"
UNPLACED = "schedutil, unplaced"
LEAST_SAVED_PCT = 25.0
MOST_MISSES_PCT = 1.0
SAME_ACCURACY_PCT = 0.05
PUBLISHED_LATENCY_PCT = -23.0
SHARES = (1.0, 0.85, 0.7)
"""Of the baseline's energy, the bounds under which latency is minimised."""


class LoadCase(msgspec.Struct, frozen=True):
    """One load: per cent saved against schedutil, shares of misses, accuracies delivered."""

    load: str
    baseline: str
    saved_pct: float
    saved_board_pct: float
    saved_unplaced_pct: float
    oracle_saved_pct: float
    miss_pct: float
    baseline_miss_pct: float
    oracle_miss_pct: float
    accuracy_pct: float
    baseline_accuracy_pct: float

    @property
    def is_as_asked(self) -> bool:
        """At no worse accuracy and few misses."""
        is_accurate = self.accuracy_pct >= self.baseline_accuracy_pct - SAME_ACCURACY_PCT
        return is_accurate and self.miss_pct <= MOST_MISSES_PCT


class TwoCase(msgspec.Struct, frozen=True):
    """Two networks at one pace: more or less than under schedutil."""

    pace: str
    policy: str
    baseline: str
    latency_pct: float
    energy_pct: float
    miss_pct: float
    baseline_miss_pct: float
    accuracy_points: float


def choices(asked: Asked) -> list[Job]:
    """What must be known before the rest: which rows the baseline runs."""
    names = [*loads.load_names(is_quick=asked.is_quick), *loads.two_names(is_quick=asked.is_quick)]
    return [Job(name, BASELINE, None) for name in names]


def jobs(runs: Runs, asked: Asked) -> list[Job]:
    """What must be run."""
    found: list[Job] = []
    for choice in choices(asked):
        chosen = runs.of(choice)
        if chosen is None:
            continue
        found += [replace_rows(choice, seed, chosen.rows) for seed in asked.seeds]
        found += asked.jobs(choice.scenario, "tenuto", "oracle")
        if loads.is_fixed_load(choice.scenario):
            found += [replace_rows(choice, seed, chosen.unplaced) for seed in asked.seeds]
        else:
            found += asked.jobs(choice.scenario, "alert")
            found += [quick_job(choice.scenario, seed, chosen, share) for share in SHARES for seed in asked.seeds]
    return found


def replace_rows(choice: Job, seed: int, rows: tuple[tuple[int, ...], ...] | None) -> Job:
    """The baseline with its rows."""
    return Job(choice.scenario, choice.policy, seed, rows=rows)


def quick_job(scenario: str, seed: int, chosen: Result, share: float) -> Job:
    """As quick as can be within a share of the energy that the baseline's networks take at the highest clock."""
    return Job(scenario, "tenuto", seed, bounds_mj=tuple(share * one for one in chosen.bounds_mj))


def _gathered(runs: Runs, asked: Asked, name: str) -> tuple[Gathered, Result] | None:
    choice = Job(name, BASELINE, None)
    chosen = runs.of(choice)
    if chosen is None:
        return None
    gathered = Gathered.of(runs, asked, name, ("tenuto", "oracle"))
    more = {BASELINE: [replace_rows(choice, seed, chosen.rows) for seed in asked.seeds]}
    if loads.is_fixed_load(name):
        more[UNPLACED] = [replace_rows(choice, seed, chosen.unplaced) for seed in asked.seeds]
    else:
        gathered = Gathered.of(runs, asked, name, ("tenuto", "oracle", "alert"))
        more |= {_quick(share): [quick_job(name, seed, chosen, share) for seed in asked.seeds] for share in SHARES}
    found = {
        policy: {
            seed: result for job in jobs if (seed := job.seed) is not None and (result := runs.of(job)) is not None
        }
        for policy, jobs in more.items()
    }
    results = {**gathered.results, **found}
    seeds = set.intersection(*(set(one) for one in results.values()))
    if not seeds:
        return None
    return Gathered(name, {p: {s: one[s] for s in sorted(seeds)} for p, one in results.items()}), chosen


def _quick(share: float) -> str:
    return f"quickest within {share:g} of the energy"


def answer(runs: Runs, asked: Asked) -> list[Answer]:
    """Both parts."""
    return [_loads(runs, asked), _two(runs, asked)]


def _loads(runs: Runs, asked: Asked) -> Answer:
    cases = []
    for name in loads.load_names(is_quick=asked.is_quick):
        found = _gathered(runs, asked, name)
        if found is not None:
            cases.append(_load_case(*found))
    as_asked = [one for one in cases if one.is_as_asked]
    mean_pct = _mean([one.saved_pct for one in cases])
    return Answer(
        "4a",
        "Against schedutil with the best fixed network",
        f"mean energy saved over loads of 30 to 90 % >= {LEAST_SAVED_PCT:g} % at no worse accuracy and <= 1 % misses "
        "(published: 16.5 to 19 %)",
        _load_words(cases, as_asked) if cases else "nothing measured",
        f"{loads.BOARD}, {len(asked.seeds)} seeds, {loads.N_INPUTS} inputs each: period = deadline = latency of a "
        "fixed network on all cores of a cluster at its highest clock / load; floor = its accuracy; under schedutil it "
        "runs where it takes least at <= 1 % misses; energy of clusters and memory",
        bool(cases) and mean_pct >= LEAST_SAVED_PCT and len(as_asked) == len(cases),
        (
            Detail(
                "Loads of 30 to 90 %",
                (
                    *(
                        "cluster",
                        "load, %",
                        "network",
                        "schedutil runs",
                        "saved, %",
                        "of the whole board, %",
                        "unplaced, %",
                    ),
                    *("oracle saves, %", "misses, %", "schedutil's", "oracle's", "accuracy, %", "schedutil's"),
                    "as asked",
                ),
                tuple(_load_row(one) for one in cases),
            ),
        ),
        {"cases": [msgspec.structs.asdict(one) for one in cases]},
    )


def _load_case(gathered: Gathered, chosen: Result) -> LoadCase:
    def saved_pct(policy: str, figure: Figure, baseline: str = BASELINE) -> float:
        return -gathered.against_mean(policy, baseline, figure, is_share=True)

    def mean(policy: str, figure: Figure) -> float:
        return _mean(gathered.values(policy, figure))

    return LoadCase(
        gathered.scenario,
        chosen.words[0],
        saved_pct("tenuto", energy_mj()),
        saved_pct("tenuto", board_energy_mj()),
        saved_pct("tenuto", energy_mj(), UNPLACED),
        saved_pct("oracle", energy_mj()),
        mean("tenuto", miss_pct()),
        mean(BASELINE, miss_pct()),
        mean("oracle", miss_pct()),
        mean("tenuto", accuracy_pct()),
        mean(BASELINE, accuracy_pct()),
    )


def _load_row(one: LoadCase) -> tuple[str, ...]:
    _, cluster, fixed, load = one.load.split(":")
    return (
        cluster,
        load,
        fixed,
        one.baseline,
        *(
            shown(value, 1)
            for value in (one.saved_pct, one.saved_board_pct, one.saved_unplaced_pct, one.oracle_saved_pct)
        ),
        *(shown(value) for value in (one.miss_pct, one.baseline_miss_pct, one.oracle_miss_pct)),
        *(shown(value) for value in (one.accuracy_pct, one.baseline_accuracy_pct)),
        "yes" if one.is_as_asked else "no",
    )


def _load_words(cases: list[LoadCase], as_asked: list[LoadCase]) -> str:
    worst, best = (pick(cases, key=lambda one: one.saved_pct) for pick in (min, max))
    by_load = {load: [one.saved_pct for one in cases if one.load.endswith(f":{load}")] for load in loads.LOADS_PCT}
    kept = (
        f" ({_mean([one.saved_pct for one in as_asked]):.1f} % over the {len(as_asked)} at no worse accuracy and <= 1 "
        "% misses)"
    )
    return (
        f"mean {_mean([one.saved_pct for one in cases]):.1f} % saved over {len(cases)} loads"
        + (kept if as_asked else ", none at no worse accuracy and <= 1 % misses")
        + f"; worst {worst.saved_pct:.1f} ({worst.load}), best {best.saved_pct:.1f} ({best.load})"
        + f"; against schedutil that runs it on all big cores {_mean([one.saved_unplaced_pct for one in cases]):.1f}"
        + f"; the oracle saves {_mean([one.oracle_saved_pct for one in cases]):.1f}; by load "
        + ", ".join(f"{load} %: {_mean(found):.0f}" for load, found in by_load.items() if found)
    )


def _two(runs: Runs, asked: Asked) -> Answer:
    policies = ("tenuto", "alert", "oracle", *(_quick(share) for share in SHARES))
    cases = []
    for name in loads.two_names(is_quick=asked.is_quick):
        found = _gathered(runs, asked, name)
        if found is not None:
            cases += [_two_case(*found, policy) for policy in policies]
    words, is_met = [], False
    for policy in policies:
        own = [one for one in cases if one.policy == policy]
        if not own or policy in ("alert", "oracle"):
            continue
        latency, energy = [one.latency_pct for one in own], [one.energy_pct for one in own]
        misses = _mean([one.miss_pct for one in own])
        words.append(
            f"{policy}: latency {_mean(latency):+.0f} % (worst {max(latency):+.0f}), energy {_mean(energy):+.0f} % "
            f"(worst {max(energy):+.0f}), misses {misses:.2f} %"
        )
        is_met |= _mean(latency) <= PUBLISHED_LATENCY_PCT and _mean(energy) < 0 and misses <= MOST_MISSES_PCT
    return Answer(
        "4b",
        "Two networks against schedutil",
        "at least the published -23 % latency, at lower energy (published: up to -89 %)",
        "; ".join(words) or "nothing measured",
        f"{loads.TWO} with periods and deadlines x {', '.join(map(str, loads.PACES))}, {len(asked.seeds)} seeds, "
        "against the best fixed networks under schedutil (GPU: simple_ondemand); latency of all inputs of both; "
        "`quickest within` minimises latency, each inference bounded by that share of what the fixed network takes at "
        "the highest clock",
        is_met if cases else None,
        (
            Detail(
                "Two networks against schedutil",
                (
                    *("pace", "policy", "schedutil runs", "latency, %", "energy, %", "misses, %", "schedutil's"),
                    "accuracy, points",
                ),
                tuple(_two_row(one) for one in cases),
            ),
        ),
        {"cases": [msgspec.structs.asdict(one) for one in cases]},
    )


def _two_case(gathered: Gathered, chosen: Result, policy: str) -> TwoCase:
    return TwoCase(
        gathered.scenario.partition(":")[2],
        policy,
        ", ".join(chosen.words),
        gathered.against_mean(policy, BASELINE, latency_ms, is_share=True),
        gathered.against_mean(policy, BASELINE, energy_mj(), is_share=True),
        _mean(gathered.values(policy, miss_pct())),
        _mean(gathered.values(BASELINE, miss_pct())),
        gathered.against_mean(policy, BASELINE, accuracy_pct()),
    )


def _two_row(one: TwoCase) -> tuple[str, ...]:
    return (
        one.pace,
        one.policy,
        one.baseline,
        *(shown(value, 1) for value in (one.latency_pct, one.energy_pct)),
        *(shown(value) for value in (one.miss_pct, one.baseline_miss_pct, one.accuracy_points)),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
