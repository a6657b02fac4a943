"""The memory of a simulated board: its hidden clock, and what moving bytes draws."""

from tenuto.platforms.simulated._domain import NEVER
from tenuto.platforms.simulated._spec import MemorySpec
from tenuto.platforms.simulated.contention import memory_clock_share
from tenuto.platforms.simulated.power import memory_power_w


class Memory:
    """The memory, as it is now.

    Args:
        spec: The memory.
        now_s: The time.

    Attributes:
        clock_share: What its clock leaves of its bandwidth.
        due_s: When a new clock comes into force.
        own_bytes_per_s: What ours move.
        others_bytes_per_s: What programs of others move.
        power_w: What it draws.
    """

    def __init__(self, spec: MemorySpec, now_s: float) -> None:
        self._spec, self._since_s, self._energy_j = spec, now_s, 0.0
        self._coming_mhz = spec.frequency_mhz[-1]
        self.clock_share, self.due_s = 1.0, NEVER
        self.own_bytes_per_s = self.others_bytes_per_s = 0.0
        self.power_w = 0.0

    def energy_j(self, now_s: float) -> float:
        """What it has drawn so far."""
        return self._energy_j + self.power_w * (now_s - self._since_s)

    def request(self, frequency_mhz: float | None, now_s: float) -> None:
        """Let the clock change, after its delay; None is the highest."""
        wanted_mhz = self._spec.frequency_mhz[-1] if frequency_mhz is None else frequency_mhz
        if wanted_mhz != self._coming_mhz:
            self._coming_mhz = wanted_mhz
            self.due_s = now_s + self._spec.clock_delay_ms.value / 1000

    def clock_arrives(self) -> None:
        """The clock that was asked for comes into force."""
        self.due_s = NEVER
        highest_mhz, exponent = self._spec.frequency_mhz[-1], self._spec.clock_exponent.value
        self.clock_share = memory_clock_share(self._coming_mhz, highest_mhz, exponent)

    def draw(self, own_bytes_per_s: float, now_s: float) -> float:
        """Work out what it draws from now on, while ours move so much.

        Returns:
            Watts.
        """
        self._note(now_s)
        self.own_bytes_per_s = own_bytes_per_s
        self.power_w = self.power_for(own_bytes_per_s)
        return self.power_w

    def power_for(self, own_bytes_per_s: float) -> float:
        """What it would draw while ours move so much."""
        return memory_power_w(self._spec, self.others_bytes_per_s + own_bytes_per_s)

    def pulse(self, power_w: float, begin_s: float, end_s: float) -> None:
        """It drew so much from `begin_s` to `end_s`, and then again what it drew before."""
        self._energy_j += self.power_w * (begin_s - self._since_s) + power_w * (end_s - begin_s)
        self._since_s = end_s

    def switch_off(self, now_s: float) -> None:
        """It draws nothing any more."""
        self._note(now_s)
        self.power_w = 0.0

    def _note(self, now_s: float) -> None:
        self._energy_j += self.power_w * (now_s - self._since_s)
        self._since_s = now_s
