"""Platforms: the clusters, knobs and monitors of a machine, and holding it.

`LinuxPlatform` is any Linux machine, found out from its own files; `CoRunner` disturbs it on purpose.
`SimulatedPlatform` is a board that a file describes, in a time of its own; `tenuto.platforms.simulated` has its parts.
"""

from tenuto.platforms._platform import (
    Cluster,
    Described,
    HeldBoard,
    Knob,
    Missing,
    Monitor,
    Opp,
    OwnTime,
    Platform,
    Snapshot,
)
from tenuto.platforms._readings import readings_by_quantity
from tenuto.platforms._sensors import PLAUSIBLE
from tenuto.platforms.co_runner import CoRunner
from tenuto.platforms.linux import LinuxPlatform
from tenuto.platforms.simulated import (
    BackgroundLoad,
    BoardSpec,
    ClusterSpec,
    Conditions,
    SimulatedEngine,
    SimulatedPlatform,
    board_ids,
    load_board,
)

__all__ = [
    "PLAUSIBLE",
    "BackgroundLoad",
    "BoardSpec",
    "Cluster",
    "ClusterSpec",
    "CoRunner",
    "Conditions",
    "Described",
    "HeldBoard",
    "Knob",
    "LinuxPlatform",
    "Missing",
    "Monitor",
    "Opp",
    "OwnTime",
    "Platform",
    "SimulatedEngine",
    "SimulatedPlatform",
    "Snapshot",
    "board_ids",
    "load_board",
    "readings_by_quantity",
]
