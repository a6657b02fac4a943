"""A cluster with the means to drive it."""

from dataclasses import dataclass

from tenuto.errors import DeniedError, PlatformError, UnsupportedError, UsageError
from tenuto.platforms._cpufreq import Clock
from tenuto.platforms._platform import Cluster
from tenuto.points import Configuration
from tenuto.units import show_frequency


@dataclass(frozen=True, slots=True)
class Wiring:
    """A cluster, and what sets its clock.

    Attributes:
        cluster: What the platform shows of it.
        clock: What its cpufreq files offer, or None where it has none.
    """

    cluster: Cluster
    clock: Clock | None

    @property
    def is_settable(self) -> bool:
        """Whether we may set its clock now."""
        return self.clock is not None and self.clock.mechanism is not None

    def check(self, platform: str, configuration: Configuration) -> None:
        """Refuse what this cluster cannot do, before anything is written.

        Raises:
            UsageError: Fewer cores than one or more than it has, or a clock off its ladder.
            UnsupportedError: It has no clock that can be set.
            DeniedError: It has, and we may not.
        """
        name, n_cores = self.cluster.name, len(self.cluster.cpus)
        if not 1 <= configuration.n_cores <= n_cores:
            raise UsageError(
                f"{name}.cores: asked {configuration.n_cores}, the cluster has {n_cores}; ask for 1 to {n_cores}"
            )
        asked_hz = configuration.frequency_hz
        if asked_hz is None:
            return
        part = f"{name}.frequency_hz"
        if self.clock is None:
            raise UnsupportedError(
                f"{part}: asked {asked_hz}, but the kernel shows no clock for this cluster; leave it None",
                platform=platform,
                part=part,
            )
        if self.clock.mechanism is None:
            raise _refusal(self.clock, platform, part, asked_hz)
        if asked_hz not in self.clock.ladder_hz:
            near = sorted(self.clock.ladder_hz, key=lambda step_hz: abs(step_hz - asked_hz))[:2]
            steps = " or ".join(f"{step_hz} ({show_frequency(step_hz)})" for step_hz in near)
            raise UsageError(f"{part}: asked {asked_hz}, which is not a step of its ladder; ask for {steps}")


def _refusal(clock: Clock, platform: str, part: str, asked_hz: int) -> PlatformError:
    """A ladder that we may not write is a missing permission; no ladder at all is this board's nature."""
    kind = DeniedError if clock.has_ladder else UnsupportedError
    return kind(f"{part}: asked {asked_hz}, but we may not set it; {clock.remedy}", platform=platform, part=part)
