"""Moments of a trace: which step is meant, what held then, and what it changed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenuto.control import titles_of
from tenuto.errors import TraceError, UsageError
from tenuto.requirements import Requirements
from tenuto.traces import Event, Step, Trace, read_trace
from tenuto.units import show_frequency

_TIME: Final = re.compile(
    r"(?P<sign>-?)(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?!s))?(?:(?P<s>\d+(?:\.\d*)?|\.\d+)s?)?", re.ASCII
)

_CHANGED_BELIEF: Final = 0.05
"""A believed slowdown that moved by a smaller share is as it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One step of a trace, and what is needed to explain it.

    Attributes:
        trace: Whose step it is.
        step: The step.
        before: The step before it, or None for the first.
        requirements: What had to hold.
        during: What lasted from outside.
    """

    trace: Trace
    step: Step
    before: Step | None
    requirements: Requirements
    during: tuple[Event, ...]

    @classmethod
    def of(cls, trace: Trace, place: int) -> "Moment":
        """The moment of the step at a place in the trace (from 0)."""
        step = trace.steps[place]
        during = tuple(
            one for one in trace.events if one.until_s is not None and one.time_s <= step.time_s < one.until_s
        )
        before = trace.steps[place - 1] if place else None
        return cls(trace, step, before, requirements_at(trace, step), during)

    @property
    def kinds(self) -> list[str]:
        """What makes it worth telling: `missed`, `fallback`, `error`, `switch`, `requirements`."""
        step, before = self.step, self.before
        has_new_needs = before is not None and requirements_at(self.trace, before) is not self.requirements
        kinds = {
            "missed": step.is_missed,
            "fallback": step.is_fallback,
            "error": step.error is not None,
            "switch": before is not None and before.decision.point != step.decision.point,
            "requirements": has_new_needs,
        }
        return [kind for kind, holds in kinds.items() if holds]

    @property
    def changes(self) -> list[str]:
        """How it differs from the step before, in words."""
        before, step, table = self.before, self.step, self.trace.header.table
        if before is None:
            return []
        old, new = table.configuration(before.decision.point), table.configuration(step.decision.point)
        words = []
        if old.sub_network != new.sub_network:
            names = titles_of(table)
            words.append(f"sub-network {names[old.sub_network.name]} to {names[new.sub_network.name]}")
        if old.cluster != new.cluster:
            words.append(f"cluster {old.cluster} to {new.cluster}")
        if old.n_cores != new.n_cores:
            words.append(f"{old.n_cores} to {new.n_cores} cores")
        if old.frequency_hz != new.frequency_hz:
            words.append(f"clock {_clock(old.frequency_hz)} to {_clock(new.frequency_hz)}")
        was, now = before.decision, step.decision
        if (
            was.slowdown is not None
            and now.slowdown is not None
            and abs(now.slowdown - was.slowdown) > _CHANGED_BELIEF * was.slowdown
        ):
            words.append(f"believed slowdown {was.slowdown:.2f} to {now.slowdown:.2f}")
        if was.given_up != now.given_up:
            words.append(f"gave up {_names(was.given_up)}, now {_names(now.given_up)}")
        bound = (was.reason.binding if was.reason else None, now.reason.binding if now.reason else None)
        if bound[0] != bound[1]:
            words.append(f"binding was {bound[0] or 'nothing'}, now {bound[1] or 'nothing'}")
        if "requirements" in self.kinds:
            words.append("the requirements are new")
        return words


def open_moments(path: str | Path) -> Trace:
    """Read a trace that has steps, and whose steps name points that its table has.

    Raises:
        TraceError: It cannot be read, has no step, or names a point that is not in its table.
    """
    trace = read_trace(path)
    if not trace.steps:
        raise TraceError(path, "has no step, so there is nothing to explain; record a stream first")
    n = len(trace.header.table)
    for step in trace.steps:
        reason = step.decision.reason
        named = [step.decision.point, step.applied, *([reason.runner_up, reason.excluded] if reason else [])]
        for row in named:
            if row is not None and not 0 <= row < n:
                raise TraceError(path, f"names point {row} in step {step.index} and its table has {n}; record it again")
    return trace


def place_at(trace: Trace, text: str) -> int:
    """The place of the step that was the last to begin at a time: `12.3`, `12.3s`, `2m5s`; `-3s` is from the end.

    Raises:
        UsageError: The text is no time, or the trace has no step then.
    """
    first_s, last_s = trace.steps[0].time_s, trace.steps[-1].time_s
    there = f"this trace has {len(trace.steps)} steps from {first_s:.2f} to {last_s:.2f} s"
    match = _TIME.fullmatch(text.strip())
    if match is None or not any(match[unit] for unit in "hms"):
        raise UsageError(f"--at {text!r}: no time; write 12.3, 12.3s, 2m5s, or -3s for so long before the end; {there}")
    time_s = 3600 * float(match["h"] or 0) + 60 * float(match["m"] or 0) + float(match["s"] or 0)
    if match["sign"]:
        time_s = last_s - time_s
    # A reader copies times from a report, where they are rounded.
    if not first_s - 0.005 <= time_s <= last_s + _last_s(trace):
        raise UsageError(f"--at {text}: asked {time_s:.2f} s, {there}; ask within")
    places = [place for place, step in enumerate(trace.steps) if step.time_s <= time_s + 0.005]
    return places[-1]


def place_of(trace: Trace, index: int) -> int:
    """The place of the step with a number.

    Raises:
        UsageError: The trace has no such step.
    """
    for place, step in enumerate(trace.steps):
        if step.index == index:
            return place
    raise UsageError(
        f"--policy-step {index}: this trace has steps {trace.steps[0].index} to {trace.steps[-1].index}; ask within"
    )


def requirements_at(trace: Trace, step: Step) -> Requirements:
    """What had to hold at a step."""
    now = trace.header.requirements
    for event in trace.events:
        if event.requirements is not None:
            begun = step.time_s >= event.time_s if event.from_index is None else step.index >= event.from_index
            now = event.requirements if begun else now
    return now


def _last_s(trace: Trace) -> float:
    """How long the last step was going on: its answer, or as long as there was from one step to the next."""
    steps = trace.steps
    between_s = steps[-1].time_s - steps[-2].time_s if len(steps) > 1 else 0.0
    return max((steps[-1].latency_ms or 0.0) / 1000, between_s, 0.005)


def _clock(frequency_hz: int | None) -> str:
    return "not ours" if frequency_hz is None else show_frequency(frequency_hz)


def _names(metrics: tuple[str, ...]) -> str:
    return " and ".join(metrics) or "nothing"
