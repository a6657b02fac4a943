"""What is left of a table when resources shrink: a cluster is taken away, cores are, a clock is capped."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tenuto.errors import UnknownNameError, UsageError
from tenuto.points import NO_FREQUENCY, OperatingTable
from tenuto.units import show_frequency


@dataclass(frozen=True, slots=True)
class Resources:
    """What may be used of a board.

    Attributes:
        n_cores: Only these numbers of cores; None for any.
        only: Only these clusters; None for all.
        without: Not these clusters.
        max_frequency_hz: Highest clock of a cluster, by its name.
    """

    n_cores: Collection[int] | None = None
    only: Collection[str] | None = None
    without: Collection[str] = ()
    max_frequency_hz: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class Available:
    """The points that are left.

    Attributes:
        table: Those rows.
        became_hz: The clock of the ladder that each cap came down to, by cluster.
    """

    table: OperatingTable
    became_hz: Mapping[str, int]


def available(table: OperatingTable, resources: Resources) -> Available:
    """The points of a table that need no more than `resources`.

    Raises:
        UnknownNameError: The table has no such cluster.
        UsageError: A cap lies below the lowest clock or is on a cluster whose clock is not ours; or nothing is left.
    """
    for name in (*(resources.only or ()), *resources.without, *resources.max_frequency_hz):
        if name not in table.clusters:
            raise UnknownNameError("cluster", name, table.clusters)
    wanted = set(table.clusters if resources.only is None else resources.only) - set(resources.without)
    keeps = np.isin(table.cluster_index, [i for i, name in enumerate(table.clusters) if name in wanted])
    if resources.n_cores is not None:
        keeps &= np.isin(table.n_cores, list(resources.n_cores))
    became_hz = {}
    for name, cap_hz in resources.max_frequency_hz.items():
        is_here = table.cluster_index == table.clusters.index(name)
        became_hz[name] = _step_below(name, cap_hz, set(table.frequency_hz[is_here].tolist()))
        keeps &= ~is_here | (table.frequency_hz <= became_hz[name])
    rows = np.flatnonzero(keeps)
    if not len(rows):
        raise UsageError(f"nothing is left of {_all_of(table)}; allow more")
    return Available(table.take(rows), MappingProxyType(became_hz))


def _step_below(cluster: str, cap_hz: int, ladder_hz: set[int]) -> int:
    """The highest clock that keeps a cap."""
    if NO_FREQUENCY in ladder_hz:
        raise UsageError(
            f"{cluster}: asked for {show_frequency(cap_hz)} at most, its clock is not ours in this table; drop the cap"
        )
    kept = [step for step in ladder_hz if step <= cap_hz]
    if not kept:
        raise UsageError(
            f"{cluster}: asked for {show_frequency(cap_hz)} at most, its lowest clock is "
            f"{show_frequency(min(ladder_hz))}; raise the cap, or do without {cluster}"
        )
    return max(kept)


def _all_of(table: OperatingTable) -> str:
    parts = []
    for index, name in enumerate(table.clusters):
        cores = sorted(set(table.n_cores[table.cluster_index == index].tolist()))
        parts.append(f"{name} ({', '.join(str(n) for n in cores)} core{'s' if cores != [1] else ''})")
    return ", ".join(parts)
