"""How long a decision takes, at 1 000 points and at 100 000, beside a plain NumPy scan of the table.

Run: `python -m benchmarks.decide [--json]`. All variants take turns in one process. `decide` is all of it: learning
from the last inference and choosing for the next.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tenuto.control import Plan, TenutoPolicy
from tenuto.decisions import Decision, Observation
from tenuto.points import NO_FREQUENCY, Column, OperatingTable, SubNetwork
from tenuto.requirements import Requirements

SIZES = (1_000, 100_000)
N_CLUSTERS = (1, 3)
N_DECISIONS = 4_000
CASES = {
    "accuracy under a deadline": {"latency_ms": 15.0, "maximise": "accuracy_pct"},
    "energy under deadline and accuracy": {"latency_ms": 15.0, "accuracy_pct": 80.0, "minimise": "energy_mj"},
    "accuracy under deadline and energy": {"latency_ms": 15.0, "energy_mj": 20.0, "maximise": "accuracy_pct"},
}


def random_table(n: int, n_clusters: int, generator: np.random.Generator) -> OperatingTable:
    """`n` random points: latencies log-uniform over 1 to 55 ms, every other figure independent."""
    sub_networks = tuple(SubNetwork("random", (("depth", (index,)),)) for index in range(100))
    latency_ms = np.exp(generator.uniform(0, 4, n))
    power_w = generator.uniform(1, 5, n)
    return OperatingTable(
        sub_networks,
        tuple(f"cluster{index}" for index in range(n_clusters)),
        generator.integers(0, len(sub_networks), n).astype(np.int32),
        generator.integers(0, n_clusters, n).astype(np.int32),
        np.ones(n, np.int32),
        np.full(n, NO_FREQUENCY, np.int64),
        {
            "latency_ms": Column.uniform(latency_ms, "assumed"),
            "accuracy_pct": Column.uniform(generator.uniform(60, 90, n), "assumed"),
            "power_w": Column.uniform(power_w, "assumed"),
            "energy_mj": Column.uniform(latency_ms * power_w, "assumed"),
        },
    )


def stream(table: OperatingTable, requirements: Requirements, seed: int) -> tuple[Callable[[], Decision], Plan]:
    """A decision per call, on a noisy stream that is disturbed now and then."""
    policy, generator = TenutoPolicy(), np.random.default_rng(seed)
    state = policy.start(table, requirements)
    profiled_ms = table.column("latency_ms").value.tolist()
    noise = np.exp(generator.normal(0, 0.08, N_DECISIONS)).tolist()
    index, decision, state = 0, *policy.decide(state, Observation(0.0))

    def step() -> Decision:
        nonlocal index, decision, state
        slowdown = 1.8 if index % 500 > 350 else 1.0
        latency_ms = profiled_ms[decision.point] * noise[index % N_DECISIONS] * slowdown
        observation = Observation(index / 30, decision.point, latency_ms)
        index += 1
        before = time.perf_counter_ns()
        decision, state = policy.decide(state, observation)
        took.append(time.perf_counter_ns() - before)
        return decision

    took: list[int] = []
    step.took = took  # type: ignore[attr-defined]
    return step, state.plan


def numpy_scan(table: OperatingTable) -> Callable[[], int]:
    """The obvious way: mask and argmax over the columns, per decision."""
    latency_ms, accuracy_pct = table.column("latency_ms").value, table.column("accuracy_pct").value

    def step() -> int:
        before = time.perf_counter_ns()
        row = _scan(latency_ms, accuracy_pct)
        took.append(time.perf_counter_ns() - before)
        return row

    took: list[int] = []
    step.took = took  # type: ignore[attr-defined]
    return step


def _scan(latency_ms: NDArray[np.float64], accuracy_pct: NDArray[np.float64]) -> int:
    return int(np.argmax(np.where(latency_ms * 1.1 <= 15.0, accuracy_pct, -np.inf)))


def measure() -> list[dict[str, object]]:
    """Microseconds, median and p99, of every variant."""
    generator = np.random.default_rng(1)
    variants: dict[str, Callable[[], object]] = {}
    for n in SIZES:
        for n_clusters in N_CLUSTERS:
            table = random_table(n, n_clusters, generator)
            for name, needs in CASES.items():
                step, _ = stream(table, Requirements.of(**needs), seed=n)
                variants[f"{name}, {n_clusters} clusters, {n} points"] = step
        variants[f"NumPy scan, {n} points"] = numpy_scan(random_table(n, 1, generator))
    gc.collect()
    gc.freeze()
    for round_index in range(N_DECISIONS):
        for name, step in variants.items():
            if not name.startswith("NumPy scan, 100000") or round_index % 10 == 0:
                step()
    rows = []
    for name, step in variants.items():
        took_us = np.array(step.took[100:] if len(step.took) > 1000 else step.took) / 1000  # type: ignore[attr-defined]
        rows.append(
            {
                "what": name,
                "median_us": round(float(np.median(took_us)), 2),
                "p99_us": round(float(np.quantile(took_us, 0.99)), 2),
                "n": len(took_us),
            }
        )
    return rows


def main() -> dict[str, object]:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_known_args()[0].json
    rows = measure()
    worst = max(float(str(row["median_us"])) for row in rows if not str(row["what"]).startswith("NumPy"))
    worst_p99 = max(float(str(row["p99_us"])) for row in rows if not str(row["what"]).startswith("NumPy"))
    scan = next(float(str(row["median_us"])) for row in rows if row["what"] == f"NumPy scan, {SIZES[0]} points")
    figures: dict[str, object] = {
        "decide_median_us": worst,
        "decide_p99_us": worst_p99,
        "decide_over_numpy_scan": worst / scan,
        "rows": rows,
    }
    if as_json:
        print(json.dumps(figures))
    else:
        for row in rows:
            print(f"{row['what']:<66} median {row['median_us']:>8} µs   p99 {row['p99_us']:>8} µs")
        print(f"worst decide: median {worst} µs (asked 10), p99 {worst_p99} µs (asked 25)")
        print(f"worst decide / NumPy scan of {SIZES[0]} points: {worst / scan:.2f} (asked 10 µs / 8 µs = 1.25)")
    return figures


if __name__ == "__main__":
    main()
