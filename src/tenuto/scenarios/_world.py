"""The world of a scenario for one seed: what it says, and on top of it background load that is drawn or played."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.platforms.simulated import QUIET, BackgroundLoad, BoardSpec, Conditions, Parameter, load_board
from tenuto.platforms.simulated._spec import BatterySpec
from tenuto.scenarios._scenario import Recording, Scenario, Service, Utilisation

_STREAM: Final = 3

Loads = Mapping[str, float]
"""Busy cores by cluster."""


def board_of(scenario: Scenario) -> BoardSpec:
    """The scenario's board, with the scenario's noise and battery in place of its own.

    Raises:
        UnknownNameError: No such board.
        SpecError: The board's file does not describe one.
    """
    board = load_board(scenario.board)
    says = f"scenario {scenario.id}"
    changed: dict[str, object] = {}
    if scenario.noise:
        figures = {
            name: Parameter(value=value, source="assumed", reference=says) for name, value in scenario.noise.items()
        }
        changed["noise"] = msgspec.structs.replace(board.noise, **figures)
    if scenario.battery_wh is not None:
        capacity = Parameter(value=scenario.battery_wh, source="assumed", reference=says)
        # What the battery gives is told behind its converter.
        efficiency = Parameter(value=1.0, source="assumed", reference=says)
        changed["battery"] = BatterySpec(capacity_wh=capacity, efficiency=efficiency)
    if not changed:
        return board
    return msgspec.structs.replace(board, references={**board.references, says: says}, **changed)


def world_of(scenario: Scenario, seed: int) -> tuple[tuple[float, Conditions], ...]:
    """What holds from when on.

    Args:
        scenario: Or a variant.
        seed: Of the passage; without utilisation the world is the same for all.

    Returns:
        Seconds from the start, ascending, and everything that holds from then on.
    """
    if not scenario.utilisation:
        return scenario.world
    board = load_board(scenario.board)
    courses = [list(_course(one, [seed, _STREAM, index])) for index, one in enumerate(scenario.utilisation)]
    said_s = [time_s for time_s, _ in scenario.world]
    times_s = sorted({*said_s, *(time_s for course in courses for time_s, _ in course)})
    begins = [[time_s for time_s, _ in course] for course in courses]
    found: list[tuple[float, Conditions]] = []
    for time_s in times_s:
        if time_s >= scenario.duration_s:
            break
        place = bisect_right(said_s, time_s) - 1
        said = scenario.world[place][1] if place >= 0 else QUIET
        if said.battery_charge is not None and said_s[place] != time_s:
            said = replace(said, battery_charge=None)  # it was charged then, not now again
        running: dict[str, float] = {}
        for course, begin in zip(courses, begins, strict=True):
            step = bisect_right(begin, time_s) - 1
            for cluster, busy in (course[step][1] if step >= 0 else {}).items():
                running[cluster] = running.get(cluster, 0.0) + busy
        conditions = replace(said, background=_added(said.background, running, board))
        if not found or conditions != found[-1][1] or conditions.battery_charge is not None:
            found.append((time_s, conditions))
    return tuple(found)


def _added(said: Mapping[str, BackgroundLoad], running: Loads, board: BoardSpec) -> dict[str, BackgroundLoad]:
    """Loads on top of what is said; a cluster that is full takes no more."""
    loads = dict(said)
    for name, busy in running.items():
        if busy > 0:
            before = loads.get(name, BackgroundLoad())
            sum_busy = min(before.busy_cores + busy, board.cluster(name).n_cores)
            threads = None if before.n_threads is None else before.n_threads + int(np.ceil(busy))
            loads[name] = BackgroundLoad(sum_busy, threads, before.memory_gb_s)
    return loads


def _course(utilisation: Utilisation, seed: list[int]) -> Iterator[tuple[float, Loads]]:
    """Its steps: from when on which load; none at its end."""
    generator = np.random.default_rng(seed)
    course = utilisation.course
    steps = _played(course, generator) if isinstance(course, Recording) else _drawn(course, generator)
    time_s = utilisation.time_s
    for lasts_s, loads in steps:
        yield time_s, loads
        time_s += lasts_s
        if time_s >= utilisation.until_s:
            break
    yield utilisation.until_s, {}


def _played(recording: Recording, generator: np.random.Generator) -> Iterator[tuple[float, Loads]]:
    rows = [
        dict(zip(recording.busy_cores, row, strict=True)) for row in zip(*recording.busy_cores.values(), strict=True)
    ]
    row = int(generator.integers(len(rows)))
    while True:
        yield recording.interval_s, rows[row]
        row = (row + 1) % len(rows)


def _drawn(service: Service, generator: np.random.Generator) -> Iterator[tuple[float, Loads]]:
    level = int(generator.choice(len(service.busy_cores), p=level_shares(service.stay_s, service.to)))
    while True:
        n_steps = int(generator.geometric(min(1.0, service.interval_s / service.stay_s[level])))
        busy = service.busy_cores[level]
        yield n_steps * service.interval_s, {cluster: times * busy for cluster, times in service.cores.items()}
        level = int(generator.choice(len(service.busy_cores), p=np.array(service.to[level]) / sum(service.to[level])))


def level_shares(stay_s: tuple[float, ...], to: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """The share of time that a service spends at each level in the long run."""
    moves = np.array(to) / np.sum(to, axis=1, keepdims=True)
    n = len(stay_s)
    # visits = visits @ moves, and they add up to 1.
    system = np.vstack([moves.T - np.eye(n), np.ones(n)])
    visits = np.linalg.lstsq(system, np.concatenate([np.zeros(n), [1.0]]), rcond=None)[0].clip(0)
    shares = visits * np.array(stay_s)
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised
