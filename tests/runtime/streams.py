"""Streams without waiting: a ladder of sub-networks, a clock that is moved, and parts that fail when told to."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.control import Policy, TenutoPolicy
from tenuto.engines import Engine, TableEngine
from tenuto.platforms import HeldBoard, LinuxPlatform, Snapshot
from tenuto.points import Configuration, Estimate, OperatingPoint, OperatingTable, SubNetwork
from tenuto.requirements import Requirements
from tenuto.runtime import Manager
from tenuto.testing import ManualClock
from tenuto.testing.trees import BARE_VM, write_tree
from tenuto.traces import Event, Step

BATCH = 4
ITEM = (1, 4, 4)
DEADLINE_MS = 16.0
PERIOD_S = 1 / 30
FRAME = np.ones((BATCH, *ITEM), dtype=np.float32)
LEVELS = ((1, 2.0, 89.0), (2, 4.0, 91.0), (3, 7.0, 92.0), (4, 12.0, 93.0))
"""Depth, latency in ms on two cores, accuracy in per cent."""

SMALLEST, SMALL, LARGE, LARGEST = (SubNetwork("toy", (("depth", (depth,)),)) for depth, _, _ in LEVELS)


def ladder(*, cores: Iterable[int] = (2,), **about: Any) -> OperatingTable:
    """Four sub-networks on the cluster of a bare machine; half of the cores take twice as long."""
    return OperatingTable.from_points(
        (
            OperatingPoint(
                Configuration(SubNetwork("toy", (("depth", (depth,)),)), "cpu", n_cores),
                {
                    "latency_ms": Estimate(latency_ms * 2 / n_cores, "assumed"),
                    "accuracy_pct": Estimate(accuracy_pct, "assumed"),
                },
            )
            for depth, latency_ms, accuracy_pct in LEVELS
            for n_cores in cores
        ),
        about={"network": "toy", "batch": BATCH, "input_shape": [BATCH, *ITEM], **about},
    )


def bare_machine(folder: Path) -> LinuxPlatform:
    """A machine of two processors, made of files."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tree(folder, BARE_VM)
    return LinuxPlatform(folder)


class SlowedTable:
    """A table engine whose inferences take as many times longer as `slowdown` says."""

    def __init__(self, clock: ManualClock, table: OperatingTable, *, item: tuple[int, ...] = ITEM) -> None:
        self.slowdown = 1.0
        self.engine = TableEngine(
            table,
            cluster="cpu",
            n_cores=2,
            input_shape=item,
            output_shape=(10,),
            sleep=lambda seconds: clock.advance(seconds * self.slowdown),
        )


class FailingEngine:
    """Another engine, but what is in `failing` throws when it runs, and what is in `shut` when it is activated."""

    def __init__(self, engine: Engine, *, problem: Callable[[str], Exception]) -> None:
        self._engine, self._problem = engine, problem
        self.failing: set[SubNetwork] = set()
        self.shut: set[SubNetwork] = set()
        self.n_failures = 0

    @property
    def resident(self) -> frozenset[SubNetwork]:
        """As the engine says."""
        return self._engine.resident

    @property
    def active(self) -> SubNetwork:
        """As the engine says."""
        return self._engine.active

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        """As the engine does."""
        self._engine.load(sub_networks)

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        """As the engine does, or throw."""
        if sub_network in self.shut:
            self.n_failures += 1
            raise self._problem(f"{sub_network.name} would not open")
        return self._engine.activate(sub_network)

    def infer(self, frame: NDArray[Any]) -> NDArray[Any]:
        """As the engine does, or throw."""
        if self._engine.active in self.failing:
            self.n_failures += 1
            raise self._problem(f"{self._engine.active.name} broke")
        return self._engine.infer(frame)

    def close(self) -> None:
        """As the engine does."""
        self._engine.close()


class FailingBoard:
    """A held board that throws `problem` instead of applying, as often as it is told to."""

    def __init__(self, board: HeldBoard, problem: Exception) -> None:
        self._board, self._problem = board, problem
        self.n_left = 0
        self.applied: list[Configuration] = []

    def snapshot(self) -> Snapshot:
        """As the board does."""
        return self._board.snapshot()

    def apply(self, configuration: Configuration) -> Configuration:
        """As the board does, or throw."""
        if self.n_left:
            self.n_left -= 1
            raise self._problem
        self.applied.append(configuration)
        return self._board.apply(configuration)


class Stream:
    """A manager over a ladder, its clock, and what it recorded."""

    def __init__(
        self,
        board: HeldBoard,
        *,
        policy: Policy[Any] | None = None,
        table: OperatingTable | None = None,
        requirements: Requirements | None = None,
        resident: Iterable[SubNetwork] | None = None,
        problem: Callable[[str], Exception] = RuntimeError,
    ) -> None:
        self.table = ladder() if table is None else table
        self.requirements = Requirements.of(latency_ms=DEADLINE_MS) if requirements is None else requirements
        self.clock = ManualClock(100.0)
        self.slowed = SlowedTable(self.clock, self.table)
        self.engine = FailingEngine(self.slowed.engine, problem=problem)
        self.engine.load(self.table.sub_networks if resident is None else resident)
        self.policy: Policy[Any] = TenutoPolicy() if policy is None else policy
        self.records: list[Step | Event] = []
        self.manager = Manager(
            engine=self.engine,
            board=board,
            policy=self.policy,
            table=self.table,
            requirements=self.requirements,
            clock=self.clock,
            record=self.records.append,
        )

    @property
    def steps(self) -> list[Step]:
        """What was recorded of inputs."""
        return [record for record in self.records if isinstance(record, Step)]

    def run(self, slowdowns: Iterable[float]) -> None:
        """One frame per slowdown, each at its time, or skipped if it is stale by then."""
        began_s = self.clock.now_s()
        for index, slowdown in enumerate(slowdowns):
            arrival_s = began_s + index * PERIOD_S
            self.clock.sleep_until(arrival_s)
            self.slowed.slowdown = slowdown
            waited_ms = max(1000 * (self.clock.now_s() - arrival_s), 0.0)
            if waited_ms >= DEADLINE_MS:
                self.manager.skip(waited_ms=waited_ms, n_inputs=BATCH)
            else:
                self.manager(FRAME, waited_ms=waited_ms)
