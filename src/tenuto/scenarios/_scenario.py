"""What is going to happen to a system from outside: values, as a scenario's file says them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tenuto.platforms.simulated import Conditions
from tenuto.requirements import Requirements


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When inputs come.

    Attributes:
        period_ms: From one to the next; the mean of it where `cv2` is above 0 or the times are recorded. None where it
            is the deadline, which is not known in ms yet (`with_deadline`).
        cv2: Squared coefficient of variation of the times between them: 0 is a camera, 1 random, more is bursts.
        times_s: When they come, instead: as recorded, seconds from the scenario's start.
    """

    period_ms: float | None
    cv2: float = 0.0
    times_s: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """Latencies that were published for one place; the simulated board's model says how they change elsewhere.

    Attributes:
        cluster: Where they were taken.
        n_cores: On how many cores.
        frequency_hz: At which clock.
        latency_ms: By the sub-network's name or its title in the catalogue (`level 4`), each above 0. With one entry
            all sub-networks are scaled by the same factor; else each by its own, and all are named.
        reference: Where they are from.
    """

    cluster: str
    n_cores: int
    frequency_hz: int
    latency_ms: Mapping[str, float]
    reference: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "latency_ms", MappingProxyType(dict(self.latency_ms)))


@dataclass(frozen=True, slots=True)
class Application:
    """One that runs a network on the board.

    Attributes:
        name: Its own.
        network: As `tenuto.nets.catalogue.open_network` knows it; its sub-networks must have graphs.
        requirements: What must hold; `period_ms` is that of its arrivals where `cv2` is 0.
        arrivals: When its inputs come. One whose deadline has passed before its turn comes is skipped, and counts as
            missed.
        clusters: Where it may run; () for everywhere.
        n_cores: On these numbers of cores only; () for all.
        priority: Who gives way last among several; higher is more important.
        from_s: When it comes.
        until_s: When it goes; None stays to the end.
        times_of_largest: Its deadline as a multiple of the largest sub-network's latency in its quickest place,
            instead of a bound in ms; None where `requirements` says the deadline. With it, `requirements` has none yet.
        miss_pct: The miss budget of that deadline.
        anchor: Published latencies of it, or None where the board's model stands alone.
    """

    name: str
    network: str
    requirements: Requirements
    arrivals: Arrivals
    clusters: tuple[str, ...] = ()
    n_cores: tuple[int, ...] = ()
    priority: int = 0
    from_s: float = 0.0
    until_s: float | None = None
    times_of_largest: float | None = None
    miss_pct: float = 1.0
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New requirements of one application.

    Attributes:
        time_s: When.
        application: Whose.
        requirements: What must hold from then on, whole.
    """

    time_s: float
    application: str
    requirements: Requirements


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that a report shades and recovery is measured from.

    Attributes:
        label: What, for people.
        time_s: From when.
        until_s: To when; None is to the end.
    """

    label: str
    time_s: float
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class SensorLoss:
    """Monitors that say nothing for a time.

    Attributes:
        monitors: Names of monitors (`a15.temperature_c`), or of quantities (`temperature_c`) for all of that kind.
        time_s: From when.
        until_s: To when; None is to the end.
    """

    monitors: frozenset[str]
    time_s: float
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Background load as it was recorded. A passage begins at a row of its own, by its seed, and the rows go round.

    Attributes:
        interval_s: From row to row.
        busy_cores: For each cluster, each row's.
    """

    interval_s: float
    busy_cores: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "busy_cores", MappingProxyType(dict(self.busy_cores)))


@dataclass(frozen=True, slots=True)
class Service:
    """A model of a recorded service's load: it stays at a level for a while, and goes to another.

    Attributes:
        name: Of the service.
        busy_cores: Of each level, ascending.
        stay_s: How long it stays at each on average, whole steps of `interval_s`, geometrically distributed.
        to: For each level, the probabilities of the next one; none of itself.
        interval_s: The model's step.
        cores: How many times the service's busy cores each cluster gets.
    """

    name: str
    busy_cores: tuple[float, ...]
    stay_s: tuple[float, ...]
    to: tuple[tuple[float, ...], ...]
    interval_s: float
    cores: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cores", MappingProxyType(dict(self.cores)))


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Background load that is another one for every seed.

    Attributes:
        time_s: From when.
        until_s: To when.
        course: How it goes.
    """

    time_s: float
    until_s: float
    course: Recording | Service


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that happens from outside, in the order of time.

    Attributes:
        id: `name@version`; other figures make another version.
        title: One line, for people.
        description: What it is for, and what is published of the like.
        board: Id of the simulated board.
        duration_s: How long.
        applications: At least one.
        world: What holds from when on: background load, caps, clusters lost, air, memory clock, battery. Seconds from
            the start, ascending.
        utilisation: Background load on top of it, which depends on the seed: `world_of` puts both together.
        changes: Of requirements, ascending.
        disturbances: For shading and recovery.
        losses: Of sensors.
        noise: Figures of the board's latency noise (`sigma`, `burst_begin`, ...) that the scenario replaces; assumed.
        battery_wh: What a battery gives the board, for a board whose file has none; assumed.
        sources: Where its figures are from, one sentence each.
        label: Which variant of the scenario this is; empty for the scenario itself.
        variants: The same with other figures, each a whole scenario with a label; a replay runs them all instead.
    """

    id: str
    title: str
    description: str
    board: str
    duration_s: float
    applications: tuple[Application, ...]
    world: tuple[tuple[float, Conditions], ...] = ()
    utilisation: tuple[Utilisation, ...] = ()
    changes: tuple[Change, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    losses: tuple[SensorLoss, ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    battery_wh: float | None = None
    sources: tuple[str, ...] = ()
    label: str = ""
    variants: "tuple[Scenario, ...]" = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", MappingProxyType(dict(self.noise)))
