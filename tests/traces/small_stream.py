"""A small table and steps over it, for the tests of this folder."""

from tenuto.decisions import Decision, Observation, Reason
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.traces import Event, Step, TraceHeader

DEADLINE_MS = 20.0
PERIOD_S = 0.04


def small_table() -> OperatingTable:
    """Three points, from fast and poor to slow and good."""
    rows = (("d1.1-w25.25-k3.3", 4.0, 89.1), ("d1.2-w50.50-k3.5", 9.0, 91.7), ("d2.2-w100.100-k5.5", 16.5, 93.2))
    return OperatingTable.from_points(
        OperatingPoint(
            Configuration(SubNetwork.parse(f"fashion/{name}"), "cpu", 2),
            {"latency_ms": Estimate(latency_ms, "measured", 0.1), "accuracy_pct": Estimate(accuracy_pct, "measured")},
        )
        for name, latency_ms, accuracy_pct in rows
    )


def header(**changes: object) -> TraceHeader:
    """A header; `changes` replace what does not suit."""
    fields: dict[str, object] = {
        "network": "fashion",
        "platform": "a board",
        "policy": "faithful",
        "parameters": {"margin": 0.25},
        "requirements": Requirements.of(latency_ms=DEADLINE_MS, maximise="accuracy_pct"),
        "table": small_table(),
        "seed": 7,
        "events": (Event(0.4, "co-runner", 0.8),),
        **changes,
    }
    return TraceHeader(**fields)


def step(index: int, latency_ms: float | None = 9.0, **changes: object) -> Step:
    """One step; `changes` replace what does not suit."""
    fields: dict[str, object] = {
        "index": index,
        "time_s": index * PERIOD_S,
        "observation": Observation(
            100.0 + index * PERIOD_S, in_force=1, latency_ms=8.7, waited_ms=0.125, readings={"load_pct": 31.5}
        ),
        "decision": Decision(1, ("accuracy_pct",), 1.1, 12.5, Reason("latency_ms", 0, 2, 23.75, 1.5)),
        "applied": 1,
        "latency_ms": latency_ms,
        "deadline_ms": DEADLINE_MS,
        "correct": 15,
        "n_inputs": 16,
        "decide_us": 6.5,
        **changes,
    }
    return Step(**fields)
