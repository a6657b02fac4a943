"""Outcomes of replays made of random numbers, for the tests of reports. Nothing here was measured or modelled.

Policies and world are a few lines: one slowdown for the whole board, and power and temperature follow what is in force.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from tenuto.decisions import Decision, Observation, Reason
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.scenarios import Application, Arrivals, Disturbance, Scenario
from tenuto.simulation import ApplicationRun, Outcome, Sample
from tenuto.traces import Event, Step

CLUSTERS = {"a7": (600_000_000, 1_000_000_000, 1_400_000_000), "a15": (800_000_000, 1_400_000_000, 2_000_000_000)}
SPEED = {"a7": 1.0, "a15": 2.6}
WATTS = {"a7": 0.35, "a15": 2.1}
LADDER = ((1, 62.1, 90.0), (2, 66.8, 130.0), (3, 70.2, 180.0), (4, 72.4, 240.0), (5, 74.0, 310.0), (6, 75.1, 400.0))
MEASURES = (
    "miss_pct",
    "longest_miss_run",
    "recovery_s",
    "latency_mean_ms",
    "latency_p99_ms",
    "energy_mj_per_inference",
    "energy_over_oracle_pct",
    "accuracy_pct",
    "switches_per_min",
    "decision_median_us",
    "decision_p99_us",
)


@cache
def place_table(network: str = "toy", *, titles: bool = False) -> OperatingTable:
    """Six sub-networks on two clusters, with one or four cores and three clocks."""
    points = []
    for level, accuracy_pct, work in LADDER:
        for cluster, clocks in CLUSTERS.items():
            for n_cores in (1, 4):
                for hz in clocks:
                    latency_ms = work / (SPEED[cluster] * hz / 1e9 * n_cores**0.8)
                    power_w = WATTS[cluster] * (hz / 1e9) ** 2 * n_cores**0.9
                    metrics = {
                        "latency_ms": Estimate(latency_ms, "assumed"),
                        "accuracy_pct": Estimate(accuracy_pct, "assumed"),
                        "power_w": Estimate(power_w, "assumed"),
                        "energy_mj": Estimate(power_w * latency_ms, "assumed"),
                    }
                    sub_network = SubNetwork(network, (("level", (level,)),))
                    points.append(OperatingPoint(Configuration(sub_network, cluster, n_cores, hz), metrics))
    about: dict[str, Any] = {"throttles_above_c": 85.0}
    if titles:
        about["titles"] = {f"l{level}": f"level {level}" for level, *_ in LADDER}
    return OperatingTable.from_points(points, about=about)


def made_up_scenario(*, duration_s: float, names: Sequence[str] = ("camera",), period_ms: float = 100.0) -> Scenario:
    """Two disturbances of one kind, one of another, and a change of requirements of the first application."""
    needs = Requirements.of(
        latency_ms=90.0, miss_pct=1.0, temperature_c=88.0, minimise="energy_mj", period_ms=period_ms
    )
    disturbances = (
        Disturbance("two busy loops on the a15", 0.2 * duration_s, 0.35 * duration_s),
        Disturbance("the a15 capped at 1.4 GHz", 0.5 * duration_s, 0.6 * duration_s),
        Disturbance("two busy loops on the a15", 0.8 * duration_s),
    )
    applications = tuple(
        Application(name, "toy", needs, Arrivals(period_ms), priority=i) for i, name in enumerate(names)
    )
    return Scenario(
        "made-up@1",
        "A scenario that was made up",
        "For the tests of reports.",
        "a made-up board",
        duration_s,
        applications,
        disturbances=disturbances,
        sources=("Nothing here was measured.",),
    )


Choice = Callable[[OperatingTable, float, float, int], Decision]
"""From the table, what is left of the deadline, the slowdown last seen, and the input's number."""


def frugal(table: OperatingTable, left_ms: float, slowdown: float, _: int) -> Decision:
    """The least energy that is in time with a margin, and the reason."""
    latency_ms, energy_mj = table.column("latency_ms").value, table.column("energy_mj").value
    accuracy_pct = table.column("accuracy_pct").value
    rows = [row for row in range(len(table)) if accuracy_pct[row] >= 72]
    promised = {row: latency_ms[row] * 1.12 * slowdown for row in rows}
    rows.sort(key=lambda row: energy_mj[row])
    fitting = [row for row in rows if promised[row] <= left_ms]
    if not fitting:
        row = min(rows, key=lambda row: promised[row])
        return Decision(row, ("latency_ms",), slowdown, promised[row], Reason())
    row, *others = fitting
    better = next((other for other in rows if energy_mj[other] < energy_mj[row]), None)
    reason = (
        Reason(None, *others[:1])
        if better is None
        else Reason(
            "latency_ms", next(iter(others), None), better, promised[better], energy_mj[row] - energy_mj[better]
        )
    )
    return Decision(row, (), slowdown, promised[row], reason)


def stepping(table: OperatingTable, _left_ms: float, slowdown: float, index: int) -> Decision:
    """Another of the a15's quickest places every now and then, without belief or reason."""
    quickest = [row for row in range(len(table)) if table.configuration(row).frequency_hz == 2_000_000_000]
    quickest = [row for row in quickest if table.n_cores[row] == 4]
    return Decision(quickest[-1 - (index // 17 + int(4 * (slowdown - 1))) % len(quickest)])


def largest(table: OperatingTable, _left_ms: float, _slowdown: float, _index: int) -> Decision:
    """Always the last row."""
    return Decision(len(table) - 1)


CHOICES: Mapping[str, Choice] = {"tenuto": frugal, "level-step": stepping, "fixed-largest": largest, "oracle": frugal}


def made_up_application(scenario: Scenario, application: Application, choose: Choice, *, seed: int) -> ApplicationRun:
    """A choice in a world of one slowdown for each cluster, with a queue."""
    table, draw = place_table(titles=True), random.Random(f"{seed} {application.name}")
    change_s = 0.65 * scenario.duration_s
    tighter = Requirements.of(latency_ms=70.0, minimise="energy_mj", period_ms=application.arrivals.period_ms)
    is_first = application is scenario.applications[0]
    period_s = application.arrivals.period_ms / 1000
    free_s, slowdown, steps = 0.0, 1.0, []
    for index in range(int(scenario.duration_s / period_s)):
        came_s = index * period_s
        deadline_ms = 70.0 if is_first and came_s >= change_s else 90.0
        begins_s = max(came_s, free_s)
        waited_ms = 1000 * (begins_s - came_s)
        decision = choose(table, deadline_ms - waited_ms, slowdown, index)
        seen: dict[str, Any] = {
            "index": index,
            "observation": Observation(begins_s, None, None, 0.0, waited_ms, {"temperature_c": 61.5}),
            "decision": decision,
            "deadline_ms": deadline_ms,
            "n_inputs": 1,
            "decide_us": draw.uniform(4, 8),
        }
        if waited_ms >= deadline_ms:
            gone_s = came_s + deadline_ms / 1000
            steps.append(Step(time_s=gone_s, waited_ms=deadline_ms, error="skipped: its deadline had passed", **seen))
            continue
        slow = draw.lognormvariate(0, 0.03) * (1.0 if draw.random() > 0.006 else draw.uniform(1.5, 3.5))
        slow *= 1.6 if any(_is_within(one, begins_s) for one in scenario.disturbances) else 1.0
        slowdown = slow
        latency_ms = float(table.column("latency_ms").value[decision.point]) * slow
        free_s = begins_s + latency_ms / 1000
        figures = {"applied": decision.point, "latency_ms": latency_ms, "waited_ms": waited_ms, "correct": 1}
        steps.append(Step(time_s=begins_s, **seen, **figures))
    events = [Event(one.time_s, one.label, one.until_s) for one in scenario.disturbances]
    if is_first:
        events.append(Event(change_s, "new requirements", None, None, tighter))
    return ApplicationRun(application.name, table, application.requirements, tuple(steps), tuple(events))


def _is_within(disturbance: Disturbance, time_s: float) -> bool:
    return disturbance.time_s <= time_s and (disturbance.until_s is None or time_s < disturbance.until_s)


def made_up_samples(runs: Sequence[ApplicationRun], *, duration_s: float, has_battery: bool) -> tuple[Sample, ...]:
    """Ten a second: power follows what is in force, temperature follows power."""
    samples, heat, left_mj = [], 40.0, 4.0e6
    places = [0] * len(runs)
    for tick in range(1, int(10 * duration_s) + 1):
        time_s = tick / 10
        power = {"a7": 0.08, "a15": 0.3, "memory": 0.25, "board": 1.4}
        clocks = {cluster: hz[0] for cluster, hz in CLUSTERS.items()}
        for index, run in enumerate(runs):
            while places[index] + 1 < len(run.steps) and run.steps[places[index] + 1].time_s <= time_s:
                places[index] += 1
            step = run.steps[places[index]]
            if step.applied is None:
                continue
            cluster = run.table.clusters[int(run.table.cluster_index[step.applied])]
            busy = min(1.0, (step.latency_ms or 0.0) / 100)
            power[cluster] += busy * float(run.table.column("power_w").value[step.applied])
            clocks[cluster] = max(clocks[cluster], int(run.table.frequency_hz[step.applied]))
        heat += 0.02 * (28 + 5.2 * sum(power.values()) - heat)
        left_mj -= 100 * sum(power.values())
        samples.append(
            Sample(
                time_s,
                power,
                {"a15": heat + 4 * power["a15"], "a7": heat, "soc": heat - 3},
                clocks,
                heat > 85,
                left_mj if has_battery else None,
            )
        )
    return tuple(samples)


def made_up_outcomes(
    *,
    duration_s: float = 20.0,
    names: Sequence[str] = ("camera",),
    period_ms: float = 100.0,
    only: Sequence[str] = (),
    has_battery: bool = True,
    seed: int = 7,
) -> list[Outcome]:
    """One outcome for each of a few policies."""
    scenario = made_up_scenario(duration_s=duration_s, names=names, period_ms=period_ms)
    outcomes = []
    for place, (name, choose) in enumerate(CHOICES.items()):
        if only and name not in only:
            continue
        runs = tuple(made_up_application(scenario, one, choose, seed=seed + place) for one in scenario.applications)
        samples = made_up_samples(runs, duration_s=duration_s, has_battery=has_battery)
        drawn_mj = sum(100 * sum(sample.power_w.values()) for sample in samples)
        hottest_c = max(max(sample.temperature_c.values()) for sample in samples)
        outcomes.append(
            Outcome(
                scenario,
                name,
                {},
                seed,
                runs,
                0.6 * drawn_mj,
                drawn_mj,
                None,
                samples,
                0.1 * sum(sample.is_throttled for sample in samples),
                hottest_c,
                12.5 if has_battery else None,
            )
        )
    return outcomes


def made_up_summary(outcomes: Sequence[Outcome], *, n_seeds: int = 20) -> list[Mapping[str, Any]]:
    """Figures with intervals: the miss rate is that of what is drawn, the others are invented."""
    rows = []
    for place, outcome in enumerate(outcomes):
        steps = [step for run in outcome.runs for step in run.steps]
        miss_pct = 100 * sum(step.is_missed for step in steps) / len(steps)
        row: dict[str, Any] = {"policy": outcome.policy, "n_seeds": n_seeds}
        for index, name in enumerate(MEASURES):
            mean = miss_pct if name == "miss_pct" else 3.0 * (index + 1) + 7 * place
            row[name] = {"mean": mean, "low": 0.9 * mean, "high": 1.1 * mean}
        row["energy_over_oracle_pct"] = None if outcome.policy == "oracle" else row["energy_over_oracle_pct"]
        row["hot_pct"] = {"mean": 0.5 * place, "low": 0.5 * place, "high": 0.5 * place}
        rows.append(row)
    return rows
