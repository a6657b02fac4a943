"""How long allotting four applications of 1 000 points takes, and how far from the optimum the answer is.

Run: `python -m benchmarks.allot [--json] [--instances 200] [--exact 60] [--applications 4]`. Instances are random and
seeded: tables of two simulated boards with three clusters each, extended to 1 000 points; random requirements, beliefs
and budgets. All instances take turns, round after round, so none finds its figures in the caches; `fastest` is the
median over instances of each one's fastest round, which others on the machine disturb least. The optimum is scipy's
`milp` on the same model.

The gap is (cost - optimum) / optimum, over the instances where both give up the same constraints; cost is in points
(accuracy points lost and watts at their price), and an optimum below one point counts as one, lest a gap of nothing be
divided by nothing. Where something must be given up, the cost holds how far, too, which makes it large and its gap
small; so instances in which every constraint holds are shown apart.
"""

import argparse
import gc
import json
import time
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tenuto.control.allotting import Allotments, Allotter, Applicant, Budget, Pace, Resource, allot_exactly
from tenuto.nets.catalogue import open_network
from tenuto.platforms.simulated import load_board
from tenuto.points import Column, OperatingTable, SubNetwork
from tenuto.profiling.modelled import model_table
from tenuto.requirements import Requirements

N_POINTS = 1_000
BOARDS = {"odroid-xu3": ("a7", "a15", "gpu"), "rk3588": ("a55", "a76", "gpu")}
NETWORKS = ("dynamic-ofa-gpu", "fashion", "alexnet-groups", "mobilenet_v2", "squeezenet", "resnet18")
ROUNDS = 7
LEAST_OPTIMUM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One question."""

    board: str
    applicants: tuple[Applicant, ...]
    resources: tuple[Resource, ...]
    beliefs: dict[str, dict[str, Pace]]
    budgets: tuple[Budget, ...]


@lru_cache(maxsize=16)
def profile(board: str, network: str) -> OperatingTable:
    """The model's table of the largest sub-network."""
    table = model_table(load_board(board), open_network(network), clusters=BOARDS[board])
    macs_m = table.column("macs_m").value
    return table.take(np.flatnonzero(macs_m == macs_m.max()))


def extended(table: OperatingTable, generator: np.random.Generator) -> OperatingTable:
    """1 000 points: a family of sub-networks, each with so much less work and accuracy, in the places of `table`."""
    n_places = len(table)
    n_networks = -(-N_POINTS // n_places)
    share = np.geomspace(generator.uniform(0.15, 0.5), 1.0, n_networks)
    lost = generator.uniform(4, 15) * (1 - share ** generator.uniform(0.3, 0.8)) / (1 - share[0])
    accuracy = generator.uniform(70, 93) - lost
    rows = np.sort(generator.permutation(n_places * n_networks)[:N_POINTS])
    place, member = rows % n_places, rows // n_places
    family = table.take(place)
    name = table.sub_networks[0].network
    is_gpu = np.array([one == "gpu" for one in table.clusters])[family.cluster_index]
    work = share[member] * np.exp(generator.normal(0, 0.03, n_networks))[member]
    fill = np.where(is_gpu, 0.5 + 0.5 * share[member], 1.0)
    power_w = np.maximum(family.column("power_w").value * fill, family.column("idle_power_w").value)
    latency_ms = family.column("latency_ms").value * work
    figures = {
        "latency_ms": latency_ms,
        "power_w": power_w,
        "energy_mj": latency_ms * power_w,
        "idle_power_w": family.column("idle_power_w").value,
        "accuracy_pct": accuracy[member],
        "memory_mb": family.column("memory_mb").value * share[member],
    }
    return replace(
        family,
        sub_networks=tuple(SubNetwork(name, (("depth", (index,)),)) for index in range(n_networks)),
        sub_network_index=member.astype(np.int32),
        metrics={metric: Column.uniform(value, "assumed") for metric, value in figures.items()},
    )


def required(table: OperatingTable, generator: np.random.Generator) -> Requirements:
    """What one application asks."""
    latency_ms, accuracy = table.column("latency_ms").value, table.column("accuracy_pct").value
    largest_ms = float(latency_ms[accuracy == accuracy.max()].min())
    deadline_ms = largest_ms * float(np.exp(generator.uniform(np.log(0.8), np.log(8.0))))
    asked: dict[str, float] = {}
    if generator.random() < 0.6:
        asked["accuracy_pct"] = float(np.quantile(accuracy, generator.uniform(0.0, 0.7)))
    if generator.random() < 0.15:
        asked["energy_mj"] = float(np.quantile(table.column("energy_mj").value, generator.uniform(0.2, 0.9)))
    if generator.random() < 0.15:
        asked["power_w"] = float(np.quantile(table.column("power_w").value, generator.uniform(0.2, 0.9)))
    goal = generator.choice(["accuracy_pct", "energy_mj", "latency_ms"], p=[0.5, 0.4, 0.1])
    return Requirements.of(
        latency_ms=deadline_ms,
        period_ms=deadline_ms * float(generator.uniform(1.0, 2.0)),
        **asked,
        **({"maximise": str(goal)} if goal == "accuracy_pct" else {"minimise": str(goal)}),
    )


def instance(seed: int, n_applications: int) -> Instance:
    """A random question."""
    generator = np.random.default_rng([seed, n_applications])
    board = str(generator.choice(sorted(BOARDS)))
    applicants = []
    for index in range(n_applications):
        table = extended(profile(board, str(generator.choice(NETWORKS))), generator)
        applicants.append(
            Applicant(f"app{index}", table, required(table, generator), priority=int(generator.integers(0, 4)))
        )
    resources = tuple(Resource(one, 1 if one == "gpu" else 4, one == "gpu") for one in BOARDS[board])
    slow = {one: float(generator.uniform(1.2, 2.0)) if generator.random() < 0.3 else 1.0 for one in BOARDS[board]}
    beliefs = {
        one.name: {
            cluster: Pace(slow[cluster] * float(generator.uniform(0.97, 1.05)), float(generator.uniform(1.03, 1.4)))
            for cluster in BOARDS[board]
        }
        for one in applicants
    }
    return Instance(board, tuple(applicants), resources, beliefs, _budgets(applicants, resources, beliefs, generator))


def _budgets(
    applicants: list[Applicant],
    resources: tuple[Resource, ...],
    beliefs: dict[str, dict[str, Pace]],
    generator: np.random.Generator,
) -> tuple[Budget, ...]:
    """In 6 of 10 instances one for the board's power, in 3 of 10 one for heat.

    Between what an idle board draws (0) and what it would draw without budgets (1) they lie at 0.4 to 1.2.
    """
    allotter = Allotter(applicants, resources)
    free, model = allotter.allot(beliefs), allotter.model
    idle_w = {one.cluster: float(each.min()) for one, each in zip(model.resources, model.idle_w, strict=True)}
    budgets = []
    for name, odds, lowest, highest in (("board", 0.6, 1.0, 1.0), ("heat", 0.3, 1.0, 12.0)):
        if generator.random() < odds:
            weight = {cluster: float(generator.uniform(lowest, highest)) for cluster in idle_w}
            share = float(generator.uniform(0.4, 1.2))
            spent = {cluster: idle + share * (free.power_w[cluster] - idle) for cluster, idle in idle_w.items()}
            budgets.append(Budget(name, sum(weight[cluster] * watts for cluster, watts in spent.items()), weight))
    return tuple(budgets)


def measure(n_instances: int, n_applications: int, n_exact: int) -> dict[str, object]:
    """All figures."""
    asked = [instance(seed, n_applications) for seed in range(n_instances)]
    allotters = [Allotter(one.applicants, one.resources) for one in asked]
    answers = [each.allot(one.beliefs, one.budgets) for each, one in zip(allotters, asked, strict=True)]
    took_ms, cpu_ms, prepared_ms = [], [], []
    gc.collect()
    for _ in range(ROUNDS):
        for each, one in zip(allotters, asked, strict=True):
            begin, begin_cpu = time.perf_counter(), time.thread_time()
            each.allot(one.beliefs, one.budgets)
            took_ms.append((time.perf_counter() - begin) * 1e3)
            cpu_ms.append((time.thread_time() - begin_cpu) * 1e3)
    for one in asked:
        begin = time.perf_counter()
        Allotter(one.applicants, one.resources)
        prepared_ms.append((time.perf_counter() - begin) * 1e3)
    is_bound = np.array([answer.binding is not None for answer in answers])
    binding, took = np.tile(is_bound, ROUNDS), np.array(took_ms)
    fastest = took.reshape(ROUNDS, -1).min(axis=0)
    figures: dict[str, object] = {
        "n_instances": n_instances,
        "n_applications": n_applications,
        "n_points": N_POINTS,
        "allot_median_ms": _rounded(np.median(took)),
        "allot_p95_ms": _rounded(np.quantile(took, 0.95)),
        "allot_cpu_median_ms": _rounded(np.median(cpu_ms)),
        "allot_fastest_median_ms": _rounded(np.median(fastest)),
        "allot_free_median_ms": _rounded(np.median(took[~binding])) if (~binding).any() else None,
        "allot_bound_median_ms": _rounded(np.median(took[binding])) if binding.any() else None,
        "prepare_median_ms": _rounded(np.median(prepared_ms)),
        "n_bound": int(is_bound.sum()),
        "n_known_exact": sum(answer.is_exact for answer in answers),
    }
    if n_exact:
        figures.update(_gaps(allotters[:n_exact], asked[:n_exact], answers[:n_exact]))
    return figures


def _gaps(allotters: list[Allotter], asked: list[Instance], answers: list[Allotments]) -> dict[str, object]:
    gaps, kept, points, more, unproven, took_s = [], [], [], 0, 0, []
    for each, one, ours in zip(allotters, asked, answers, strict=True):
        begin = time.perf_counter()
        best = allot_exactly(each, one.beliefs, one.budgets)
        took_s.append(time.perf_counter() - begin)
        unproven += not best.is_exact
        if ours.n_given_up > best.n_given_up + 1e-6:
            more += 1
            continue
        gap = (ours.cost - best.cost) / max(best.cost, LEAST_OPTIMUM)
        points.append(ours.cost - best.cost)
        gaps.append(gap)
        if best.n_given_up == 0:
            kept.append(gap)
    return {
        "n_compared": len(asked),
        "n_gives_up_more": more,
        "n_all_kept": len(kept),
        "gap_mean_pct": _percent(np.mean(gaps)),
        "gap_p95_pct": _percent(np.quantile(gaps, 0.95)),
        "gap_max_pct": _percent(np.max(gaps)),
        "gap_all_kept_mean_pct": _percent(np.mean(kept)) if kept else None,
        "gap_all_kept_p95_pct": _percent(np.quantile(kept, 0.95)) if kept else None,
        "gap_mean_points": _rounded(np.mean(points)),
        "n_optimal": int(sum(gap < 1e-6 for gap in gaps)),
        "n_unproven": unproven,
        "exact_median_s": _rounded(np.median(took_s)),
    }


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)


def _percent(share: float | np.floating) -> float:
    return round(100 * float(share), 4)


def main() -> dict[str, object]:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--exact", type=int, default=60)
    parser.add_argument("--applications", type=int, default=4)
    given = parser.parse_known_args()[0]
    figures = measure(given.instances, given.applications, min(given.exact, given.instances))
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<24} {value}")
        print("asked: allot_median_ms 1, gap_mean_pct 1, gap_p95_pct 3, prepare 20 ms")
    return figures


if __name__ == "__main__":
    main()
