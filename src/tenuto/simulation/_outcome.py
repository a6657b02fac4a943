"""What came of one policy in one scenario with one seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.scenarios import Scenario
from tenuto.traces import Event, Step


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What the board really did, which no sensor shows.

    Attributes:
        time_s: When.
        power_w: Mean since the sample before, of each rail: the clusters, `memory`, and `board` for the rest.
        temperature_c: Of each thermal node.
        frequency_hz: The clock in force of each cluster.
        is_throttled: Whether heat held any clock down at any time since the sample before.
        battery_mj: What is left; None without a battery.
    """

    time_s: float
    power_w: Mapping[str, float]
    temperature_c: Mapping[str, float]
    frequency_hz: Mapping[str, int]
    is_throttled: bool
    battery_mj: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ApplicationRun:
    """One application's passage.

    Attributes:
        name: The application's.
        table: That its policy chose from; a step's `applied` and its decision's `point` are rows of it.
        requirements: What had to hold at first.
        steps: One for each input that came, in order. `energy_mj` is None: see `Outcome.energy_mj`.
        events: Changes of requirements, and the scenario's disturbances.
        trouble: What the policy did wrong, once each: the runtime fell back.
    """

    name: str
    table: OperatingTable
    requirements: Requirements
    steps: tuple[Step, ...]
    events: tuple[Event, ...] = ()
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One passage.

    Attributes:
        scenario: Or the variant of it.
        policy: As it was asked for.
        parameters: The policy's settings.
        seed: Of noise, arrivals and sensors.
        runs: One for each application, in the scenario's order.
        energy_mj: Drawn by the clusters and the memory in all, idle time included.
        board_energy_mj: The same with the rest of the board.
        off_s: When the board switched itself off, if it did.
        samples: Ten a second; empty unless they were asked for.
        throttled_s: How long heat held a clock down.
        hottest_c: The highest temperature of any node.
        battery_pct: What was left in the battery at the end, in per cent of its capacity; None without one.
    """

    scenario: Scenario
    policy: str
    parameters: Mapping[str, object]
    seed: int
    runs: tuple[ApplicationRun, ...]
    energy_mj: float
    board_energy_mj: float
    off_s: float | None = None
    samples: tuple[Sample, ...] = field(default=())
    throttled_s: float = 0.0
    hottest_c: float | None = None
    battery_pct: float | None = None
