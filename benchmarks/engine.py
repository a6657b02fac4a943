"""The engine against static ONNX Runtime sessions: latency, the cost of a switch, memory.

    python -m benchmarks.engine [--json] [--package fashion] [--rounds 40]

Latency: engine and static session take turns on the same frame, inference by inference; a figure is the ratio of the
medians of the calling thread's CPU time, which other programs inflate less than wall time (also given).
Switch: `activate` and the first inference after it, minus the median of the inferences that follow. What the same
difference is without a switch, taken from the second inference, is given beside it: it is the machine's noise.
Memory: growth of the process from just before the first session until each sub-network has run three times, each
design in a fresh process. Resident set (RSS), proportional share (PSS), and without pages of shared libraries, which
come with the first session and flatter the ratio.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tenuto.engines import OnnxRuntimeEngine
from tenuto.nets.package import NetworkPackage, open_package

TARGETS = {"latency_ratio": 1.03, "switch_median_ms": 0.2, "switch_p99_ms": 1.0, "memory_ratio": 1.4}
"""What the figures should not exceed."""

Run = Callable[[NDArray[np.float32]], Any]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure everything, print it, and return it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description="Measure the ONNX Runtime engine.")
    parser.add_argument("--package", default="fashion", help="a shipped network's name, or a package's folder")
    parser.add_argument("--rounds", type=int, default=40, help="inferences of each kind behind a median")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--memory-of", nargs=2, metavar=("DESIGN", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    package = open_package(options.package)
    if options.memory_of:
        design, n_resident = options.memory_of
        growth = _memory_growth(package, design, int(n_resident))
        print(json.dumps(growth))
        return growth
    with OnnxRuntimeEngine(package.models, input_shape=package.input_shape) as engine:
        engine.load(package.models)
        statics = _static_sessions(package, list(package.models.values()))
        figures: dict[str, Any] = {
            "latency": {f"batch_{n}": _latency(package, engine, statics, n, options.rounds) for n in (16, 1)},
            "switch": {f"batch_{n}": _switch(package, engine, n, 10 * options.rounds) for n in (16, 1)},
        }
    figures["memory"] = _memory(options.package, len(package.models))
    figures["targets"] = TARGETS
    print(json.dumps(figures) if options.json else _as_text(figures))
    return figures


def _static_sessions(package: NetworkPackage, paths: Sequence[Path]) -> list[Run]:
    """What one would do without us: a session for each file, every option as it comes, one thread."""
    runs = []
    for path in paths:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        session.run(None, {name: np.zeros((1, *package.input_shape), dtype=np.float32)})
        runs.append(lambda frame, session=session, name=name: session.run(None, {name: frame})[0])
    return runs


def _frame(package: NetworkPackage, n_items: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((n_items, *package.input_shape), dtype=np.float32)


def _timed(run: Run, frame: NDArray[np.float32]) -> tuple[float, float]:
    """CPU time of this thread and wall time, in milliseconds."""
    cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
    run(frame)
    return (time.thread_time_ns() - cpu_ns) / 1e6, (time.perf_counter_ns() - wall_ns) / 1e6


def _latency(
    package: NetworkPackage, engine: OnnxRuntimeEngine, statics: Sequence[Run], n_items: int, n_rounds: int
) -> dict[str, Any]:
    frame = _frame(package, n_items)
    rows = []
    for packaged, static in zip(package.sub_networks, statics, strict=True):
        engine.activate(packaged.sub_network)
        samples: dict[str, list[tuple[float, float]]] = {"engine": [], "static": []}
        contenders: list[tuple[str, Run]] = [("engine", engine.infer), ("static", static)]
        for run in (engine.infer, static):
            run(frame)
        for _ in range(n_rounds * (1 if n_items > 1 else 5)):
            contenders.reverse()  # whoever goes first finds the other's data in the caches
            for name, run in contenders:
                samples[name].append(_timed(run, frame))
        cpu, wall = ({name: float(np.median(np.array(of)[:, kind])) for name, of in samples.items()} for kind in (0, 1))
        rows.append(
            {
                "sub_network": packaged.sub_network.name,
                "engine_cpu_ms": cpu["engine"],
                "static_cpu_ms": cpu["static"],
                "cpu_ratio": cpu["engine"] / cpu["static"],
                "engine_wall_ms": wall["engine"],
                "static_wall_ms": wall["static"],
                "wall_ratio": wall["engine"] / wall["static"],
            }
        )
    medians = {
        f"median_{kind}_ratio": float(np.median([row[f"{kind}_ratio"] for row in rows])) for kind in ("cpu", "wall")
    }
    return medians | {"sub_networks": rows}


def _switch(package: NetworkPackage, engine: OnnxRuntimeEngine, n_items: int, n_switches: int) -> dict[str, Any]:
    frame = _frame(package, n_items)
    everyone = list(package.models)
    for sub_network in everyone:
        engine.activate(sub_network)
        engine.infer(frame)
    generator = random.Random(1)
    with_switch, without = [], []
    for _ in range(n_switches):
        target = generator.choice([one for one in everyone if one != engine.active])

        def switch_and_run(frame: NDArray[np.float32], target: Any = target) -> Any:
            engine.activate(target)
            return engine.infer(frame)

        first = np.array(_timed(switch_and_run, frame))
        second, *rest = (np.array(_timed(engine.infer, frame)) for _ in range(4))
        steady = np.median(rest, axis=0)
        with_switch.append(first - steady)
        without.append(second - steady)
    result = {}
    for name, differences in (("", np.array(with_switch)), ("noise_", np.array(without))):
        for kind, clock in enumerate(("cpu", "wall")):
            result[f"{name}{clock}_median_ms"] = float(np.median(differences[:, kind]))
            result[f"{name}{clock}_p99_ms"] = float(np.quantile(differences[:, kind], 0.99))
    return result | {"n_switches": n_switches}


def _memory(package: str, n_all: int) -> dict[str, Any]:
    """Each design and count in a process of its own."""
    result: dict[str, Any] = {"n_resident": n_all}
    for design in ("engine", "static"):
        alone, all_of_them = (_in_fresh_process(package, design, n) for n in (1, n_all))
        result[design] = {
            "largest_alone_mb": alone,
            "all_mb": all_of_them,
            "ratio": {kind: all_of_them[kind] / alone[kind] for kind in alone},
        }
    return result


def _in_fresh_process(package: str, design: str, n_resident: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engine", "--package", package, "--memory-of", design, str(n_resident)]
    here = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    growth: dict[str, float] = json.loads(done.stdout)
    return growth


def _memory_growth(package: NetworkPackage, design: str, n_resident: int) -> dict[str, float]:
    """Open the `n_resident` largest, largest first, run each three times, and say by how much this process grew."""
    largest_first = sorted(package.sub_networks, key=lambda packaged: -packaged.macs)[:n_resident]
    frame = _frame(package, 16)
    before = _memory_mb()
    if design == "engine":
        engine = OnnxRuntimeEngine(package.models, input_shape=package.input_shape)
        engine.load([packaged.sub_network for packaged in largest_first])
        for packaged in largest_first:
            engine.activate(packaged.sub_network)
            for _ in range(3):
                engine.infer(frame)
    else:
        kept = _static_sessions(package, [packaged.model for packaged in largest_first])
        for run in kept:
            for _ in range(3):
                run(frame)
    after = _memory_mb()
    return {kind: after[kind] - before[kind] for kind in after}


def _memory_mb() -> dict[str, float]:
    """This process's memory, in MB of 2^20 bytes, from the kernel's account of every mapping."""
    kb = {"rss": 0, "pss": 0, "rss_without_libraries": 0}
    is_library = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_library = ".so" in line
        elif line.startswith("Rss:"):
            kb["rss"] += int(line.split()[1])
            kb["rss_without_libraries"] += 0 if is_library else int(line.split()[1])
        elif line.startswith("Pss:"):
            kb["pss"] += int(line.split()[1])
    return {kind: value / 1024 for kind, value in kb.items()}


def _as_text(figures: dict[str, Any]) -> str:
    lines = []
    for batch, latency in figures["latency"].items():
        lines += [
            f"latency, {batch}, one thread: engine / static session (target {TARGETS['latency_ratio']}, median)",
            f"  {'sub-network':<22} {'cpu ms':>8} {'static':>8} {'ratio':>6} {'wall ms':>8} {'static':>8} {'ratio':>6}",
        ]
        lines += [
            f"  {row['sub_network']:<22}"
            f" {row['engine_cpu_ms']:8.3f} {row['static_cpu_ms']:8.3f} {row['cpu_ratio']:6.3f}"
            f" {row['engine_wall_ms']:8.3f} {row['static_wall_ms']:8.3f} {row['wall_ratio']:6.3f}"
            for row in latency["sub_networks"]
        ]
        lines.append(f"  {'median':<40} {latency['median_cpu_ratio']:6.3f} {latency['median_wall_ratio']:24.3f}")
    for batch, switch in figures["switch"].items():
        lines.append(
            f"switch, {batch}: first inference minus steady state, wall ms: "
            f"median {switch['wall_median_ms']:.3f} (target {TARGETS['switch_median_ms']}), "
            f"p99 {switch['wall_p99_ms']:.3f} (target {TARGETS['switch_p99_ms']}); "
            f"cpu {switch['cpu_median_ms']:.3f}, {switch['cpu_p99_ms']:.3f}; "
            f"without a switch {switch['noise_wall_median_ms']:.3f}, {switch['noise_wall_p99_ms']:.3f}"
        )
    memory = figures["memory"]
    for design in ("engine", "static"):
        counted = ", ".join(
            f"{kind} {memory[design]['all_mb'][kind]:.1f} / {memory[design]['largest_alone_mb'][kind]:.1f} MB"
            f" = {memory[design]['ratio'][kind]:.2f}"
            for kind in memory[design]["ratio"]
        )
        lines.append(f"memory, {design}, {memory['n_resident']} resident / the largest alone: {counted}")
    return "\n".join([*lines, f"  (target {TARGETS['memory_ratio']})"])


if __name__ == "__main__":
    main()
