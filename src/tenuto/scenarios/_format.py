"""What a scenario's file may say: every class is a table of it, its attributes are the file's keys.

docs/scenarios.md explains the keys to people. Here stand their types and the ranges that hold whatever the board; what
must fit a board, a network or another key is checked where the file is made into values.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

Above0 = Annotated[float, Meta(gt=0)]
From0 = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a scenario's file: an unknown key is a mistake."""


class RequirementKeys(Table, frozen=True, kw_only=True):
    """Requirements, in the words of `Requirements.of`.

    Attributes:
        latency_ms: Deadline.
        times_of_largest: The deadline as a multiple of the largest sub-network's latency in its quickest place.
        miss_pct: How many of a hundred may be late.
        accuracy_pct: Least.
        energy_mj: Most, per inference.
        power_w: Most.
        temperature_c: Highest.
        memory_mb: Most.
        maximise: The objective.
        minimise: The objective, instead.
        priorities: Of constraints that give way in another order than usual.
        mission_s: How long the battery must last.
        mission_mj: What may be drawn until then, instead of what the battery holds.
    """

    latency_ms: Above0 | None = None
    times_of_largest: Above0 | None = None
    miss_pct: Annotated[float, Meta(ge=0, lt=100)] = 1.0
    accuracy_pct: Annotated[float, Meta(gt=0, le=100)] | None = None
    energy_mj: Above0 | None = None
    power_w: Above0 | None = None
    temperature_c: float | None = None
    memory_mb: Above0 | None = None
    maximise: str | None = None
    minimise: str | None = None
    priorities: dict[str, int] = {}
    mission_s: Above0 | None = None
    mission_mj: Above0 | None = None


class AnchorTable(Table, frozen=True, kw_only=True):
    """Latencies that were published for one place.

    Attributes:
        cluster: Where.
        n_cores: On how many cores.
        frequency_mhz: At which clock of the ladder.
        latency_ms: By sub-network, or the network's own word for it.
        reference: Where they are from; `from` in the file.
    """

    cluster: Text
    n_cores: Annotated[int, Meta(ge=1)] = 1
    frequency_mhz: Above0
    latency_ms: dict[str, Above0]
    reference: Text = field(name="from")


class ArrivalsTable(Table, frozen=True, kw_only=True):
    """Inputs as they were recorded.

    Attributes:
        file: CSV whose first column is a time: seconds, or date and time.
        times_faster: How much quicker they come than they did.
    """

    file: Text
    times_faster: Above0 = 1.0


class ApplicationTable(RequirementKeys, frozen=True, kw_only=True):
    """An application, its requirements among its keys.

    Attributes:
        name: Its own.
        network: As the catalogue knows it, or the path of one.
        clusters: Where it may run.
        n_cores: On how many cores it may run.
        period_ms: From input to input.
        rate_hz: Inputs a second on average, instead, with `cv2`.
        cv2: Squared coefficient of variation of the times between them.
        arrivals: As recorded, instead.
        priority: Higher gives way later.
        from_s: When it comes.
        until_s: When it goes.
        anchor: Published latencies.
    """

    name: Text
    network: Text
    clusters: tuple[str, ...] = ()
    n_cores: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    period_ms: Above0 | None = None
    rate_hz: Above0 | None = None
    cv2: Above0 | None = None
    arrivals: ArrivalsTable | None = None
    priority: int = 0
    from_s: From0 = 0.0
    until_s: Above0 | None = None
    anchor: AnchorTable | None = None


class BackgroundTable(Table, frozen=True, kw_only=True):
    """Programs of others on one cluster.

    Attributes:
        busy_cores: That they keep busy at its highest clock.
        busy_share: The same as a share of the whole cluster, instead.
        n_threads: Threads that it is spread over.
        memory_gb_s: What they move to and from memory.
    """

    busy_cores: From0 | None = None
    busy_share: Share | None = None
    n_threads: Annotated[int, Meta(ge=1)] | None = None
    memory_gb_s: From0 = 0.0


class RampTable(Table, frozen=True, kw_only=True):
    """Air that warms or cools evenly until the event ends, and stays so.

    Attributes:
        begin: At the event's beginning, °C; `from` in the file.
        end: At its end; `to` in the file.
    """

    begin: float = field(name="from")
    end: float = field(name="to")


class UtilisationTable(Table, frozen=True, kw_only=True):
    """Background load as it was recorded, or as a model of recordings draws it anew for every seed.

    Attributes:
        recorded: CSV with the columns core1 to coreN, mem and gpu, each core and the GPU in per cent.
        interval_s: From one of its rows to the next.
        columns: Which of its columns load which cluster; a cluster's are added up.
        fitted: Service of the shipped model, instead.
        cores: How many times the service's busy cores each cluster gets.
    """

    recorded: Text | None = None
    interval_s: Above0 = 1.0
    columns: dict[str, tuple[str, ...]] = {}
    fitted: Text | None = None
    cores: dict[str, Above0] = {}


class ChangeTable(RequirementKeys, frozen=True, kw_only=True):
    """New requirements, whole.

    Attributes:
        application: Whose.
    """

    application: Text


class EventTable(Table, frozen=True, kw_only=True):
    """Something that happens.

    Attributes:
        at_s: From when.
        until_s: To when; without it, to the end.
        label: For people; with one, reports shade it and measure recovery from it.
        background: By cluster.
        slowdown: Factor on every inference, by cluster.
        caps_mhz: Highest clock left, by cluster.
        lost: Clusters taken away.
        ambient_c: Of the air, or how it changes.
        memory_mhz: The memory's clock.
        battery_charge: What the battery is charged or emptied to, once.
        sensor_lost: Monitors, or quantities, that say nothing.
        requirements: Of one application.
        utilisation: Background load by a recording or a model.
    """

    at_s: From0
    until_s: Above0 | None = None
    label: str = ""
    background: dict[str, BackgroundTable] = {}
    slowdown: dict[str, Annotated[float, Meta(ge=1)]] = {}
    caps_mhz: dict[str, Above0] = {}
    lost: tuple[str, ...] = ()
    ambient_c: float | RampTable | None = None
    memory_mhz: Above0 | None = None
    battery_charge: Share | None = None
    sensor_lost: tuple[str, ...] = ()
    requirements: ChangeTable | None = None
    utilisation: UtilisationTable | None = None


class NoiseTable(Table, frozen=True, kw_only=True):
    """Figures of the board's latency noise that the scenario replaces; they are then assumed.

    Attributes:
        sigma: Of the logarithm of a quiet latency.
        burst_begin: Probability that a burst begins.
        burst_stay: Probability that it goes on.
        tail_scale: Least excess in a burst.
        tail_index: Of the excess's tail.
    """

    sigma: From0 | None = None
    burst_begin: Share | None = None
    burst_stay: Share | None = None
    tail_scale: From0 | None = None
    tail_index: Above0 | None = None


class ScenarioTable(Table, frozen=True, kw_only=True):
    """The file itself, its variants and sweep already applied.

    Attributes:
        id: `name@version`.
        title: One line.
        description: What it is for.
        board: Id, or path of a board file.
        duration_s: How long.
        battery_wh: What a battery can give the board, for a board without one.
        sources: Where its figures are from.
        applications: At least one.
        events: In any order.
        noise: Instead of the board's.
    """

    id: Text
    title: Text
    description: Text
    board: Text
    duration_s: Above0
    battery_wh: Above0 | None = None
    sources: tuple[Text, ...] = ()
    applications: Annotated[tuple[ApplicationTable, ...], Meta(min_length=1)]
    events: tuple[EventTable, ...] = ()
    noise: NoiseTable = NoiseTable()
