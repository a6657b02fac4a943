"""CSV files of measurements: read whole, with errors that name what is missing."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenuto.errors import SpecError

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A file.

    Attributes:
        path: Where it is.
        columns: Its header.
        rows: One dictionary each; `lines` has their places.
        lines: The line of each row in the file, from 2.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lines: tuple[int, ...]

    def missing(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Which of these columns the file does not have."""
        return tuple(column for column in columns if column not in self.columns)


def read_csv(path: Path) -> CsvTable:
    """Read a file with a header.

    Raises:
        SpecError: It cannot be read, is no text, or has no header.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            rows, lines = [], []
            for row in reader:
                # A short row has None for what it lacks, a long one a list under None.
                rows.append({key: value or "" for key, value in row.items() if isinstance(key, str)})
                lines.append(reader.line_num)
    except OSError as error:
        raise SpecError(path, f"asked to read measurements, but {error.strerror}; give a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpecError(path, f"asked to read measurements, found no CSV text ({error}); give a CSV file") from error
    if not columns:
        raise SpecError(path, "asked to read measurements, found an empty file; give a CSV file with a header")
    return CsvTable(path, columns, tuple(rows), tuple(lines))


def wrong_columns(table: CsvTable, formats: Sequence[tuple[str, Sequence[str]]]) -> SpecError:
    """The error for a file of none of the known formats: names what is missing from the nearest.

    Args:
        table: The file.
        formats: What each is called, and the columns that it needs.
    """
    _, missing, name = min((len(table.missing(needed)), table.missing(needed), name) for name, needed in formats)
    expected = "; or ".join(f"{name}: {', '.join(needed)}" for name, needed in formats)
    return SpecError(
        table.path,
        f"lacks {', '.join(missing)} of {name}; found {', '.join(table.columns)}; expected are {expected}",
        key=missing[0],
        line=1,
    )


def number(row: Row, column: str) -> float | None:
    """A finite number, or None where there is none."""
    try:
        value = float(row.get(column, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
