"""What the slow tier is asked, and what it answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from tenuto.decisions import Allotment
from tenuto.errors import UsageError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

EVERYWHERE: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Applicant:
    """An application that asks for a place.

    Attributes:
        name: Its own, unlike all others'.
        table: Its operating points. `idle_power_w` in it makes energy that of a period, idling included.
        requirements: What must hold. Without `period_ms` its inputs are taken to come a deadline apart, and without a
            deadline one right after the other.
        priority: Who gives way last; higher is more important. Applications of equal priority give way together: the
            fewest constraints in all.
    """

    name: str
    table: OperatingTable
    requirements: Requirements
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """A cluster that is shared out.

    Attributes:
        cluster: Its name, as in the tables.
        n_cores: How many cores there are to share out; an accelerator counts as one.
        is_shared: Whether applications take turns on it (an accelerator), instead of having cores of their own.

    Raises:
        UsageError: A negative number of cores.
    """

    cluster: str
    n_cores: int
    is_shared: bool = False

    def __post_init__(self) -> None:
        if self.n_cores < 0:
            raise UsageError(f"{self.cluster}: asked n_cores={self.n_cores}, expected 0 or more")


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on a weighted sum of the clusters' mean powers.

    Attributes:
        name: For people: `board power`, `a15 in 10 s`.
        bound: What the sum may come to. In W where the weights are all 1; with thermal resistances (K/W) as weights,
            the kelvins left above what the clusters' own history leads to.
        weight: By cluster, 0 or more; a cluster that is not named counts nothing. Empty: every cluster counts 1.

    Raises:
        UsageError: A weight is negative, or a figure is no finite number.
    """

    name: str
    bound: float
    weight: Mapping[str, float] = field(default_factory=lambda: EVERYWHERE)

    def __post_init__(self) -> None:
        weight = dict(self.weight)
        wrong = [cluster for cluster, one in weight.items() if not 0 <= one < math.inf]
        if wrong:
            raise UsageError(f"budget {self.name}: weight of {wrong[0]} is {weight[wrong[0]]}; expected 0 or more")
        if not math.isfinite(self.bound):
            raise UsageError(f"budget {self.name}: bound is {self.bound}; leave out a budget that bounds nothing")
        object.__setattr__(self, "weight", MappingProxyType(weight))


class Paced(Protocol):
    """What is believed of a cluster now: a policy's `Allowance` will do."""

    @property
    def slowdown(self) -> float:
        """Latency now / latency in the profile."""
        ...

    @property
    def margin(self) -> float:
        """The quantile of latency / (slowdown x median) that the miss budget asks for."""
        ...


class Pace(msgspec.Struct, frozen=True, gc=False):
    """What is believed of a cluster now, as `Paced` asks; by default that the profile holds."""

    slowdown: float = 1.0
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class Prices:
    """What makes different things comparable. One *point* is one percentage point of accuracy.

    All are assumed: what a watt is worth in accuracy is the user's to say.

    Attributes:
        per_w: Points for one watt of mean power, where an application minimises energy or power.
        move: Points for an application that gets another cluster or another number of cores.
        clock: Points for a cluster in use whose clock changes.
        most_busy: An accelerator that several take turns on may be busy for this share of the time, 0 to 1.

    Raises:
        UsageError: A price is not above 0 (`per_w`), is negative, or `most_busy` is not above 0 and at most 1.
    """

    per_w: float = 5.0
    move: float = 0.25
    clock: float = 0.1
    most_busy: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.per_w < math.inf:
            raise UsageError(f"per_w: asked {self.per_w}, expected a number above 0")
        if not (0 <= self.move < math.inf and 0 <= self.clock < math.inf):
            raise UsageError(f"move, clock: asked {self.move}, {self.clock}; expected 0 or more")
        if not 0 < self.most_busy <= 1:
            raise UsageError(f"most_busy: asked {self.most_busy}, expected a share above 0 and at most 1")


class Place(msgspec.Struct, frozen=True):
    """What one application gets.

    Attributes:
        allotment: Where it may run; None tells it to wait.
        row: The row of its table that was reckoned with; None as above. Which sub-network it runs there is for its own
            policy to choose anew before every input.
        given_up: Metrics whose constraints the row does not keep, lowest priority first; all, where it must wait.
        latency_ms: The response promised, turns of others on an accelerator included; None where it must wait.
        power_w: What it adds to its cluster's mean power; None where it must wait, or its table does not say.
        cost: Its share of the joint cost, in points.
    """

    allotment: Allotment | None
    row: int | None
    given_up: tuple[str, ...]
    latency_ms: float | None
    power_w: float | None
    cost: float


class Allotments(msgspec.Struct, frozen=True):
    """The answer for all applications together.

    Attributes:
        places: One by each application's name, in the order asked.
        clocks_hz: By cluster, the clock that was reckoned with: of those in use it must be set; the others rest at the
            one that draws least. None where a cluster's clock is not ours to set.
        power_w: By cluster, mean power, idling included where the tables know it.
        n_given_up: The joint penalty: constraints given up, each weighing more than all that are less important
            together. 0 when every constraint holds.
        cost: The joint cost in points, lower is better: `Place.cost` and what the clusters' idling and changes of clock
            cost.
        binding: The budget that keeps a better answer out, or None.
        price: What one unit more of that budget would be worth, in points; None without one.
        is_exact: Whether nothing better exists in the model (to 1e-6 points); False where that is not known.
    """

    places: Mapping[str, Place]
    clocks_hz: Mapping[str, int | None]
    power_w: Mapping[str, float]
    n_given_up: float
    cost: float
    binding: str | None = None
    price: float | None = None
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """All that one question depends on, apart from the applicants.

    Attributes:
        beliefs: By application and cluster; what is not there is as profiled.
        budgets: Must hold.
        current: What applications have now.
        caps_hz: By cluster, the highest clock that it may have; 0 for a cluster that is gone.
    """

    beliefs: Mapping[str, Mapping[str, Paced]] = field(default_factory=lambda: MappingProxyType({}))
    budgets: tuple[Budget, ...] = ()
    current: Mapping[str, Allotment] = field(default_factory=lambda: MappingProxyType({}))
    caps_hz: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
