"""Where the temperatures of a simulated board settle when one cluster works without pause for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.platforms.simulated import BoardSpec, ClusterSpec
from tenuto.platforms.simulated.power import PowerModel, memory_power_w
from tenuto.platforms.simulated.thermal import ThermalModel

HIGHEST_C: Final = 150.0
"""Beyond this nothing settles: leakage feeds on itself, and any board has switched itself off."""

_N_ROUNDS: Final = 40
_CLOSE_K: Final = 0.01

Watts = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""What the working cluster draws (M,) when its silicon is so warm (M,)."""


@dataclass(frozen=True, slots=True)
class _AtSpeed:
    """How the nodes answer at one speed of the fan.

    Attributes:
        resting_c: Of each node when the cluster does not work.
        k_per_w: Each node's rise for each watt of the cluster.
        memory_k_per_w: Each node's rise for each watt of the memory.
    """

    resting_c: NDArray[np.float64]
    k_per_w: NDArray[np.float64]
    memory_k_per_w: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Warmth:
    """One working cluster on a board whose other clusters are idle at their lowest clocks.

    Attributes:
        silicon: Index of the node that the cluster heats most.
        starts_c: Where each speed of the fan begins, slowest first; the first has no beginning.
        speeds: The answer at each.
    """

    silicon: int
    starts_c: tuple[float, ...]
    speeds: tuple[_AtSpeed, ...]

    @classmethod
    def of(cls, board: BoardSpec, cluster: ClusterSpec) -> Self:
        """For one cluster of a board.

        Raises:
            UsageError: Even at rest its temperatures do not settle: a node has no way to the air.
        """
        thermal = board.thermal
        shares = [node.heat_share.get(cluster.name, 0.0) for node in thermal.nodes]
        fans = [trip for trip in thermal.trips if trip.kind == "fan" and trip.conductance is not None]
        at_rest_w = resting_w(board, cluster)
        model = ThermalModel.of(thermal)
        conductances = [1.0, *(fan.conductance.value for fan in fans if fan.conductance is not None)]
        ambient_c = thermal.ambient_c.value
        try:
            speeds = tuple(_at_speed(model, ambient_c, cluster.name, at_rest_w, factor) for factor in conductances)
            # Rounding may give a board without a way to the air an absurd temperature instead of none.
            is_settled = all(np.all(np.abs(speed.resting_c) <= HIGHEST_C) for speed in speeds)
        except ValueError:
            is_settled = False
        if not is_settled:
            raise UsageError(
                f"{board.id}: asked where its temperatures settle, found that at rest they do not; give its nodes a "
                "way to the air (to_ambient_w_per_k)"
            )
        return cls(int(np.argmax(shares)), (-np.inf, *(fan.temperature_c.value for fan in fans)), speeds)

    def hottest_c(self, cluster_w: Watts, moving_w: NDArray[np.float64]) -> NDArray[np.float64]:
        """The hottest node's temperature (M,), at most `HIGHEST_C`.

        Args:
            cluster_w: What the cluster draws.
            moving_w: What the inference adds to the memory's power (M,).

        Model:
            A fan that is too much at one speed and too little at the one below switches between them: then the
            temperature is where the faster one begins.
        """
        settled = self._at(self.speeds[0], cluster_w, moving_w)
        for starts_c, speed in zip(self.starts_c[1:], self.speeds[1:], strict=True):
            if not bool(np.any(settled > starts_c)):
                break
            cooled = np.maximum(self._at(speed, cluster_w, moving_w), starts_c)
            settled = np.where(settled > starts_c, cooled, settled)
        return settled

    def _at(self, speed: _AtSpeed, cluster_w: Watts, moving_w: NDArray[np.float64]) -> NDArray[np.float64]:
        silicon_c = np.full(len(moving_w), speed.resting_c[self.silicon])
        nodes_c = silicon_c[None]
        for _ in range(_N_ROUNDS):
            nodes_c = speed.resting_c[:, None] + np.outer(speed.k_per_w, cluster_w(silicon_c))
            nodes_c = np.minimum(nodes_c + np.outer(speed.memory_k_per_w, moving_w), HIGHEST_C)
            # From below, so that of two temperatures at which it could settle the one that is reached is found.
            is_settled = bool(np.all(nodes_c[self.silicon] - silicon_c < _CLOSE_K))
            silicon_c = nodes_c[self.silicon]
            if is_settled:
                break
        hottest: NDArray[np.float64] = nodes_c.max(axis=0)
        return hottest


def warming(board: BoardSpec, cluster: ClusterSpec) -> list[list[float]]:
    """How the node that a cluster heats most answers to one watt more of it: gain in K/W and time constant in s.

    One pair for each mode of the board's heat, with its fans at their highest speed, which is where a bound on
    temperature matters.
    """
    thermal = board.thermal
    shares = [node.heat_share.get(cluster.name, 0.0) for node in thermal.nodes]
    silicon = int(np.argmax(shares))
    fans = [trip.conductance.value for trip in thermal.trips if trip.kind == "fan" and trip.conductance is not None]
    modes = ThermalModel.of(thermal).modes(max(fans, default=1.0))
    found = []
    for index, decay_per_s in enumerate(modes.decay_per_s):
        driven = sum(share * into for share, into in zip(shares, modes.heat_into[index], strict=True))
        gain = modes.out[silicon][index] * driven / decay_per_s
        found.append([gain, 1 / decay_per_s])
    return found


def resting_w(board: BoardSpec, working: ClusterSpec | None = None) -> dict[str, float]:
    """What everything draws that does not work."""
    resting = {"board": board.base_w.value, "memory": memory_power_w(board.memory, 0.0)}
    for cluster in board.clusters:
        if working is None or cluster.name != working.name:
            lowest_hz = cluster.frequencies_hz[0]
            resting[cluster.name] = PowerModel.of(cluster).idle_power_w(
                lowest_hz, temperature_c=board.thermal.ambient_c.value
            )
    return resting


def _at_speed(
    model: ThermalModel, ambient_c: float, cluster: str, resting_w: dict[str, float], conductance: float
) -> _AtSpeed:
    return _AtSpeed(
        np.array(model.steady(resting_w, ambient_c, conductance)),
        np.array(model.steady({cluster: 1.0}, 0.0, conductance)),
        np.array(model.steady({"memory": 1.0}, 0.0, conductance)),
    )
