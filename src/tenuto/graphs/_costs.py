"""What each layer of a network multiplies, reads and writes.

| operators | kind | multiply-accumulates | activations read |
|---|---|---|---|
| Conv and its quantised and fused forms | by shape: `conv3x3`, `pointwise`, `depthwise`, `conv` | outputs x kernel x inputs per group | all |
| ConvTranspose | `conv` | inputs x kernel x outputs per group | all |
| Gemm, MatMul, Einsum with a constant operand | `linear` | outputs x inner size | all |
| the same, two activations | `matmul` | outputs x inner size | all |
| pools, reductions, ArgMax, TopK | `pool` | 0 | all |
| activations, norms, arithmetic, Softmax, LRN, Cast, Q, DQ | `elementwise` | 0 | all |
| Concat, Split, Transpose, Resize, Pad, ... | `move` | 0 | all |
| Slice, Gather | `move` | 0 | as many as are written |
| Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout, Shape | none: they cost nothing | | |
| what depends on weights or sizes alone | none: folded before the network runs | | |
| anything else, and a product whose shapes do not fit because they rest on such | `unknown`, tagged `assumed` | 0 | all |

Fused into a convolution or linear layer, and so free: what shifts or scales its channels (BatchNormalization, an Add of
a bias), then one activation (Relu, LeakyRelu, Clip, HardSwish, also written as two nodes, HardSigmoid, Sigmoid, PRelu),
where nothing else reads what lies between. x * Sigmoid(x) is one layer, `Swish`, which no runtime fuses. QuantizeLinear and DequantizeLinear around an operator make
it an int8 operator and are free. A bias counts as weight, not as multiply-accumulate.
"""  # noqa: E501 - a row of a table is one line

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tenuto.graphs._elements import Elements
from tenuto.graphs._fusion import Layer, Uses, is_weighted, layers_of
from tenuto.graphs._graph import Element, Graph, Node, Shape
from tenuto.graphs._kinds import RULE_OF, WEIGHT_AT, Rule
from tenuto.graphs._rules import einsum_sizes
from tenuto.graphs._seen import Seen, count
from tenuto.graphs._shapes import Inferred, infer

Kind = Literal[
    "conv3x3", "conv", "pointwise", "depthwise", "linear", "matmul", "pool", "elementwise", "move", "unknown"
]
"""What sort of work a layer is; a processor is efficient at each in its own degree."""

CostSource = Literal["modelled", "assumed"]
"""Where a cost comes from: a rule, or the fallback for what has none."""

_KIND_OF_RULE: Final[Mapping[Rule | None, Kind]] = {
    "pool": "pool",
    "elementwise": "elementwise",
    "move": "move",
    "pick": "move",
}

WINOGRAD_CHANNELS: Final = 16
"""Each group of a convolution is one of its own to a runtime; ncnn transforms those of 16 or more in and out."""

_JOINS: Final = frozenset({"Concat", "QLinearConcat"})


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs, the batch included.

    Attributes:
        name: The node's name.
        op: Its operator.
        kind: `conv3x3` has stride and dilation 1 and no group of less than 16 channels (what Winograd serves); `conv`
            other convolutions; `pointwise` dense 1x1; `depthwise` one input channel per group; `linear` times a weight;
            `matmul` activation times activation; `pool`; `elementwise`; `move` copies; `unknown` has no rule.
        element: What it calculates in.
        macs: Multiply-accumulates; 0 where there are none.
        weight_bytes: Weights and biases that it reads.
        input_bytes: Activations that it reads.
        output_bytes: Activations that it writes.
        n_outputs: Elements that it writes: the parallelism there is.
        n_groups: Of a convolution.
        source: `assumed` where an operator without a rule, or a shape that rests on one, is behind the figures.
    """

    name: str
    op: str
    kind: Kind
    element: Element
    macs: float
    weight_bytes: float
    input_bytes: float
    output_bytes: float
    n_outputs: float
    n_groups: int = 1
    source: CostSource = "modelled"


def layer_costs(graph: Graph, *, batch: int | None = None) -> tuple[LayerCost, ...]:
    """What each layer costs, in the order in which they run, after fusing what every runtime fuses.

    Args:
        graph: The network.
        batch: Replaces the first size of every input, at least 1; None leaves the inputs as they are.

    Returns:
        One cost for each layer that does or moves something.

    Raises:
        UsageError: The batch is below 1, or shapes contradict each other: the node is named.

    Model:
        Each activation is read once and written once; caches are the board's affair. What else a runtime might fuse
        (the sum of a residual, a chain of arithmetic, attention as a whole) counts by itself.
    """
    inferred = infer(graph, batch=batch)
    uses = Uses(graph, inferred)
    layers = layers_of(uses, inferred)
    elements = Elements(graph, uses, inferred, layers)
    return tuple(_cost(layer, uses, inferred, elements) for layer in layers if not elements.is_absorbed(layer.node))


def unknown_operators(graph: Graph) -> tuple[str, ...]:
    """The operators of a network that have no cost rule, by the alphabet: their figures are `assumed`.

    Raises:
        UsageError: Shapes contradict each other: the node is named.
    """
    return tuple(sorted({node.op for node in Uses(graph, infer(graph)).nodes if node.op not in RULE_OF}))


def _cost(layer: Layer, uses: Uses, inferred: Inferred, elements: Elements) -> LayerCost:
    node, shapes = layer.node, inferred.shapes
    rule = RULE_OF.get(node.op)
    is_assumed = rule is None or not inferred.assumed.isdisjoint((*node.inputs, *layer.made))
    made = [name for name in layer.made if uses.is_read(name)] or list(layer.made)
    read = list(dict.fromkeys(name for name in node.inputs if name and name not in inferred.constants))
    output_bytes = sum(count(shapes[name]) * elements.written(name) for name in made)
    input_bytes = sum(count(shapes[name]) * elements.read(name, by=node) for name in read)
    weight_bytes = 0.0
    if rule == "pick":
        input_bytes = min(input_bytes, output_bytes) if read and read[0] == node.inputs[0] else output_bytes
    elif rule not in ("move", "pool") or node.op in _JOINS:  # other moves have sizes and bounds as constants
        constants = dict.fromkeys(n for n in (*node.inputs, *layer.parameters) if n in inferred.constants)
        weight_bytes = sum(count(shapes[name]) * inferred.constants[name] for name in constants)
    kind, macs, n_groups = _work(node, inferred)
    return LayerCost(
        name=node.name,
        op=node.op,
        kind=kind,
        element=elements.of(layer),
        macs=float(macs),
        weight_bytes=float(weight_bytes),
        input_bytes=float(input_bytes),
        output_bytes=float(output_bytes),
        n_outputs=float(sum(count(shapes[name]) for name in made)),
        n_groups=n_groups,
        source="assumed" if is_assumed else "modelled",
    )


def _work(node: Node, inferred: Inferred) -> tuple[Kind, int, int]:
    """Kind, multiply-accumulates and groups of a node."""
    rule, shapes = RULE_OF.get(node.op), inferred.shapes
    kind: Kind = _KIND_OF_RULE.get(rule, "unknown")
    macs, n_groups = 0, 1
    if node.outputs[0] in inferred.fallbacks and rule not in _KIND_OF_RULE:
        pass
    elif rule == "conv":
        kind, macs, n_groups = _conv(node, shapes[node.inputs[WEIGHT_AT.get(node.op, 1)]], shapes[node.outputs[0]])
    elif rule == "conv_transpose":
        kind, n_groups = "conv", Seen(node, (), ()).integer("group", 1)
        macs = count(shapes[node.inputs[0]]) * math.prod(shapes[node.inputs[1]][1:])
    elif rule in ("linear", "einsum"):
        kind, macs = "linear" if is_weighted(node, inferred) else "matmul", _products(node, inferred)
    return kind, macs, n_groups


def _conv(node: Node, weight: Shape, made: Shape) -> tuple[Kind, int, int]:
    """A convolution's kernel is (out, in / groups, ...)."""
    seen = Seen(node, (), ())
    kernel, groups = weight[2:], seen.integer("group", 1)
    ones = (1,) * len(kernel)
    is_plain = seen.integers("strides", ones) == ones and seen.integers("dilations", ones) == ones
    kind: Kind = "conv"
    if groups > 1 and weight[1] == 1:
        kind = "depthwise"
    elif kernel == ones:
        kind = "conv" if groups > 1 else "pointwise"
    elif kernel == (3, 3) and is_plain and (groups == 1 or min(weight[1], weight[0] // groups) >= WINOGRAD_CHANNELS):
        kind = "conv3x3"
    return kind, count(made) * math.prod(weight[1:]), groups


def _products(node: Node, inferred: Inferred) -> int:
    shapes = inferred.shapes
    seen = Seen(node, tuple(shapes.get(name) for name in node.inputs), ())
    if node.op == "Einsum":
        return math.prod(einsum_sizes(seen).values())
    # The second operand is usually the weight, whose shape is known whatever happened to the first.
    b = seen.shape(WEIGHT_AT.get(node.op, 1))
    is_transposed = seen.integer("transB", 0) == 1
    return count(shapes[node.outputs[0]]) * (b[-1] if is_transposed or len(b) == 1 else b[-2])
