"""`tenuto explain`: one decision of a recorded trace in words, or what happened in all of it."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tenuto.cli._moment_words import asked, because, observed, outcome, place_name, why
from tenuto.cli._moments import Moment, open_moments, place_at, place_of
from tenuto.cli._rows import configuration_as_json, metrics_as_json
from tenuto.decisions import Reason
from tenuto.errors import UsageError
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.traces import Trace, measure

_MOST_ROWS = 40
"""Rows of a digest that people read."""


def command(
    *,
    trace: Annotated[Path, typer.Argument(help="A recorded trace (JSON Lines).", show_default=False)],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="The step then: 12.3, 12.3s, 2m5s; -3s is before the end.")
    ] = None,
    policy_step: Annotated[
        int | None, typer.Option(metavar="N", help="The step with this number, as the trace counts them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Say in words what a recorded decision saw, what it chose and why, and what then happened.

    Without --at, a digest: every switch and every miss, with the reason.
    """
    if at is not None and policy_step is not None:
        raise UsageError(f"asked for --at {at} and --policy-step {policy_step}; give the one or the other")
    recorded = open_moments(trace)
    if not recorded.is_complete:
        Console(stderr=True).print(
            Text(f"tenuto: {trace} was cut short; what is in it is explained", style="yellow"), soft_wrap=True
        )
    if at is None and policy_step is None:
        moments = [moment for place in range(len(recorded.steps)) if (moment := Moment.of(recorded, place)).kinds]
        if json:
            _print({**_origin(recorded), **_digest_as_json(recorded, moments)})
        else:
            _render_digest(recorded, moments, Console())
        return
    place = place_at(recorded, at) if at is not None else place_of(recorded, policy_step or 0)
    moment = Moment.of(recorded, place)
    if json:
        _print({**_origin(recorded), **as_json(moment)})
    else:
        render(moment, Console())


def _print(answer: dict[str, object]) -> None:
    typer.echo(msgspec.json.encode(answer).decode())


def as_json(moment: Moment) -> dict[str, object]:
    """One moment for `--json`."""
    step, table = moment.step, moment.trace.header.table
    observation, decision = step.observation, step.decision
    return {
        "step": step.index,
        "time_s": step.time_s,
        "requirements": _asked_as_json(moment.requirements),
        "observed": {
            "latency_ms": observation.latency_ms,
            "in_force": None if observation.in_force is None else configuration_as_json(table, observation.in_force),
            "last_waited_ms": observation.last_waited_ms,
            "waited_ms": observation.waited_ms,
            "n_queued": observation.n_queued,
            "readings": dict(observation.readings),
            "during": [event.label for event in moment.during],
        },
        "decision": {
            "configuration": configuration_as_json(table, decision.point),
            "metrics": metrics_as_json(table, decision.point),
            "given_up": list(decision.given_up),
            "slowdown": decision.slowdown,
            "promised_latency_ms": decision.latency_ms,
        },
        "reason": _reason_as_json(moment),
        "outcome": {
            "applied": None if step.applied is None else configuration_as_json(table, step.applied),
            "is_as_decided": None if step.applied is None else step.applied == decision.point,
            "latency_ms": step.latency_ms,
            "response_ms": step.response_ms,
            "deadline_ms": step.deadline_ms,
            "is_missed": step.is_missed,
            "is_fallback": step.is_fallback,
            "error": step.error,
            "decide_us": step.decide_us,
        },
        "changed": moment.changes,
    }


def render(moment: Moment, console: Console) -> None:
    """Print one moment for people."""
    header, step = moment.trace.header, moment.step
    last = moment.trace.steps[-1]
    lines = [
        ("step", f"{step.index}, {step.time_s:.2f} s of {last.time_s:.2f} s"),
        ("", f"{header.policy} for {header.network} on {header.platform}"),
        ("asked", asked(moment.requirements)),
        *_headed("saw", observed(moment)),
    ]
    choice, *because_of = why(moment)
    lines += [("chose", choice), *_headed("why", because_of)]
    lines += _headed(
        "changed", moment.changes or ["nothing: as in the step before" if moment.before else "it was the first"]
    )
    lines += _headed("then", outcome(moment))
    for head, words in lines:
        style = "bold" if head == "chose" else "bold red" if head == "then" and step.is_missed else ""
        console.print(Text.assemble((f"{head:<9}", "dim"), (words, style)), soft_wrap=True)


def _headed(head: str, sentences: list[str]) -> list[tuple[str, str]]:
    return [(head if index == 0 else "", words) for index, words in enumerate(sentences)]


def _render_digest(trace: Trace, told: list[Moment], console: Console) -> None:
    measures, header = measure(trace.steps), trace.header
    console.print(
        Text(
            f"{header.policy} for {header.network} on {header.platform}: {measures.n} steps in "
            f"{trace.steps[-1].time_s:.2f} s, {measures.n_missed} missed, {measures.n_fallback} fell back"
        ),
        soft_wrap=True,
    )
    if not told:
        console.print("Nothing was missed and nothing changed; --at TIME explains any step.")
        return
    view = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (("s", "right"), ("step", "right"), ("what", "left"), ("ms", "right"), ("of ms", "right")):
        view.add_column(title, justify=justify, no_wrap=title != "what")  # type: ignore[arg-type]
    view.add_column("chose", overflow="fold")
    view.add_column("because", overflow="fold")
    for moment in told[:_MOST_ROWS]:
        step = moment.step
        view.add_row(
            f"{step.time_s:.2f}",
            str(step.index),
            Text(", ".join(moment.kinds), style="red" if step.is_missed else ""),
            _shown(step.response_ms),
            _shown(step.deadline_ms),
            Text(place_name(header.table, step.decision.point)),
            Text(step.error or because(header.table, moment)),
        )
    console.print(view)
    rest = len(told) - _MOST_ROWS
    if rest > 0:
        console.print(f"and {rest} more; --json has them all")
    console.print("--at TIME explains one of them in full")


def _digest_as_json(trace: Trace, told: list[Moment]) -> dict[str, object]:
    measures = measure(trace.steps)
    return {
        "steps": measures.n,
        "first_s": trace.steps[0].time_s,
        "last_s": trace.steps[-1].time_s,
        "missed": measures.n_missed,
        "fallbacks": measures.n_fallback,
        "happenings": [
            {
                "step": moment.step.index,
                "time_s": moment.step.time_s,
                "kinds": moment.kinds,
                "configuration": configuration_as_json(trace.header.table, moment.step.decision.point),
                "response_ms": moment.step.response_ms,
                "deadline_ms": moment.step.deadline_ms,
                "error": moment.step.error,
                "reason": "; ".join(why(moment)),
                "changed": moment.changes,
            }
            for moment in told
        ],
    }


def _origin(trace: Trace) -> dict[str, object]:
    header = trace.header
    return {
        "policy": header.policy,
        "network": header.network,
        "platform": header.platform,
        "is_complete": trace.is_complete,
    }


def _reason_as_json(moment: Moment) -> dict[str, object]:
    table, reason = moment.trace.header.table, moment.step.decision.reason or Reason()
    return {
        "text": "; ".join(why(moment)),
        "is_given": moment.step.decision.reason is not None,
        "objective": moment.requirements.objective.metric,
        "binding": reason.binding,
        "relaxed_bound": reason.relaxed_bound,
        "gain": reason.gain,
        "excluded": _point(table, reason.excluded),
        "runner_up": _point(table, reason.runner_up),
    }


def _point(table: OperatingTable, row: int | None) -> dict[str, Any] | None:
    return (
        None
        if row is None
        else {"configuration": configuration_as_json(table, row), "metrics": metrics_as_json(table, row)}
    )


def _asked_as_json(needs: Requirements) -> dict[str, object]:
    return {
        "constraints": [
            {"metric": one.metric, "relation": one.relation, "bound": one.bound, "miss_pct": one.miss_pct}
            for one in needs.constraints
        ],
        "objective": {"metric": needs.objective.metric, "sense": needs.objective.sense},
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
