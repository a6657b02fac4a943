"""Quantised networks: what lies between DequantizeLinear and QuantizeLinear runs in int8, and those two are free."""

from tenuto.graphs import Graph, LayerCost, Node, Weight, layer_costs

SCALE = {"s": Weight((), 4, (0.1,)), "z": Weight((), 1)}
KERNEL = {"w": Weight((8, 4, 3, 3), 1), "b": Weight((8,), 4)}
FRAME = {"frame": (1, 4, 8, 8)}


def q(x: str, y: str) -> Node:
    return Node("QuantizeLinear", y, (x, "s", "z"), (y,))


def dq(x: str, y: str) -> Node:
    return Node("DequantizeLinear", y, (x, "s", "z"), (y,))


def conv(x: str, y: str) -> Node:
    return Node("Conv", y, (x, "wf", "bf"), (y,), {"pads": (1, 1, 1, 1)})


def network(*nodes: Node) -> Graph:
    """Quantise the frame to `a`, then these nodes; the kernel is stored in int8, the bias in 4 bytes."""
    parameters = (dq("w", "wf"), dq("b", "bf"))
    return Graph("q", FRAME, SCALE | KERNEL, (*parameters, q("frame", "a"), *nodes), nodes[-1].outputs)


def costs(*nodes: Node) -> list[LayerCost]:
    """Of all but the first layer, which quantises the frame."""
    first, *rest = layer_costs(network(*nodes))
    assert (first.op, first.element, first.input_bytes, first.output_bytes) == ("QuantizeLinear", "float32", 1024, 256)
    return rest


def test_a_convolution_between_dequantise_and_quantise_is_one_int8_layer() -> None:
    relu = Node("Relu", "relu", ("x",), ("r",))
    (cost, out) = costs(dq("a", "af"), conv("af", "x"), relu, q("r", "c"), dq("c", "y"))
    assert (cost.op, cost.kind, cost.element) == ("Conv", "conv3x3", "int8")
    assert (cost.macs, cost.input_bytes, cost.output_bytes) == (8 * 64 * 36, 256, 512)
    assert cost.weight_bytes == 8 * 36 + 4 * 8
    assert (out.op, out.element, out.input_bytes, out.output_bytes) == ("DequantizeLinear", "float32", 512, 2048)


def test_a_quantised_convolution_whose_answer_stays_float_writes_floats() -> None:
    (cost,) = costs(dq("a", "af"), conv("af", "y"))
    assert (cost.element, cost.input_bytes, cost.output_bytes) == ("int8", 256, 2048)


def test_a_convolution_of_float_weights_stays_float_and_its_input_is_dequantised() -> None:
    plain = Node("Conv", "x", ("af", "wide"), ("y",), {"pads": (1, 1, 1, 1)})
    weights = SCALE | {"wide": Weight((8, 4, 3, 3))}
    graph = Graph("q", FRAME, weights, (q("frame", "a"), dq("a", "af"), plain), ("y",))
    assert [(cost.op, cost.element) for cost in layer_costs(graph)] == [
        ("QuantizeLinear", "float32"),
        ("DequantizeLinear", "float32"),
        ("Conv", "float32"),
    ]


def test_sums_pools_and_copies_run_in_int8_too() -> None:
    nodes = (
        dq("a", "af"), Node("Add", "add", ("af", "af"), ("x",)), q("x", "xq"), dq("xq", "xf"),
        Node("MaxPool", "pool", ("xf",), ("p",), {"kernel_shape": (2, 2), "strides": (2, 2)}), q("p", "pq"),
        dq("pq", "pf"), Node("Concat", "both", ("pf", "pf"), ("c",), {"axis": 1}), q("c", "y"),
    )  # fmt: skip
    assert [(cost.op, cost.element, cost.output_bytes) for cost in costs(*nodes)] == [
        ("Add", "int8", 256),
        ("MaxPool", "int8", 64),
        ("Concat", "int8", 128),
    ]


def test_an_operator_that_is_not_quantised_afterwards_runs_in_float() -> None:
    found = costs(dq("a", "af"), Node("Softmax", "soft", ("af",), ("y",)))
    assert [(cost.op, cost.element, cost.input_bytes) for cost in found] == [
        ("DequantizeLinear", "float32", 256),
        ("Softmax", "float32", 1024),
    ]


def test_a_value_that_a_float_operator_reads_as_well_is_dequantised() -> None:
    nodes = (dq("a", "af"), conv("af", "x"), q("x", "c"), Node("Softmax", "soft", ("af",), ("y",)))
    graph = network(*nodes)
    graph = Graph("q", graph.inputs, graph.weights, graph.nodes, ("c", "y"))
    assert [(cost.op, cost.element) for cost in layer_costs(graph)] == [
        ("QuantizeLinear", "float32"),
        ("DequantizeLinear", "float32"),
        ("Conv", "int8"),
        ("Softmax", "float32"),
    ]


def test_a_view_between_the_two_is_free() -> None:
    flat = Node("Flatten", "flat", ("af",), ("v",))
    product = Node("Gemm", "gemm", ("vf", "wf"), ("y",), {"transB": 1})
    nodes = (dq("a", "af"), flat, q("v", "vq"), dq("vq", "vf"), dq("w", "wf"), product)
    graph = Graph("q", FRAME, SCALE | {"w": Weight((10, 256), 1)}, (q("frame", "a"), *nodes), ("y",))
    _, gemm = layer_costs(graph)
    assert (gemm.op, gemm.kind, gemm.element, gemm.weight_bytes) == ("Gemm", "linear", "int8", 2560)


def test_rounding_to_another_scale_is_work() -> None:
    found = costs(dq("a", "af"), q("af", "y"))
    assert [cost.op for cost in found] == ["DequantizeLinear", "QuantizeLinear"]


def test_operators_of_the_quantised_kind_are_int8_by_name() -> None:
    reads = ("frame", "s", "z", "w", "s", "z", "s", "z", "b")
    node = Node("QLinearConv", "conv", reads, ("y",), {"pads": (1, 1, 1, 1)})
    (cost,) = layer_costs(Graph("q", FRAME, SCALE | KERNEL, (node,), ("y",)))
    assert (cost.kind, cost.element, cost.macs) == ("conv3x3", "int8", 8 * 64 * 36)
    assert (cost.input_bytes, cost.output_bytes) == (256, 512)


def test_a_dynamically_quantised_product_reads_bytes_and_writes_words() -> None:
    nodes = (
        Node("DynamicQuantizeLinear", "round", ("frame",), ("r", "rs", "rz")),
        Node("MatMulInteger", "product", ("r", "w", "rz"), ("y",)),
    )
    scaled = Node("Sqrt", "scale", ("rs",), ("scale",))
    graph = Graph("q", {"frame": (2, 16)}, {"w": Weight((16, 8), 1)}, (*nodes, scaled), ("y", "scale"))
    _, cost, scale = layer_costs(graph)
    assert (scale.element, scale.input_bytes) == ("float32", 4)
    assert (cost.kind, cost.element, cost.macs) == ("linear", "int8", 2 * 16 * 8)
    assert (cost.input_bytes, cost.output_bytes, cost.weight_bytes) == (32 + 1, 4 * 16, 128)
