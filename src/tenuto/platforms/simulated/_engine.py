"""An engine that runs networks on a simulated board: as slow as their layers are there, and without a result."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UnknownNameError, UsageError
from tenuto.graphs import LayerCost
from tenuto.platforms.simulated._platform import SimulatedPlatform
from tenuto.platforms.simulated._work import NetworkWork
from tenuto.points import SubNetwork

FLOAT32: Final = np.dtype(np.float32)
"""Compared at once, which the class is not."""


class SimulatedEngine:
    """Runs sub-networks on a simulated board, where the board was told to run them. Returns zeros.

    Args:
        platform: The board.
        networks: The layers of each sub-network (`graphs.layer_costs`), of the batch that frames have.
        input_shape: Of one item of a frame, without the batch.
        output_shape: Of one item's output.

    Raises:
        UsageError: No sub-network at all.

    Model:
        An inference takes what the latency model says of its layers at the clock in force, slowed by others, times the
        noise; where the clock changes meanwhile, each part has its own pace. Switching sub-networks and clusters costs
        nothing here but the clock's delay (`SimulatedPlatform.start` counts what the board file says of it). The
        processor's own work for an inference on an accelerator is left out.
    """

    def __init__(
        self,
        platform: SimulatedPlatform,
        networks: Mapping[SubNetwork, Sequence[LayerCost]],
        *,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
    ) -> None:
        if not networks:
            raise UsageError("asked to run no sub-network at all; give the layer costs of at least one")
        self._platform = platform
        self._works = {one: NetworkWork(costs, platform.spec) for one, costs in networks.items()}
        self._input_shape, self._output_shape = tuple(input_shape), tuple(output_shape)
        self._resident: frozenset[SubNetwork] = frozenset()
        self._active: SubNetwork | None = None
        self._is_closed = False
        self._frame_shape: tuple[int, ...] | None = None  # which was found good last

    @property
    def resident(self) -> frozenset[SubNetwork]:
        """The sub-networks that `activate` puts in force at once."""
        return self._resident

    @property
    def active(self) -> SubNetwork:
        """The sub-network that the next `infer` runs.

        Raises:
            UsageError: Nothing was loaded, or the engine is closed.
        """
        if self._active is None or self._is_closed:
            self._check_open()
            raise UsageError("no sub-network is active, because none was loaded; call load() first")
        return self._active

    def load(self, sub_networks: Iterable[SubNetwork]) -> None:
        """Make sub-networks resident; the first one ever loaded is active.

        Raises:
            UnknownNameError: No such sub-network; nothing was loaded.
            UsageError: The engine is closed.
        """
        self._check_open()
        wanted = list(sub_networks)
        for sub_network in wanted:
            self._check_known(sub_network)
        self._resident |= frozenset(wanted)
        if self._active is None and wanted:
            self._active = wanted[0]

    def activate(self, sub_network: SubNetwork) -> SubNetwork:
        """Ask for a sub-network; one that is not resident yet is in force when it is asked for again.

        Returns:
            The sub-network now in force.

        Raises:
            UnknownNameError: No such sub-network.
            UsageError: The engine is closed.
        """
        self._check_open()
        self._check_known(sub_network)
        if sub_network in self._resident or self._active is None:
            self._active = sub_network
        self._resident |= {sub_network}
        return self._active

    def infer(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Let the time of one inference pass on the board.

        Returns:
            float32 zeros, (n, *output_shape).

        Raises:
            UsageError: The frame is not float32 (n, *input_shape), n at least 1. Or nothing was loaded.
            PlatformError: The board has switched itself off.
        """
        active = self.active
        if not isinstance(frame, np.ndarray) or frame.dtype != FLOAT32 or frame.shape != self._frame_shape:
            self._check_frame(frame)
        self._platform.run(self._works[active])
        return np.zeros((len(frame), *self._output_shape), FLOAT32)

    def close(self) -> None:
        """The engine cannot be used afterwards. Closing twice does nothing."""
        self._is_closed = True
        self._resident = frozenset()

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("the engine is closed; make a new one")

    def _check_frame(self, frame: NDArray[Any]) -> None:
        if not isinstance(frame, np.ndarray) or frame.dtype != FLOAT32 or frame.shape[1:] != self._input_shape:
            found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"
            raise UsageError(f"a frame must be float32 (n, *{self._input_shape}); found {found}; convert it")
        if frame.shape[:1] in ((), (0,)):
            raise UsageError(f"a frame must hold at least one item; found shape {frame.shape}; skip empty batches")
        self._frame_shape = frame.shape

    def _check_known(self, sub_network: SubNetwork) -> None:
        if sub_network not in self._works:
            raise UnknownNameError("sub-network", sub_network.name, (known.name for known in self._works))
