"""A node together with what is known of the values that it reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.graphs._graph import Node, Shape

Values = NDArray[Any]
"""The content of a small array on which shapes depend."""


class UndeterminedError(Exception):
    """A shape depends on data that only a run of the network would show."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One node and its inputs.

    Attributes:
        node: The operator.
        shapes: Of its inputs; None for one left out.
        values: Of its inputs, where they are known before the network runs.
        is_assumed: Whether a shape among them rests on an operator without a rule: then it need not fit.
    """

    node: Node
    shapes: tuple[Shape | None, ...]
    values: tuple[Values | None, ...]
    is_assumed: bool = False

    @classmethod
    def of(
        cls, node: Node, shapes: Mapping[str, Shape], values: Mapping[str, Values], *, is_assumed: bool = False
    ) -> "Seen":
        """The node as it stands among values whose shapes are known."""
        return cls(node, tuple(map(shapes.get, node.inputs)), tuple(map(values.get, node.inputs)), is_assumed)

    def has(self, position: int) -> bool:
        """Whether that input is given."""
        return position < len(self.node.inputs) and self.node.inputs[position] != ""

    def shape(self, position: int) -> Shape:
        """The shape of a required input."""
        shape = self.shapes[position] if position < len(self.shapes) else None
        if shape is None:
            raise ValueError(f"its input {position} is missing")
        return shape

    def integer(self, name: str, default: int) -> int:
        """An attribute that is one whole number."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise TypeError(f"attribute {name} is {value!r}, not a whole number")
        return value

    def text(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, str):
            raise TypeError(f"attribute {name} is {value!r}, not a word")
        return value

    def integers(self, name: str, default: Shape) -> Shape:
        """An attribute that is a list of whole numbers."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, tuple):
            raise TypeError(f"attribute {name} is {value!r}, not a list")
        return tuple(int(number) for number in value)

    def numbers(self, name: str, position: int) -> tuple[float, ...] | None:
        """A list that is an attribute in old opsets and an input in new ones; None where it is neither.

        Raises:
            UndeterminedError: It is an input whose content is not known before a run.
        """
        attribute = self.node.attributes.get(name)
        if isinstance(attribute, tuple):
            return attribute
        if isinstance(attribute, int | float):
            return (attribute,)
        if not self.has(position):
            return None
        values = self.values[position]
        if values is None:
            raise UndeterminedError(f"{self.node.inputs[position]!r} is known only in a run")
        return tuple(values.reshape(-1).tolist())

    def axes(self, position: int, rank: int) -> tuple[int, ...] | None:
        """The attribute or input `axes`, counted from the front; None where it is not given."""
        found = self.numbers("axes", position)
        return None if found is None else tuple(axis_of(int(axis), rank) for axis in found)


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is none of {rank} axes")
    return axis % rank


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an operation on each pair of elements."""
    return np.broadcast_shapes(*shapes)


def count(shape: Shape) -> int:
    """Elements of an array of this shape."""
    return math.prod(shape)
