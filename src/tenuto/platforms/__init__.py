"""Platforms: the clusters, knobs and monitors of a machine, and holding it.

`LinuxPlatform` is any Linux machine, found out from its own files; `CoRunner` disturbs it on purpose.
`tenuto.platforms.simulated` has boards that a file describes, in a time of their own; a real board need not load it.
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

__all__ = [
    "PLAUSIBLE",
    "Cluster",
    "CoRunner",
    "Described",
    "HeldBoard",
    "Knob",
    "LinuxPlatform",
    "Missing",
    "Monitor",
    "Opp",
    "OwnTime",
    "Platform",
    "Snapshot",
    "readings_by_quantity",
]
