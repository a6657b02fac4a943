"""Fits how long networks take on the boards' GPUs: `python -m calibration.gpu_latency [--data DIR] [--write]`.

ncnn's Vulkan times are few and of GPUs that differ more than CPUs do, so only three figures are fitted to each: its
speed, what a layer costs to start, and what it gets of the memory. How good a GPU is at each kind of layer relative to
others, and how many outputs fill it, are assumed. Int8 networks are left out: ncnn runs them on the CPU.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from calibration import DATA
from calibration._board_values import rounded, update_board
from calibration._fit import Floats, levenberg_marquardt
from calibration._latency_fit import WORK, Ints, costs_of
from calibration.cpu_latency import BOARDS, CSV_FILE
from tenuto.validation._csv import read_csv
from tenuto.validation._latency_file import read_latencies

PATTERN: Final = {"conv3x3": 2.5, "conv": 1.0, "pointwise": 1.0, "depthwise": 0.25, "linear": 0.25, "matmul": 0.25}
"""Speed at a kind of layer / at convolutions: Winograd helps, little work for each byte does not."""

HALF_FILL_OUTPUTS: Final = 2000.0
_USUAL: Final = np.log([50.0, 50.0, 15.0])  # multiply-accumulates a cycle, µs, GB/s
_SPREAD: Final = 1.5
_SCATTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Target:
    """A section; `times` is the cluster's speed / the section's, `memory_times` that of the memory."""

    board: str
    section: str
    ghz: float
    times: float = 1.0
    memory_times: float = 1.0


TARGETS: Final = (
    Target("rk3588@1", "Rockchip RK3588 (Cortex-A76", 1.0),
    Target("jetson-orin-nano@1", "NVIDIA Jetson Orin Nano", 0.62475),
    Target("jetson-xavier-nx@1", "NVIDIA Jetson AGX Xavier", 1.377, times=384 / 512, memory_times=51.2 / 137),
)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of some networks: multiply-accumulates in 10⁶ of a full device's pace, and 10⁶ bytes."""

    starts: Ints
    work: Floats
    n_bytes: Floats


def layers_of(networks: Sequence[str]) -> Layers:
    """The layers of public networks, one after the other."""
    parts = [costs_of(network) for network in networks]
    costs = [cost for part in parts for cost in part]
    fullness = [cost.n_outputs / (cost.n_outputs + HALF_FILL_OUTPUTS) for cost in costs]
    return Layers(
        starts=np.cumsum([0, *(len(part) for part in parts[:-1])]),
        work=np.array([c.macs / PATTERN.get(c.kind, 1.0) / full for c, full in zip(costs, fullness, strict=True)])
        / 1e6,
        n_bytes=np.array([cost.weight_bytes + cost.input_bytes + cost.output_bytes for cost in costs]) / 1e6,
    )


def times_ms(figures: Floats, layers: Layers, ghz: float) -> Floats:
    """The time of each network; `figures` are logarithms of speed, overhead and bandwidth."""
    speed, overhead_us, gb_s = np.exp(figures)
    times = np.hypot(layers.work / (speed * ghz), layers.n_bytes / gb_s) + overhead_us / 1e3
    total: Floats = np.add.reduceat(times, layers.starts)
    return total


def fit_gpu(measured: Mapping[str, float], ghz: float) -> Floats:
    """Logarithms of the speed at convolutions in multiply-accumulates a cycle, the overhead in µs, and GB/s."""
    layers = layers_of(list(measured))
    target = np.log(list(measured.values()))

    def off(figures: Floats) -> Floats:
        error = (np.log(times_ms(figures, layers, ghz)) - target) / _SCATTER
        size = np.abs(error)
        robust = np.sign(error) * np.where(size < 1, size, np.sqrt(np.maximum(2 * size - 1, 0)))
        return np.concatenate([robust, (figures - _USUAL) / _SPREAD])

    return levenberg_marquardt(off, _USUAL)


def measured_on(target: Target, data: Path) -> dict[str, float]:
    """Least times of one thread beside the GPU, of networks that run on it."""
    return {
        sample.network: sample.min_ms
        for sample in read_latencies(read_csv(data / CSV_FILE))
        if sample.section.startswith(target.section)
        and sample.gpu_device == 0
        and sample.n_threads == 1
        and not sample.network.endswith("_int8")
    }


def board_values(target: Target, figures: Floats) -> dict[str, float]:
    """What goes into the board file, by key below `clusters.gpu.latency`."""
    speed, overhead_us, gb_s = np.exp(figures).tolist()
    values = {f"macs_per_cycle.{kind}": speed * PATTERN[kind] * target.times for kind in (*WORK, "matmul")}
    values |= dict.fromkeys(("core_memory_gb_s", "cluster_memory_gb_s"), gb_s * target.memory_times)
    return {name: rounded(value, 2) for name, value in {**values, "layer_overhead_us": overhead_us}.items()}


def main() -> None:
    """Fit, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that has boards/ in it")
    parser.add_argument("--write", action="store_true", help="write the figures into the board files")
    options = parser.parse_args()
    for target in TARGETS:
        measured = measured_on(target, options.data / "boards")
        figures = fit_gpu(measured, target.ghz)
        errors = {}
        for network in measured:
            others = {name: value for name, value in measured.items() if name != network}
            predicted = float(times_ms(fit_gpu(others, target.ghz), layers_of([network]), target.ghz)[0])
            errors[network] = 100 * (predicted / measured[network] - 1)
        print(f"\n{target.board} gpu, from {target.section}")
        values = board_values(target, figures)
        for name, value in values.items():
            print(f"  {name:30} {value:g}")
        if options.write:
            update_board(BOARDS / f"{target.board}.toml", {f"clusters.gpu.latency.{k}": v for k, v in values.items()})
        print(
            f"  median error of {len(errors)} networks, each left out: {np.median(np.abs(list(errors.values()))):.0f} %"
        )
        print("  " + ", ".join(f"{network} {error:+.0f}" for network, error in errors.items()))


if __name__ == "__main__":
    main()
