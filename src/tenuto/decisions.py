"""What a policy is told, and what it answers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

NO_READINGS: Final[Mapping[str, float]] = MappingProxyType({})


class Allotment(msgspec.Struct, frozen=True, gc=False):
    """Where an application may run, where a manager of several applications says so.

    Attributes:
        cluster: On this cluster only.
        n_cores: On so many of its cores.
        frequency_hz: At this clock, which others of the cluster share; None where it is not ours to set.
    """

    cluster: str
    n_cores: int
    frequency_hz: int | None = None


class Observation(msgspec.Struct, frozen=True, gc=False):
    """What is known when the next inference is about to start.

    Attributes:
        time_s: On the runtime's monotonic clock.
        in_force: Row of the operating table that was in force for the whole of the last inference; None if there was
            none yet, if a switch or a failure makes it uncertain. A latency is evidence about that row only.
        latency_ms: The last inference's latency, or None.
        last_waited_ms: How long the last input had waited before its inference started.
        waited_ms: How long the coming input has already waited: so much less is left of its deadline.
        readings: The platform's monitors by quantity (`temperature_c`); what cannot be read is not in it.
        n_queued: Inputs that have arrived and wait behind the coming one.
        allotment: Where it may run; None where it may run anywhere.
    """

    time_s: float
    in_force: int | None = None
    latency_ms: float | None = None
    last_waited_ms: float = 0.0
    waited_ms: float = 0.0
    readings: Mapping[str, float] = NO_READINGS
    n_queued: int = 0
    allotment: Allotment | None = None


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why a point was chosen.

    Attributes:
        binding: The metric whose constraint keeps the next better point out; None if the best point was chosen.
        runner_up: Row of the second-best point that keeps every constraint, or None.
        excluded: Row of the next better point that `binding` keeps out, or None.
        relaxed_bound: What the binding bound would have to be for `excluded` to be chosen, in its metric's unit.
        gain: How much of the objective that would buy, in its unit, 0 or more.
    """

    binding: str | None = None
    runner_up: int | None = None
    excluded: int | None = None
    relaxed_bound: float | None = None
    gain: float | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """A policy's answer.

    Attributes:
        point: The row of the operating table to put in force.
        given_up: Metrics whose constraints cannot be kept, lowest priority first. Infeasible is an answer, no error.
        slowdown: The believed latency of the point's cluster now / in the profile; None from a policy without belief.
        latency_ms: The latency that the point is promised to stay under with the probability asked for; None as above.
        reason: Why; None from a policy that has no reason to give.
    """

    point: int
    given_up: tuple[str, ...] = ()
    slowdown: float | None = None
    latency_ms: float | None = None
    reason: Reason | None = None
