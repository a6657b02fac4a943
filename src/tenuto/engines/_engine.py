"""The boundary of an engine."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from tenuto.points import SubNetwork


@runtime_checkable
class Engine(Protocol):
    """Runs the sub-networks of one network, one at a time.

    A new engine is these four verbs and two facts, and passes `tenuto.testing.check_engine`.
    """

    @property
    def resident(self) -> frozenset[SubNetwork]:
        """The sub-networks that `activate` puts in force at once."""
        ...

    @property
    def active(self) -> SubNetwork:
        """The sub-network that the next `infer` runs."""
        ...

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        """Make sub-networks resident, and wait until they are; the first one loaded is active.

        Raises:
            UnknownNameError: The network has no such sub-network.
            EngineError: A model would not load.
        """
        ...

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        """Ask for a sub-network; a resident one is in force at once.

        Another is opened in the background while the active one goes on serving; ask again to see whether it is there.

        Returns:
            The sub-network now in force.

        Raises:
            UnknownNameError: The network has no such sub-network.
            EngineError: Opening it in the background failed.
        """
        ...

    def infer(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Run the active sub-network on one input.

        Raises:
            UsageError: The frame has the wrong shape or type; says which was expected.
            EngineError: The engine failed.
        """
        ...

    def close(self) -> None:
        """Give everything back; the engine cannot be used afterwards."""
        ...
