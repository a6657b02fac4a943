"""Fits networks' times on the boards' CPUs: `python -m calibration.cpu_latency [--data DIR] [--write] [--quick]`.

One core: the figures of every section of ncnn_latency_ms.csv that has times of one thread are fitted together
(calibration/_latency_fit.py), to `min_ms`: what others on the user's board added is least in it.

More cores: the part of the work that cores share, what starting them costs and what the memory yields to all of them
are fitted to each section's speed-up over one thread.

Validation: each network is left out of everything (of the sections' fits and of the common pattern), then predicted;
and once more together with all its relatives, the int8 twin and networks of the same backbone.
"""

import argparse
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from calibration import DATA
from calibration._board_values import rounded, update_board, update_errors
from calibration._fit import Floats, levenberg_marquardt
from calibration._latency_fit import ELEMENTS, FIGURES, WORK, Layers, Pattern, fit_all, layers_of, times_ms
from tenuto.platforms.simulated import load_board, parameters
from tenuto.validation._csv import read_csv
from tenuto.validation._latency_file import read_latencies

CSV_FILE: Final = "ncnn_latency_ms.csv"
BOARDS: Final = Path(__file__).parents[1] / "src/tenuto/platforms/simulated/boards"

Times = Mapping[int, Mapping[str, float]]
"""Milliseconds by number of threads and network."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster of a board and the section that speaks of it.

    Attributes:
        board: The board's id.
        cluster: Its cluster.
        section: How the section's heading begins.
        powersave: The section's column.
        ghz: The clock of its rows.
        top_ghz: The highest clock of the cluster.
        speed: Rates of the cluster / of the section's core, at one clock.
    """

    board: str
    cluster: str
    section: str
    powersave: int
    ghz: float
    top_ghz: float
    speed: float = 1.0

    @property
    def key(self) -> tuple[str, int]:
        """Of the section."""
        return self.section, self.powersave


TARGETS: Final = (
    Target("rk3588@1", "a55", "Rockchip RK3588 (Cortex-A76", 1, 1.8, 1.8),
    Target("rk3588@1", "a76", "Rockchip RK3588 (Cortex-A76", 2, 2.4, 2.4),
    Target("raspberry-pi-5@1", "a76", "Raspberry Pi 5 Broadcom BCM2712, Cortex-A76", 0, 2.4, 2.4),
    Target("jetson-orin-nano@1", "a78ae", "NVIDIA Jetson Orin Nano", 0, 1.5104, 1.5104),
    Target("jetson-xavier-nx@1", "carmel", "NVIDIA Jetson AGX Xavier", 0, 2.2656, 1.9072),
    Target("odroid-xu3@1", "a7", "Freescale i.MX7 Dual", 0, 1.0, 1.4),
    # A Cortex-A15 has the vector units of a Cortex-A57 (four multiply-accumulates a cycle), but in 32-bit mode half the
    # registers. 0.75 lies between what capacity ratios say (2.4 times an A7 at one clock: 0.66) and no loss at all.
    Target("odroid-xu3@1", "a15", "NVIDIA Jetson Nano", 0, 1.479, 2.0, speed=0.75),
)

HELD_BACK: Final = frozenset({"a15-memory"})
"""References of figures that a board file assumes although the section was fitted: its memory is another."""

FAMILIES: Final = (
    ("mobilenet", "mobilenet_ssd", "mobilenet_ssd_int8", "mobilenet_yolo"),
    ("squeezenet", "squeezenet_int8", "squeezenet_ssd_int8"),
    ("resnet18", "resnet18_int8", "resnet50_int8"),
    ("mnasnet", "proxylessnasnet", "mobilenet_v3"),
)
"""Networks with one backbone, or from one search space."""


def sections(data: Path) -> dict[tuple[str, int], Times]:
    """Least times of every section on CPUs, by heading and powersave."""
    found: dict[tuple[str, int], dict[int, dict[str, float]]] = {}
    for sample in read_latencies(read_csv(data / CSV_FILE)):
        if sample.gpu_device == -1:
            times = found.setdefault((sample.section, sample.powersave), {})
            times.setdefault(sample.n_threads, {})[sample.network] = sample.min_ms
    return {_short(key): times for key, times in found.items()}


def _short(key: tuple[str, int]) -> tuple[str, int]:
    """The target's name of a section, so that both can be looked up."""
    return next((t.key for t in TARGETS if key[0].startswith(t.section) and key[1] == t.powersave), key)


@dataclass(frozen=True, slots=True)
class Threads:
    """How a section's cores work together; `ceiling` is the memory's yield to all of them / to one."""

    parallel_share: float
    sync_us: float
    ceiling: float


_USUAL: Final = np.array([3.5, np.log(5.0), np.log(2.5)])
"""Parallel share 0.97 (as the logarithm of its odds), 5 µs, 2.5."""
_USUAL_SPREAD: Final = np.array([0.7, 1.0, 0.7])


def fit_threads(figures: Floats, times: Times, *, without: Collection[str] = ()) -> Threads:
    """The figures of several cores that explain a section's speed-ups over one."""
    pairs = []
    for n_threads, of_network in times.items():
        names = [name for name in of_network if n_threads > 1 and name in times[1] and name not in without]
        if names:
            measured = np.log([of_network[name] / times[1][name] for name in names])
            layers = layers_of(names)
            pairs.append((n_threads, layers, measured, np.log(times_ms(figures, layers)[0])))

    def off(values: Floats) -> Floats:
        threads = _threads(values)
        parts = [(values - _USUAL) / _USUAL_SPREAD]
        for n_threads, layers, measured, alone in pairs:
            error = (np.log(threaded_ms(figures, threads, layers, n_threads)) - alone - measured) / 0.15
            size = np.abs(error)
            parts.append(np.sign(error) * np.where(size < 1.5, size, np.sqrt(np.maximum(3 * size - 2.25, 0))))
        return np.concatenate(parts)

    return _threads(levenberg_marquardt(off, _USUAL))


def _threads(values: Floats) -> Threads:
    return Threads(float(1 / (1 + np.exp(-values[0]))), float(np.exp(values[1])), float(1 + np.exp(values[2])))


def threaded_ms(figures: Floats, threads: Threads, layers: Layers, n_threads: int) -> Floats:
    """The time of each network on several cores."""
    share = 1 - threads.parallel_share + threads.parallel_share / n_threads
    scaled = figures.copy()
    # Everything that a core works through is done faster; the memory yields what it can.
    rates = [*range(len(WORK)), *range(len(FIGURES) - len(ELEMENTS), len(FIGURES))]
    scaled[rates] -= np.log(share)
    scaled[FIGURES.index("core_memory_gb_s")] += np.log(min(n_threads, threads.ceiling))
    overhead = FIGURES.index("layer_overhead_us")
    scaled[overhead] = np.log(np.exp(figures[overhead]) * share + threads.sync_us * (n_threads - 1))
    return times_ms(scaled, layers)[0]


def board_values(target: Target, figures: Floats, threads: Threads, *, digits: int | None = None) -> dict[str, float]:
    """What goes into the board file, by key below `clusters.NAME.latency`.

    Args:
        target: The cluster.
        figures: Of its section's core, logarithms.
        threads: Of its section's cores.
        digits: None is three, or two for what is inferred from another core.
    """
    value = dict(zip(FIGURES, np.exp(figures).tolist(), strict=True))
    slower = target.ghz / target.top_ghz
    result = {
        name: number / target.ghz * target.speed
        for name, number in value.items()
        if name.startswith(("macs_per_cycle.", "elements_per_cycle."))
    }
    result["macs_per_cycle.matmul"] = result["macs_per_cycle.linear"]
    result["core_memory_gb_s"] = value["core_memory_gb_s"]
    result["cluster_memory_gb_s"] = value["core_memory_gb_s"] * threads.ceiling
    result["layer_overhead_us"] = value["layer_overhead_us"] * slower / target.speed
    result["sync_us"] = threads.sync_us
    result["parallel_share"] = threads.parallel_share
    result["int8_speedup"] = value["int8_speedup"]
    result["int8_speedups.conv3x3"] = value["int8_speedups.conv3x3"]
    kept = digits or (3 if target.speed == 1.0 else 2)
    return {name: rounded(number, kept) for name, number in result.items()}


def fit(data: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The figures of every target, by board and cluster."""
    times = sections(data)
    fitted, _ = fit_all({_name(key): of[1] for key, of in times.items() if 1 in of})
    return {
        (t.board, t.cluster): board_values(t, fitted[_name(t.key)], fit_threads(fitted[_name(t.key)], times[t.key]))
        for t in TARGETS
    }


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]} {key[1]}"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A network predicted from others: errors in per cent."""

    section: tuple[str, int]
    network: str
    n_threads: int
    error_pct: float
    scaling_error_pct: float | None


def hold_out(times: Mapping[tuple[str, int], Times], groups: Iterable[Collection[str]]) -> list[HeldOut]:
    """Every network of every group, predicted by what was fitted without the group."""
    alone = {_name(key): of[1] for key, of in times.items() if 1 in of}
    keys = {target.key for target in TARGETS}
    found = []
    for group in groups:
        fitted, _ = fit_all(alone, without=group, n_rounds=4)
        for key in keys:
            figures = fitted[_name(key)]
            threads = fit_threads(figures, times[key], without=group)
            for n_threads, of_network in sorted(times[key].items()):
                for network in sorted(set(group) & set(of_network)):
                    layers = layers_of([network])
                    predicted = float(threaded_ms(figures, threads, layers, n_threads)[0])
                    scaling = None
                    if n_threads > 1:
                        gain = float(times_ms(figures, layers)[0][0]) / predicted
                        scaling = _off_pct(gain, times[key][1][network] / of_network[network])
                    found.append(HeldOut(key, network, n_threads, _off_pct(predicted, of_network[network]), scaling))
    return found


def _off_pct(predicted: float, measured: float) -> float:
    return 100 * (predicted / measured - 1)


@dataclass(frozen=True, slots=True)
class Medians:
    """Median errors of one cluster on networks that were left out, in per cent."""

    one_thread: float
    more_threads: float
    speed_up: float


def medians_of(found: list[HeldOut], target: Target) -> Medians:
    """Over one target's predictions."""
    ours = [held for held in found if held.section == target.key]
    return Medians(
        median(abs(held.error_pct) for held in ours if held.n_threads == 1),
        median(abs(held.error_pct) for held in ours if held.n_threads > 1),
        median(abs(held.scaling_error_pct) for held in ours if held.scaling_error_pct is not None),
    )


def _print_held_out(title: str, found: list[HeldOut]) -> None:
    print(f"\n{title}: median error, %")
    for target in TARGETS:
        errors = medians_of(found, target)
        name = f"{target.board:20} {target.cluster:8}"
        print(f"  {name} one thread {errors.one_thread:5.1f}, more {errors.more_threads:5.1f}, "
              f"scaling {errors.speed_up:5.1f}")  # fmt: skip


def _write_errors(alone: list[HeldOut], related: list[HeldOut]) -> None:
    for target in TARGETS:
        if target.speed != 1:
            continue  # a board does not count what was measured on another core
        one_by_one, cluster = medians_of(alone, target), target.cluster
        errors = {
            f"{cluster}, latency of networks left out one by one, one core": one_by_one.one_thread,
            f"{cluster}, latency of networks left out one by one, more cores": one_by_one.more_threads,
            f"{cluster}, their speed-up over one core": one_by_one.speed_up,
            f"{cluster}, the same, left out with all their relatives": medians_of(related, target).one_thread,
        }
        update_errors(BOARDS / f"{target.board}.toml", errors)


def _print_networks(found: list[HeldOut]) -> None:
    print("\neach network left out, one thread, error in %")
    names = sorted({held.network for held in found})
    print(" " * 22 + "".join(f"{target.cluster:>8}" for target in TARGETS))
    for name in names:
        cells = {h.section: h.error_pct for h in found if h.network == name and h.n_threads == 1}
        row = "".join(f"{cells[t.key]:8.0f}" if t.key in cells else "       -" for t in TARGETS)
        print(f"  {name:20}{row}")


def _print_pattern(pattern: Pattern) -> None:
    print("what processors have in common, at speed 1, and how far single ones stray (factor)")
    for name, figure, stray in zip(FIGURES, pattern.figures, pattern.stray, strict=True):
        print(f"  {name:30} {np.exp(figure):9.3g} {np.exp(stray):6.2f}")


def main() -> None:
    """Fit, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that has boards/ in it")
    parser.add_argument("--write", action="store_true", help="write the figures into the board files")
    parser.add_argument("--quick", action="store_true", help="without validation")
    options = parser.parse_args()

    data = options.data / "boards"
    times = sections(data)
    alone = {_name(key): of[1] for key, of in times.items() if 1 in of}
    _print_pattern(fit_all(alone)[1])
    if not options.quick:
        networks = sorted({network for of in alone.values() for network in of})
        found = hold_out(times, [[network] for network in networks])
        _print_networks(found)
        _print_held_out("each network left out alone", found)
        related = [tuple(family) for family in FAMILIES]
        others = [(network,) for network in networks if not any(network in family for family in FAMILIES)]
        together = hold_out(times, [*related, *others])
        _print_held_out("each network left out with its relatives", together)
        if options.write:
            _write_errors(found, together)
    for (board, cluster), values in fit(data).items():
        print(f"\n{board} {cluster}")
        for name, number in values.items():
            print(f"  {name:30} {number:g}")
        if options.write:
            held = dict(parameters(load_board(board).cluster(cluster).latency))
            kept = {name: number for name, number in values.items() if held[name].reference not in HELD_BACK}
            path = BOARDS / f"{board}.toml"
            update_board(path, {f"clusters.{cluster}.latency.{name}": number for name, number in kept.items()})


if __name__ == "__main__":
    main()
