"""Where temperatures would settle: what the clairvoyant knows of heat."""

import numpy as np
from numpy.typing import NDArray

from tenuto.platforms.simulated import SimulatedPlatform
from tenuto.platforms.simulated.thermal import ThermalModel
from tenuto.points import OperatingTable


class Outlook:
    """A board's heat, as it truly is now.

    Args:
        platform: The board.

    Model:
        Air and everything else stay as they are for ever, and fans turn as fast as they can, which is what they do long
        before a bound is reached; leakage is that of the present temperature.
    """

    def __init__(self, platform: SimulatedPlatform) -> None:
        self._platform, self._model = platform, ThermalModel.of(platform.spec.thermal)
        trips = platform.spec.thermal.trips
        fans = [trip.conductance.value for trip in trips if trip.kind == "fan" and trip.conductance is not None]
        self._conductance = max(fans, default=1.0)
        self._rises: dict[str, NDArray[np.float64]] = {}

    def keeps(self, table: OperatingTable, mean_w: NDArray[np.float64], bound_c: float) -> NDArray[np.bool_]:
        """Which rows of a table would never get any part of the board warmer than a bound.

        Args:
            table: The rows.
            mean_w: What the cluster of each row would draw on average (N,), idle time included.
            bound_c: The bound.
        """
        powers_w, conductance = self._platform.truth().power_w, self._conductance
        base_c = np.array(self._model.steady(powers_w, self._platform.ambient_c, conductance))
        keeps = np.zeros(len(table), dtype=np.bool_)
        for index, name in enumerate(table.clusters):
            rise = self._rises.get(name)
            if rise is None:
                rise = self._rises[name] = np.array(self._model.steady({name: 1.0}, 0.0, conductance))
            here = table.cluster_index == index
            more_w = mean_w[here] - powers_w[name]
            keeps[here] = (base_c[:, None] + np.outer(rise, more_w)).max(axis=0) <= bound_c
        return keeps
