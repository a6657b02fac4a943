"""A sub-network as a value, and its name."""

import re
from dataclasses import dataclass
from typing import Final

from tenuto.errors import UnknownNameError, UsageError

DIMENSION_CODES: Final = {
    "depth": "d",
    "width_pct": "w",
    "kernel_size": "k",
    "expand_ratio": "e",
    "resolution": "r",
    "level": "l",
}
"""The letter that stands for each elastic dimension in a sub-network's name.

`level` counts the rungs of a ladder whose setting is not known, or that has no other dimension.
"""

_DIMENSION_OF_CODE = {code: dimension for dimension, code in DIMENSION_CODES.items()}

# No leading zeros and at most nine digits: each sub-network has one name, and each name is one sub-network.
_PART = re.compile(r"([a-z])((?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8}))*)")
_NETWORK = re.compile(r"[^\s/]+")


@dataclass(frozen=True, slots=True)
class SubNetwork:
    """One setting for every elastic dimension of one named super-network.

    Attributes:
        network: The super-network's name, such as `fashion`: no blanks, no `/`.
        setting: Each dimension with its values, one per stage (or one in all): whole numbers from 0 to 999 999 999.

    Raises:
        UnknownNameError: A dimension is none of `DIMENSION_CODES`.
        UsageError: The network's name or a dimension's values could not be written as a name and read back.
    """

    network: str
    setting: tuple[tuple[str, tuple[int, ...]], ...]

    def __post_init__(self) -> None:
        if not _NETWORK.fullmatch(self.network):
            raise UsageError(f"network {self.network!r}: found blanks, a '/' or nothing; name it like fashion")
        dimensions = [dimension for dimension, _ in self.setting]
        for dimension, values in self.setting:
            if dimension not in DIMENSION_CODES:
                raise UnknownNameError("dimension", dimension, DIMENSION_CODES)
            if not values or not all(type(value) is int and 0 <= value < 10**9 for value in values):
                raise UsageError(f"{dimension}: asked {values!r}, expected whole numbers from 0 to 999 999 999")
        if not dimensions or len(set(dimensions)) != len(dimensions):
            raise UsageError(f"dimensions {dimensions!r}: found none, or one twice; give each dimension once")

    @property
    def name(self) -> str:
        """The setting as text, such as `d2.1-w100.50-k5.3`; `parse` reads it back."""
        return "-".join(
            DIMENSION_CODES[dimension] + ".".join(str(value) for value in values) for dimension, values in self.setting
        )

    def values(self, dimension: str) -> tuple[int, ...]:
        """The values chosen for one dimension.

        Raises:
            UnknownNameError: The sub-network has no such dimension.
        """
        setting = dict(self.setting)
        if dimension not in setting:
            raise UnknownNameError("dimension", dimension, setting)
        return setting[dimension]

    @classmethod
    def parse(cls, text: str) -> "SubNetwork":
        """Read `network/name`, the name as `name` writes it.

        Raises:
            UsageError: The text is not of that form.
        """
        network, _, name = text.partition("/")
        matches = [_PART.fullmatch(part) for part in name.split("-")]
        setting = tuple(
            (_DIMENSION_OF_CODE[match[1]], tuple(int(value) for value in match[2].split(".")))
            for match in matches
            if match and match[1] in _DIMENSION_OF_CODE
        )
        if len(setting) != len(matches):
            raise UsageError(
                f"{text[:80]!r} does not name a sub-network: expected something like fashion/d2.1-w100.50-k5.3, "
                f"with letters from {', '.join(_DIMENSION_OF_CODE)}"
            )
        return cls(network, setting)
