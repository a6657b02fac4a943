"""What a board file says: clusters, memory, heat, sensors and noise, each figure with its source.

Every class here is one table of the file (docs/boards.md shows one), and its attributes are the file's keys.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from tenuto.errors import UnknownNameError
from tenuto.points import Source

Kind = Literal["cpu", "gpu", "npu"]
Governor = Literal["performance", "powersave", "ondemand", "conservative", "schedutil", "simple_ondemand"]
Share = Annotated[float, Meta(ge=0, le=1)]

WORKING_KINDS: Final = ("conv3x3", "conv", "pointwise", "depthwise", "linear", "matmul")
"""Kinds of layer that multiply; each needs its `macs_per_cycle`."""

ELEMENT_WORK: Final = ("conv3x3", "int8", "lrn", "exp")
"""What `elements_per_cycle` may speak of."""


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a board file: an unknown key is a mistake."""


class Parameter(Table, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        value: In the unit of its key.
        source: measured (a reading), modelled (fitted to readings), published, or assumed.
        reference: A key of the file's `references`; written `from` in the file.
        stdev: Of the figure itself, if known.
    """

    value: float
    source: Source
    reference: str = field(name="from")
    stdev: float | None = None


class Ladder(Table, frozen=True, kw_only=True):
    """The clocks of a cluster, slowest first.

    Attributes:
        frequency_mhz: Ascending.
        voltage_v: One for each clock, never falling; empty where nothing is known of it (power then counts with 1 V).
        source: Of the clocks.
        reference: Of the clocks.
        voltage_source: Of the voltages.
        voltage_reference: Of the voltages.
    """

    frequency_mhz: tuple[float, ...]
    voltage_v: tuple[float, ...] = ()
    source: Source
    reference: str = field(name="from")
    voltage_source: Source | None = None
    voltage_reference: str | None = field(name="voltage_from", default=None)


class LatencyParameters(Table, frozen=True, kw_only=True):
    """How long layers take on one cluster; `tenuto.platforms.simulated.latency` has the equations.

    Attributes:
        macs_per_cycle: Of one core (of a whole accelerator), for each kind of layer, in float32.
        elements_per_cycle: Of one core, for work that multiply-accumulates do not see: `conv3x3` Winograd's transforms,
            `int8` quantising, `lrn` and `exp` what these operators take; what is absent costs nothing.
        int8_speedup: Throughput in int8 / in float32, for all kinds of layer but those of `int8_speedups`.
        int8_speedups: The same for single kinds of layer.
        core_memory_gb_s: What one core, or the accelerator, gets of the memory.
        cluster_memory_gb_s: What all cores of the cluster get together.
        layer_overhead_us: Of each layer, at the highest clock.
        overhead_clock_share: The part of the overhead that follows the clock; the rest does not.
        parallel_share: The part of a layer's work that more cores can share (Amdahl).
        sync_us: Added to each layer for each core beyond the first.
        half_fill_outputs: Output elements of a layer that fill half of an accelerator; absent on a CPU.
    """

    macs_per_cycle: dict[str, Parameter]
    elements_per_cycle: dict[str, Parameter] = {}
    int8_speedup: Parameter
    int8_speedups: dict[str, Parameter] = {}
    core_memory_gb_s: Parameter
    cluster_memory_gb_s: Parameter
    layer_overhead_us: Parameter
    overhead_clock_share: Parameter
    parallel_share: Parameter
    sync_us: Parameter
    half_fill_outputs: Parameter | None = None


class PowerParameters(Table, frozen=True, kw_only=True):
    """What a cluster draws; `tenuto.platforms.simulated.power` has the equations.

    Attributes:
        core_w_per_ghz_v2: Dynamic power of one busy core (a whole accelerator when full) at activity 1.
        uncore_w_per_ghz_v2: Dynamic power of what the cores share, while the cluster is on.
        idle_share: Of a core's dynamic power, while it waits for work.
        static_w_per_v: Leakage of the cluster at 25 °C.
        static_per_k: Leakage grows by exp(this x kelvin).
        static_per_v: Leakage also grows by exp(this x volts above 1 V); absent counts as 0.
        activity: Of a core that runs a network; 1 is the workload the coefficients were fitted on.
        empty_activity: Of an accelerator that a network hardly fills, as a part of the full; absent on a CPU.
        workload_activity: Of workloads that were measured, by name.
        counted_activity: Of a workload that only its counters are known of: `constant`, plus each other figure times
            that event's count in a cycle (`instructions`, `l2_accesses`).
    """

    core_w_per_ghz_v2: Parameter
    uncore_w_per_ghz_v2: Parameter
    idle_share: Parameter
    static_w_per_v: Parameter
    static_per_k: Parameter
    static_per_v: Parameter | None = None
    activity: Parameter
    empty_activity: Parameter | None = None
    workload_activity: dict[str, Parameter] = {}
    counted_activity: dict[str, Parameter] = {}


class IdleState(Table, frozen=True, kw_only=True):
    """A sleep state of a cluster's cores, entered while none of them is busy.

    Attributes:
        name: The kernel's.
        power_share: What is left of the dynamic power of waiting cores (`idle_share`). What they share stays on, and
            leakage flows as before.
        entry_us: Time to enter; until then power is as it was.
        exit_us: Time to leave, which the next inference waits for.
        min_residency_us: After so much idleness it is entered; shorter pauses do not enter it.
    """

    name: str
    power_share: Parameter
    entry_us: Parameter
    exit_us: Parameter
    min_residency_us: Parameter


class ContentionParameters(Table, frozen=True, kw_only=True):
    """What programs of others do to a cluster; `tenuto.platforms.simulated.contention` has the equations.

    Attributes:
        memory_sensitivity: How much of a network's memory time suffers from others' use of the memory, 0 to 1.
        queue_share: For an accelerator: the part of an inference that queues behind others' kernels.
    """

    memory_sensitivity: Parameter
    queue_share: Parameter | None = None


class MeasuredAs(Table, frozen=True, kw_only=True):
    """Where a file of ncnn's latencies speaks of a cluster.

    Attributes:
        section: How the board's heading begins in that file.
        powersave: The `powersave` column: 0 all cores, 1 the LITTLE ones, 2 the big ones; None is any.
        gpu_device: The `gpu_device` column; -1 is the CPU.
        frequency_mhz: The clock of those rows; None is the highest of the ladder.
        is_another_setup: Another build of ncnn, or another clock, made these rows: they are compared with the model
            only after their median factor to it is taken out.
    """

    section: str
    powersave: Annotated[int, Meta(ge=0, le=2)] | None = None
    gpu_device: Annotated[int, Meta(ge=-1)] = -1
    frequency_mhz: Annotated[float, Meta(gt=0)] | None = None
    is_another_setup: bool = False


class ClusterSpec(Table, frozen=True, kw_only=True):
    """Identical cores, or one accelerator, that share a clock.

    Attributes:
        name: Such as `a15`, `gpu`.
        title: For people.
        kind: cpu, gpu or npu.
        cpus: The kernel's numbers of its cores; empty for an accelerator.
        capacity: The kernel's relative capacity, 1 to 1024, where it says one.
        ladder: Its clocks.
        governor: What the kernel runs while nobody holds the board.
        on_request: Why the command line offers this cluster only to those who name it, such as for want of a runtime.
        clock_delay_ms: From a request until the new clock is in force.
        transition_latency_us: What the kernel believes of that, from which governors take their period.
        idle_states: Lightest first.
        migration_us: What the first inference takes longer that an application runs here after another cluster: its
            threads move, and caches are cold.
        first_run_us: What the first inference of a sub-network takes longer after another sub-network's of the same
            application: its weights and its memory are cold.
        measured_as: Where public latencies of it are to be found.
    """

    name: str
    title: str
    kind: Kind
    cpus: tuple[int, ...] = ()
    capacity: Annotated[int, Meta(ge=1, le=1024)] | None = None
    ladder: Ladder
    governor: Governor
    on_request: str | None = None
    clock_delay_ms: Parameter
    transition_latency_us: Parameter | None = None
    latency: LatencyParameters
    power: PowerParameters
    contention: ContentionParameters
    idle_states: tuple[IdleState, ...] = ()
    migration_us: Parameter | None = None
    first_run_us: Parameter | None = None
    measured_as: tuple[MeasuredAs, ...] = ()

    @property
    def n_cores(self) -> int:
        """At least 1: an accelerator counts as one core."""
        return max(1, len(self.cpus))

    @property
    def frequencies_hz(self) -> tuple[int, ...]:
        """Its clocks, slowest first."""
        return tuple(round(mhz * 1e6) for mhz in self.ladder.frequency_mhz)

    def voltage_v(self, frequency_hz: int) -> float:
        """The voltage at a clock of the ladder; 1 where nothing is known.

        Raises:
            ValueError: No such clock.
        """
        index = self.frequencies_hz.index(frequency_hz)
        return self.ladder.voltage_v[index] if self.ladder.voltage_v else 1.0


class MemorySpec(Table, frozen=True, kw_only=True):
    """The memory that all clusters share.

    Attributes:
        bandwidth_gb_s: Of all clusters together, at its highest clock.
        frequency_mhz: Its clocks, ascending; the manager cannot see or set them.
        clock_delay_ms: From a request until the new clock is in force.
        clock_exponent: Bandwidth falls with (clock / highest clock) to this power.
        idle_w: Drawn always.
        pj_per_byte: Drawn for each byte moved.
    """

    bandwidth_gb_s: Parameter
    frequency_mhz: tuple[float, ...]
    clock_delay_ms: Parameter
    clock_exponent: Parameter
    idle_w: Parameter
    pj_per_byte: Parameter


class ThermalNode(Table, frozen=True, kw_only=True):
    """A lump of heat capacity.

    Attributes:
        name: Such as `a15`, `board`.
        capacity_j_per_k: Its heat capacity.
        to_ambient_w_per_k: Its conductance to the air; 0 for none.
        to: Its conductance to other nodes, W/K, by name; each pair once.
        heat_share: Which part of each cluster's power heats it, by cluster; `memory` and `board` are names, too.
    """

    name: str
    capacity_j_per_k: Parameter
    to_ambient_w_per_k: Parameter
    to: dict[str, Parameter] = {}
    heat_share: dict[str, Share] = {}


class Cooling(Table, frozen=True, kw_only=True):
    """What the kernel does above a trip.

    Attributes:
        lowest_mhz: How far it lowers each cluster's clock, by cluster.
        highest_mhz: What the first step lowers it to at once, by cluster; else it goes down one clock after the other.
        rail_mhz: The lowest clock whose voltage the rail goes down to meanwhile, by cluster, where a board lowers the
            clock further than the voltage; else the voltage follows the clock.
    """

    lowest_mhz: dict[str, float]
    highest_mhz: dict[str, float] = {}
    rail_mhz: dict[str, float] = {}


class Trip(Table, frozen=True, kw_only=True):
    """A temperature at which the kernel acts.

    Attributes:
        name: For people.
        kind: passive lowers clocks, fan raises the conductance to the air, critical switches the board off.
        temperature_c: Where it begins.
        hysteresis_c: It ends this far below.
        cooling: What a passive trip lowers.
        conductance: What a fan makes of every node's `to_ambient_w_per_k`, as a factor.
    """

    name: str
    kind: Literal["passive", "fan", "critical"]
    temperature_c: Parameter
    hysteresis_c: Parameter
    cooling: Cooling | None = None
    conductance: Parameter | None = None


class ThermalSpec(Table, frozen=True, kw_only=True):
    """How a board warms, and what it does about it.

    Attributes:
        ambient_c: Of the air, unless a scenario says otherwise.
        nodes: Lumps of capacity.
        trips: Rising.
        polling_ms: How often the kernel looks while a trip is exceeded.
    """

    ambient_c: Parameter
    nodes: tuple[ThermalNode, ...]
    trips: tuple[Trip, ...]
    polling_ms: Parameter


class SensorSpec(Table, frozen=True, kw_only=True):
    """A sensor that the board has.

    Attributes:
        name: Of the monitor, `a15.power_w` or `a15.temperature_c`.
        of: What it reads: clusters, `memory`, `board` (all that is not on another rail) for power, summed; one thermal
            node for temperature.
        period_ms: It changes this often.
        resolution: Its smallest step, in the unit of its quantity.
        noise: Standard deviation of one reading, in the unit of its quantity.
        offset_k_per_w: A temperature's reading above its node, for each watt that heats the node.
    """

    name: str
    of: tuple[str, ...]
    period_ms: Parameter
    resolution: Parameter
    noise: Parameter
    offset_k_per_w: Parameter | None = None


class NoiseSpec(Table, frozen=True, kw_only=True):
    """How latencies scatter; `tenuto.platforms.simulated.noise` has the process.

    Attributes:
        sigma: Of the logarithm of a quiet latency.
        burst_begin: Probability that a quiet inference is followed by a disturbed one.
        burst_stay: Probability that a disturbed inference is followed by another.
        tail_scale: Least excess of a disturbed latency, as a part of the median.
        tail_index: Of the Pareto tail of the excess: smaller is heavier.
    """

    sigma: Parameter
    burst_begin: Parameter
    burst_stay: Parameter
    tail_scale: Parameter
    tail_index: Parameter


class BatterySpec(Table, frozen=True, kw_only=True):
    """A battery that feeds the board.

    Attributes:
        capacity_wh: When full.
        efficiency: Of the converter between it and the board.
    """

    capacity_wh: Parameter
    efficiency: Parameter


class ValidationResult(Table, frozen=True, kw_only=True):
    """How far the model was off on measurements that it was not fitted to.

    Attributes:
        what: Which measurements, held out how.
        figure: The error's name and unit, `median_error_pct`.
        value: The error.
        asked: What it was to be, if something was asked.
        command: What computes it anew.
    """

    what: str
    figure: str
    value: float
    asked: float | None = None
    command: str


class BoardSpec(Table, frozen=True, kw_only=True):
    """A simulated board.

    Attributes:
        id: Name and version, `odroid-xu3@1`. Other constants are another version.
        title: For people.
        references: What `from` keys stand for.
        clusters: The least capable first.
        memory: What they share.
        base_w: Drawn by everything that is none of the clusters or the memory.
        thermal: Heat.
        sensors: What can be read. A board without a power sensor lists none.
        noise: Of latencies.
        battery: If it runs on one.
        validation: What was measured of the model itself.
        notes: What a user should know, one sentence each.
        fitted_networks: The public networks whose latencies the model was fitted to; others are unseen.
    """

    id: str
    title: str
    references: dict[str, str]
    clusters: tuple[ClusterSpec, ...]
    memory: MemorySpec
    base_w: Parameter
    thermal: ThermalSpec
    sensors: tuple[SensorSpec, ...]
    noise: NoiseSpec
    battery: BatterySpec | None = None
    validation: tuple[ValidationResult, ...] = ()
    notes: tuple[str, ...] = ()
    fitted_networks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The id without its version."""
        return self.id.partition("@")[0]

    def cluster(self, name: str) -> ClusterSpec:
        """One cluster.

        Raises:
            UnknownNameError: The board has no such cluster.
        """
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        raise UnknownNameError("cluster", name, (cluster.name for cluster in self.clusters))


def parameters(table: Any, path: str = "") -> list[tuple[str, Parameter]]:
    """Every figure of a board with its dotted path, in the file's order."""
    if isinstance(table, Parameter):
        return [(path, table)]
    if isinstance(table, Table):
        items = [(name, getattr(table, name)) for name in table.__struct_fields__]
    elif isinstance(table, dict):
        items = list(table.items())
    elif isinstance(table, tuple):
        items = [(getattr(one, "name", str(index)), one) for index, one in enumerate(table)]
    else:
        return []
    return [found for name, one in items for found in parameters(one, f"{path}.{name}" if path else str(name))]
