"""Background load of real edge services: as recorded, or by the model that was fitted to the recordings."""

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path as FilePath
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tenuto.scenarios._format import Above0, From0, Share, Table, Text

FILE: Final = "library/services.toml"
"""Of the fitted models, in this package."""

_CPU_PREFIX: Final = "core"

_MOST: Final = 2.0
"""Counters read at uneven times show more than 1 now and then, which counts as 1; more than this is no load."""


class FittedTable(Table, frozen=True, kw_only=True):
    """The model of one service.

    Attributes:
        busy_cores: Of each level, ascending.
        stay_s: Mean time at each level.
        to: For each level, the probabilities of the next.
    """

    busy_cores: tuple[From0, ...]
    stay_s: tuple[Above0, ...]
    to: tuple[tuple[Share, ...], ...]


class ServicesTable(Table, frozen=True, kw_only=True):
    """The file of the fitted models.

    Attributes:
        reference: What they were fitted to; `from` in the file.
        source: What they are worth.
        interval_s: Of a step.
        services: By name.
    """

    reference: Text = msgspec.field(name="from")
    source: Text
    interval_s: Annotated[float, Meta(gt=0)]
    services: dict[str, FittedTable]


@cache
def fitted_services() -> ServicesTable:
    """The models that ship."""
    text = (resources.files("tenuto.scenarios") / FILE).read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), ServicesTable)


def service_names() -> tuple[str, ...]:
    """The services that an event's `utilisation.fitted` may name."""
    return tuple(sorted(fitted_services().services))


def read_recording(path: FilePath) -> Mapping[str, tuple[float, ...]]:
    """A recording's columns in busy cores (of the GPU: its share), by name; what is no load is left out.

    Raises:
        ValueError: It has no rows, or something in it is no number of 0 or more.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows:
        raise ValueError("found no rows; give a recording with the columns core1 to coreN, mem and gpu")
    names = [name for name in rows[0] if name == "gpu" or name.removeprefix(_CPU_PREFIX).isdigit()]
    columns = {}
    for name in names:
        try:
            values = tuple(float(row[name]) / 100 for row in rows)
        except (TypeError, ValueError):
            raise ValueError(f"column {name}: found something that is no number; give per cent") from None
        if not 0 <= min(values) <= max(values) <= _MOST:
            raise ValueError(f"column {name}: found {100 * min(values):g} to {100 * max(values):g}; give 0 to 100 %")
        columns[name] = tuple(min(value, 1.0) for value in values)
    return columns
