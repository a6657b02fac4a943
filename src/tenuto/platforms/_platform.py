"""The boundary of a platform: clusters, knobs, monitors, and a board that is held and given back."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from tenuto.points import Configuration


@dataclass(frozen=True, slots=True)
class Opp:
    """An operating performance point, as the kernel means it: one clock of a cluster, and its voltage if known."""

    frequency_hz: int
    voltage_v: float | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Identical cores, or one accelerator, that share a clock (the kernel's performance domain).

    Attributes:
        name: `cpu`, or where cores differ `little`, `big`, ..., by rising capacity; `gpu`, `npu`.
        cpus: The kernel's numbers of its cores that are online and ours to use; empty for an accelerator.
        opps: Its clocks, slowest first; empty where the clock cannot be set here.
        capacity: The kernel's relative computing capacity, 1 to 1024, or None where it does not say.
    """

    name: str
    cpus: tuple[int, ...]
    opps: tuple[Opp, ...] = ()
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Knob:
    """Something that may be set.

    Attributes:
        name: Such as `cpu.cores` or `big.frequency_hz`.
        domain: Its values, ascending.
        is_writable: Whether we may, now.
        remedy: What would make it writable, where it is not.
    """

    name: str
    domain: tuple[int, ...]
    is_writable: bool = True
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """Something that may be read.

    Attributes:
        name: Unique on the platform: its source and its quantity, such as `x86_pkg_temp.temperature_c`.
        quantity: A name of `tenuto.units.QUANTITIES` (`temperature_c`).
        behaviour: How it moves (GEOPM's four kinds).
        path: Where it is read, for people.
        period_s: A reading is a mean over at least this long; None where it is a reading of the moment.
    """

    name: str
    quantity: str
    behaviour: Literal["constant", "monotone", "variable", "label"] = "variable"
    path: str | None = None
    period_s: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something useful that this machine does not offer now.

    Attributes:
        what: What one would like to read or set (`temperature`).
        why: What was found instead.
        remedy: What would give it: a command, a driver, another machine; None where nothing would.
    """

    what: str
    why: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One batch of readings, taken together.

    Attributes:
        time_s: When, on the platform's monotonic clock.
        readings: By monitor name. A monitor that could not be read this time is not in it.
    """

    time_s: float
    readings: Mapping[str, float] = field(default_factory=dict)


class HeldBoard(Protocol):
    """A board while we hold it."""

    def snapshot(self) -> Snapshot:
        """Read every monitor once."""
        ...

    def apply(self, configuration: Configuration) -> Configuration:
        """Put cluster, cores and clock in force, and read them back (the sub-network is the engine's).

        Returns:
            The configuration as the board reports it.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: More cores than the cluster has, or a clock off its ladder.
            DeniedError: A permission is missing.
            KnobRejectedError: The board reports another value than the one written: of a clock, `found` is the clock
                that it keeps instead, and all else of the configuration is in force.
        """
        ...


@runtime_checkable
class OwnTime(Protocol):
    """What a held board offers, too, if its time is not this machine's: it is then looked at where its time stands."""

    @property
    def n_processors(self) -> int:
        """All that the board has."""
        ...

    def own_s(self) -> float:
        """Processor time that the application used on the board so far."""
        ...


@runtime_checkable
class Platform(Protocol):
    """The only object that touches hardware, real or simulated.

    A new board is these facts and one verb, and passes `tenuto.testing.check_platform`.
    """

    @property
    def name(self) -> str:
        """What it is called in tables and reports."""
        ...

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Its clusters, the least capable first."""
        ...

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """What can be set, now or with another permission."""
        ...

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """What can be read. Absent is absent."""
        ...

    def read_knobs(self) -> Mapping[str, str]:
        """Everything that `hold` saves and puts back, as the board shows it now; a test of restoring compares two."""
        ...

    def hold(self) -> AbstractContextManager[HeldBoard]:
        """Save every knob, hand the board over, and put every knob back on every way out.

        Raises:
            PlatformError: Somebody else holds it, or a knob cannot be read.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """What a platform may say about itself beyond `Platform`; `tenuto doctor` shows it."""

    @property
    def machine(self) -> Mapping[str, str]:
        """Facts for people, by name: kernel, processor, memory; an unknown one is not in it."""
        ...

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What one would want here and cannot have, and why."""
        ...

    def snapshot(self) -> Snapshot:
        """Read every monitor without holding the board."""
        ...
