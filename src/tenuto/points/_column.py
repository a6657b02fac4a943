"""One metric of many points: three arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError
from tenuto.points._point import SOURCES, Estimate, Source, source_code


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One metric of every point. The arrays are read-only.

    Attributes:
        value: float64; NaN where the point has no such figure.
        stdev: float64; NaN where it is unknown.
        source: uint8; indices into `SOURCES`, meaningless where the value is NaN.

    Raises:
        UsageError: The arrays differ in length or are not flat, a source code has no meaning, or a deviation is
            negative or infinite.
    """

    value: NDArray[np.float64]
    stdev: NDArray[np.float64]
    source: NDArray[np.uint8]

    def __post_init__(self) -> None:
        value, stdev = np.asarray(self.value, dtype=np.float64), np.asarray(self.stdev, dtype=np.float64)
        source = np.asarray(self.source)
        if value.ndim != 1 or stdev.shape != value.shape or source.shape != value.shape:
            raise UsageError(
                f"a column's value, stdev and source have shapes {value.shape}, {stdev.shape} and {source.shape}; "
                "each needs one entry per point"
            )
        if bool(np.any((source < 0) | (source >= len(SOURCES)))):
            raise UsageError(
                f"a source code is {source.max()}, expected 0 to {len(SOURCES) - 1} ({', '.join(SOURCES)})"
            )
        if bool(np.any(np.isinf(stdev) | (stdev < 0))):
            raise UsageError("a stdev is negative or infinite; leave out what is not known")
        arrays: dict[str, NDArray[Any]] = {
            "value": value,
            "stdev": stdev,
            "source": source.astype(np.uint8, copy=False),
        }
        for name, array in arrays.items():
            object.__setattr__(self, name, read_only(array))

    def __len__(self) -> int:
        return len(self.value)

    def take(self, indices: NDArray[np.intp]) -> "Column":
        """The rows at `indices`."""
        return Column(self.value[indices], self.stdev[indices], self.source[indices])

    def estimate(self, index: int) -> Estimate | None:
        """One row, or None where there is no figure."""
        value, stdev = float(self.value[index]), float(self.stdev[index])
        if math.isnan(value):
            return None
        return Estimate(value, SOURCES[self.source[index]], None if math.isnan(stdev) else stdev)

    @classmethod
    def uniform(cls, value: Sequence[float] | NDArray[np.float64], source: Source) -> "Column":
        """Figures of one source and unknown uncertainty.

        Raises:
            UnknownNameError: No such source.
        """
        array = np.asarray(value, dtype=np.float64)
        return cls(array, np.full(array.shape, np.nan), np.full(array.shape, source_code(source), dtype=np.uint8))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written through; whoever made the array keeps it as it is."""
    view = array.view()
    view.flags.writeable = False
    return view
