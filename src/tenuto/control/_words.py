"""A decision's reason in words."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from tenuto.decisions import Decision, Reason
from tenuto.points import OperatingTable
from tenuto.requirements import Requirements
from tenuto.units import show, show_frequency

_LONGEST_NAME: Final = 24
"""Characters; a network with dozens of stages has names that nobody can read within a sentence."""

_NOTABLE: Final = 0.05
"""A slowdown nearer to 1 than this is how the profile had it."""


def explain(
    table: OperatingTable,
    decision: Decision,
    objective: str,
    *,
    requirements: Requirements | None = None,
    waited_ms: float = 0.0,
) -> str:
    """A decision's reason in words.

    Args:
        table: That the decision was made from.
        decision: Any policy's.
        objective: The metric that was pushed.
        requirements: What had to hold then. With them the words say how far from its bounds the choice is, what
            relaxing them costs, and the figures of the points that they name.
        waited_ms: How long the input had waited.
    """
    return "; ".join(reasons(table, decision, objective, requirements=requirements, waited_ms=waited_ms))


def reasons(
    table: OperatingTable,
    decision: Decision,
    objective: str,
    *,
    requirements: Requirements | None = None,
    waited_ms: float = 0.0,
) -> list[str]:
    """What `explain` says, one part each: the choice, its promise, what was given up, what binds, the runner-up."""
    figures = () if requirements is None else tuple(dict.fromkeys(("latency_ms", objective)))
    words = [_in_words(table, decision.point, figures)]
    if requirements is not None:
        words += _promise(table, decision, requirements, waited_ms)
    if decision.given_up:
        words.append(f"gives up {' and '.join(decision.given_up)}, which no point can keep")
    reason = decision.reason
    if reason is None:
        return [*words, "the policy gives no reason"]
    if reason.binding is None and not decision.given_up:
        words.append("no constraint keeps a better one out")
    if reason.binding is not None and reason.excluded is not None and reason.relaxed_bound is not None:
        kept_out = _in_words(table, reason.excluded, figures)
        words.append(f"{reason.binding} keeps {kept_out} out{_price(reason, objective, requirements)}")
    if reason.runner_up is not None:
        words.append(f"runner-up {_in_words(table, reason.runner_up, figures)}")
    return words


def titles_of(table: OperatingTable) -> Mapping[str, str]:
    """What to call each sub-network, by its name.

    The table's own `about["titles"]` where there are such; else the name, or where that is too long to read, which of
    how many it is, the least accurate (or else the quickest) first.
    """
    return {one.name: _title(table, index) for index, one in enumerate(table.sub_networks)}


def _title(table: OperatingTable, index: int) -> str:
    name = table.sub_networks[index].name
    told = table.about.get("titles")
    if isinstance(told, Mapping) and name in told:
        return str(told[name])
    if len(name) <= _LONGEST_NAME:
        return name
    n = len(table.sub_networks)
    metric = next((metric for metric in ("accuracy_pct", "latency_ms") if metric in table.metrics), None)
    figures = np.full(n, np.inf)
    if metric is not None:
        np.fmin.at(figures, table.sub_network_index, table.column(metric).value)
    rank = int(np.flatnonzero(np.argsort(figures, kind="stable") == index)[0]) + 1
    return f"sub-network {rank} of {n}"


def _promise(table: OperatingTable, decision: Decision, requirements: Requirements, waited_ms: float) -> list[str]:
    """How far from the deadline the choice is, and what is believed of its cluster."""
    words = []
    deadline = requirements.constraint("latency_ms")
    if decision.latency_ms is not None:
        often = "" if deadline is None or not deadline.miss_pct else f" in all but {deadline.miss_pct:g} % of cases"
        said = f"promised to take at most {show('latency_ms', decision.latency_ms)}{often}"
        if deadline is not None:
            left_ms = deadline.bound - waited_ms - decision.latency_ms
            side = "before" if left_ms >= 0 else "after"
            said += f", {show('latency_ms', abs(left_ms))} {side} the deadline of {show('latency_ms', deadline.bound)}"
        if waited_ms >= 0.01:
            said += f", of which {show('latency_ms', waited_ms)} were spent waiting"
        words.append(said)
    if decision.slowdown is not None and abs(decision.slowdown - 1) > _NOTABLE:
        cluster = table.clusters[int(table.cluster_index[decision.point])]
        words.append(f"{cluster} is believed to take {decision.slowdown:.2f} times as long as profiled")
    return words


def _price(reason: Reason, objective: str, requirements: Requirements | None) -> str:
    """What relaxing the bound would take, and buy."""
    binding, bound = str(reason.binding), float(reason.relaxed_bound or 0.0)
    buys = "" if reason.gain is None else f" would gain {show(objective, reason.gain)} of {objective}"
    constraint = None if requirements is None else requirements.constraint(binding)
    if constraint is None:
        return f": a bound of {show(binding, bound)}{buys}"
    asked = show(binding, constraint.bound)
    if (bound <= constraint.bound) if constraint.relation == "<=" else (bound >= constraint.bound):
        # A policy may know better than its estimate: after a miss longer points are left alone for a while.
        also = f" and{buys}" if buys else ""
        return f" for now, though by its estimate it would keep {asked} ({show(binding, bound)}){also}"
    by = show(binding, abs(bound - constraint.bound))
    side = "more" if bound > constraint.bound else "less"
    return f": a bound of {show(binding, bound)}, {by} {side} than asked,{buys}" if buys else f": it needs {by} {side}"


def _in_words(table: OperatingTable, row: int, metrics: tuple[str, ...]) -> str:
    configuration = table.configuration(row)
    cores = f"{configuration.n_cores} core{'s' if configuration.n_cores > 1 else ''}"
    clock = "" if configuration.frequency_hz is None else f" at {show_frequency(configuration.frequency_hz)}"
    name = _title(table, int(table.sub_network_index[row]))
    words = f"{name} on {configuration.cluster}, {cores}{clock}"
    estimates = {metric: table.column(metric).estimate(row) for metric in metrics if metric in table.metrics}
    figures = [f"{show(metric, one.value)} {one.source}" for metric, one in estimates.items() if one is not None]
    return f"{words} ({', '.join(figures)})" if figures else words
