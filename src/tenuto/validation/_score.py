"""What scoring a board against measurements comes to; every kind of measurement yields one of these."""

from typing import Any

from msgspec import Struct


class Total(Struct, frozen=True, kw_only=True):
    """One figure over many rows.

    Attributes:
        what: Of which rows, for people: `networks not seen, one thread`.
        figure: What it is, unit included: `median_error_pct`, `rmse_c`, `throttled_after_s`.
        value: In that unit.
        asked: What it was to be at most, if something was asked.
    """

    what: str
    figure: str
    value: float
    asked: float | None = None


class Score(Struct, frozen=True, kw_only=True):
    """A board's model against one file of measurements.

    Attributes:
        board: The board's id.
        path: The file.
        n_measurements: Rows of the file that were scored.
        rows: One for each workload, network or level: Structs whose attributes are the keys and the columns.
        totals: Over all of them.
        notes: What was left out and why, one sentence each.
    """

    board: str
    path: str
    n_measurements: int
    rows: tuple[Any, ...]
    totals: tuple[Total, ...]
    notes: tuple[str, ...] = ()
