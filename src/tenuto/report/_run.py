"""What a report is made of."""

from dataclasses import dataclass
from typing import Self

from tenuto.traces import Event, Measures, Step, Trace, TraceHeader, measure


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One policy's passage through a stream, measured.

    Attributes:
        policy: The name to print.
        header: Its trace's header: the operating table, the requirements.
        steps: Each inference, in order.
        events: What happened from outside; one with an end is a disturbance, and shaded.
        measures: How it went.
    """

    policy: str
    header: TraceHeader
    steps: tuple[Step, ...]
    events: tuple[Event, ...]
    measures: Measures

    @classmethod
    def of(cls, trace: Trace, *, policy: str | None = None) -> Self:
        """Measure a trace; its disturbances are the events that have an end."""
        disturbances = [event for event in trace.events if event.until_s is not None]
        return cls(
            policy or trace.header.policy,
            trace.header,
            trace.steps,
            trace.events,
            measure(trace.steps, disturbances=disturbances),
        )

    @property
    def deadline_ms(self) -> float | None:
        """The deadline that was asked for, or None."""
        constraint = self.header.requirements.constraint("latency_ms")
        return None if constraint is None else constraint.bound
