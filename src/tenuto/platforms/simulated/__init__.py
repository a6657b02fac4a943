"""Simulated boards: a file says what a board is, and physics does the rest.

`SimulatedPlatform` is a board like any other, in a time of its own; `SimulatedEngine` runs networks on it;
`Conditions` are the rest of the world. `power`, `thermal`, `throttling`, `latency`, `governors`, `contention` and
`noise` are the models, each a module of functions and values with its equations and sources.
"""

from tenuto.platforms.simulated._board_file import board_ids, load_board, read_board
from tenuto.platforms.simulated._clock import ManualClock
from tenuto.platforms.simulated._engine import SimulatedEngine
from tenuto.platforms.simulated._foresight import Places
from tenuto.platforms.simulated._platform import SimulatedPlatform, Truth
from tenuto.platforms.simulated._sharing import Running
from tenuto.platforms.simulated._spec import BoardSpec, ClusterSpec, Parameter, parameters
from tenuto.platforms.simulated._work import NetworkWork, ScaledWork
from tenuto.platforms.simulated._world import QUIET, BackgroundLoad, Conditions

__all__ = [
    "QUIET",
    "BackgroundLoad",
    "BoardSpec",
    "ClusterSpec",
    "Conditions",
    "ManualClock",
    "NetworkWork",
    "Parameter",
    "Places",
    "Running",
    "ScaledWork",
    "SimulatedEngine",
    "SimulatedPlatform",
    "Truth",
    "board_ids",
    "load_board",
    "parameters",
    "read_board",
]
