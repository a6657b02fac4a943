"""A trace's file: JSON Lines. The header, one line per step or event, and a last line that counts the steps."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec
import numpy as np

from tenuto.errors import TraceError, UsageError
from tenuto.points import table_from_builtins, table_to_builtins
from tenuto.requirements import Requirements
from tenuto.traces._step import SCHEMA, Event, Step, Trace, TraceHeader

_FORMAT: Final = "tenuto-trace"


class _HeaderFile(msgspec.Struct, kw_only=True):
    format: str
    schema: int
    tenuto_version: str
    created: str
    network: str
    platform: str
    policy: str
    parameters: dict[str, Any]
    requirements: Requirements
    seed: int | None
    events: tuple[Event, ...]
    about: dict[str, Any]
    table: dict[str, Any]


class _Head(msgspec.Struct):
    """What any version of the file says about itself."""

    format: str = ""
    schema: int = 0


class _Mark(msgspec.Struct, omit_defaults=True):
    """A line that is no step."""

    event: Event | None = None
    end: int | None = None
    n_dropped: int = 0


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are no JSON of ours may raise."""

_MARK_LINE: Final = re.compile(rb'\s*\{\s*"(?:event|end)"')


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PurePath):
        return str(value)
    raise UsageError(f"a trace holds plain values, found {type(value).__name__} {value!r}; convert it first")


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
_decode_step: Final = msgspec.json.Decoder(Step).decode
_decode_mark: Final = msgspec.json.Decoder(_Mark).decode


def header_line(header: TraceHeader) -> bytes:
    """The first line of a trace."""
    return (
        _encode(
            _HeaderFile(
                format=_FORMAT,
                schema=SCHEMA,
                tenuto_version=header.tenuto_version,
                created=header.created,
                network=header.network,
                platform=header.platform,
                policy=header.policy,
                parameters=dict(header.parameters),
                requirements=header.requirements,
                seed=header.seed,
                events=header.events,
                about=dict(header.about),
                table=table_to_builtins(header.table),
            )
        )
        + b"\n"
    )


def record_line(record: Step | Event) -> bytes:
    """The line of a step or an event."""
    return _encode(record if isinstance(record, Step) else _Mark(event=record)) + b"\n"


def end_line(n_steps: int, *, n_dropped: int = 0) -> bytes:
    """The last line; without it a trace was cut short."""
    return _encode(_Mark(end=n_steps, n_dropped=n_dropped)) + b"\n"


def encode_decision(decision: object) -> bytes:
    """A decision as its line in a file would have it, so that equal means equal after a round trip."""
    return _encode(decision)


def read_trace(path: str | Path) -> Trace:
    """Read a trace that `TraceWriter` wrote, as far as it goes.

    A last line that was cut (a crash, a full disk) is left out, and `Trace.is_complete` is False.

    Raises:
        TraceError: No such file, not a trace, of a newer schema, cut within its header, or damaged before its end;
            says which line.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise TraceError(path, f"cannot be read ({error.strerror}); give the path of a recorded trace") from error
    first, *lines = content.split(b"\n")
    header = _header(path, first)
    steps: list[Step] = []
    events = list(header.events)
    end: _Mark | None = None
    for number, line in enumerate(lines, start=2):
        is_last = number == len(lines) + 1
        if is_last and not line.strip():
            break
        if end is not None:
            raise TraceError(path, "goes on after its last line; two recordings in one file? split it", line=number)
        try:
            record = _record(line)
        except _UNREADABLE as error:
            if is_last:
                break
            raise TraceError(
                path, f"is neither a step nor an event ({error}); the lines before it can be kept", line=number
            ) from error
        if isinstance(record, Step):
            steps.append(record)
        elif record.event is not None:
            events.append(record.event)
        else:
            end = record
            if end.end != len(steps):
                raise TraceError(
                    path, f"counts {end.end} steps and the file has {len(steps)}; lines are missing", line=number
                )
    return Trace(
        header,
        tuple(steps),
        tuple(sorted(events, key=lambda event: event.time_s)),
        is_complete=end is not None and end.n_dropped == 0,
    )


def _record(line: bytes) -> Step | _Mark:
    return _decode_mark(line) if _MARK_LINE.match(line) else _decode_step(line)


def _header(path: str | Path, line: bytes) -> TraceHeader:
    try:
        head = msgspec.json.decode(line, type=_Head)
    except _UNREADABLE as error:
        raise TraceError(
            path, f"is not a trace, or is cut within its header ({error}); record it again", line=1
        ) from error
    if head.format != _FORMAT:
        raise TraceError(path, f'is not a trace: its "format" is {head.format!r}, not {_FORMAT!r}', line=1)
    if head.schema > SCHEMA:
        raise TraceError(
            path, f"has schema {head.schema} and this version reads up to {SCHEMA}; upgrade tenuto", line=1
        )
    try:
        file = msgspec.json.decode(line, type=_HeaderFile)
        table = table_from_builtins(file.table)
    except (*_UNREADABLE, UsageError) as error:
        raise TraceError(path, f"has a header that makes no sense ({error}); record it again", line=1) from error
    return TraceHeader(
        network=file.network,
        platform=file.platform,
        policy=file.policy,
        requirements=file.requirements,
        table=table,
        parameters=file.parameters,
        seed=file.seed,
        events=file.events,
        about=file.about,
        created=file.created,
        tenuto_version=file.tenuto_version,
    )
