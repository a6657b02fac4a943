"""Decide from a table made by hand, without a network and without hardware.

You will see four decisions of the same policy with its reasons: before any inference, after some that took as long as
profiled, after some that took twice as long, and under a deadline that nothing can keep.
"""

from tenuto import OperatingTable, Requirements
from tenuto.control import TenutoPolicy, explain
from tenuto.decisions import Observation
from tenuto.points import Configuration, Estimate, OperatingPoint, SubNetwork


def point(depth: int, latency_ms: float, accuracy_pct: float) -> OperatingPoint:
    """One operating point; its figures are assumed, and say so."""
    return OperatingPoint(
        Configuration(SubNetwork("example", (("depth", (depth,)),)), "big"),
        {"latency_ms": Estimate(latency_ms, "assumed"), "accuracy_pct": Estimate(accuracy_pct, "assumed")},
    )


def main() -> None:
    """Decide, learn, decide again."""
    table = OperatingTable.from_points([point(1, 4.0, 80.0), point(2, 8.0, 86.0), point(3, 12.0, 90.0)])
    policy = TenutoPolicy()
    state = policy.start(table, Requirements.of(latency_ms=18, miss_pct=1, maximise="accuracy_pct"))
    decision, state = policy.decide(state, Observation(time_s=0.0))
    print("at first: ", explain(table, decision, "accuracy_pct"))

    time_s = 0.0
    for slowdown in (1.0, 2.0):
        for _ in range(15):
            time_s += 0.1
            took_ms = slowdown * float(table.column("latency_ms").value[decision.point])
            decision, state = policy.decide(state, Observation(time_s, decision.point, took_ms))
        print(f"{slowdown:.0f} x slow: ", explain(table, decision, "accuracy_pct"))
        print(f"           believes {decision.slowdown:.2f} x, promises {decision.latency_ms:.1f} ms")

    state = policy.start(table, Requirements.of(latency_ms=3, maximise="accuracy_pct"), state)
    decision, _ = policy.decide(state, Observation(time_s))
    print("3 ms:     ", explain(table, decision, "accuracy_pct"))


if __name__ == "__main__":
    main()
