"""A Linux board while we hold it: apply a configuration, read it back, give everything back."""

import threading
import time
from collections.abc import Mapping
from typing import Final

from tenuto.errors import DeniedError, KnobRejectedError, PlatformError, UnknownNameError
from tenuto.platforms._affinity import Affinity
from tenuto.platforms._cpufreq import Clock, nearest_step, read_clocks_hz, writes_for
from tenuto.platforms._journal import Journal
from tenuto.platforms._platform import Snapshot
from tenuto.platforms._readings import Reader
from tenuto.platforms._wiring import Wiring
from tenuto.points import Configuration

SETTLE_S: Final = 0.02
"""How long a new clock may take to show: boards take 1 to 8 ms."""


class LinuxBoard:
    """A held Linux board.

    Model:
        The configuration determines the board: a cluster that it leaves, or whose clock it leaves open, gets the
        clock settings back that it had when the board was taken.
    """

    def __init__(
        self, platform: str, wirings: Mapping[str, Wiring], affinity: Affinity, journal: Journal, reader: Reader
    ) -> None:
        self._platform = platform
        self._wirings = wirings
        self._affinity = affinity
        self._journal = journal
        self._reader = reader
        self._saved_cpus = affinity.save()
        self._confined: frozenset[int] | None = None
        self._clocks_hz: dict[str, int | None] = {}
        self._is_open = True
        self._is_restored = False
        # A signal's handler gives back in the midst of an `apply` of the same thread.
        self._turn = threading.RLock()

    def snapshot(self) -> Snapshot:
        """Read every monitor once."""
        return self._reader.snapshot()

    def apply(self, configuration: Configuration) -> Configuration:
        """Put cluster, cores and clock in force and read them back.

        Returns:
            The configuration as the board reports it.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: More cores than the cluster has, or a clock off its ladder.
            UnsupportedError: The cluster has no clock that can be set.
            DeniedError: A permission is missing.
            KnobRejectedError: The board reports another value than the one written.
            PlatformError: The board was given back.
        """
        with self._turn:
            if not self._is_open:
                raise PlatformError(
                    "asked to apply a configuration, but the board was given back; hold it again",
                    platform=self._platform,
                )
            wiring = self._wirings.get(configuration.cluster)
            if wiring is None:
                raise UnknownNameError("cluster", configuration.cluster, self._wirings)
            wiring.check(self._platform, configuration)
            self._let_go(configuration)
            frequency_hz = configuration.frequency_hz
            try:
                if frequency_hz is not None and wiring.clock is not None:
                    self._set_clock(wiring.clock, configuration.cluster, frequency_hz)
            except KnobRejectedError:
                # A cluster that may not have its clock is still the one to run on.
                self._confine(wiring, configuration.n_cores)
                raise
            self._confine(wiring, configuration.n_cores)
            return configuration

    def release(self) -> dict[str, str]:
        """Put every knob back, once; one that was interrupted is done again from the start.

        Returns:
            The files that could not be put back, each with the system's reason.
        """
        with self._turn:
            self._is_open = False
            if self._is_restored:
                return {}
            self._affinity.restore(self._saved_cpus)
            failed = self._journal.restore()
            self._journal.dismiss_guardian()
            self._is_restored = True
            return failed

    def _let_go(self, configuration: Configuration) -> None:
        """Give the clocks back that the configuration does not set."""
        keep = {configuration.cluster} if configuration.frequency_hz is not None else set()
        for name in self._clocks_hz.keys() - keep:
            clock = self._wirings[name].clock
            if clock is not None:
                self._journal.restore(clock.policies)
            del self._clocks_hz[name]

    def _set_clock(self, clock: Clock, cluster: str, frequency_hz: int) -> None:
        if self._clocks_hz.get(cluster) == frequency_hz and _shows(clock, frequency_hz):
            return
        part = f"{cluster}.frequency_hz"
        self._clocks_hz[cluster] = None  # changed, to what is not sure yet
        for policy in clock.policies:
            writes = writes_for(clock, policy, frequency_hz)
            for path, _ in writes:
                self._journal.note(path)
            for path, text in writes:
                try:
                    self._journal.write(path, text)
                except PermissionError as error:
                    raise DeniedError(
                        f"{path}: asked {text}, permission denied; run as root, or: sudo chmod a+w {path}",
                        platform=self._platform,
                        part=part,
                    ) from error
                except OSError as error:
                    raise self._rejected(clock, part, frequency_hz, f"{path}: {error.strerror}") from error
        deadline_s = time.monotonic() + SETTLE_S
        while not _shows(clock, frequency_hz):
            if time.monotonic() > deadline_s:
                raise self._rejected(clock, part, frequency_hz, "a thermal or power cap, or another program, has it")
            time.sleep(0.001)
        self._clocks_hz[cluster] = frequency_hz

    def _rejected(self, clock: Clock, part: str, asked_hz: int, hint: str) -> KnobRejectedError:
        # Of several policies, the one that is off tells the story.
        found = max(read_clocks_hz(clock.policies), key=lambda shown_hz: abs(shown_hz - asked_hz), default=None)
        return KnobRejectedError(platform=self._platform, part=part, asked=asked_hz, found=found, hint=hint)

    def _confine(self, wiring: Wiring, n_cores: int) -> None:
        cpus = frozenset(wiring.cluster.cpus[:n_cores])
        # New threads inherit their creator's processors, so an unchanged confinement needs no second round.
        if cpus == self._confined and self._affinity.current() == cpus:
            return
        hint = "a processor was switched off or taken away; make a new platform to see what is left"
        part = f"{wiring.cluster.name}.cores"
        try:
            found = self._affinity.confine(cpus)
        except OSError as error:
            raise KnobRejectedError(
                platform=self._platform,
                part=part,
                asked=sorted(cpus),
                found=sorted(self._affinity.current()),
                hint=hint,
            ) from error
        if found != cpus:
            raise KnobRejectedError(
                platform=self._platform, part=part, asked=sorted(cpus), found=sorted(found), hint=hint
            )
        self._confined = cpus


def _shows(clock: Clock, frequency_hz: int) -> bool:
    """Whether every policy of a cluster runs at a step of its ladder."""
    shown = read_clocks_hz(clock.policies)
    return bool(shown) and all(nearest_step(clock.ladder_hz, value) == frequency_hz for value in shown)
