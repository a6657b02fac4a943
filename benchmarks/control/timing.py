"""Figure 8: what a decision takes over real replays, ours and ALERT's in one process, passage by passage in turn."""

import gc
import os
from dataclasses import replace

import numpy as np

from benchmarks.control.answer import Answer, Detail
from benchmarks.control.gather import Asked
from benchmarks.control.passages import loaded
from tenuto.scenarios import Scenario
from tenuto.simulation import passages_of, simulate

POLICIES = ("tenuto", "alert", "fixed-largest")
"""The last one decides nothing: what measuring and guarding take by themselves."""
MEDIAN_US, P99_US = 10.0, 25.0
N_INPUTS = 2500
LONGEST_S = 1500.0
N_VARIANTS = 3
ROUNDS = 3


def answer(asked: Asked) -> Answer:
    """Measure, which takes the machine for itself."""
    rows: list[tuple[str, ...]] = []
    data: dict[str, dict[str, tuple[float, float]]] = {}
    every: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for scenario in asked.scenarios:
        took: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for turn in range(1 if asked.is_quick else ROUNDS):
            for one in _shortened(scenario):
                for policy in POLICIES if turn % 2 else POLICIES[::-1]:
                    gc.collect()
                    outcome = simulate(one, policy, seed=asked.seeds[turn % len(asked.seeds)])
                    took[policy] += [s.decide_us for run in outcome.runs for s in run.steps if s.decide_us is not None]
        figures = {policy: _quantiles(values) for policy, values in took.items()}
        data[scenario] = figures
        rows.append((scenario, str(len(took["tenuto"])), *(f"{figures[p][i]:.1f}" for p in POLICIES for i in (0, 1))))
        for policy in POLICIES:
            every[policy] += took[policy]
    overall = {policy: _quantiles(values) for policy, values in every.items()}
    medians = [one["tenuto"][0] for one in data.values()]
    p99s = [one["tenuto"][1] for one in data.values()]
    words = (
        f"all scenarios: median {overall['tenuto'][0]:.1f} us, p99 {overall['tenuto'][1]:.1f} (ALERT "
        f"{overall['alert'][0]:.1f}, {overall['alert'][1]:.1f}; no decision at all {overall['fixed-largest'][0]:.1f}, "
        f"{overall['fixed-largest'][1]:.1f}); by scenario medians {min(medians):.1f} to "
        f"{max(medians):.1f}, p99 {min(p99s):.1f} to {max(p99s):.1f}; within both in "
        f"{sum(m <= MEDIAN_US and p <= P99_US for m, p in zip(medians, p99s, strict=True))} of {len(data)}"
        if data
        else "nothing measured"
    )
    load = os.getloadavg()[0]
    return Answer(
        "8",
        "Decision time",
        f"median <= {MEDIAN_US:g} us, p99 <= {P99_US:g} us (DESIGN.md section 2)",
        words,
        f"real replays in one process, policies taking turns, the runtime's guard included; up to {N_VARIANTS} "
        f"variants and about {N_INPUTS} inputs of each scenario; the machine's load average was {load:.1f} with "
        f"{os.cpu_count()} cores",
        bool(data) and max(medians) <= MEDIAN_US and max(p99s) <= P99_US,
        (
            Detail(
                "Microseconds for a decision",
                ("scenario", "decisions", "tenuto, median", "p99", "alert, median", "p99", "none, median", "p99"),
                tuple(rows),
            ),
        ),
        {"load_average": load, "overall": overall, "scenarios": data},
    )


def _shortened(name: str) -> list[Scenario]:
    variants = passages_of(loaded(name))
    picked = [variants[i] for i in sorted({*np.linspace(0, len(variants) - 1, N_VARIANTS).astype(int).tolist()})]
    return [replace(one, duration_s=_duration_s(one)) for one in picked]


def _duration_s(scenario: Scenario) -> float:
    if len(scenario.applications) > 1:  # they come one after the other
        return min(scenario.duration_s, LONGEST_S)
    period_ms = scenario.applications[0].arrivals.period_ms
    return scenario.duration_s if period_ms is None else min(scenario.duration_s, N_INPUTS * period_ms / 1000)


def _quantiles(values: list[float]) -> tuple[float, float]:
    return (float(np.median(values)), float(np.quantile(values, 0.99))) if values else (float("nan"), float("nan"))
