"""Policies by name, each in the world that it needs: its board's governors, its table, its foresight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from tenuto.control import Policy, open_policy, policy_names
from tenuto.errors import UnknownNameError
from tenuto.platforms.simulated import BoardSpec
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.scenarios import Scenario, board_of
from tenuto.simulation._applications import Prepared, governed, prepare
from tenuto.simulation._oracle import OraclePolicy
from tenuto.simulation._outcome import Outcome
from tenuto.simulation._passage import Passage
from tenuto.simulation._static import StaticPolicy

GOVERNORS: Final = ("performance", "powersave", "ondemand", "conservative", "schedutil")
"""Linux's governors of a CPU's clock; what each means for an accelerator is in `_governor_of`."""

ORACLE: Final = "oracle"
ORACLE_STATIC: Final = "oracle-static"
_SUFFIX: Final = "+static"


def arranged_names() -> tuple[str, ...]:
    """Every policy that a replay knows by name: those of `control`, and those that need a world made for them."""
    return (*policy_names(), ORACLE, ORACLE_STATIC, *(governor + _SUFFIX for governor in GOVERNORS))


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One policy by name.

    Attributes:
        name: As it was asked for.
        governor: Of the board's clocks, instead of a manager; None for policies that set clocks.
        is_static: Whether it runs one point for ever, to be chosen beforehand.
    """

    name: str
    governor: str | None = None
    is_static: bool = False


def arrangement(name: str) -> Arrangement:
    """What a name stands for.

    Raises:
        UnknownNameError: Nothing.
    """
    governor = name.removesuffix(_SUFFIX)
    if name.endswith(_SUFFIX) and governor in GOVERNORS:
        return Arrangement(name, governor, is_static=True)
    if name == ORACLE_STATIC:
        return Arrangement(name, is_static=True)
    if name != ORACLE:
        try:
            open_policy(name)
        except UnknownNameError as error:
            raise UnknownNameError("policy", name, arranged_names()) from error
    return Arrangement(name)


def simulate(
    scenario: Scenario,
    name: str,
    *,
    seed: int,
    rows: Sequence[int] | None = None,
    is_sampled: bool = False,
    policies: Sequence[Policy[Any]] | None = None,
) -> Outcome:
    """One passage through one scenario without variants.

    Args:
        scenario: Or one of its variants.
        name: Of the policy (`arranged_names`).
        seed: Of everything random.
        rows: For a static policy, each application's row of its table (`table_for`).
        is_sampled: Keep what the board really did, ten times a second.
        policies: One for each application, instead of those that the name stands for.

    Raises:
        UnknownNameError: No such policy.
        UsageError: The scenario cannot be simulated.
    """
    arranged = Arrangement(name) if policies is not None else arrangement(name)
    world = World.of(scenario, arranged)
    if name == ORACLE and scenario.applications and _has_mission(world):
        return _priced_oracle(world, seed, is_sampled=is_sampled)
    return world.run(seed, rows=rows, is_sampled=is_sampled, policies=policies)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A scenario made ready for one policy.

    Attributes:
        scenario: Without variants.
        arranged: The policy.
        spec: The board, its governors as the policy needs them.
        prepared: The applications.
        tables: What each chooses from.
    """

    scenario: Scenario
    arranged: Arrangement
    spec: BoardSpec
    prepared: tuple[Prepared, ...]
    tables: tuple[OperatingTable, ...]

    @classmethod
    def of(cls, scenario: Scenario, arranged: Arrangement) -> "World":
        """Prepare."""
        prepared = prepare(scenario)
        spec = board_of(scenario)
        tables = tuple(one.table for one in prepared)
        if arranged.governor is not None:
            spec = _governed_board(spec, arranged.governor)
            tables = tuple(governed(table) for table in tables)
        return cls(scenario, arranged, spec, prepared, tables)

    def run(
        self,
        seed: int,
        *,
        rows: Sequence[int] | None = None,
        is_sampled: bool = False,
        price_per_mj: float = 0.0,
        policies: Sequence[Policy[Any]] | None = None,
    ) -> Outcome:
        """One passage."""
        name = self.arranged.name

        def make(passage: Passage, index: int) -> Policy[Any]:
            if policies is not None:
                return policies[index]
            if rows is not None:
                return StaticPolicy(name, rows[index])
            if name == ORACLE:
                return OraclePolicy(lambda: passage.foresee(index), price_per_mj=price_per_mj)
            return open_policy(name)

        passage = Passage(
            self.scenario,
            self.prepared,
            self.tables,
            make,
            self.spec,
            seed=seed,
            has_slow_tier=len(self.prepared) > 1 and name.startswith("tenuto"),
            is_sampled=is_sampled,
        )
        return passage.run(name)


def _has_mission(world: World) -> bool:
    return any(one.requirements.mission is not None for one in world.prepared)


_N_BISECTIONS: Final = 9


def _priced_oracle(world: World, seed: int, *, is_sampled: bool) -> Outcome:
    """The lowest price of energy at which the battery lasts."""
    outcome = world.run(seed, is_sampled=is_sampled)
    if _lasts(world, outcome):
        return outcome
    low, high = 0.0, _first_price(world.prepared)
    best = world.run(seed, is_sampled=is_sampled, price_per_mj=high)
    while not _lasts(world, best) and high < 1e6 * _first_price(world.prepared):
        low, high = high, 4 * high
        best = world.run(seed, is_sampled=is_sampled, price_per_mj=high)
    for _ in range(_N_BISECTIONS):
        price = (low + high) / 2
        outcome = world.run(seed, is_sampled=is_sampled, price_per_mj=price)
        if _lasts(world, outcome):
            high, best = price, outcome
        else:
            low = price
    return best


def _first_price(prepared: Sequence[Prepared]) -> float:
    """What the whole span of accuracy costs in the whole span of energy."""
    table = prepared[0].table
    accuracy, energy = table.column("accuracy_pct").value, table.column("energy_mj").value
    return float(np.ptp(accuracy) / max(np.ptp(energy), 1e-9)) or 1e-3


def _lasts(world: World, outcome: Outcome) -> bool:
    if outcome.off_s is not None:
        return False
    budgets = [one.requirements.mission for one in world.prepared if one.requirements.mission is not None]
    given = [mission.energy_mj for mission in budgets if mission.energy_mj is not None]
    return not given or outcome.board_energy_mj <= min(given)


def _governed_board(spec: BoardSpec, governor: str) -> BoardSpec:
    clusters = tuple(
        msgspec.structs.replace(cluster, governor=_governor_of(cluster.kind, governor)) for cluster in spec.clusters
    )
    return msgspec.structs.replace(spec, clusters=clusters)


def _governor_of(kind: str, governor: str) -> str:
    """An accelerator has devfreq's governors: performance, powersave, and one that follows load."""
    if kind == "cpu" or governor in ("performance", "powersave"):
        return governor
    return "simple_ondemand"


def needs_choice(name: str) -> bool:
    """Whether a policy's rows must be chosen beforehand (`choose_static`)."""
    return arrangement(name).is_static


def deadline_of(requirements: Requirements) -> tuple[float, float]:
    """The bound in ms, and the miss budget in per cent."""
    deadline = requirements.constraint("latency_ms")
    return (np.inf, 0.0) if deadline is None else (deadline.bound, deadline.miss_pct)
