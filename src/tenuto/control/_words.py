"""A decision's reason in words."""

from tenuto.decisions import Decision
from tenuto.points import OperatingTable
from tenuto.units import show, show_frequency


def explain(table: OperatingTable, decision: Decision, objective: str) -> str:
    """A decision's reason in words.

    Args:
        table: That the decision was made from.
        decision: Any policy's.
        objective: The metric that was pushed.
    """
    words = [_in_words(table, decision.point)]
    if decision.given_up:
        words.append(f"gives up {' and '.join(decision.given_up)}, which no point can keep")
    reason = decision.reason
    if reason is None:
        return "; ".join([*words, "the policy gives no reason"])
    if reason.binding is None and not decision.given_up:
        words.append("no constraint keeps a better one out")
    if reason.excluded is not None and reason.relaxed_bound is not None and reason.gain is not None:
        bound = show(str(reason.binding), reason.relaxed_bound)
        words.append(
            f"{reason.binding} keeps {_in_words(table, reason.excluded)} out: a bound of {bound} would gain "
            f"{show(objective, reason.gain)} of {objective}"
        )
    if reason.runner_up is not None:
        words.append(f"runner-up {_in_words(table, reason.runner_up)}")
    return "; ".join(words)


def _in_words(table: OperatingTable, row: int) -> str:
    configuration = table.configuration(row)
    cores = f"{configuration.n_cores} core{'s' if configuration.n_cores > 1 else ''}"
    clock = "" if configuration.frequency_hz is None else f" at {show_frequency(configuration.frequency_hz)}"
    return f"{configuration.sub_network.name} on {configuration.cluster}, {cores}{clock}"
