"""A network as a value: operators, the values between them, and the shapes of its weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tenuto.errors import UnknownNameError, UsageError

Shape = tuple[int, ...]
"""Sizes of an array, batch first; NCHW for images."""

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]
"""A setting of an operator."""

Element = Literal["float32", "int8"]
"""What a layer calculates in. Networks of 16-bit floats count as float32 with 2 bytes an element."""


@dataclass(frozen=True, slots=True)
class Weight:
    """An array that the network brings along. Its content is not kept.

    Attributes:
        shape: Its sizes.
        element_bytes: Of one element; 0.5 for 4-bit weights.
        values: Its content in row order where it is small and a shape may depend on it (the target of a Reshape, the
            scales of a Resize), else None.
    """

    shape: Shape
    element_bytes: float = 4
    values: tuple[int, ...] | tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, named as in ONNX.

    Attributes:
        op: `Conv`, `Gemm`, `Relu`, ...
        name: What people call it.
        inputs: The values that it reads, in ONNX's order; an empty name is an optional input left out.
        outputs: The values that it makes; an empty name is an optional output left out.
        attributes: Its settings under ONNX's names, read-only; what is absent has ONNX's default.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: its nodes in an order in which they can run.

    Attributes:
        name: What people call it.
        inputs: The shape of each input, batch first; read-only.
        weights: What it brings along; read-only.
        nodes: Its operators; each reads only inputs, weights and what earlier nodes make.
        outputs: The values that it answers with, at least one.
        element_bytes: Of one element between the layers: 4 for float32, 1 for int8.

    Raises:
        UnknownNameError: A node reads, or the network answers with, a value that nobody made before.
        UsageError: A value is made twice, a node makes nothing, or there is no output.
    """

    name: str
    inputs: Mapping[str, Shape]
    weights: Mapping[str, Weight]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    element_bytes: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        if not self.outputs:
            raise UsageError(f"graph {self.name!r}: a network answers with something, found no output; name one")
        made: set[str] = set()
        for name, maker in self._makers():
            if name in made:
                raise UsageError(f"graph {self.name!r}: {maker} makes {name!r}, which is there already; rename one")
            made.add(name)
        seen = set(self.inputs) | set(self.weights)
        for node in self.nodes:
            if not any(node.outputs):
                raise UsageError(f"graph {self.name!r}: node {node.name!r} makes nothing; name its output")
            for name in filter(None, node.inputs):
                if name not in seen:
                    raise UnknownNameError(f"value read by node {node.name!r} of graph {self.name!r}:", name, seen)
            seen.update(node.outputs)
        for name in self.outputs:
            if name not in seen:
                raise UnknownNameError(f"output of graph {self.name!r}:", name, seen)

    @property
    def element(self) -> Element:
        """What it calculates in, where no node says otherwise."""
        return "int8" if self.element_bytes == 1 else "float32"

    def _makers(self) -> Iterator[tuple[str, str]]:
        yield from ((name, "an input") for name in self.inputs)
        yield from ((name, "a weight") for name in self.weights)
        for node in self.nodes:
            yield from ((name, f"node {node.name!r}") for name in node.outputs if name)
