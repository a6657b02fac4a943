"""What of a network a runtime really runs: nodes that depend on the input, with what is fused into each."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tenuto.graphs._graph import Graph, Node
from tenuto.graphs._kinds import ACTIVATIONS, GATES, RULE_OF, VIEWS, WEIGHT_AT
from tenuto.graphs._seen import count
from tenuto.graphs._shapes import Inferred

_FOLDS: Final = frozenset({"Add", "Sub", "Mul", "Div"})


@dataclass(frozen=True, slots=True)
class Layer:
    """A node and what is fused into it.

    Attributes:
        node: The operator that does the work.
        made: The values that it writes: of the last fused node, where there is one.
        parameters: Constants of fused nodes that stay (the bias of an Add).
    """

    node: Node
    made: tuple[str, ...]
    parameters: tuple[str, ...] = ()


class Uses:
    """Who reads what, among nodes that depend on the network's input."""

    def __init__(self, graph: Graph, inferred: Inferred) -> None:
        self.nodes = tuple(
            node for node in graph.nodes if not all(name in inferred.constants for name in node.outputs if name)
        )
        self.outputs = frozenset(graph.outputs)
        self.makers: Mapping[str, Node] = {name: node for node in self.nodes for name in node.outputs if name}
        readers: dict[str, list[Node]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node)
        self._readers = readers

    def readers(self, value: str) -> list[Node]:
        """The nodes that read a value; none where it is an answer of the network, which nothing may swallow."""
        return [] if value in self.outputs else self._readers.get(value, [])

    def is_read(self, value: str) -> bool:
        """Whether anything needs a value."""
        return value in self.outputs or value in self._readers

    def final_readers(self, value: str) -> list[Node] | None:
        """The nodes that read a value or a view of it; None where it is also an answer of the network."""
        if value in self.outputs:
            return None
        found: list[Node] = []
        for node in self._readers.get(value, []):
            beyond = self.final_readers(node.outputs[0]) if node.op in VIEWS else [node]
            if beyond is None:
                return None
            found.extend(beyond)
        return found

    def origin(self, value: str) -> str:
        """The value of which this one is a view, or itself."""
        while value in self.makers and self.makers[value].op in VIEWS:
            value = self.makers[value].inputs[0]
        return value


def layers_of(uses: Uses, inferred: Inferred) -> tuple[Layer, ...]:
    """The nodes that cost something, in order, each with what is fused into it."""
    fused: set[int] = set()
    layers: list[Layer] = []
    for node in uses.nodes:
        if id(node) in fused or node.op in VIEWS:
            continue
        layer = Layer(node, tuple(name for name in node.outputs if name))
        if is_weighted(node, inferred):
            layer, swallowed = _with_epilogue(layer, uses, inferred)
            fused.update(map(id, swallowed))
        elif node.op in GATES and (product := _gated(node, uses)) is not None:
            layer = Layer(replace(node, op=GATES[node.op]), product.outputs)
            fused.add(id(product))
        layers.append(layer)
    return tuple(layers)


def is_weighted(node: Node, inferred: Inferred) -> bool:
    """Whether a node is a convolution or linear layer whose weights are constant."""
    if node.outputs[0] in inferred.fallbacks:
        return False
    rule = RULE_OF.get(node.op)
    operands = (node.inputs[0], node.inputs[WEIGHT_AT.get(node.op, 1)]) if rule == "linear" else node.inputs
    return rule in ("conv", "conv_transpose") or (
        rule in ("linear", "einsum") and any(name in inferred.constants for name in operands)
    )


def _with_epilogue(layer: Layer, uses: Uses, inferred: Inferred) -> tuple[Layer, list[Node]]:
    """The layer with its scale and bias, then at most one activation."""
    end, parameters, swallowed = layer.made[0], list[str](), list[Node]()
    while (reader := _only(uses.readers(end))) is not None and (
        (reader.op == "BatchNormalization" and reader.inputs[0] == end)
        or (parameter := _folded(reader, end, layer.node, inferred)) is not None
    ):
        if reader.op != "BatchNormalization" and parameter is not None:
            parameters.append(parameter)
        swallowed.append(reader)
        end = reader.outputs[0]
    activation = _activation(uses, end)
    if activation:
        swallowed.extend(activation)
        end = activation[-1].outputs[0]
    return Layer(layer.node, (end, *layer.made[1:]), tuple(parameters)), swallowed


def _only(nodes: list[Node]) -> Node | None:
    return nodes[0] if len(nodes) == 1 else None


def _folded(reader: Node, end: str, node: Node, inferred: Inferred) -> str | None:
    """The constant by which a reader shifts or scales each channel, or None where it does something else."""
    if reader.op not in _FOLDS or len(reader.inputs) != 2:
        return None
    other = next((name for name in reader.inputs if name != end), None)
    if other is None or other not in inferred.constants or (reader.op == "Div" and reader.inputs[0] != end):
        return None
    before, after = inferred.shapes[end], inferred.shapes[reader.outputs[0]]
    channels = before[1] if RULE_OF[node.op] in ("conv", "conv_transpose") else before[-1]
    return other if before == after and count(inferred.shapes[other]) in (1, channels) else None


def _activation(uses: Uses, end: str) -> list[Node]:
    """The nodes of an activation that nothing but it reads."""
    readers = uses.readers(end)
    only = _only(readers)
    if only is not None:
        return [only] if only.op in ACTIVATIONS and only.inputs[0] == end else []
    if len(readers) != 2:
        return []
    gate, product = readers
    return [gate, product] if GATES.get(gate.op) in ACTIVATIONS and _gated(gate, uses) is product else []


def _gated(gate: Node, uses: Uses) -> Node | None:
    """The product of a gate and what it reads, if nothing else reads the gate."""
    product = _only(uses.readers(gate.outputs[0]))
    is_product = (
        product is not None and product.op == "Mul" and set(product.inputs) == {gate.inputs[0], gate.outputs[0]}
    )
    return product if is_product else None
