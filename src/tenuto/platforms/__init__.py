"""Platforms: the clusters, knobs and monitors of a machine, and holding it.

`LinuxPlatform` is any Linux machine, found out from its own files; `CoRunner` disturbs it on purpose.
"""

from tenuto.platforms._platform import (
    Cluster,
    Described,
    HeldBoard,
    Knob,
    Missing,
    Monitor,
    Opp,
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
    "Platform",
    "Snapshot",
    "readings_by_quantity",
]
