"""Each operator's shape rule agrees with ONNX Runtime, and contradictions are named."""

from typing import Any

import pytest
from onnx_bytes import shapes_in_a_run

from tenuto.errors import UsageError
from tenuto.graphs import Graph, Node, Shape, Weight, infer_shapes, layer_costs, unknown_operators
from tenuto.graphs._kinds import RULE_OF
from tenuto.graphs._rules import RULES, RULES_OF_MANY

FRAME = (2, 4, 6, 5)


def numbers(*values: float) -> Weight:
    return Weight((len(values),), 8 if all(isinstance(value, int) for value in values) else 4, values)


def one(op: str, *more: Weight | None, shape: Shape = FRAME, n_outputs: int = 1, **attributes: Any) -> Graph:
    """A graph of one node that reads `frame` and these constants; None leaves an input out."""
    names = [f"c{index}" if weight is not None else "" for index, weight in enumerate(more)]
    weights = {name: weight for name, weight in zip(names, more, strict=True) if weight is not None}
    outputs = tuple(f"y{index}" for index in range(n_outputs))
    node = Node(op, op.lower(), ("frame", *names), outputs, attributes)
    return Graph("one", {"frame": shape}, weights, (node,), outputs)


CASES = {
    "conv of one axis": one("Conv", Weight((8, 4, 3)), shape=(2, 4, 9), pads=(1, 1), strides=(2,)),
    "conv that pads by itself": one("Conv", Weight((8, 4, 3, 3)), auto_pad="SAME_UPPER", strides=(2, 2)),
    "conv without padding by name": one("Conv", Weight((8, 4, 3, 3)), auto_pad="VALID"),
    "conv transposed": one("ConvTranspose", Weight((4, 3, 3, 3)), strides=(2, 2), pads=(1, 0, 1, 0), group=2,
                           output_padding=(1, 0)),
    "conv transposed to the same": one("ConvTranspose", Weight((4, 3, 3, 3)), strides=(2, 2), auto_pad="SAME_UPPER"),
    "pool that rounds up": one("MaxPool", kernel_shape=(3, 3), strides=(2, 2), ceil_mode=1, pads=(1, 1, 1, 1)),
    "pool whose last window would start outside": one("MaxPool", shape=(1, 1, 7, 7), kernel_shape=(2, 2), ceil_mode=1,
                                                      strides=(2, 2), pads=(1, 1, 1, 1)),
    "pool padded on one side": one("MaxPool", shape=(1, 1, 6, 6), kernel_shape=(2, 2), ceil_mode=1, strides=(2, 2),
                                   pads=(1, 0, 0, 1)),
    "pool of one axis": one("AveragePool", shape=(1, 2, 9), kernel_shape=(4,), strides=(3,)),
    "global pool": one("GlobalMaxPool"),
    "gemm": one("Gemm", Weight((7, 5)), Weight((7,)), shape=(3, 5), transB=1),
    "gemm of a transpose": one("Gemm", Weight((3, 7)), shape=(3, 5), transA=1),
    "matmul of a vector": one("MatMul", Weight((5,))),
    "matmul of two stacks": one("MatMul", Weight((1, 4, 5, 7))),
    "einsum": one("Einsum", Weight((2, 6, 3)), shape=(4, 2, 6), equation="nhc,hcd->nhd"),
    "einsum without a result": one("Einsum", Weight((6, 3)), shape=(4, 6), equation="ij,jk"),
    "normalised": one("LayerNormalization", Weight((5,)), Weight((5,)), axis=-1),
    "slope": one("PRelu", Weight((4, 1, 1))),
    "clip": one("Clip", Weight((), 4, (0.0,)), Weight((), 4, (6.0,))),
    "clip from below only": one("Clip", None, Weight((), 4, (6.0,))),
    "sum of a column": one("Add", Weight((4, 1, 1))),
    "concat of rows": one("Concat", Weight((2, 4, 1, 5)), axis=-2),
    "split evenly": one("Split", n_outputs=2, axis=1, num_outputs=2),
    "split with a shorter end": one("Split", n_outputs=2, axis=3, num_outputs=2),
    "split by sizes": one("Split", numbers(1, 3), n_outputs=2, axis=1),
    "slice": one("Slice", numbers(1, -4), numbers(2**62, 9), numbers(1, 2)),
    "slice backwards by steps": one("Slice", numbers(-1), numbers(-(2**62)), numbers(2), numbers(-2)),
    "slice of leading axes": one("Slice", numbers(0, 1), numbers(1, 3)),
    "reshape that keeps and fills": one("Reshape", numbers(0, -1, 5)),
    "flatten from the end": one("Flatten", axis=-1),
    "flatten everything": one("Flatten", axis=0),
    "transpose reversed": one("Transpose"),
    "transpose": one("Transpose", perm=(0, 2, 3, 1)),
    "squeeze": one("Squeeze", numbers(-1, 1), shape=(2, 1, 3, 1)),
    "squeeze all": one("Squeeze", shape=(2, 1, 3, 1)),
    "unsqueeze": one("Unsqueeze", numbers(0, -1), shape=(2, 3)),
    "mean of the map": one("ReduceMean", numbers(2, 3), keepdims=0),
    "mean that keeps axes": one("ReduceMean", numbers(-1)),
    "sum of everything": one("ReduceSum", keepdims=0),
    "sum of nothing": one("ReduceSum", noop_with_empty_axes=1),
    "arg": one("ArgMax", axis=1, keepdims=0),
    "top": one("TopK", numbers(2), n_outputs=2, axis=1),
    "expand": one("Expand", numbers(3, 1, 1, 5), shape=(4, 1)),
    "tile": one("Tile", numbers(1, 2, 1, 3)),
    "pad": one("Pad", numbers(0, 0, 1, 2, 0, 0, 0, 3)),
    "pad of named axes": one("Pad", numbers(1, 2), None, numbers(3)),
    "resize by scales": one("Resize", None, numbers(1.0, 1.0, 1.5, 2.0), mode="nearest"),
    "resize to sizes": one("Resize", None, None, numbers(2, 4, 9, 3), mode="nearest"),
    "resize of named axes": one("Resize", None, None, numbers(9, 3), mode="nearest", axes=(2, 3)),
    "depth to space": one("DepthToSpace", blocksize=2),
    "space to depth": one("SpaceToDepth", blocksize=2, shape=(1, 3, 6, 4)),
    "gather": one("Gather", Weight((2, 3), 8, (0, 1, 2, 0, 1, 2)), axis=1),
    "gather of one": one("Gather", Weight((), 8, (1,)), axis=2),
    "dropout": one("Dropout"),
    "softmax": one("Softmax", axis=1),
    "local response": one("LRN", size=5),
    "shape from the second axis": one("Shape", start=1),
    "size": one("Size"),
    "upscaled quantised": one("QuantizeLinear", Weight((), 4, (1.0,)), Weight((), 1)),
}  # fmt: skip


@pytest.mark.parametrize("graph", CASES.values(), ids=CASES)
def test_the_shape_is_the_one_of_a_real_run(graph: Graph) -> None:
    theirs = shapes_in_a_run(graph)
    ours = infer_shapes(graph)
    assert {name: ours[name] for name in theirs} == theirs
    assert unknown_operators(graph) == ()


OLD = {
    "reshape": (one("Reshape", shape=(2, 12)) , {"shape": (4, -1)}, (4, 6)),
    "slice": (one("Slice", shape=(4, 9)), {"starts": (1,), "ends": (-1,), "axes": (1,)}, (4, 7)),
    "pad": (one("Pad", shape=(4, 9)), {"pads": (0, 1, 0, 2)}, (4, 12)),
    "pad before opset 2": (one("Pad", shape=(4, 9)), {"paddings": (0, 1, 0, 2)}, (4, 12)),
    "squeeze": (one("Squeeze", shape=(4, 1, 9)), {"axes": (1,)}, (4, 9)),
    "unsqueeze": (one("Unsqueeze", shape=(4, 9)), {"axes": (1,)}, (4, 1, 9)),
    "mean": (one("ReduceMean", shape=(4, 9)), {"axes": (1,), "keepdims": 0}, (4,)),
    "split": (one("Split", shape=(4, 9)), {"axis": 1, "split": (9,)}, (4, 9)),
    "upsample": (one("Upsample", shape=(1, 2, 3, 3)), {"scales": (1.0, 1.0, 2.0, 3.0)}, (1, 2, 6, 9)),
    "top": (one("TopK", shape=(4, 9)), {"k": 3}, (4, 3)),
    "resize of opset 10": (one("Resize", numbers(1.0, 2.0), shape=(4, 9)), {"mode": "nearest"}, (4, 18)),
    "tile of opset 1": (one("Upsample", numbers(2.0, 1.0), shape=(4, 9)), {}, (8, 9)),
}  # fmt: skip


@pytest.mark.parametrize(("graph", "attributes", "shape"), OLD.values(), ids=OLD)
def test_what_is_an_input_today_was_an_attribute_once(graph: Graph, attributes: dict[str, Any], shape: Shape) -> None:
    (node,) = graph.nodes
    old = Graph("old", graph.inputs, graph.weights, (Node(node.op, "n", node.inputs, ("y",), attributes),), ("y",))
    assert infer_shapes(old)["y"] == shape


CONTRADICTIONS = {
    "channels": one("Conv", Weight((8, 3, 3, 3))),
    "groups": one("Conv", Weight((9, 2, 3, 3)), group=2),
    "rank": one("Conv", Weight((8, 4, 3))),
    "pads": one("Conv", Weight((8, 4, 3, 3)), pads=(1, 1)),
    "no weight": one("Conv"),
    "window": one("MaxPool", kernel_shape=(9, 9)),
    "no window": one("MaxPool"),
    "stride of nothing": one("MaxPool", kernel_shape=(2, 2), strides=(0, 0)),
    "inner size": one("Gemm", Weight((4, 7)), shape=(3, 5)),
    "not a matrix": one("Gemm", Weight((4, 7))),
    "stacks": one("MatMul", Weight((3, 5, 7)), shape=(2, 4, 5)),
    "sum": one("Add", Weight((3,))),
    "beside the axis": one("Concat", Weight((2, 4, 6, 4))),
    "axis": one("Concat", Weight((2, 4, 6, 5)), axis=4),
    "parts": one("Split", numbers(1, 2), n_outputs=2, axis=1),
    "elements": one("Reshape", numbers(7, -1)),
    "two unknowns": one("Reshape", numbers(-1, -1)),
    "target of nothing": one("Reshape"),
    "order": one("Transpose", perm=(0, 1, 1, 2)),
    "not of size 1": one("Squeeze", numbers(1)),
    "cropped to less than nothing": one("Pad", numbers(0, 0, -9, 0, 0, 0, 0, 0)),
    "scales": one("Resize", None, None),
    "kind of setting": one("Conv", Weight((8, 4, 3, 3)), group="two"),
    "list of settings": one("Conv", Weight((8, 4, 3, 3)), strides=2),
    "letters": one("Einsum", Weight((3, 3)), shape=(4, 6), equation="ij,jk->ik"),
}  # fmt: skip


@pytest.mark.parametrize("graph", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_names_the_node(graph: Graph) -> None:
    with pytest.raises(UsageError, match=f"node '{graph.nodes[0].name}'"):
        infer_shapes(graph)


def test_each_operator_with_a_shape_rule_has_a_cost_rule_and_the_other_way_round() -> None:
    assert frozenset(RULES) | frozenset(RULES_OF_MANY) == frozenset(RULE_OF)


def exported_reshape() -> Graph:
    """What exporters write for `x.reshape(n, -1)`: Shape, Gather, Unsqueeze, Concat, Reshape."""
    nodes = (
        Node("Shape", "shape", ("frame",), ("s",)),
        Node("Gather", "gather", ("s", "zero"), ("n",), {"axis": 0}),
        Node("Unsqueeze", "unsqueeze", ("n", "first"), ("n1",)),
        Node("Concat", "concat", ("n1", "rest"), ("target",), {"axis": 0}),
        Node("Reshape", "reshape", ("frame", "target"), ("y",)),
    )
    weights = {"zero": Weight((), 8, (0,)), "first": numbers(0), "rest": numbers(-1)}
    return Graph("exported", {"frame": FRAME}, weights, nodes, ("y",))


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_a_shape_that_is_worked_out_in_the_network_follows_the_batch_and_costs_nothing(batch: int | None) -> None:
    graph = exported_reshape()
    assert infer_shapes(graph, batch=batch)["y"] == shapes_in_a_run(graph, batch=batch)["y"] == (batch or 2, 120)
    assert layer_costs(graph, batch=batch) == ()


@pytest.mark.parametrize(("op", "a", "b"), [("Add", 7, 3), ("Sub", 7, 3), ("Mul", 2, 3), ("Div", 7, 2), ("Mod", 7, 4)])
def test_sizes_are_worked_out_as_the_runtime_does(op: str, a: int, b: int) -> None:
    nodes = (
        Node(op, "sum", ("a", "b"), ("size",)),
        Node("Expand", "expand", ("frame", "size"), ("y",)),
    )
    graph = Graph("sums", {"frame": (1,)}, {"a": numbers(a), "b": numbers(b)}, nodes, ("y",))
    assert infer_shapes(graph)["y"] == shapes_in_a_run(graph)["y"]


def unknown_then_conv() -> Graph:
    """An operator that nobody knows, then a convolution whose kernel does not fit its guessed shape."""
    nodes = (
        Node("Conv", "stem", ("frame", "w1"), ("a",), {"pads": (1, 1, 1, 1)}),
        Node("Wavelet", "odd", ("a",), ("b",)),
        Node("Conv", "head", ("b", "w2"), ("c",)),
        Node("Relu", "end", ("c",), ("y",)),
    )
    return Graph("odd", {"frame": FRAME}, {"w1": Weight((8, 4, 3, 3)), "w2": Weight((5, 32, 1, 1))}, nodes, ("y",))


def test_what_an_unknown_operator_makes_has_the_shape_of_its_input_and_later_layers_still_have_a_cost() -> None:
    graph = unknown_then_conv()
    shapes = infer_shapes(graph)
    assert shapes["b"] == shapes["a"] == (2, 8, 6, 5)
    assert shapes["y"] == (2, 5, 6, 5)
    assert unknown_operators(graph) == ("Wavelet",)
    stem, odd, head = layer_costs(graph)
    assert (stem.source, odd.source, head.source) == ("modelled", "assumed", "assumed")
    assert (odd.kind, odd.macs, odd.input_bytes, odd.output_bytes) == ("unknown", 0, 4 * 480, 4 * 480)
    assert (head.kind, head.macs) == ("pointwise", 2 * 5 * 30 * 32)


def test_a_product_that_cannot_be_worked_out_behind_an_unknown_operator_falls_back_too() -> None:
    nodes = (
        Node("Wavelet", "odd", ("frame",), ("b",)),
        Node("Gemm", "head", ("b", "w"), ("y",)),
    )
    graph = Graph("odd", {"frame": FRAME}, {"w": Weight((9, 5))}, nodes, ("y",))
    odd, head = layer_costs(graph)
    assert (odd.kind, head.kind, head.source, head.macs) == ("unknown", "unknown", "assumed", 0)
    assert head.weight_bytes == 4 * 45


def test_a_shape_that_depends_on_data_is_assumed() -> None:
    nodes = (
        Node("NonZero", "where", ("frame",), ("i",)),
        Node("Cast", "cast", ("i",), ("size",), {"to": 7}),
        Node("Reshape", "reshape", ("frame", "size"), ("x",)),
        Node("Relu", "end", ("x",), ("y",)),
    )
    costs = layer_costs(Graph("data", {"frame": FRAME}, {}, nodes, ("y",)))
    assert [cost.source for cost in costs] == ["assumed"] * 3
