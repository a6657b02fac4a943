"""The operating table's file: one JSON object, a list per column, readable by anything that reads JSON."""

import math
import os
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tenuto.errors import SpecError, TenutoError, UsageError
from tenuto.points._column import Column
from tenuto.points._point import SOURCES, Source, source_code
from tenuto.points._sub_network import SubNetwork
from tenuto.points._table import NO_FREQUENCY, OperatingTable
from tenuto.storage import replace_file
from tenuto.units import QUANTITIES

SCHEMA: Final = 1
"""The version of the file format that this program writes."""

_FORMAT: Final = "tenuto-operating-table"


class _MetricFile(msgspec.Struct, forbid_unknown_fields=True):
    """One metric: null where there is no figure; `source` once if it is the same for every point."""

    unit: str
    value: list[float | None]
    source: Source | list[Source]
    stdev: list[float | None] | None = None


class _ConfigurationFile(msgspec.Struct, forbid_unknown_fields=True):
    sub_network: list[str]
    cluster: list[str]
    n_cores: list[int]
    frequency_hz: list[int | None]


class _TableFile(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    schema: int
    network: str
    about: dict[str, Any]
    configurations: _ConfigurationFile
    metrics: dict[str, _MetricFile]


class _Head(msgspec.Struct):
    """What any version of the file says about itself."""

    format: str = ""
    schema: int = 0


class _FieldError(UsageError):
    """A field that parses and makes no sense; becomes a SpecError with the file's path."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(problem)


def write_table(table: OperatingTable, path: str | Path) -> None:
    """Write a table; an existing file is replaced only once the new one is complete.

    Raises:
        UsageError: `table.about` holds something that JSON cannot.
        OSError: The disk is full or the folder cannot be written; an existing file is as it was.
    """
    replace_file(Path(path), _encoded(_table_file(table)) + b"\n")


def read_table(path: str | Path) -> OperatingTable:
    """Read a table that `write_table` wrote.

    Raises:
        SpecError: No such file, truncated, not an operating table, of a newer schema, or with figures that make no
            sense; says which field.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SpecError(path, f"cannot be read ({error.strerror}); `tenuto profile` makes a table") from error
    try:
        head = msgspec.json.decode(content, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(path, f"is not an operating table, or is cut short ({error}); profile again") from error
    if head.format != _FORMAT:
        raise SpecError(
            path, f'is not an operating table: its "format" is not "{_FORMAT}"; give another file', key="format"
        )
    if head.schema != SCHEMA:
        advice = "upgrade tenuto" if head.schema > SCHEMA else "profile again"
        raise SpecError(path, f"has schema {head.schema} and this version reads {SCHEMA}; {advice}", key="schema")
    try:
        return _table(msgspec.json.decode(content, type=_TableFile))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        key = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else None
        raise SpecError(path, f"{error}; profile again, or mend the file", key=key) from error
    except _FieldError as error:
        raise SpecError(path, str(error), key=error.key) from error
    except TenutoError as error:
        raise SpecError(path, str(error)) from error


def table_to_builtins(table: OperatingTable) -> dict[str, Any]:
    """The table as plain dictionaries and lists, laid out as in its file, for files that embed one.

    Raises:
        UsageError: `table.about` holds something that JSON cannot.
    """
    plain: dict[str, Any] = msgspec.json.decode(_encoded(_table_file(table)))
    return plain


def table_from_builtins(plain: Mapping[str, Any]) -> OperatingTable:
    """The table that `table_to_builtins` took apart.

    Raises:
        UsageError: A field is missing or of the wrong type, the schema is another, or figures make no sense.
    """
    if (plain.get("format"), plain.get("schema")) != (_FORMAT, SCHEMA):
        raise UsageError(
            f"asked for an operating table of schema {SCHEMA}, found format {plain.get('format')!r} and schema "
            f"{plain.get('schema')!r}; upgrade tenuto, or profile again"
        )
    try:
        return _table(msgspec.convert(plain, _TableFile))
    except msgspec.ValidationError as error:
        raise UsageError(f"an operating table makes no sense: {error}; profile again") from error


def _table_file(table: OperatingTable) -> _TableFile:
    names = [sub_network.name for sub_network in table.sub_networks]
    return _TableFile(
        format=_FORMAT,
        schema=SCHEMA,
        network=table.sub_networks[0].network,
        about=dict(table.about),
        configurations=_ConfigurationFile(
            sub_network=[names[index] for index in table.sub_network_index.tolist()],
            cluster=[table.clusters[index] for index in table.cluster_index.tolist()],
            n_cores=table.n_cores.tolist(),
            frequency_hz=[None if hz == NO_FREQUENCY else hz for hz in table.frequency_hz.tolist()],
        ),
        metrics={name: _metric_file(name, column) for name, column in table.metrics.items()},
    )


def _metric_file(name: str, column: Column) -> _MetricFile:
    codes = set(column.source.tolist())
    return _MetricFile(
        unit=QUANTITIES[name].unit,
        value=_nulls(column.value),
        source=SOURCES[codes.pop()] if len(codes) == 1 else [SOURCES[code] for code in column.source.tolist()],
        stdev=None if np.isnan(column.stdev).all() else _nulls(column.stdev),
    )


def _table(file: _TableFile) -> OperatingTable:
    configurations = file.configurations
    names = list(dict.fromkeys(configurations.sub_network))
    clusters = list(dict.fromkeys(configurations.cluster))
    index_of = {name: index for index, name in enumerate(names)}
    cluster_of = {name: index for index, name in enumerate(clusters)}
    n = len(configurations.sub_network)
    for field in ("cluster", "n_cores", "frequency_hz"):
        _check_length(f"configurations.{field}", getattr(configurations, field), n)
    return OperatingTable(
        tuple(SubNetwork.parse(f"{file.network}/{name}") for name in names),
        tuple(clusters),
        np.array([index_of[name] for name in configurations.sub_network], dtype=np.int32),
        np.array([cluster_of[name] for name in configurations.cluster], dtype=np.int32),
        _whole("configurations.n_cores", configurations.n_cores, 2**31).astype(np.int32),
        _whole("configurations.frequency_hz", configurations.frequency_hz, 2**63),
        {name: _column(name, metric, n) for name, metric in file.metrics.items()},
        file.about,
    )


def _column(name: str, metric: _MetricFile, n: int) -> Column:
    key = f"metrics.{name}"
    if name not in QUANTITIES:
        raise _FieldError(key, f"is no metric that this version knows: {', '.join(QUANTITIES)}; upgrade tenuto")
    unit = QUANTITIES[name].unit
    if metric.unit != unit:
        # Figures in another unit would be believed: a latency in seconds is a thousandth of what it should be.
        raise _FieldError(
            f"{key}.unit", f"is {metric.unit!r}, expected {unit!r}; convert the figures and name the unit"
        )
    sources: list[Source] = [metric.source] * n if isinstance(metric.source, str) else metric.source
    for field, values in (("value", metric.value), ("source", sources), ("stdev", metric.stdev)):
        if values is not None:
            _check_length(f"{key}.{field}", values, n)
    try:
        return Column(
            _array(metric.value),
            np.full(n, np.nan) if metric.stdev is None else _array(metric.stdev),
            np.array([source_code(source) for source in sources], dtype=np.uint8),
        )
    except UsageError as error:
        raise _FieldError(key, str(error)) from error


def _check_length(key: str, values: Sized, n: int) -> None:
    if len(values) != n:
        raise _FieldError(key, f"has {len(values)} entries and there are {n} points; every list needs one each")


def _whole(key: str, values: Sequence[int | None], end: int) -> NDArray[np.int64]:
    for row, value in enumerate(values):
        if value is not None and not 1 <= value < end:
            raise _FieldError(key, f"has {value} in row {row}; expected 1 or more, and below {end}")
    return np.array([NO_FREQUENCY if value is None else value for value in values], dtype=np.int64)


def _encoded(content: _TableFile) -> bytes:
    try:
        return msgspec.json.encode(content, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"about: found something that JSON cannot hold ({error}); give plain values") from error


def _plain(value: object) -> object:
    """NumPy's numbers, and paths, as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} {value!r}")


def _nulls(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _array(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
