"""What a moment of a trace says, in sentences."""

from tenuto.cli._moments import Moment
from tenuto.control import reasons, titles_of
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.units import QUANTITIES, show, show_frequency


def asked(needs: Requirements) -> str:
    """What had to hold."""
    bounds = [
        f"{one.metric} {one.relation} {one.bound:g} {QUANTITIES[one.metric].unit}"
        + (f" (at most {one.miss_pct:g} % late)" if one.miss_pct else "")
        for one in needs.constraints
    ]
    return ", ".join([*bounds, f"{needs.objective.sense} {needs.objective.metric}"])


def observed(moment: Moment) -> list[str]:
    """What the policy was told, and what went on meanwhile."""
    observation, table = moment.step.observation, moment.trace.header.table
    if observation.latency_ms is None:
        words = ["no latency of an inference before it"]
    elif observation.in_force is None:
        words = [f"the inference before it took {show('latency_ms', observation.latency_ms)}, of no certain point"]
    else:
        profiled = table.column("latency_ms").estimate(observation.in_force) if "latency_ms" in table.metrics else None
        against = (
            ""
            if profiled is None
            else f", {observation.latency_ms / profiled.value:.2f} times its profile"
            if profiled.value > 0
            else ""
        )
        words = [
            f"the inference before it took {show('latency_ms', observation.latency_ms)}{against} "
            f"({place_name(table, observation.in_force)})"
        ]
    if observation.last_waited_ms:
        words[0] += f", after waiting {show('latency_ms', observation.last_waited_ms)}"
    queue = f"; {observation.n_queued} more wait behind it" if observation.n_queued else ""
    words.append(f"this input had waited {show('latency_ms', observation.waited_ms)}{queue}")
    if observation.allotment is not None:
        one = observation.allotment
        clock = "" if one.frequency_hz is None else f" at {show_frequency(one.frequency_hz)}"
        words.append(f"allotted {one.n_cores} of {one.cluster}{clock}")
    readings = [
        f"{QUANTITIES[name].title if name in QUANTITIES else name} "
        + (show(name, value) if name in QUANTITIES else f"{value:g}")
        for name, value in observation.readings.items()
    ]
    if readings:
        words.append(", ".join(readings))
    if moment.during:
        words.append(f"meanwhile, unknown to it: {', '.join(event.label for event in moment.during)}")
    return words


def why(moment: Moment) -> list[str]:
    """The choice, then why, one sentence each."""
    return reasons(
        moment.trace.header.table,
        moment.step.decision,
        moment.requirements.objective.metric,
        requirements=moment.requirements,
        waited_ms=moment.step.waited_ms,
    )


def outcome(moment: Moment) -> list[str]:
    """What came of it."""
    step, table = moment.step, moment.trace.header.table
    if step.response_ms is None or step.latency_ms is None:
        words = ["no answer came, which counts as a miss"]
    elif step.deadline_ms is None:
        words = [f"the answer took {show('latency_ms', step.response_ms)}; there was no deadline"]
    else:
        by = show("latency_ms", abs(step.deadline_ms - step.response_ms))
        verdict = f"late by {by}" if step.is_missed else f"in time by {by}"
        words = [f"{verdict}: {show('latency_ms', step.response_ms)} of {show('latency_ms', step.deadline_ms)}"]
        if step.waited_ms >= 0.01:
            words[0] += f", waiting {show('latency_ms', step.waited_ms)} of it"
        promised_ms = step.decision.latency_ms
        if promised_ms is not None and step.latency_ms > promised_ms:
            words.append(f"it took {show('latency_ms', step.latency_ms - promised_ms)} more than was promised")
    if step.applied is not None and step.applied != step.decision.point:
        words.append(f"not as decided: in force was {place_name(table, step.applied)}")
    elif step.applied is None and step.latency_ms is not None:
        words.append("which point was in force is not certain, so nothing is learned from it")
    if step.is_fallback:
        words.append("the runtime fell back to its safe configuration")
    if step.error is not None:
        words.append(f"trouble: {step.error}")
    if step.decide_us is not None:
        words.append(f"deciding took {step.decide_us:.1f} µs")
    return words


def because(table: OperatingTable, moment: Moment) -> str:
    """The reason in a few words."""
    decision = moment.step.decision
    if decision.given_up:
        return f"gives up {' and '.join(decision.given_up)}"
    reason = decision.reason
    if reason is None:
        return "no reason given"
    if reason.binding is None or reason.excluded is None:
        return "nothing better is kept out"
    name = titles_of(table)[table.configuration(reason.excluded).sub_network.name]
    bound = moment.requirements.constraint(reason.binding)
    needs = "" if reason.relaxed_bound is None else f", which needs {show(reason.binding, reason.relaxed_bound)}"
    if bound is not None and reason.relaxed_bound is not None and reason.relaxed_bound <= bound.bound:
        needs = " for now" if bound.relation == "<=" else needs
    return f"{reason.binding} keeps {name} on {table.configuration(reason.excluded).cluster} out{needs}"


def place_name(table: OperatingTable, row: int) -> str:
    """A point's configuration."""
    configuration = table.configuration(row)
    name = titles_of(table)[configuration.sub_network.name]
    cores = f"{configuration.n_cores} core{'s' if configuration.n_cores > 1 else ''}"
    clock = "" if configuration.frequency_hz is None else f" at {show_frequency(configuration.frequency_hz)}"
    return f"{name} on {configuration.cluster}, {cores}{clock}"
