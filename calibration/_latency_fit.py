"""Fits the latency model's figures of many processors at once, with NumPy.

Few networks were timed on each processor, and processors resemble each other: measured by its own speed, each is about
as good at each kind of layer. So the figures of a processor are drawn towards the pattern of all:

    log figures = pattern + speed of the processor + its own peculiarity

The pattern, and how far processors stray from it, are learnt from all sections; the peculiarity is what a section's own
networks demand beyond that (maximum a posteriori, empirical Bayes). Errors count as logarithms, beyond 1.5 standard
deviations only linearly: users contributed the rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration._fit import Floats
from tenuto.graphs import LayerCost, layer_costs
from tenuto.nets.public import public_graph
from tenuto.platforms.simulated.latency import element_work

Ints = NDArray[np.intp]

WORK: Final = ("conv3x3", "conv", "pointwise", "depthwise", "linear")
ELEMENTS: Final = ("conv3x3", "int8", "lrn", "exp")
FIGURES: Final = (
    *(f"macs_per_cycle.{kind}" for kind in WORK),
    "core_memory_gb_s",
    "layer_overhead_us",
    "int8_speedup",
    "int8_speedups.conv3x3",
    *(f"elements_per_cycle.{name}" for name in ELEMENTS),
)
"""What one core's times tell. Rates are in 10⁹ a second here; matrix products of activations count as `linear`."""

START: Final = np.log([3.0, 0.7, 0.75, 0.3, 0.25, 0.5, 300.0, 2.0, 0.5, 0.02, 0.03, 0.003, 0.01])
"""The pattern before any data: rates and overhead of a processor of speed 1."""

_STRAY: Final = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0])
_LEAST_STRAY: Final = 0.1
_SPEED: Final = np.array([1.0] * 6 + [-1.0, 0.0, 0.0] + [1.0] * 4)
"""How each figure goes with a processor's speed: rates rise, the overhead falls, speed-ups stay."""
_SPEED_SPREAD: Final = 3.0
_SCATTER: Final = 0.15
_LINEAR_FROM: Final = 1.5
_MEMORY, _OVERHEAD, _INT8, _INT8_3X3, _FIRST_ELEMENT = 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of some networks, one after the other; work in 10⁶."""

    starts: Ints
    kind: Ints
    macs: Floats
    int8: Ints
    element: Ints
    n_elements: Floats
    n_bytes: Floats


@cache
def costs_of(network: str) -> tuple[LayerCost, ...]:
    """The layer costs of a public network."""
    return layer_costs(public_graph(network))


def layers_of(networks: Sequence[str]) -> Layers:
    """The layers of public networks."""
    parts = [costs_of(network) for network in networks]
    costs = [cost for part in parts for cost in part]
    elements = [element_work(cost) for cost in costs]
    int8 = [0 if c.element != "int8" else _INT8_3X3 if c.kind == "conv3x3" else _INT8 for c in costs]
    return Layers(
        starts=np.cumsum([0, *(len(part) for part in parts[:-1])]),
        kind=np.array([WORK.index(c.kind) if c.kind in WORK else WORK.index("linear") for c in costs]),
        macs=np.array([c.macs for c in costs]) / 1e6,
        int8=np.array(int8),
        element=np.array([_FIRST_ELEMENT + ELEMENTS.index(name) if name else -1 for name, _ in elements]),
        n_elements=np.array([count for _, count in elements]) / 1e6,
        n_bytes=np.array([c.weight_bytes + c.input_bytes + c.output_bytes for c in costs]) / 1e6,
    )


def times_ms(figures: Floats, layers: Layers) -> tuple[Floats, Floats]:
    """One core's time for each network, and the slopes of its logarithm; `figures` are logarithms."""
    value = np.exp(figures)
    work = layers.macs / value[layers.kind] / np.where(layers.int8 > 0, value[layers.int8], 1.0)
    element = np.where(layers.element > 0, layers.n_elements / value[layers.element], 0.0)
    transfer = layers.n_bytes / value[_MEMORY]
    time = np.sqrt((work + element) ** 2 + transfer**2) + 1e-12
    by_work, by_transfer = (work + element) / time, transfer / time
    n_layers = np.add.reduceat(np.ones_like(time), layers.starts)
    overhead = n_layers * value[_OVERHEAD] / 1e3
    total = np.add.reduceat(time, layers.starts) + overhead

    slopes = np.zeros((len(total), len(figures)))
    for place in range(len(figures)):
        part = np.where(layers.kind == place, by_work * work, 0.0) if place < len(WORK) else np.zeros_like(time)
        part = part + np.where((layers.int8 == place) & (place > 0), by_work * work, 0.0)
        part = part + np.where(layers.element == place, by_work * element, 0.0)
        if place == _MEMORY:
            part = by_transfer * transfer
        slopes[:, place] = -np.add.reduceat(part, layers.starts)
    slopes[:, _OVERHEAD] = overhead
    return total, slopes / total[:, None]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What all processors have in common: logarithms for speed 1, and how far single ones stray."""

    figures: Floats
    stray: Floats


def fit_all(
    measured: Mapping[str, Mapping[str, float]], *, without: Collection[str] = (), n_rounds: int = 5
) -> tuple[dict[str, Floats], Pattern]:
    """The figures of each section, and the pattern.

    Args:
        measured: Milliseconds on one core, by section and network.
        without: Networks that nothing may be learnt from.
        n_rounds: Of fitting all sections, then the pattern.
    """
    data = {}
    for section, times in measured.items():
        networks = [network for network in times if network not in without]
        data[section] = (layers_of(networks), np.log([times[network] for network in networks]))
    pattern = Pattern(START, _STRAY)
    fitted: dict[str, Floats] = {}
    for _ in range(n_rounds):
        precision = _precision(pattern)
        strays: list[Floats] = []
        doubts: list[Floats] = []
        for section, (layers, target) in data.items():
            if section not in fitted:
                speed = float(np.median(np.log(times_ms(pattern.figures, layers)[0]) - target))
                fitted[section] = pattern.figures + _SPEED * speed
            fitted[section], normal = _fit_one(fitted[section], layers, target, pattern.figures, precision)
            speed = float(np.mean((fitted[section] - pattern.figures)[:3]))
            strays.append(fitted[section] - _SPEED * speed)
            doubts.append(np.diag(np.linalg.inv(normal)))
        centre: Floats = np.median(np.array(strays), axis=0)
        spread: Floats = np.median((np.array(strays) - centre) ** 2, axis=0)
        doubt: Floats = np.median(np.array(doubts), axis=0)
        variance: Floats = 2.2 * spread + 0.5 * np.minimum(doubt, pattern.stray**2)
        stray: Floats = np.sqrt(np.clip(np.minimum(variance, _STRAY**2), _LEAST_STRAY**2, 1.0))
        pattern = Pattern(centre, stray)
    return fitted, pattern


def _precision(pattern: Pattern) -> Floats:
    covariance = np.diag(pattern.stray**2) + _SPEED_SPREAD**2 * np.outer(_SPEED, _SPEED)
    inverse: Floats = np.linalg.inv(covariance)
    return inverse


def _fit_one(start: Floats, layers: Layers, target: Floats, centre: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """The most probable figures of one section, and the curvature there; damped Gauss-Newton."""

    def look(figures: Floats) -> tuple[float, Floats, Floats]:
        total, slopes = times_ms(figures, layers)
        off = (np.log(total) - target) / _SCATTER
        size, stray = np.abs(off), figures - centre
        costs = np.where(size < _LINEAR_FROM, 0.5 * size**2, _LINEAR_FROM * (size - 0.5 * _LINEAR_FROM))
        return float(costs.sum() + 0.5 * stray @ precision @ stray), off, slopes / _SCATTER

    figures, damping = start, 1e-3
    cost, off, slopes = look(figures)
    for _ in range(15):
        weight = np.minimum(1.0, _LINEAR_FROM / np.maximum(np.abs(off), 1e-9))
        normal = slopes.T @ (slopes * weight[:, None]) + precision
        gradient = slopes.T @ (weight * off) + precision @ (figures - centre)
        for _ in range(8):
            step = np.clip(np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -gradient), -1.0, 1.0)
            then = look(figures + step)
            if then[0] <= cost:
                break
            damping *= 10
        else:
            break
        gain, figures, damping = cost - then[0], figures + step, max(damping / 10, 1e-7)
        cost, off, slopes = then
        if gain < 1e-4:
            break
    return figures, slopes.T @ slopes + precision
