"""In what each value is stored, and which layers calculate in int8.

A quantised file keeps its float form and says with QuantizeLinear (Q) and DequantizeLinear (DQ) where it is rounded.
A runtime turns DQ, operator, Q into one int8 operator, so that Q and DQ cost nothing; what is left of them costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenuto.graphs._fusion import Layer, Uses, is_weighted
from tenuto.graphs._graph import Element, Graph, Node
from tenuto.graphs._kinds import INT8_OPERATORS, WEIGHT_AT
from tenuto.graphs._seen import Seen
from tenuto.graphs._shapes import Inferred

BYTES_OF_TYPE: Final[Mapping[int, float]] = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2, 17: 1, 18: 1,
    19: 1, 20: 1, 21: 0.5, 22: 0.5, 23: 0.5,
}  # fmt: skip
"""Bytes of one element of each of ONNX's types, by code (TensorProto.DataType of onnx.proto3)."""

_TRUTHS: Final = frozenset(
    {"And", "Equal", "Greater", "GreaterOrEqual", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"}
)
_FIXED_BYTES: Final[Mapping[str, float]] = {
    **dict.fromkeys(_TRUTHS, 1),
    **dict.fromkeys(("ArgMax", "ArgMin", "Shape", "Size"), 8),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), 4),
}
_FLOAT_RESULTS: Final = frozenset({"DynamicQuantizeMatMul", "MatMulIntegerToFloat"})
_ROUNDS: Final = frozenset({"QuantizeLinear", "DynamicQuantizeLinear"})


@dataclass(frozen=True, slots=True)
class Storage:
    """How one value lies in memory.

    Attributes:
        element: int8 where it is quantised.
        n_bytes: Of one element.
    """

    element: Element
    n_bytes: float


INT8: Final = Storage("int8", 1)


class Elements:
    """The storage of each value and the element of each layer."""

    def __init__(self, graph: Graph, uses: Uses, inferred: Inferred, layers: tuple[Layer, ...]) -> None:
        self._graph, self._uses, self._inferred = graph, uses, inferred
        self._float = Storage(graph.element, graph.element_bytes)
        self._stored: dict[str, Storage] = {}
        for name in graph.inputs:
            quantised = any(n.op == "DequantizeLinear" or n.op in INT8_OPERATORS for n in uses.readers(name))
            self._stored[name] = INT8 if quantised else self._float
        for node in uses.nodes:
            stored = self._made_by(node)
            self._stored.update((name, stored) for name in node.outputs if name)
            if node.op == "DynamicQuantizeLinear" and len(node.outputs) > 1:
                self._stored[node.outputs[1]] = Storage("float32", 4)  # the scale
        self._quantised = {id(layer.node) for layer in layers if self._is_quantised(layer)}
        # A layer between DQ and Q writes what Q would have made of it.
        self._rounded = {
            name
            for layer in layers
            if id(layer.node) in self._quantised
            for name in layer.made
            if self._is_rounded(name)
        }

    def of(self, layer: Layer) -> Element:
        """What a layer calculates in."""
        node = layer.node
        if id(node) in self._quantised or node.op in INT8_OPERATORS:
            return "int8"
        if node.op in _ROUNDS or node.op == "DequantizeLinear":
            return "float32"
        reads = [name for name in node.inputs if name in self._stored]
        return self._stored[reads[0]].element if reads else self._graph.element

    def read(self, value: str, *, by: Node) -> float:
        """Bytes of one element as a node reads a value."""
        return 1 if id(by) in self._quantised else self._stored[value].n_bytes

    def written(self, value: str) -> float:
        """Bytes of one element as a layer writes a value."""
        return 1 if value in self._rounded else self._stored[value].n_bytes

    def is_absorbed(self, node: Node) -> bool:
        """Whether a Q or DQ has become part of the int8 operators beside it, or stands around a view."""
        if node.op == "QuantizeLinear":
            origin = self._uses.origin(node.inputs[0])
            return origin in self._rounded or (origin != node.inputs[0] and self._is_dequantised(origin))
        if node.op != "DequantizeLinear":
            return False
        made = node.outputs[0]
        readers = self._uses.final_readers(made)
        return bool(readers) and all(
            id(reader) in self._quantised or (reader.op == "QuantizeLinear" and reader.inputs[0] != made)
            for reader in readers or ()
        )

    def _made_by(self, node: Node) -> Storage:
        op = node.op
        if op in _ROUNDS or (op == "QGemm" and len(node.inputs) > 7) or op.startswith("QLinear"):
            return INT8
        if op == "Cast":
            return Storage("float32", BYTES_OF_TYPE.get(Seen(node, (), ()).integer("to", 1), 4))
        if op in _FIXED_BYTES:
            return Storage("float32", _FIXED_BYTES[op])
        if op in _FLOAT_RESULTS or op in ("DequantizeLinear", "QGemm"):
            return self._float
        inputs = node.inputs[1:] if op == "Where" else node.inputs[:1] if op == "Gather" else node.inputs
        return next((self._stored[name] for name in inputs if name in self._stored), self._float)

    def _is_quantised(self, layer: Layer) -> bool:
        node = layer.node
        if node.op in INT8_OPERATORS or node.op in _ROUNDS or node.op == "DequantizeLinear":
            return False
        reads = [name for name in node.inputs if name in self._stored]
        if not reads or not all(self._is_dequantised(name) for name in reads):
            return False
        if is_weighted(node, self._inferred):
            at = WEIGHT_AT.get(node.op, 1)
            weight = node.inputs[at] if node.inputs[at] in self._inferred.constants else node.inputs[0]
            return self._inferred.constants.get(weight, 4) <= 1
        return all(self._is_rounded(name) for name in layer.made if self._uses.is_read(name))

    def _is_dequantised(self, value: str) -> bool:
        maker = self._uses.makers.get(self._uses.origin(value))
        return maker is not None and maker.op == "DequantizeLinear"

    def _is_rounded(self, value: str) -> bool:
        readers = self._uses.final_readers(value)
        return bool(readers) and all(reader.op == "QuantizeLinear" for reader in readers or ())
