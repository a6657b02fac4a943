"""Record a real stream, measure it, and ask policies again what they were asked.

You will see how the stream went, that the same policy decides the same again from the file alone, and how often
another policy would have chosen otherwise. The first run measures this machine for a few seconds.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import tenuto
from tenuto.control import FixedPolicy, LevelStepPolicy, Policy, TenutoPolicy, fastest_rows
from tenuto.traces import Trace, measure, read_trace, replay


def record(path: Path) -> None:
    """Stream 200 frames, with a deadline that suits this machine: three times the largest sub-network's median."""
    table = tenuto.manage("fashion").table
    largest_ms = float(table.column("latency_ms").value[fastest_rows(table)[-1]])
    generator = np.random.default_rng(1)
    with tenuto.manage("fashion", latency_ms=3 * largest_ms, miss_pct=1, table=table, trace=path) as net:
        for _ in range(200):
            net(generator.random((1, 1, 28, 28), dtype=np.float32))
            time.sleep(0.01)


def report(trace: Trace) -> None:
    """Print what a trace tells."""
    measures = measure(trace.steps)
    print(f"{trace.header.network} on {trace.header.platform}: {measures.n} steps, complete: {trace.is_complete}")
    print(f"late: {measures.n_missed}, p50 {measures.latency_median_ms:.2f} ms, p99 {measures.latency_p99_ms:.2f} ms")
    policies: list[Policy[Any]] = [TenutoPolicy(), FixedPolicy("largest"), FixedPolicy("smallest"), LevelStepPolicy()]
    for policy in policies:
        replayed = list(replay(trace, policy))
        n_same = sum(one.step.decision.point == one.decision.point for one in replayed)
        n_equal = sum(one.is_equal for one in replayed)
        print(f"{policy.name:<15} same point in {n_same} of {len(replayed)} steps, equal to the last bit in {n_equal}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "stream.trace.jsonl"
        record(path)
        report(read_trace(path))
