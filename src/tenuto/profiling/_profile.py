"""The sweep."""

import os
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto._version import __version__
from tenuto.engines import Engine, OnnxRuntimeEngine
from tenuto.nets.package import NetworkPackage
from tenuto.platforms import Cluster, HeldBoard, Monitor, Platform, readings_by_quantity
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable
from tenuto.profiling._samples import SampleLog, Visit

PER_VISIT: Final = 3
"""Timed inferences per visit, after one that warms up."""

FEWEST_ROUNDS: Final = 5
N_RESAMPLES: Final = 200
"""Bootstrap samples for the uncertainty of a quantile."""

PAUSE_S: Final = 0.02
"""Before each timed inference, as between the inputs of a stream; back to back, caches and processors stay warm."""

SETTLE_S: Final = 0.01
"""After a change of clock: boards take 1 to 8 ms until it is in force."""

QUANTILES: Final = {"latency_ms": 0.5, "latency_p90_ms": 0.9, "latency_p99_ms": 0.99}

METRICS: Final = (*QUANTILES, "accuracy_pct", "macs_m", "memory_mb")
"""What a profile carries."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a profile is.

    Attributes:
        n_done: Visits made.
        n_planned: Visits planned.
        left_s: Estimated seconds to go.
        configuration: The one visited last.
    """

    n_done: int
    n_planned: int
    left_s: float
    configuration: Configuration


def default_table_path(package: NetworkPackage, platform: Platform, *, batch: int) -> Path:
    """Where the profile of a network on this machine is kept unless told otherwise."""
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    machine = re.sub(r"[^a-z0-9]+", "-", platform.name.lower()).strip("-")
    return home / "tenuto" / "profiles" / f"{package.name}@{package.version}-{machine}-b{batch}.table.json"


def engine_for(package: NetworkPackage, clusters: Sequence[Cluster], n_cores: int) -> OnnxRuntimeEngine:
    """An engine with a thread for each of `n_cores`; nothing is resident yet.

    Its pool is pinned to the most capable cluster that has so many cores. A board that confines the process elsewhere
    moves the pool along.
    """
    cpus = next((cluster.cpus for cluster in reversed(clusters) if len(cluster.cpus) >= n_cores), ())
    return OnnxRuntimeEngine(
        package.models, input_shape=package.input_shape, n_threads=n_cores, pool_cpus=cpus[1:n_cores]
    )


def profile(
    package: NetworkPackage,
    engine: Engine,
    platform: Platform,
    *,
    cells: Sequence[Configuration],
    batch: int,
    n_rounds: int = 25,
    budget_s: float | None = None,
    pause_s: float = PAUSE_S,
    seed: int = 1,
    samples: Path | None = None,
    report: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> OperatingTable:
    """Measure every cell; each round visits all of them once, in a random order, so that drift favours none.

    Args:
        package: The network.
        engine: Runs it; the cells' sub-networks are made resident.
        platform: Held for the time of the profile, and put back.
        cells: The configurations to measure.
        batch: Items per inference.
        n_rounds: Visits to each cell.
        budget_s: Fewer rounds if they would take longer, but at least `FEWEST_ROUNDS`.
        pause_s: Idle before each timed inference, 0 or more.
        seed: Of the orders.
        samples: Where single measurements are logged; a log of the same subject is continued.
        report: Called after each visit.
        clock: Seconds, monotonic.

    Returns:
        Latency quantiles with the standard deviation of each, accuracy as the package says, and the memory that a
        sub-network's weights take.

    Raises:
        SpecError: `samples` is of something else or damaged.
        PlatformError: A knob cannot be set.
        EngineError: A sub-network would not load or run.
    """
    engine.load(dict.fromkeys(cell.sub_network for cell in cells))
    subject = {
        "network": package.name,
        "version": package.version,
        "digest": package.digest,
        "platform": platform.name,
        "batch": batch,
        "pause_s": pause_s,
        "seed": seed,
        "cells": [[c.sub_network.name, c.cluster, c.n_cores, c.frequency_hz] for c in cells],
    }
    frame = np.random.default_rng(seed).random((batch, *package.input_shape), dtype=np.float32)
    with SampleLog(samples, subject) as log, platform.hold() as board:
        visitor = _Visitor(
            engine, board, monitors=platform.monitors, cells=cells, frame=frame, pause_s=pause_s, clock=clock
        )
        began, n_before = clock(), len(log.visits)
        rounds = n_rounds
        for index in range(n_before, n_rounds * len(cells)):
            round_index, place = divmod(index, len(cells))
            if round_index >= rounds:
                break
            order = random.Random(f"{seed}/{round_index}").sample(range(len(cells)), len(cells))
            log.add(visitor.visit(round_index, order[place]))
            n_done = index + 1 - n_before
            per_visit_s = (clock() - began) / n_done
            if budget_s is not None and n_done >= len(cells):
                rounds = max(FEWEST_ROUNDS, min(n_rounds, int(budget_s / (per_visit_s * len(cells)))))
            left_s = max(rounds * len(cells) - index - 1, 0) * per_visit_s
            if report is not None:
                report(Progress(index + 1, rounds * len(cells), left_s, cells[order[place]]))
    return _table(package, cells, log.visits, subject, seed=seed)


class _Visitor:
    """Puts a configuration in force and times some inferences in it."""

    def __init__(
        self,
        engine: Engine,
        board: HeldBoard,
        *,
        monitors: Sequence[Monitor],
        cells: Sequence[Configuration],
        frame: NDArray[np.float32],
        pause_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._engine, self._board, self._cells, self._frame, self._clock = engine, board, cells, frame, clock
        self._monitors, self._pause_s = monitors, pause_s
        self._frequency_hz: int | None = None
        self._began = clock()

    def visit(self, round_index: int, cell: int) -> Visit:
        configuration = self._cells[cell]
        self._board.apply(configuration)
        if configuration.frequency_hz != self._frequency_hz:
            self._frequency_hz = configuration.frequency_hz
            time.sleep(SETTLE_S)
        self._engine.activate(configuration.sub_network)
        self._engine.infer(self._frame)
        latencies = []
        for _ in range(PER_VISIT):
            time.sleep(self._pause_s)
            start = self._clock()
            self._engine.infer(self._frame)
            latencies.append(1000 * (self._clock() - start))
        readings = readings_by_quantity(self._monitors, self._board.snapshot())
        return Visit(
            round_index,
            cell,
            round(self._clock() - self._began, 4),
            tuple(latencies),
            readings.get("load_pct"),
            readings.get("temperature_c"),
        )


def _table(
    package: NetworkPackage,
    cells: Sequence[Configuration],
    visits: Sequence[Visit],
    subject: dict[str, Any],
    *,
    seed: int,
) -> OperatingTable:
    latencies = [
        np.array([latency for visit in visits if visit.cell == cell for latency in visit.latency_ms])
        for cell in range(len(cells))
    ]
    generator = np.random.default_rng(seed)
    loads = [visit.load_pct for visit in visits if visit.load_pct is not None]
    temperatures = [visit.temperature_c for visit in visits if visit.temperature_c is not None]
    about = {
        **{key: value for key, value in subject.items() if key != "cells"},
        "input_shape": [subject["batch"], *package.input_shape],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tenuto": __version__,
        "n_samples_per_point": min(len(latency) for latency in latencies),
        "memory_mb": "weights of the sub-network, if it were alone",
    }
    if loads:
        about["load_pct"] = {"median": float(np.median(loads)), "highest": max(loads)}
    if temperatures:
        about["temperature_c"] = {"lowest": min(temperatures), "highest": max(temperatures)}
    packaged = {one.sub_network: one for one in package.sub_networks}
    return OperatingTable.from_points(
        (
            OperatingPoint(
                configuration,
                {
                    **_quantiles(latency, generator),
                    "accuracy_pct": packaged[configuration.sub_network].accuracy_pct,
                    "macs_m": Estimate(packaged[configuration.sub_network].macs / 1e6, "modelled"),
                    "memory_mb": Estimate(4 * packaged[configuration.sub_network].parameters / 1e6, "modelled"),
                },
            )
            for configuration, latency in zip(cells, latencies, strict=True)
        ),
        about=about,
    )


def _quantiles(latency_ms: NDArray[np.float64], generator: np.random.Generator) -> dict[str, Estimate]:
    """Each quantile, with the bootstrap's standard deviation of it."""
    resamples = generator.choice(latency_ms, size=(N_RESAMPLES, len(latency_ms)))
    return {
        name: Estimate(
            float(np.quantile(latency_ms, share)), "measured", float(np.quantile(resamples, share, axis=1).std())
        )
        for name, share in QUANTILES.items()
    }
