"""A simulated board while somebody holds it: set like a Linux board, and given back like one."""

from collections.abc import Callable
from types import TracebackType

from tenuto.errors import KnobRejectedError, PlatformError, UnknownNameError, UsageError
from tenuto.platforms._platform import HeldBoard, Snapshot
from tenuto.platforms.simulated._board import Board
from tenuto.platforms.simulated._spec import ClusterSpec
from tenuto.points import Configuration
from tenuto.units import show_frequency


class Place:
    """Where the application runs.

    Attributes:
        cluster: The index of the board's cluster.
        n_cores: How many of its cores.
        confined: The processors that its threads may use, or None for all.
    """

    __slots__ = ("cluster", "confined", "n_cores")

    def __init__(self, clusters: tuple[ClusterSpec, ...]) -> None:
        self.cluster = max(index for index, cluster in enumerate(clusters) if cluster.cpus)
        self.n_cores = clusters[self.cluster].n_cores
        self.confined: tuple[int, ...] | None = None

    def put(self, index: int, cluster: ClusterSpec, n_cores: int) -> None:
        """Confine the application; what drives an accelerator may run anywhere."""
        self.cluster, self.n_cores = index, n_cores
        self.confined = cluster.cpus[:n_cores] if cluster.cpus else None


class HeldSimulatedBoard:
    """A held simulated board.

    Model:
        As `LinuxBoard`: the configuration determines the board, and a cluster that it leaves, or whose clock it leaves
        open, gets its governor back. A request shows at once; the clock in force follows later, and a clock that is
        capped by heat or by others is refused as a real board refuses it, with the cap in force.
    """

    def __init__(self, board: Board, place: Place, catch_up: Callable[[], None], read: Callable[[], Snapshot]) -> None:
        self._board, self._place, self._catch_up, self._read = board, place, catch_up, read
        self._index = {cluster.name: index for index, cluster in enumerate(board.spec.clusters)}
        self._is_open = True

    def snapshot(self) -> Snapshot:
        """Read every monitor once."""
        return self._read()

    def apply(self, configuration: Configuration) -> Configuration:
        """Put cluster, cores and clock in force.

        Returns:
            The configuration.

        Raises:
            UnknownNameError: No such cluster.
            UsageError: More cores than the cluster has, or a clock off its ladder.
            KnobRejectedError: The cluster was taken away, or heat or others cap its clock.
            PlatformError: The board was given back, or has switched itself off.
        """
        board = self._board
        if not self._is_open:
            raise PlatformError(
                "asked to apply a configuration, but the board was given back; hold it again", platform=board.spec.id
            )
        index = self._index.get(configuration.cluster)
        if index is None:
            raise UnknownNameError("cluster", configuration.cluster, self._index)
        cluster, frequency_hz = board.spec.clusters[index], configuration.frequency_hz
        _check(cluster, configuration)
        self._catch_up()
        board.check_on()
        domain = board.domains[index]
        if domain.is_taken:
            raise KnobRejectedError(
                platform=board.spec.id,
                part=f"{cluster.name}.cores",
                asked=sorted(cluster.cpus[: configuration.n_cores]),
                found=[],
                hint="it was switched off or taken away; use another cluster",
            )
        for other, driven in enumerate(board.domains):
            if driven.driven_hz is not None and (other != index or frequency_hz is None):
                board.drive(other, None)
        if frequency_hz is not None and domain.driven_hz != frequency_hz:
            board.drive(index, frequency_hz)
        self._place.put(index, cluster, configuration.n_cores)
        if frequency_hz is not None and domain.allowed_hz != frequency_hz:
            raise KnobRejectedError(
                platform=board.spec.id,
                part=f"{cluster.name}.frequency_hz",
                asked=frequency_hz,
                found=domain.allowed_hz,
                hint="a thermal or power cap, or another program, has it",
            )
        return configuration

    @property
    def n_processors(self) -> int:
        """All that the board has."""
        return sum(len(cluster.cpus) for cluster in self._board.spec.clusters)

    def own_s(self) -> float:
        """Processor time that the application used so far, on the board's own processors."""
        self._catch_up()
        return self._board.own_core_s()

    def release(self) -> None:
        """Put every knob back, once."""
        if self._is_open:
            self._is_open = False
            self._catch_up()
            for index in range(len(self._board.domains)):
                self._board.drive(index, None)


class SimulatedHold:
    """The context manager that `SimulatedPlatform.hold` returns.

    Args:
        platform: Its name.
        take: Makes the held board, or raises if somebody has it.
        give_back: Called at the end.
    """

    def __init__(self, take: Callable[[], HeldSimulatedBoard], give_back: Callable[[HeldSimulatedBoard], None]) -> None:
        self._take, self._give_back = take, give_back
        self._board: HeldSimulatedBoard | None = None

    def __enter__(self) -> HeldBoard:
        """Take the board.

        Raises:
            PlatformError: Somebody holds it.
        """
        self._board = self._take()
        return self._board

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put everything back."""
        board, self._board = self._board, None
        if board is not None:
            self._give_back(board)


def _check(cluster: ClusterSpec, configuration: Configuration) -> None:
    """Refuse what a cluster cannot do, before anything is set."""
    name, n_cores = cluster.name, configuration.n_cores
    if not 1 <= n_cores <= cluster.n_cores:
        raise UsageError(f"{name}.cores: asked {n_cores}, the cluster has {cluster.n_cores}; ask for 1 to that many")
    if configuration.frequency_hz is not None:
        check_clock(cluster, configuration.frequency_hz)


def check_clock(cluster: ClusterSpec, asked_hz: int) -> None:
    """Refuse a clock that is not on the ladder.

    Raises:
        UsageError: It is not.
    """
    ladder_hz = cluster.frequencies_hz
    if asked_hz not in ladder_hz:
        near = sorted(ladder_hz, key=lambda step_hz: abs(step_hz - asked_hz))[:2]
        steps = " or ".join(f"{step_hz} ({show_frequency(step_hz)})" for step_hz in near)
        raise UsageError(
            f"{cluster.name}.frequency_hz: asked {asked_hz}, which is not a step of its ladder; ask for {steps}"
        )
