"""What a cluster and the memory draw.

    power = V² f (uncore + core (busy activity + idle_share waiting (cores - busy))) + static

    static = static_w_per_v V exp(static_per_v (V - 1)) exp(static_per_k (T - 25))

with V in volts, f in GHz and T in °C. An accelerator is one core; its activity also follows from how far the network
fills it: `activity (empty + (1 - empty) fill)`. A CPU core draws the same whatever network it runs, as long as it runs.
`waiting` is 1 until a sleep state takes something away.

Source: the dynamic part is the kernel's energy model (Documentation/power/energy-model), whose coefficient device
trees give; leakage that grows exponentially with voltage and temperature is the form that the Exynos 5422's rails
follow (calibration/xu3_power.py).
"""

from dataclasses import dataclass
from math import exp
from types import MappingProxyType
from typing import Self

from tenuto.platforms.simulated._spec import ClusterSpec, MemorySpec

REFERENCE_C = 25.0
W_PER_PJ_S = 1e-12


@dataclass(frozen=True, slots=True)
class PowerModel:
    """The power of one cluster.

    Attributes:
        n_cores: At least 1; an accelerator counts as one core.
        activity: Of a core that runs a network.
        empty_activity: Of an accelerator that a network hardly fills, as a part of the full; 1 on a CPU, which is
            full whatever it runs.
        idle_share: Of a core's dynamic power, while it waits for work.
        static_per_k: Leakage grows by exp(this x kelvin).
    """

    n_cores: int
    activity: float
    empty_activity: float
    idle_share: float
    static_per_k: float
    # For each clock: watts of the uncore, of one core at activity 1, and of leakage at 25 °C. Leakage is by the clock
    # whose voltage the rail has, so it stands apart.
    _dynamic: MappingProxyType[int, tuple[float, float]]
    _rail: MappingProxyType[int, tuple[float, float]]

    @classmethod
    def of(cls, cluster: ClusterSpec) -> Self:
        """The model that a board file describes."""
        power = cluster.power
        per_v = power.static_per_v.value if power.static_per_v else 0.0
        dynamic, rail = {}, {}
        for frequency_hz in cluster.frequencies_hz:
            voltage_v, ghz = cluster.voltage_v(frequency_hz), frequency_hz / 1e9
            dynamic[frequency_hz] = (power.uncore_w_per_ghz_v2.value * ghz, power.core_w_per_ghz_v2.value * ghz)
            leakage_w = power.static_w_per_v.value * voltage_v * exp(per_v * (voltage_v - 1.0))
            rail[frequency_hz] = (voltage_v * voltage_v, leakage_w)
        return cls(
            n_cores=cluster.n_cores,
            activity=power.activity.value,
            empty_activity=power.empty_activity.value if power.empty_activity else 1.0,
            idle_share=power.idle_share.value,
            static_per_k=power.static_per_k.value,
            _dynamic=MappingProxyType(dynamic),
            _rail=MappingProxyType(rail),
        )

    def power_w(
        self,
        frequency_hz: int,
        n_busy: float,
        *,
        temperature_c: float,
        activity: float | None = None,
        fill: float = 1.0,
        rail_hz: int | None = None,
        waiting: float = 1.0,
    ) -> float:
        """What the cluster draws.

        Args:
            frequency_hz: A clock of its ladder.
            n_busy: Cores at work, 0 to n_cores, on average; the others wait.
            temperature_c: Of the cluster.
            activity: Of a busy core; None is that of a core that runs a network.
            fill: How far the work fills an accelerator, 0 to 1. A CPU core is full.
            rail_hz: The clock whose voltage the rail has, where it is not that of `frequency_hz`.
            waiting: What a sleep state leaves of the dynamic power of the cores that wait.

        Raises:
            ValueError: No such clock on the ladder.
        """
        try:
            uncore, core = self._dynamic[frequency_hz]
            squared, leakage_w = self._rail[frequency_hz if rail_hz is None else rail_hz]
        except KeyError as error:
            raise ValueError(f"asked for {error.args[0]} Hz, which is not on the ladder") from None
        if activity is None:
            activity = self.activity
        empty = self.empty_activity
        busy = n_busy * activity * (empty + (1.0 - empty) * fill) + (self.n_cores - n_busy) * self.idle_share * waiting
        static_w = leakage_w * exp(self.static_per_k * (temperature_c - REFERENCE_C))
        return squared * (uncore + core * busy) + static_w

    def coefficients(self, frequency_hz: int) -> tuple[float, float, float, float]:
        """Of a clock of the ladder: the square of its volts, W/V² of what cores share, W/V² of a core, and leakage.

        Leakage is that at 25 °C, in watts.

        Raises:
            KeyError: No such clock.
        """
        squared, leakage_w = self._rail[frequency_hz]
        return (squared, *self._dynamic[frequency_hz], leakage_w)

    def idle_power_w(self, frequency_hz: int, *, temperature_c: float, rail_hz: int | None = None) -> float:
        """What the cluster draws while all its cores wait for work.

        Raises:
            ValueError: No such clock on the ladder.
        """
        return self.power_w(frequency_hz, 0.0, temperature_c=temperature_c, rail_hz=rail_hz)


def memory_power_w(memory: MemorySpec, bytes_per_s: float) -> float:
    """What the memory draws while so many bytes a second move."""
    return memory.idle_w.value + memory.pj_per_byte.value * W_PER_PJ_S * bytes_per_s
