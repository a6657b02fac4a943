"""The log of single measurements, written as they are taken: an interrupted profile goes on where it stopped."""

from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final

import msgspec

from tenuto.errors import SpecError

SCHEMA: Final = 1
_FORMAT: Final = "tenuto-profile-samples"

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are no JSON of ours may raise."""


class Visit(msgspec.Struct, frozen=True):
    """One visit to one configuration: some inferences in a row.

    Attributes:
        round: Every configuration is visited once per round, in an order of the round's own.
        cell: Index of the configuration.
        time_s: When, since the profile began.
        latency_ms: Of each inference but the first, which warms up.
        load_pct: Load of the processors around then; absent if it cannot be read.
        temperature_c: Highest temperature then; absent if it cannot be read.
    """

    round: Annotated[int, msgspec.Meta(ge=0)]
    cell: Annotated[int, msgspec.Meta(ge=0)]
    time_s: float
    latency_ms: Annotated[tuple[Annotated[float, msgspec.Meta(gt=0)], ...], msgspec.Meta(min_length=1)]
    load_pct: float | None = None
    temperature_c: float | None = None


class _Head(msgspec.Struct):
    format: str
    schema: int
    subject: dict[str, Any]


class SampleLog:
    """Visits in a JSON Lines file, or only in memory.

    Args:
        path: The file; None keeps the visits in memory alone.
        subject: What is measured, its `cells` among it: a file about anything else is refused.

    Raises:
        SpecError: The file is of something else, of a newer schema, or damaged before its last line.
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path | None, subject: dict[str, Any]) -> None:
        self.visits: list[Visit] = []
        self._file = None
        if path is None:
            return
        size = self._read(path, subject) if path.exists() else 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if size else "wb")
        self._file.seek(size)
        self._file.truncate()
        if not size:
            self._write(_Head(_FORMAT, SCHEMA, subject))

    def add(self, visit: Visit) -> None:
        """Keep a visit."""
        self.visits.append(visit)
        if self._file is not None:
            self._write(visit)

    def __enter__(self) -> "SampleLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, record: msgspec.Struct) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(record) + b"\n")
            self._file.flush()

    def _read(self, path: Path, subject: dict[str, Any]) -> int:
        """Read what is there; the size up to the last whole line, after which writing goes on."""
        lines = path.read_bytes().split(b"\n")[:-1]  # the last piece is empty, or a line cut short
        if not lines:
            return 0
        advice = "move it away to measure anew (`tenuto profile --fresh` removes it)"
        try:
            head = msgspec.json.decode(lines[0], type=_Head)
        except _UNREADABLE as error:
            raise SpecError(path, f"is not a log of samples ({error}); {advice}", line=1) from error
        if head.format != _FORMAT or head.schema > SCHEMA:
            raise SpecError(path, f"has format {head.format!r}, schema {head.schema}; {advice}", line=1)
        for key, value in subject.items():
            if head.subject.get(key) != value:
                found = head.subject.get(key)
                raise SpecError(path, f"was measured with {key} {found!r}, not {value!r}; {advice}", key=key, line=1)
        n_cells = len(subject["cells"])
        for number, line in enumerate(lines[1:], start=2):
            try:
                visit = msgspec.json.decode(line, type=Visit)
            except _UNREADABLE as error:
                raise SpecError(path, f"is not a visit ({error}); {advice}", line=number) from error
            if visit.cell >= n_cells:
                raise SpecError(
                    path, f"visits cell {visit.cell}, there are {n_cells}; {advice}", key="cell", line=number
                )
            self.visits.append(visit)
        return sum(len(line) + 1 for line in lines)
