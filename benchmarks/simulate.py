"""How many managed inferences one core simulates in a second: power, heat, noise and other programs included.

Run: `python -m benchmarks.simulate [--json] [--board NAME] [--seconds S]`. Frames come at 30 a second of the board's
time, while a program of others comes and goes. *Board* is the simulation alone, in one place and clock; *policy* adds
Tenuto's decision and setting the board; *session* is all that an application goes through, trace excluded.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np

from tenuto.control import TenutoPolicy
from tenuto.decisions import Observation
from tenuto.graphs import GraphBuilder, LayerCost, layer_costs
from tenuto.nets.package import open_package
from tenuto.platforms.simulated import BackgroundLoad, Conditions, SimulatedEngine, SimulatedPlatform, board_ids
from tenuto.platforms.simulated.latency import LatencyModel
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime import Session

ITEM = (3, 32, 32)
FRAME = np.zeros((1, *ITEM), np.float32)
PERIOD_S = 1 / 30
DEADLINE_MS = 30.0
ROUND = 1000
WIDTHS = (25, 50, 75, 100)
COOL = 0.8
"""Clocks up to this part of the highest: above, boards get hot and refuse, which ends a stream."""


def network(width_pct: int) -> tuple[LayerCost, ...]:
    """Six convolutions and a classifier."""
    build = GraphBuilder("bench")
    value = build.input(1, *ITEM)
    for channels in (32, 64, 128):
        for stride in (1, 2):
            value = build.conv(value, channels * width_pct // 25, 3, stride=stride, activation="Relu")
    return layer_costs(build.build(build.linear(build.flatten(build.global_average_pool(value)), 10)))


NETWORKS = {SubNetwork("bench", (("width_pct", (width,)),)): network(width) for width in WIDTHS}


def new_board(name: str) -> tuple[SimulatedPlatform, SimulatedEngine, OperatingTable]:
    """A board that is disturbed for two seconds out of ten, an engine, and the modelled table."""
    plain = SimulatedPlatform(name).spec
    busiest = max((one for one in plain.clusters if one.cpus), key=lambda one: one.frequencies_hz[-1])
    load = BackgroundLoad(busiest.n_cores / 2, n_threads=busiest.n_cores, memory_gb_s=0.5)
    world = [(0.0, Conditions()), (8.0, Conditions(background={busiest.name: load}))]
    schedule = [(10 * turn + time_s, one) for turn in range(2000) for time_s, one in world]
    platform = SimulatedPlatform(name, seed=1, schedule=schedule)
    engine = SimulatedEngine(platform, NETWORKS, input_shape=ITEM, output_shape=(10,))
    engine.load(NETWORKS)
    points = []
    for width, (net, costs) in zip(WIDTHS, NETWORKS.items(), strict=True):
        for cluster in plain.clusters:
            model = LatencyModel.of(costs, cluster, plain.memory)
            for n_cores in range(1, cluster.n_cores + 1):
                for hz in cluster.frequencies_hz:
                    if hz > COOL * cluster.frequencies_hz[-1]:
                        continue
                    metrics = {
                        "latency_ms": Estimate(model.latency_ms(n_cores, hz), "modelled"),
                        "accuracy_pct": Estimate(60 + width / 10, "assumed"),
                    }
                    points.append(OperatingPoint(Configuration(net, cluster.name, n_cores, hz), metrics))
    return platform, engine, OperatingTable.from_points(points)


def arrivals(platform: SimulatedPlatform) -> Callable[[], None]:
    """Waits for the next frame; one that is already late comes at once."""
    clock = platform.clock
    due_s = clock.now_s()

    def wait() -> None:
        nonlocal due_s
        due_s += PERIOD_S
        clock.sleep_until(due_s)

    return wait


def board_alone(name: str) -> Iterator[None]:
    """The smallest network, at the middle clock of the last CPU cluster."""
    platform, engine, _ = new_board(name)
    cluster = [one for one in platform.spec.clusters if one.cpus][-1]
    wait = arrivals(platform)
    with platform.hold() as board:
        middle_hz = cluster.frequencies_hz[len(cluster.frequencies_hz) // 2]
        board.apply(Configuration(next(iter(NETWORKS)), cluster.name, 1, middle_hz))
        while True:
            wait()
            engine.infer(FRAME)
            yield


def policy_loop(name: str) -> Iterator[None]:
    """Decide, put in force, infer, learn; nothing else."""
    platform, engine, table = new_board(name)
    policy, wait, now_s = TenutoPolicy(), arrivals(platform), platform.clock.now_s
    state = policy.start(table, Requirements.of(latency_ms=DEADLINE_MS))
    configurations = [table.configuration(row) for row in range(len(table))]
    row, latency_ms, applied = None, None, None
    with platform.hold() as board:
        while True:
            wait()
            began_s = now_s()
            decision, state = policy.decide(state, Observation(began_s, row, latency_ms))
            row = decision.point
            if row != applied:
                board.apply(configurations[row])
                engine.activate(configurations[row].sub_network)
                applied = row
            engine.infer(FRAME)
            latency_ms = 1000 * (now_s() - began_s)
            yield


def session_loop(name: str) -> Iterator[None]:
    """What an application goes through."""
    platform, engine, table = new_board(name)
    wait = arrivals(platform)
    package, requirements = open_package("fashion"), Requirements.of(latency_ms=DEADLINE_MS)
    with Session(package, platform, table, requirements, engine=engine, clock=platform.clock) as net:
        while True:
            wait()
            net(FRAME)
            yield


LOOPS = {"board": board_alone, "policy": policy_loop, "session": session_loop}


def measure(name: str, seconds: float) -> dict[str, float]:
    """Inferences per second of processor time; the loops take turns, and the median round counts."""
    loops = {loop: make(name) for loop, make in LOOPS.items()}
    rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for loop in loops.values():
        for _ in range(ROUND):
            next(loop)
    ends_s = time.perf_counter() + seconds
    while time.perf_counter() < ends_s or not rates["session"]:
        for which, loop in loops.items():
            began_ns = time.thread_time_ns()
            for _ in range(ROUND):
                next(loop)
            rates[which].append(1e9 * ROUND / (time.thread_time_ns() - began_ns))
    for loop in loops.values():
        loop.close()  # type: ignore[attr-defined]
    return {f"{which}_per_s": round(float(np.median(found))) for which, found in rates.items()}


def main() -> dict[str, object]:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--board", help="one board instead of all that ship with Tenuto")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each board")
    asked = parser.parse_known_args()[0]
    figures: dict[str, object] = {
        board: measure(board, asked.seconds) for board in ((asked.board,) if asked.board else board_ids())
    }
    if asked.json:
        print(json.dumps(figures))
        return figures
    print(
        f"{'board':<24} {'board alone':>12} {'with policy':>12} {'session':>12}   managed inferences / s (asked 20 000)"
    )
    for board, rates in figures.items():
        print(f"{board:<24} " + " ".join(f"{rate:>12,.0f}" for rate in dict(rates).values()))  # type: ignore[call-overload]
    return figures


if __name__ == "__main__":
    main()
