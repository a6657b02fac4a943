"""What happened at one inference, and what a whole recording needs besides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tenuto._version import __version__
from tenuto.decisions import Decision, Observation
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements

SCHEMA: Final = 1
"""The version of the file format that this program writes."""


class Step(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One inference: what the policy was told, what it answered, and what came of it.

    Attributes:
        index: The input's number in the stream, from 0.
        time_s: When its inference started, in seconds since the stream did.
        observation: What the policy was told.
        decision: What it answered.
        applied: Row of the operating table really in force, or None where that is uncertain.
        latency_ms: What the inference took; None if no answer came.
        deadline_ms: From the input's arrival; None if there was none.
        waited_ms: How long the input had waited when its inference started.
        correct: How many of the answers were right, or None where nobody knows.
        n_inputs: How many labelled inputs were in it, or None.
        error: What the engine threw, or None.
        is_fallback: Whether the manager fell back to its safe configuration.
        decide_us: What deciding took, in microseconds, or None.
        load_pct: How busy the cores were, or None.
        energy_mj: What the inference used, or None where nothing measures it.
    """

    index: int
    time_s: float
    observation: Observation
    decision: Decision
    applied: int | None = None
    latency_ms: float | None = None
    deadline_ms: float | None = None
    waited_ms: float = 0.0
    correct: int | None = None
    n_inputs: int | None = None
    error: str | None = None
    is_fallback: bool = False
    decide_us: float | None = None
    load_pct: float | None = None
    energy_mj: float | None = None

    @property
    def response_ms(self) -> float | None:
        """From the input's arrival to its answer, which is what a deadline bounds; None if no answer came."""
        return None if self.latency_ms is None else self.waited_ms + self.latency_ms

    @property
    def is_missed(self) -> bool:
        """Whether the answer came after its deadline, or never."""
        response_ms = self.response_ms
        return response_ms is None or (self.deadline_ms is not None and response_ms > self.deadline_ms)


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Something from outside that the stream went through.

    Attributes:
        time_s: When, or when it began, in seconds since the stream started.
        label: What, such as `co-runner`.
        until_s: When it ended, for what lasts; None for what happens at once.
        from_index: The first input after it, where that matters for a replay.
        requirements: What had to hold from that input on, where it was a change of requirements.
    """

    time_s: float
    label: str
    until_s: float | None = None
    from_index: int | None = None
    requirements: Requirements | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceHeader:
    """What a recording needs so that it can be judged and replayed without anything else.

    Attributes:
        network: The super-network's name.
        platform: The platform's name.
        policy: The policy's name.
        parameters: The policy's parameters, plain JSON values.
        requirements: What had to hold.
        table: The operating points that the policy chose from.
        seed: The seed of whatever was random, or None.
        events: What was planned to happen.
        about: Whatever else is worth keeping, plain JSON values.
        created: When, ISO 8601.
        tenuto_version: Which version recorded it.
    """

    network: str
    platform: str
    policy: str
    requirements: Requirements
    table: OperatingTable
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    events: tuple[Event, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    tenuto_version: str = __version__


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A recording.

    Attributes:
        header: What it needs besides its steps.
        steps: Each inference, in order and without gaps.
        events: What was planned and what was marked while recording, by time.
        is_complete: Whether it was closed with every step in it; False after a crash or a full disk.
    """

    header: TraceHeader
    steps: tuple[Step, ...]
    events: tuple[Event, ...]
    is_complete: bool
