"""What a policy is shown to see what it is worth: a table, requirements, a stream with everything in it, nonsense."""

import math
from collections.abc import Callable
from typing import Any, Final

from tenuto.decisions import Allotment, Decision, Observation
from tenuto.points import Configuration as Where
from tenuto.points import Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements

FINE: Final = (
    Requirements.of(latency_ms=20, miss_pct=1, maximise="accuracy_pct"),
    Requirements.of(latency_ms=40, accuracy_pct=86, minimise="energy_mj", period_ms=50),
    Requirements.of(latency_ms=20, energy_mj=30, maximise="accuracy_pct"),
    Requirements.of(latency_ms=5, minimise="latency_ms"),
    Requirements.of(power_w=1, latency_ms=30, miss_pct=0.1),
    Requirements.of(latency_ms=1, accuracy_pct=99, power_w=0.1),
    Requirements.of(maximise="accuracy_pct"),
)
"""Requirements that `sample_table` carries every metric for; the last but one cannot be kept."""


def sample_table() -> OperatingTable:
    """A table of twelve points on two clusters; its figures are assumed, for tests alone.

    The clock of `big` is ours, at one of two steps; that of `little` is not.
    """
    places = (
        ("little", None, 3.0, 0.5, 0.1),
        ("big", 1_000_000_000, 2.0, 1.2, 0.2),
        ("big", 2_000_000_000, 1.0, 3.0, 0.3),
    )
    points = [
        OperatingPoint(
            Where(SubNetwork("sample", (("depth", (depth,)),)), cluster, 1, frequency_hz),
            {
                "latency_ms": Estimate(4.0 * depth * slower, "assumed"),
                "accuracy_pct": Estimate(80.0 + 3 * depth, "assumed"),
                "energy_mj": Estimate(4.0 * depth * slower * watts, "assumed"),
                "power_w": Estimate(watts, "assumed"),
                "idle_power_w": Estimate(idle_watts, "assumed"),
            },
        )
        for cluster, frequency_hz, slower, watts, idle_watts in places
        for depth in (1, 2, 3, 4)
    ]
    return OperatingTable.from_points(points)


def nonsense(table: OperatingTable) -> list[tuple[str, list[Observation]]]:
    """What should never happen, and does."""
    row, nan, inf = len(table) - 1, math.nan, math.inf
    latencies = [nan, inf, -inf, -5.0, 0.0]
    known = {"temperature_c": 60.0, "other_load_pct": 20.0, "load_pct": 40.0, "power_w": 2.0}
    return [
        ("evidence that is none (None)", [Observation(i / 30, row if i % 2 else None, None) for i in range(20)]),
        *(
            (f"evidence of {latency} ms", [Observation(i / 30, row, latency) for i in range(5)])
            for latency in latencies
        ),
        ("evidence without a row", [Observation(i / 30, None, 10.0) for i in range(5)]),
        (
            "waiting times of nan, inf and -1 ms",
            [Observation(i / 30, row, 10.0, wait, wait) for i, wait in enumerate((nan, inf, -1.0, 1e12))],
        ),
        ("a clock that jumps", [Observation(time_s, row, 10.0) for time_s in (0.0, 1e9, 5.0, -1e9, nan, inf)]),
        (
            "readings that vanish and come back",
            [Observation(i / 30, row, 10.0, readings=known if i % 5 < 2 else {}) for i in range(20)],
        ),
        (
            "readings that are no numbers",
            [
                Observation(i / 30, row, 10.0, readings=dict.fromkeys(known, value))
                for i, value in enumerate((nan, inf))
            ],
        ),
        ("many that wait", [Observation(i / 30, row, 10.0, n_queued=n) for i, n in enumerate((0, 1, 1000, -1))]),
        (
            "an allotment without a point in the table",
            [
                Observation(0.0, allotment=Allotment("no-such-cluster", 1)),
                Observation(0.1, row, 10.0, allotment=Allotment("big", 64, 1)),
                Observation(0.2, row, 10.0, allotment=Allotment("little", 0)),
                Observation(0.3, row, 10.0),
            ],
        ),
        (
            "an allotment that changes",
            [
                Observation(i / 30, row, 10.0, allotment=place)
                for i, place in enumerate((None, Allotment("little", 1), Allotment("big", 1, 1_000_000_000), None) * 3)
            ],
        ),
    ]


def follow(table: OperatingTable, state: Any, decided: Callable[[Any, Observation], tuple[Decision, Any]]) -> None:
    """Drive something that decides through calm, slow, late, waiting and unknown inputs.

    Args:
        table: The profile.
        state: To begin with.
        decided: From (state, observation) to (decision, state).
    """
    latency_ms = table.column("latency_ms").value
    point: int | None = None
    for index in range(120):
        slowdown = 3.0 if 40 <= index < 80 else 1.0 + 0.05 * (index % 3)
        is_known = point is not None and index % 17 != 5
        observation = Observation(
            time_s=index / 30,
            in_force=point if is_known else None,
            latency_ms=None if point is None or not is_known else float(latency_ms[point]) * slowdown,
            last_waited_ms=0.0,
            waited_ms=50.0 if index % 23 == 7 else 0.0,
            readings={"other_load_pct": 90.0 if 40 <= index < 80 else 5.0} if index % 2 else {},
            n_queued=index % 4,
        )
        decision, state = decided(state, observation)
        point = decision.point
