"""Configurations, estimates and operating points as values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from tenuto.errors import UnknownNameError, UsageError
from tenuto.points._sub_network import SubNetwork

Source = Literal["measured", "modelled", "published", "assumed"]
"""Where a figure comes from."""

SOURCES: Final[tuple[Source, ...]] = get_args(Source)
"""The sources, in the order of their codes in a column."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One value for every knob.

    Attributes:
        sub_network: What runs.
        cluster: The platform's cluster that it runs on.
        n_cores: On how many of the cluster's cores, at least 1.
        frequency_hz: At which clock, or None where the clock is not ours to set.

    Raises:
        UsageError: The cluster has no name, or a number is below 1.
    """

    sub_network: SubNetwork
    cluster: str
    n_cores: int = 1
    frequency_hz: int | None = None

    def __post_init__(self) -> None:
        if not self.cluster:
            raise UsageError("cluster: found an empty name; give the platform's name for it")
        if self.n_cores < 1:
            raise UsageError(f"n_cores: asked {self.n_cores!r}, expected 1 or more")
        if self.frequency_hz is not None and self.frequency_hz < 1:
            raise UsageError(f"frequency_hz: asked {self.frequency_hz!r}, expected 1 or more, or None for not ours")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, how sure it is, and where it comes from.

    Attributes:
        value: In the unit of the metric's name; finite. What is not known has no estimate.
        source: measured, modelled, published or assumed.
        stdev: Standard deviation of the figure itself, not of single inferences; None if unknown.

    Raises:
        UnknownNameError: No such source.
        UsageError: A figure is not finite, or the deviation is negative.
    """

    value: float
    source: Source
    stdev: float | None = None

    def __post_init__(self) -> None:
        source_code(self.source)
        if not math.isfinite(self.value):
            raise UsageError(f"value: asked {self.value!r}, expected a finite number; leave out what is not known")
        if self.stdev is not None and not 0 <= self.stdev < math.inf:
            raise UsageError(f"stdev: asked {self.stdev!r}, expected 0 or more, or None for unknown")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A configuration and the figures expected in it. A metric that is not known is not in the mapping."""

    configuration: Configuration
    metrics: Mapping[str, Estimate]


def source_code(source: str) -> int:
    """The index of a source in `SOURCES`.

    Raises:
        UnknownNameError: No such source.
    """
    if source not in SOURCES:
        raise UnknownNameError("source", source, SOURCES)
    return SOURCES.index(source)
