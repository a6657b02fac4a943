"""How a board warms: lumps of heat capacity that conduct to each other and to the air.

    C dT/dt = heat - K (T - T_neighbours) - G conductance (T - ambient)

The matrix is symmetric in the coordinates sqrt(C) T, so that it falls apart into modes that decay on their own. Between
two changes of heat the answer is exact, however long the interval.

Source: the compact RC model of HotSpot (Skadron et al., "Temperature-aware microarchitecture", ISCA 2003), with as few
lumps as the readings can tell apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import expm1
from operator import mul
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tenuto.platforms.simulated._spec import ThermalSpec

Vector = tuple[float, ...]

_STILL_PER_S = 1e-9  # A mode that decays slower than this (in 30 years) does not decay.


@dataclass(frozen=True, slots=True)
class _Modes:
    """The network at one conductance to the air, as modes.

    Attributes:
        decay_per_s: Of each mode.
        into: Rows: temperatures to modes.
        heat_into: Rows: heat to the modes' drive.
        ambient_into: The air's part of the drive, for each kelvin.
        out: Rows: modes to temperatures.
    """

    decay_per_s: Vector
    into: tuple[Vector, ...]
    heat_into: tuple[Vector, ...]
    ambient_into: Vector
    out: tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class ThermalModel:
    """The heat of one board.

    Attributes:
        node_names: In the order of every temperature and heat here.
    """

    node_names: tuple[str, ...]
    _capacity: NDArray[np.float64]
    _between: NDArray[np.float64]
    _to_air: NDArray[np.float64]
    _shares: tuple[tuple[tuple[str, float], ...], ...]
    _modes: dict[float, _Modes] = field(default_factory=dict)  # by conductance; a board's fan has few speeds

    @classmethod
    def of(cls, spec: ThermalSpec) -> Self:
        """The network that a board file describes."""
        index = {node.name: place for place, node in enumerate(spec.nodes)}
        between = np.zeros((len(index), len(index)))
        for node in spec.nodes:
            for name, conductance in node.to.items():
                one, other = index[node.name], index[name]
                between[[one, other], [one, other]] += conductance.value
                between[[one, other], [other, one]] -= conductance.value
        return cls(
            node_names=tuple(index),
            _capacity=np.array([node.capacity_j_per_k.value for node in spec.nodes]),
            _between=between,
            _to_air=np.array([node.to_ambient_w_per_k.value for node in spec.nodes]),
            _shares=tuple(
                tuple((name, share) for name, share in node.heat_share.items() if share) for node in spec.nodes
            ),
        )

    @property
    def n_nodes(self) -> int:
        """How many lumps there are."""
        return len(self.node_names)

    def node_heat_w(self, power_w: Mapping[str, float]) -> Vector:
        """What heats each node, from what each cluster, `memory` and `board` draw; who is absent draws nothing."""
        return tuple(sum(share * power_w.get(name, 0.0) for name, share in shares) for shares in self._shares)

    def steady(self, power_w: Mapping[str, float], ambient_c: float, conductance: float = 1.0) -> Vector:
        """The temperatures after a long time at constant power.

        Args:
            power_w: Of each cluster, `memory` and `board`.
            ambient_c: Of the air.
            conductance: What a fan makes of the conductance to the air, as a factor.

        Raises:
            ValueError: A node has no way to the air, so it warms for ever.
        """
        to_air = self._to_air * conductance
        try:
            rise = np.linalg.solve(self._between + np.diag(to_air), np.array(self.node_heat_w(power_w)))
        except np.linalg.LinAlgError:
            rise = np.full(self.n_nodes, np.inf)
        if not np.isfinite(rise).all():
            raise ValueError("asked where temperatures settle, but a node has no way to the air; conduct it somewhere")
        return tuple(float(kelvin) + ambient_c for kelvin in rise)

    def advance(
        self, temperatures_c: Vector, heat_w: Vector, seconds: float, ambient_c: float, conductance: float = 1.0
    ) -> Vector:
        """The temperatures a while later, exact for constant heat.

        Args:
            temperatures_c: Of each node, now.
            heat_w: Into each node, in the meantime (`node_heat_w`).
            seconds: The while, 0 or more.
            ambient_c: Of the air.
            conductance: What a fan makes of the conductance to the air, as a factor.
        """
        modes = self._modes.get(conductance)
        if modes is None:
            modes = self._modes[conductance] = self._at(conductance)
        drives = [
            sum(map(mul, row, heat_w), air * ambient_c)
            for row, air in zip(modes.heat_into, modes.ambient_into, strict=True)
        ]
        later = []
        for decay, row, drive in zip(modes.decay_per_s, modes.into, drives, strict=True):
            now = sum(map(mul, row, temperatures_c))
            if decay > _STILL_PER_S:
                gone = expm1(-decay * seconds)
                later.append(now + gone * (now - drive / decay))
            else:
                later.append(now + drive * seconds)
        return tuple([sum(map(mul, row, later)) for row in modes.out])

    def modes(self, conductance: float) -> _Modes:
        """The network at one conductance to the air, for who keeps temperatures as modes."""
        modes = self._modes.get(conductance)
        if modes is None:
            modes = self._modes[conductance] = self._at(conductance)
        return modes

    def _at(self, conductance: float) -> _Modes:
        root = np.sqrt(self._capacity)
        to_air = self._to_air * conductance
        decay, vectors = np.linalg.eigh((self._between + np.diag(to_air)) / np.outer(root, root))
        heat_into = vectors.T / root
        return _Modes(
            decay_per_s=tuple(max(0.0, float(value)) for value in decay),
            into=_rows(vectors.T * root),
            heat_into=_rows(heat_into),
            ambient_into=tuple(float(value) for value in heat_into @ to_air),
            out=_rows((vectors.T / root).T),
        )


def _rows(matrix: NDArray[np.float64]) -> tuple[Vector, ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
