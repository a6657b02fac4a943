"""`tenuto select`: one choice from an operating table, and why."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from tenuto.cli._points import (
    AccuracyOption,
    BatchOption,
    BoardOption,
    CapOption,
    CoresOption,
    EnergyOption,
    LatencyOption,
    MaximiseOption,
    MemoryOption,
    MinimiseOption,
    NetworkOption,
    OnlyOption,
    Points,
    PowerOption,
    SiliconOption,
    TableOption,
    TemperatureOption,
    WithOption,
    WithoutOption,
    bounds_of,
    open_points,
    requirements_of,
    resources_of,
)
from tenuto.cli._rows import configuration_as_json, metrics_as_json
from tenuto.control import Relaxation, Selection, select
from tenuto.points import OperatingTable
from tenuto.profiling.modelled import DEFAULT_TEMPERATURE_C
from tenuto.requirements import Constraint, Requirements
from tenuto.units import QUANTITIES, show, show_frequency

_SHOWN = ("latency_ms", "energy_mj", "power_w", "accuracy_pct", "memory_mb", "temperature_c")


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What was asked, and what came of it."""

    points: Points
    requirements: Requirements
    selection: Selection

    @property
    def table(self) -> OperatingTable:
        return self.points.table


def command(
    *,
    board: BoardOption = None,
    network: NetworkOption = None,
    table: TableOption = None,
    latency_ms: LatencyOption = None,
    energy_mj: EnergyOption = None,
    power_w: PowerOption = None,
    accuracy_pct: AccuracyOption = None,
    memory_mb: MemoryOption = None,
    temperature_c: TemperatureOption = None,
    maximise: MaximiseOption = None,
    minimise: MinimiseOption = None,
    cores: CoresOption = None,
    only: OnlyOption = None,
    including: WithOption = None,
    without: WithoutOption = None,
    max_frequency: CapOption = None,
    batch: BatchOption = 1,
    silicon_c: SiliconOption = DEFAULT_TEMPERATURE_C,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Choose a sub-network, a cluster, its cores and its clock: the best that keeps every bound.

    Bounds that cannot all be kept are given up, the least important first; that is an answer, too.
    """
    points = open_points(
        board,
        network,
        table,
        resources_of(cores, only, without, max_frequency),
        including=including,
        batch=batch,
        silicon_c=silicon_c,
    )
    bounds = bounds_of(
        latency_ms=latency_ms,
        energy_mj=energy_mj,
        power_w=power_w,
        accuracy_pct=accuracy_pct,
        memory_mb=memory_mb,
        temperature_c=temperature_c,
    )
    requirements = requirements_of(points.table, bounds, maximise=maximise, minimise=minimise)
    answer = _Answer(points, requirements, select(points.table, requirements))
    for warning in (*points.warnings, *_warmth(answer)):
        Console(stderr=True).print(Text(f"tenuto: {warning}", style="yellow"), soft_wrap=True)
    if json:
        typer.echo(msgspec.json.encode(as_json(answer)).decode())
    else:
        render(answer, Console())


def as_json(answer: _Answer) -> dict[str, object]:
    """The answer for `--json`."""
    table, selection = answer.table, answer.selection
    return {
        "origin": answer.points.origin,
        "network": table.sub_networks[0].network,
        "accuracy_from": answer.points.accuracy_from,
        "configuration": configuration_as_json(table, selection.point),
        "metrics": metrics_as_json(table, selection.point),
        "violated": list(selection.violated),
        "reason": {
            "text": " ".join(_reason(answer)),
            "objective": answer.requirements.objective.metric,
            "among_equals": selection.tie_break,
            "binding": selection.binding,
            "relaxations": [_relaxation(table, relaxation) for relaxation in selection.relaxations],
            "enough": dict(selection.enough),
            "enough_alone": dict(selection.enough_alone),
        },
        "runner_up": None
        if selection.runner_up is None
        else {
            "configuration": configuration_as_json(table, selection.runner_up),
            "metrics": metrics_as_json(table, selection.runner_up),
        },
        "available": {
            "n_points": len(table),
            "clusters": sorted({table.clusters[index] for index in table.cluster_index.tolist()}),
            "left_out": dict(answer.points.left_out),
            "max_frequency_hz": {
                cluster: {"asked": asked, "became": became} for cluster, (asked, became) in answer.points.caps.items()
            },
        },
    }


def _relaxation(table: OperatingTable, relaxation: Relaxation) -> dict[str, Any]:
    return {
        "metric": relaxation.metric,
        "bound": relaxation.bound,
        "relaxed_bound": relaxation.relaxed_bound,
        "gain": relaxation.gain,
        "gain_metric": relaxation.gain_metric,
        "configuration": configuration_as_json(table, relaxation.point),
    }


def render(answer: _Answer, console: Console) -> None:
    """Print the answer for people."""
    table, selection = answer.table, answer.selection
    lines = [("choice", _place(answer, selection.point)), ("", _figures(table, selection.point))]
    lines += [("why" if index == 0 else "", sentence) for index, sentence in enumerate(_reason(answer))]
    if selection.runner_up is not None:
        lines += [("runner-up", _place(answer, selection.runner_up)), ("", _figures(table, selection.runner_up))]
    lines += [("available" if index == 0 else "", note) for index, note in enumerate(answer.points.notes)]
    lines.append(("from", f"{answer.points.origin}; {len(table)} points"))
    if answer.points.accuracy_from and "accuracy_pct" in table.metrics:
        lines.append(("accuracy", answer.points.accuracy_from))
    for head, words in lines:
        style = "bold" if head == "choice" else ""
        console.print(Text.assemble((f"{head:<11}", "dim"), (words, style)), soft_wrap=True)


def _place(answer: _Answer, row: int) -> str:
    """A configuration in words."""
    configuration = answer.table.configuration(row)
    name = configuration.sub_network.name
    title = answer.points.titles.get(name, name)
    cores = f"{configuration.n_cores} core{'s' if configuration.n_cores > 1 else ''}"
    clock = "" if configuration.frequency_hz is None else f" at {show_frequency(configuration.frequency_hz)}"
    called = name if title == name else f"{title} ({name})" if len(name) <= 24 else title
    return f"{called} on {configuration.cluster}, {cores}{clock}"


def _figures(table: OperatingTable, row: int) -> str:
    estimates = table.point(row).metrics
    shown = (f"{show(name, estimates[name].value)} {estimates[name].source}" for name in _SHOWN if name in estimates)
    return " · ".join(shown)


def _reason(answer: _Answer) -> list[str]:
    """Why, in sentences."""
    selection, objective = answer.selection, answer.requirements.objective
    if selection.violated:
        return _infeasible(answer)
    best = "The highest" if objective.sense == "maximise" else "The lowest"
    kept = f" that keeps {_and([_bound(c) for c in answer.requirements.constraints])}"
    among = f"; among equals the one of least {selection.tie_break}" if selection.tie_break else ""
    sentences = [f"{best} {objective.metric}{kept if answer.requirements.constraints else ' there is'}{among}."]
    if not selection.relaxations:
        sentences.append("No single bound keeps a better one out.")
    for index, one in enumerate(selection.relaxations):
        word = "Binding is" if index == 0 else "Also in the way:"
        bound = next(c for c in answer.requirements.constraints if c.metric == one.metric)
        sentences.append(
            f"{word} {_bound(bound)}: {show(one.metric, one.relaxed_bound)} would allow {_place(answer, one.point)}, "
            f"{show(one.gain_metric, one.gain)} better in {one.gain_metric}."
        )
    return sentences


def _infeasible(answer: _Answer) -> list[str]:
    selection = answer.selection
    bounds = {c.metric: _bound(c) for c in answer.requirements.constraints}
    sentences = [f"Nothing keeps every bound: given up {_and([bounds[metric] for metric in selection.violated])}."]
    alone = [_enough(metric, figure) for metric, figure in selection.enough_alone.items()]
    if alone:
        sentences.append(f"With the others as they are, enough would have been {' or '.join(alone)}.")
    if set(selection.enough) - set(selection.enough_alone) or not alone:
        together = [_enough(metric, figure) for metric, figure in selection.enough.items()]
        sentences.append(f"For this choice, enough would have been {_and(together)}.")
    return sentences


def _enough(metric: str, figure: float) -> str:
    return f"{metric} {'>=' if QUANTITIES[metric].higher_is_better else '<='} {show(metric, figure)}"


def _bound(constraint: Constraint) -> str:
    return f"{constraint.metric} {constraint.relation} {constraint.bound:g} {QUANTITIES[constraint.metric].unit}"


def _warmth(answer: _Answer) -> list[str]:
    """Whether the board would get too warm for the choice."""
    warm = answer.table.point(answer.selection.point).metrics.get("temperature_c")
    trip = answer.table.about.get("throttles_above_c")
    if warm is None or not isinstance(trip, int | float) or warm.value <= trip:
        return []
    return [
        f"without pauses the choice would warm the board to {show('temperature_c', warm.value)}, "
        f"and its kernel lowers clocks above {show('temperature_c', float(trip))}"
    ]


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
