"""What must hold: constraints, each with a priority, and one objective."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tenuto.errors import UnknownMetricError, UsageError
from tenuto.units import QUANTITIES

Relation = Literal["<=", ">="]

CONSTRAINABLE: Final = ("latency_ms", "accuracy_pct", "energy_mj", "power_w", "temperature_c", "memory_mb")
"""The metrics that a constraint may bound: from above, but accuracy from below."""

DEFAULT_PRIORITY: Final[Mapping[str, int]] = {
    "temperature_c": 60,
    "memory_mb": 50,
    "latency_ms": 40,
    "power_w": 30,
    "energy_mj": 20,
    "accuracy_pct": 10,
}
"""Who gives way last: the device's safety, then what cannot be had at all, then the deadline, then the rest.

ALERT keeps latency longest and gives power up first (papers: Wan et al., 2020); here energy and accuracy, which
spoil no other task, go before power.
"""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on one metric.

    Attributes:
        metric: One of `CONSTRAINABLE`.
        relation: `<=`, or `>=` for accuracy.
        bound: In the unit of the metric.
        priority: When not all constraints can hold, the lowest is given up first.
        miss_pct: For latency: of a hundred inferences, how many may be late (the miss budget). Else 0.

    Raises:
        UnknownMetricError: The metric is not one of `CONSTRAINABLE`.
        UsageError: The relation is the wrong way round, or a number is NaN, infinite, negative or absurd.
    """

    metric: str
    relation: Relation
    bound: float
    priority: int
    miss_pct: float = 0.0

    def __post_init__(self) -> None:
        _check_metric(self.metric)
        expected = _relation(self.metric)
        if self.relation != expected:
            raise UsageError(
                f"{self.metric}: asked {self.relation!r}, it can only be bounded with {expected!r}; use that"
            )
        object.__setattr__(self, "bound", _number(self.metric, self.bound))
        if self.bound <= 0 and self.metric != "temperature_c":
            raise UsageError(f"{self.metric}: asked {self.bound!r}, expected a number above 0; None asks for nothing")
        if self.metric == "accuracy_pct" and self.bound > 100:
            raise UsageError(f"accuracy_pct: asked {self.bound!r}, per cent go up to 100; ask for less")
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise UsageError(f"priority of {self.metric}: asked {self.priority!r}, expected a whole number")
        object.__setattr__(self, "miss_pct", _miss_pct(self.miss_pct))
        if self.miss_pct and self.metric != "latency_ms":
            raise UsageError(
                f"{self.metric}: asked miss_pct={self.miss_pct!r}, only latency_ms has a miss budget; drop it"
            )


@dataclass(frozen=True, slots=True)
class Objective:
    """The one figure to push, among the points that keep every constraint.

    Raises:
        UnknownMetricError: The metric is not one of `CONSTRAINABLE`.
        UsageError: The sense is the one that nobody wants, or neither of the two.
    """

    metric: str
    sense: Literal["minimise", "maximise"]

    def __post_init__(self) -> None:
        _check_metric(self.metric)
        better = "maximise" if QUANTITIES[self.metric].higher_is_better else "minimise"
        if self.sense != better:
            raise UsageError(f"{self.sense} {self.metric}: nobody wants that; did you mean {better}={self.metric!r}?")


@dataclass(frozen=True, slots=True)
class Mission:
    """An energy contract: what there is must last to the end.

    Attributes:
        duration_s: How long, from the start of the stream.
        energy_mj: What may be drawn until then, by the whole board; None for what the battery holds, as its monitor
            `battery.energy_mj` says.

    Raises:
        UsageError: A figure is not a finite number above 0.
    """

    duration_s: float
    energy_mj: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("duration_s", self.duration_s), ("energy_mj", self.energy_mj)):
            if value is not None:
                object.__setattr__(self, name, _positive(f"mission.{name}", value))


@dataclass(frozen=True, slots=True)
class Requirements:
    """Constraints, most important first, and one objective.

    Attributes:
        constraints: At most one per metric, by falling priority.
        objective: What to push.
        period_ms: From one input to the next, where inputs come so regularly that the time between them counts: energy
            is then that of a period, idle time included. None where nobody knows.
        mission: What the battery must last for, or None.

    Raises:
        UsageError: Two constraints are on the same metric, or the period is not a finite number above 0.
    """

    constraints: tuple[Constraint, ...]
    objective: Objective
    period_ms: float | None = None
    mission: Mission | None = None

    def __post_init__(self) -> None:
        if self.period_ms is not None:
            object.__setattr__(self, "period_ms", _positive("period_ms", self.period_ms))
        metrics = [constraint.metric for constraint in self.constraints]
        twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
        if twice:
            raise UsageError(f"{', '.join(twice)}: found more than one constraint; keep the one that is meant")
        object.__setattr__(self, "constraints", tuple(sorted(self.constraints, key=lambda c: (-c.priority, c.metric))))

    def constraint(self, metric: str) -> Constraint | None:
        """The constraint on one metric, if there is one."""
        return next((constraint for constraint in self.constraints if constraint.metric == metric), None)

    @classmethod
    def of(
        cls,
        *,
        latency_ms: float | None = None,
        miss_pct: float = 1.0,
        accuracy_pct: float | None = None,
        energy_mj: float | None = None,
        power_w: float | None = None,
        temperature_c: float | None = None,
        memory_mb: float | None = None,
        maximise: str | None = None,
        minimise: str | None = None,
        priorities: Mapping[str, int] | None = None,
        period_ms: float | None = None,
        mission: Mission | None = None,
    ) -> "Requirements":
        """Requirements in one call.

        Args:
            latency_ms: Deadline for each inference, kept but for `miss_pct` of them.
            miss_pct: Miss budget, per cent of inferences.
            accuracy_pct: Least accuracy.
            energy_mj: Most energy per inference.
            power_w: Most power while running.
            temperature_c: Highest temperature.
            memory_mb: Most memory.
            maximise: `accuracy_pct`; the default when nothing else is asked.
            minimise: `energy_mj`, `latency_ms`, `power_w` or `memory_mb`, instead.
            priorities: Priority of a metric's constraint where `DEFAULT_PRIORITY` does not suit.
            period_ms: From one input to the next.
            mission: What the battery must last for.

        Raises:
            UsageError: A bound is NaN, negative or absurd, or two objectives are given.
            UnknownMetricError: An objective or priority names no known metric.
        """
        if maximise is not None and minimise is not None:
            raise UsageError(
                f"asked to maximise {maximise} and to minimise {minimise}: a plan has one objective; drop one"
            )
        if minimise is not None:
            objective = Objective(minimise, "minimise")
        else:
            objective = Objective("accuracy_pct" if maximise is None else maximise, "maximise")
        for metric in priorities or {}:
            _check_metric(metric)
        miss_pct = _miss_pct(miss_pct)
        bounds = {
            "latency_ms": latency_ms,
            "accuracy_pct": accuracy_pct,
            "energy_mj": energy_mj,
            "power_w": power_w,
            "temperature_c": temperature_c,
            "memory_mb": memory_mb,
        }
        priority = {**DEFAULT_PRIORITY, **(priorities or {})}
        return cls(
            tuple(
                Constraint(
                    metric,
                    _relation(metric),
                    bound,
                    priority[metric],
                    miss_pct if metric == "latency_ms" else 0.0,
                )
                for metric, bound in bounds.items()
                if bound is not None
            ),
            objective,
            period_ms,
            mission,
        )


def _check_metric(metric: str) -> None:
    if metric not in CONSTRAINABLE:
        raise UnknownMetricError(metric, CONSTRAINABLE, where="a requirement")


def _relation(metric: str) -> Relation:
    return ">=" if QUANTITIES[metric].higher_is_better else "<="


def _number(name: str, value: object) -> float:
    """A finite number as a float: NumPy's numbers are welcome, text and truth values are not."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise UsageError(f"{name}: asked {value!r}, expected a finite number")
    return float(value)


def _positive(name: str, value: object) -> float:
    number = _number(name, value)
    if number <= 0:
        raise UsageError(f"{name}: asked {value!r}, expected a number above 0")
    return number


def _miss_pct(value: object) -> float:
    miss_pct = _number("miss_pct", value)
    if not 0 <= miss_pct < 100:
        raise UsageError(f"miss_pct: asked {miss_pct!r}, expected 0 or more and less than 100")
    return miss_pct
