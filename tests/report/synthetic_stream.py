"""Streams made of random numbers, for the tests of reports. Nothing here was measured."""

import random
from collections.abc import Callable
from functools import cache

from tenuto.decisions import Decision, Observation
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.report import Run
from tenuto.requirements import Requirements
from tenuto.traces import Event, Step, Trace, TraceHeader

DEADLINE_MS = 24.0
_LADDER = (
    ("d1.1-w25.25-k3.3", 4.1, 89.4),
    ("d1.1-w50.25-k3.3", 5.0, 89.9),
    ("d1.1-w50.50-k3.3", 5.9, 90.8),
    ("d1.1-w50.50-k3.5", 6.8, 90.9),
    ("d2.1-w50.50-k3.3", 7.9, 91.2),
    ("d1.2-w50.50-k3.3", 8.4, 91.7),
    ("d2.2-w50.75-k3.3", 10.6, 92.1),
    ("d2.2-w75.75-k3.3", 12.9, 92.5),
    ("d2.2-w75.100-k5.3", 15.7, 92.9),
    ("d2.2-w100.100-k5.5", 19.2, 93.3),
)


@cache
def made_up_table() -> OperatingTable:
    """Ten sub-networks on one core and on two."""
    draw = random.Random(3)
    points = []
    for n_cores, factor in ((1, 1.75), (2, 1.0)):
        for name, latency_ms, accuracy_pct in _LADDER:
            median_ms = latency_ms * factor * draw.uniform(0.97, 1.03)
            metrics = {
                "latency_ms": Estimate(median_ms, "assumed"),
                "latency_p99_ms": Estimate(median_ms * draw.uniform(1.06, 1.3), "assumed"),
                "accuracy_pct": Estimate(accuracy_pct, "assumed"),
            }
            points.append(OperatingPoint(Configuration(SubNetwork.parse(f"fashion/{name}"), "cpu", n_cores), metrics))
    return OperatingTable.from_points(points)


def made_up_run(policy: str, choose: Callable[[int, float], int], *, n: int = 900, seed: int = 0) -> Run:
    """A stream of `n` frames, 30 a second, with a co-runner in its middle third.

    Args:
        policy: The name to give it.
        choose: From the frame and the slowdown of the frame before, the row of the table to run.
        n: Frames.
        seed: Of the noise.
    """
    table = made_up_table()
    draw = random.Random(seed)
    steps = []
    slowdown = 1.0
    for index in range(n):
        row = choose(index, slowdown)
        slowdown = draw.gauss(2.25, 0.13) if n // 3 + 4 <= index < 2 * n // 3 else draw.gauss(1.0, 0.03)
        if draw.random() < 0.004:
            slowdown *= draw.uniform(1.5, 3)
        latency_ms = float(table.column("latency_ms").value[row]) * slowdown
        accuracy = float(table.column("accuracy_pct").value[row]) / 100
        steps.append(
            Step(
                index=index,
                time_s=index / 30,
                observation=Observation(index / 30),
                decision=Decision(row),
                applied=row,
                latency_ms=latency_ms,
                deadline_ms=DEADLINE_MS,
                correct=sum(draw.random() < accuracy for _ in range(16)),
                n_inputs=16,
                decide_us=draw.uniform(4, 8),
            )
        )
    events = (Event(n / 90, "co-runner", 2 * n / 90),)
    header = TraceHeader(
        network="fashion",
        platform="a made-up board",
        policy=policy,
        requirements=Requirements.of(latency_ms=DEADLINE_MS),
        table=table,
        events=events,
        created="2026-01-02T03:04:05+00:00",
    )
    return Run.of(Trace(header, tuple(steps), events, is_complete=True))


def predictive() -> Callable[[int, float], int]:
    """The best row on two cores that was in time, with a margin, at the slowdown just seen."""
    latency_ms = made_up_table().column("latency_ms").value

    def choose(_: int, slowdown: float) -> int:
        return max((row for row in range(10, 20) if latency_ms[row] * slowdown * 1.12 < DEADLINE_MS), default=10)

    return choose


def stepping() -> Callable[[int, float], int]:
    """One row down or up at a time, every twenty frames."""
    latency_ms = made_up_table().column("latency_ms").value
    row = 19

    def choose(index: int, slowdown: float) -> int:
        nonlocal row
        if index % 20 == 19:
            is_late = latency_ms[row] * slowdown > DEADLINE_MS
            row = max(10, row - 1) if is_late else min(19, row + 1)
        return row

    return choose


def four_runs(*, n: int = 900) -> list[Run]:
    """The comparison that the demonstration makes."""
    return [
        made_up_run("tenuto", predictive(), n=n, seed=1),
        made_up_run("level-step", stepping(), n=n, seed=2),
        made_up_run("fixed-largest", lambda *_: 19, n=n, seed=3),
        made_up_run("fixed-smallest", lambda *_: 10, n=n, seed=4),
    ]
