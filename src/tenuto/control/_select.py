"""One choice from a table while nothing is disturbed, with its reasons in full.

A running policy must answer in microseconds; here there is time to ask the same plan several times: what the second
best is, which bound keeps something better out and how far it would have to move, and what would have been enough
where nothing is feasible.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenuto.control._plan import Plan
from tenuto.points import OperatingTable
from tenuto.requirements import Constraint, Objective, Requirements
from tenuto.units import QUANTITIES

TIE_BREAK: Final = "energy_mj"
"""What decides among points that are equal in the objective: all clocks of a sub-network are equally accurate."""


@dataclass(frozen=True, slots=True)
class _AsProfiled:
    """Nothing disturbs: the profile's medians hold."""

    slowdown: float = 1.0
    margin: float = 1.0
    ceiling_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A bound that alone keeps something better out.

    Attributes:
        metric: Whose bound.
        bound: As asked.
        relaxed_bound: The least change of it that lets `point` in.
        point: The row that would be chosen then.
        gain_metric: What gets better: the objective, or what decides among equals.
        gain: By how much, in its unit, more than 0.
    """

    metric: str
    bound: float
    relaxed_bound: float
    point: int
    gain_metric: str
    gain: float

    @property
    def effort(self) -> float:
        """The change of the bound, as a part of it."""
        return abs(self.relaxed_bound - self.bound) / (abs(self.bound) or 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A choice.

    Attributes:
        point: The row chosen.
        violated: Metrics whose bounds it breaks, most important first; empty where all hold.
        enough: Where some are violated: the bounds which, put in place of those asked, it would keep, by metric.
        enough_alone: Where some are violated: each bound that alone would have to give way, and how far.
        runner_up: The row that would be chosen if there were not the first, or None.
        relaxations: Bounds that alone keep something better out, the one that is nearest to letting it in first.
        tie_break: The metric that decided among equals, or None if the table does not carry it.
    """

    point: int
    violated: tuple[str, ...]
    enough: Mapping[str, float]
    enough_alone: Mapping[str, float]
    runner_up: int | None
    relaxations: tuple[Relaxation, ...]
    tie_break: str | None

    @property
    def binding(self) -> str | None:
        """The bound that is nearest to letting something better in; None if no single one is in the way."""
        return self.relaxations[0].metric if self.relaxations else None


def select(table: OperatingTable, requirements: Requirements) -> Selection:
    """The best row, as `Plan` finds it; among equals the one of least energy.

    Raises:
        UnknownMetricError: A constraint or the objective names a metric that the table does not carry.
    """
    tie_break = TIE_BREAK if TIE_BREAK in table.metrics and requirements.objective.metric != TIE_BREAK else None
    point, is_feasible = _best(table, requirements, tie_break)
    figures = {c.metric: _figure(table, c.metric, point) for c in requirements.constraints}
    violated = tuple(c.metric for c in requirements.constraints if not _keeps(c, figures[c.metric]))
    runner_up = None
    others = np.flatnonzero(_has(table, requirements.objective.metric) & (np.arange(len(table)) != point))
    if len(others):
        second, is_second_feasible = _best(table.take(others), requirements, tie_break)
        # A second choice that breaks bounds which the first keeps is none.
        runner_up = int(others[second]) if is_second_feasible == is_feasible else None
    return Selection(
        point,
        violated,
        MappingProxyType({name: figures[name] for name in violated if not math.isnan(figures[name])}),
        MappingProxyType(_enough_alone(table, requirements) if violated else {}),
        runner_up,
        () if violated else _relaxations(table, requirements, tie_break, point),
        tie_break,
    )


def _best(table: OperatingTable, requirements: Requirements, tie_break: str | None) -> tuple[int, bool]:
    """The best row, and whether it keeps every bound."""
    point, is_feasible = _choose(table, requirements)
    if tie_break is None or not bool(_has(table, tie_break).any()):
        return point, is_feasible
    # As good in the objective, and in what could not be kept no worse.
    bounds = {c.metric: c for c in requirements.constraints}
    for metric in (requirements.objective.metric, *bounds):
        figure = _figure(table, metric, point)
        if metric == requirements.objective.metric or not _keeps(bounds[metric], figure):
            bounds |= _reached(metric, figure)
    frugal, is_found = _choose(table, Requirements(tuple(bounds.values()), Objective(tie_break, "minimise")))
    return frugal if is_found else point, is_feasible


def _choose(table: OperatingTable, requirements: Requirements) -> tuple[int, bool]:
    decision = Plan.of(table, requirements).choose([_AsProfiled()] * len(table.clusters))
    return decision.point, not decision.given_up


def _enough_alone(table: OperatingTable, requirements: Requirements) -> dict[str, float]:
    """Each bound that alone stands in the way of every point, with the nearest one that would not."""
    found = {}
    for constraint in requirements.constraints:
        if not bool(_has(table, constraint.metric).any()):
            continue
        others = tuple(c for c in requirements.constraints if c is not constraint)
        point, is_feasible = _choose(table, Requirements(others, _push(constraint.metric)))
        if is_feasible:
            found[constraint.metric] = _figure(table, constraint.metric, point)
    return found


def _relaxations(
    table: OperatingTable, requirements: Requirements, tie_break: str | None, point: int
) -> tuple[Relaxation, ...]:
    """Which bounds keep a better objective out; if none does, which keep less energy out at the same objective."""
    objective = requirements.objective.metric
    found = _relaxed(table, requirements, tie_break, point, gain_metric=objective)
    if not found and tie_break is not None:
        found = _relaxed(table, requirements, tie_break, point, gain_metric=tie_break)
    return tuple(sorted(found, key=lambda relaxation: relaxation.effort))


def _relaxed(
    table: OperatingTable, requirements: Requirements, tie_break: str | None, point: int, *, gain_metric: str
) -> list[Relaxation]:
    """Each bound that alone keeps a row with a better `gain_metric` out, and how little it would have to move."""
    objective, reached = requirements.objective.metric, _figure(table, gain_metric, point)
    better = math.nextafter(reached, math.inf if QUANTITIES[gain_metric].higher_is_better else -math.inf)
    if math.isnan(better) or not _is_bound(gain_metric, better):
        return []
    bounds = {c.metric: c for c in requirements.constraints}
    if gain_metric != objective:
        bounds |= _reached(objective, _figure(table, objective, point))
    found = []
    for constraint in requirements.constraints:
        if constraint.metric in (gain_metric, objective):
            continue
        others = {**bounds, **_reached(gain_metric, better)}
        del others[constraint.metric]
        nearest, is_found = _choose(table, Requirements(tuple(others.values()), _push(constraint.metric)))
        if not is_found:
            continue
        relaxed = _reached(constraint.metric, _figure(table, constraint.metric, nearest))[constraint.metric]
        needs = Requirements(
            (*(c for c in requirements.constraints if c is not constraint), relaxed), requirements.objective
        )
        row, _ = _best(table, needs, tie_break)
        gain = abs(_figure(table, gain_metric, row) - reached)
        found.append(Relaxation(constraint.metric, constraint.bound, relaxed.bound, row, gain_metric, gain))
    return found


def _push(metric: str) -> Objective:
    return Objective(metric, "maximise" if QUANTITIES[metric].higher_is_better else "minimise")


def _is_bound(metric: str, figure: float) -> bool:
    """Whether a constraint may have this bound."""
    return metric == "temperature_c" or (figure > 0 and not (metric == "accuracy_pct" and figure > 100))


def _reached(metric: str, figure: float) -> dict[str, Constraint]:
    """The constraint that `figure` just keeps; none where every figure keeps it."""
    if QUANTITIES[metric].higher_is_better:
        return {metric: Constraint(metric, ">=", figure, priority=0)} if figure > 0 else {}
    bound = figure if metric == "temperature_c" else max(figure, sys.float_info.min)
    return {} if math.isnan(figure) else {metric: Constraint(metric, "<=", bound, priority=0)}


def _keeps(constraint: Constraint, figure: float) -> bool:
    """Whether a figure keeps a bound; one that is absent keeps nothing."""
    return figure >= constraint.bound if constraint.relation == ">=" else figure <= constraint.bound


def _has(table: OperatingTable, metric: str) -> NDArray[np.bool_]:
    """Rows with a latency and this figure: a plan can choose from these."""
    return ~np.isnan(table.column("latency_ms").value) & ~np.isnan(table.column(metric).value)


def _figure(table: OperatingTable, metric: str, row: int) -> float:
    return float(table.column(metric).value[row])
