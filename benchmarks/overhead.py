"""What the whole manager adds to an inference, and what importing and installing Tenuto cost.

Run: `python -m benchmarks.overhead [--json]`. The managed and the bare inference of the same sub-network take turns in
one process, at 30 a second as in a stream, so that caches are as cold as they are in real use.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import closing

import numpy as np

from tenuto.control import FixedPolicy, Policy, TenutoPolicy
from tenuto.engines import OnnxRuntimeEngine
from tenuto.nets.package import open_package
from tenuto.platforms import LinuxPlatform
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable
from tenuto.requirements import Requirements
from tenuto.runtime import MonotonicClock, Session

N_PAIRS = 600
BATCH = 16
PERIOD_S = 1 / 60
N_IMPORTS = 15


def overhead(policy: Policy[object]) -> dict[str, float]:
    """Managed minus bare, in microseconds of wall and of thread time, for a sub-network of about 5 ms."""
    package, platform = open_package("fashion"), LinuxPlatform()
    chosen = package.sub_networks[len(package.sub_networks) // 2 - 1]
    cluster = platform.clusters[-1].name
    table = OperatingTable.from_points(
        [
            OperatingPoint(
                Configuration(one.sub_network, cluster, 1),
                {
                    # Only the chosen one is feasible, so that both sides run the same thing throughout.
                    "latency_ms": Estimate(5.0 if one is chosen else 1000.0 + index, "assumed"),
                    "accuracy_pct": one.accuracy_pct,
                },
            )
            for index, one in enumerate(package.sub_networks)
        ]
    )
    engine = OnnxRuntimeEngine(package.models, input_shape=package.input_shape, n_threads=1)
    frame = np.random.default_rng(1).random((BATCH, *package.input_shape), dtype=np.float32)
    requirements = Requirements.of(latency_ms=500.0)
    bare, managed, bare_cpu, managed_cpu = [], [], [], []
    with closing(engine):
        engine.load(table.sub_networks)
        engine.activate(chosen.sub_network)
        with Session(package, platform, table, requirements, policy=policy, engine=engine) as net:
            clock = MonotonicClock()
            began_s = clock.now_s()
            for index in range(2 * N_PAIRS):
                clock.sleep_until(began_s + index * PERIOD_S)
                wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
                if index % 2:
                    net(frame)
                else:
                    engine.infer(frame)
                cpu, wall = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
                (managed if index % 2 else bare).append(wall / 1000)
                (managed_cpu if index % 2 else bare_cpu).append(cpu / 1000)
    # Pair by pair, so that the machine's slow phases cancel.
    added_us = float(np.median(np.subtract(managed, bare)))
    return {
        "inference_ms": float(np.median(bare)) / 1000,
        "added_wall_us": added_us,
        "added_cpu_us": float(np.median(np.subtract(managed_cpu, bare_cpu))),
        "added_pct_of_5_ms": added_us / 50,
    }


def imports() -> dict[str, float]:
    """`import tenuto` and the loop itself over `import onnxruntime`, each in a fresh process, taking turns."""
    programs = {
        "onnxruntime": "import onnxruntime",
        "tenuto": "import tenuto",
        "tenuto.manage": "import tenuto; tenuto.manage",
    }
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(N_IMPORTS):
        for name, program in programs.items():
            before = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            took[name].append(time.perf_counter() - before)
    medians = {name: float(np.median(seconds)) for name, seconds in took.items()}
    return {
        "import_onnxruntime_s": medians["onnxruntime"],
        "import_tenuto_over_onnxruntime": medians["tenuto"] / medians["onnxruntime"],
        "import_manage_over_onnxruntime": medians["tenuto.manage"] / medians["onnxruntime"],
    }


def main() -> dict[str, object]:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_known_args()[0].json
    figures: dict[str, object] = {
        "tenuto": overhead(TenutoPolicy()),
        "fixed": overhead(FixedPolicy("smallest")),
        **imports(),
    }
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    return figures


if __name__ == "__main__":
    main()
