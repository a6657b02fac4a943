"""What a layer costs follows from its shape, and what every runtime fuses costs nothing."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.graphs import Graph, GraphBuilder, LayerCost, Node, Weight, layer_costs

SIDES = st.integers(3, 20)
CHANNELS = st.sampled_from((4, 8, 12))


def the_cost(graph: Graph, *, batch: int | None = None) -> LayerCost:
    (cost,) = layer_costs(graph, batch=batch)
    return cost


def conv_graph(n_in: int, n_out: int, kernel: int, *, side: int = 8, stride: int = 1, groups: int = 1) -> Graph:
    net = GraphBuilder("conv")
    return net.build(net.conv(net.input(1, n_in, side, side), n_out, kernel, stride=stride, groups=groups))


def test_a_convolution_by_hand() -> None:
    """AlexNet's first: 96 kernels of 11x11x3 over 55x55 positions are 105,415,200 multiply-accumulates."""
    net = GraphBuilder("alexnet")
    graph = net.build(net.conv(net.input(1, 3, 227, 227), 96, 11, stride=4, padding=0, activation="Relu"))
    assert the_cost(graph) == LayerCost(
        name="conv0",
        op="Conv",
        kind="conv",
        element="float32",
        macs=105_415_200,
        weight_bytes=4 * (96 * 363 + 96),
        input_bytes=4 * 3 * 227 * 227,
        output_bytes=4 * 96 * 55 * 55,
        n_outputs=96 * 55 * 55,
        n_groups=1,
        source="modelled",
    )


@given(CHANNELS, st.sampled_from((1, 3, 5)), SIDES, st.integers(1, 2), st.integers(1, 9))
def test_work_and_activations_grow_with_the_batch_and_weights_do_not(
    n_out: int, kernel: int, side: int, stride: int, batch: int
) -> None:
    graph = conv_graph(8, n_out, kernel, side=side, stride=stride)
    single, many = the_cost(graph), the_cost(graph, batch=batch)
    assert many.macs == batch * single.macs
    assert many.input_bytes == batch * single.input_bytes
    assert many.output_bytes == batch * single.output_bytes
    assert many.n_outputs == batch * single.n_outputs
    assert (many.weight_bytes, many.kind) == (single.weight_bytes, single.kind)


@given(st.sampled_from((1, 3, 5)), SIDES, st.sampled_from((2, 4, 8)))
def test_groups_divide_the_work_and_the_weights(kernel: int, side: int, groups: int) -> None:
    dense = the_cost(conv_graph(16, 32, kernel, side=side))
    grouped = the_cost(conv_graph(16, 32, kernel, side=side, groups=groups))
    bias_bytes = 4 * 32
    assert grouped.macs * groups == dense.macs
    assert (grouped.weight_bytes - bias_bytes) * groups == dense.weight_bytes - bias_bytes
    assert (grouped.input_bytes, grouped.output_bytes) == (dense.input_bytes, dense.output_bytes)
    assert grouped.n_groups == groups


@given(st.integers(1, 4), SIDES)
def test_the_first_groups_of_a_grouped_layer_cost_their_share(n_groups: int, side: int) -> None:
    """Channels in groups that never cross: the prefix of k of 4 groups is a network at k quarters of the work."""
    whole = the_cost(conv_graph(16, 32, 3, side=side, groups=4))
    prefix = the_cost(conv_graph(4 * n_groups, 8 * n_groups, 3, side=side, groups=n_groups))
    for figure in ("macs", "weight_bytes", "input_bytes", "output_bytes", "n_outputs"):
        assert 4 * getattr(prefix, figure) == n_groups * getattr(whole, figure)


@given(st.lists(st.tuples(CHANNELS, st.sampled_from((1, 3))), min_size=1, max_size=5), SIDES)
def test_a_chain_costs_the_sum_of_its_parts(layers: list[tuple[int, int]], side: int) -> None:
    net = GraphBuilder("chain")
    x = net.input(1, 4, side, side)
    parts: list[LayerCost] = []
    for n_out, kernel in layers:
        parts.append(the_cost(conv_graph(net.shape(x)[1], n_out, kernel, side=side)))
        x = net.conv(x, n_out, kernel)
    chain = layer_costs(net.build(x))
    assert [replace(cost, name="") for cost in chain] == [replace(cost, name="") for cost in parts]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kernel": 3}, "conv3x3"),
        ({"kernel": 3, "stride": 2}, "conv"),
        ({"kernel": 3, "dilation": 2}, "conv"),
        ({"kernel": (3, 1)}, "conv"),
        ({"kernel": 5}, "conv"),
        ({"kernel": 1}, "pointwise"),
        ({"kernel": 1, "stride": 2}, "pointwise"),
        ({"kernel": 1, "groups": 2}, "conv"),
        ({"kernel": 3, "groups": 4}, "conv"),
        ({"in_channels": 32, "kernel": 3, "groups": 2, "out_channels": 32}, "conv3x3"),
        ({"in_channels": 32, "kernel": 3, "groups": 2, "out_channels": 16}, "conv"),
        ({"in_channels": 32, "kernel": 3, "groups": 2, "out_channels": 32, "stride": 2}, "conv"),
        ({"kernel": 3, "groups": 8}, "depthwise"),
        ({"kernel": 3, "groups": 8, "out_channels": 16}, "depthwise"),
    ],
)
def test_the_kind_of_a_convolution_follows_from_its_shape(settings: dict[str, int], kind: str) -> None:
    net = GraphBuilder("kinds")
    settings = {"out_channels": 8} | settings
    x = net.input(1, settings.pop("in_channels", 8), 16, 16)
    graph = net.build(net.conv(x, **settings))  # type: ignore[arg-type]
    assert the_cost(graph).kind == kind


def test_one_input_channel_is_a_dense_convolution() -> None:
    assert the_cost(conv_graph(1, 8, 3)).kind == "conv3x3"


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "PRelu"])
@pytest.mark.parametrize("layer", ["conv", "linear", "linear of rows"])
def test_an_activation_that_alone_reads_a_layer_is_free(layer: str, activation: str) -> None:
    def network(activation: str | None) -> Graph:
        net = GraphBuilder("fused")
        if layer == "conv":
            return net.build(net.conv(net.input(1, 3, 8, 8), 8, 3, activation=activation))
        x = net.input(4, 8) if layer == "linear" else net.input(2, 4, 8)
        return net.build(net.linear(x, 8, activation=activation))

    assert the_cost(network(activation)) == the_cost(network(None))


def test_a_linear_layer_of_rows_counts_its_bias_as_weight() -> None:
    net = GraphBuilder("rows")
    cost = the_cost(net.build(net.linear(net.input(2, 5, 8), 3)))
    assert (cost.kind, cost.macs, cost.weight_bytes) == ("linear", 2 * 5 * 8 * 3, 4 * (8 * 3 + 3))
    assert (cost.input_bytes, cost.output_bytes, cost.n_outputs) == (4 * 80, 4 * 30, 30)


def reads_twice(net: GraphBuilder, x: str) -> str:
    return net.add(net.activation(x, "Relu"), x)


def gate_of_another(net: GraphBuilder, x: str) -> str:
    return net.mul(net.global_average_pool(x), net.activation(x, "Sigmoid"))


def gate_that_is_read_twice(net: GraphBuilder, x: str) -> str:
    gate = net.activation(x, "Sigmoid")
    return net.add(net.mul(x, gate), gate)


@pytest.mark.parametrize(
    ("rest", "ops"),
    [
        (reads_twice, ["Conv", "Relu", "Add"]),
        (gate_of_another, ["Conv", "GlobalAveragePool", "Sigmoid", "Mul"]),
        (gate_that_is_read_twice, ["Conv", "Sigmoid", "Mul", "Add"]),
        (lambda net, x: net.activation(net.activation(x, "Relu"), "Relu"), ["Conv", "Relu"]),
        (lambda net, x: net.activation(x, "Gelu"), ["Conv", "Gelu"]),
        (lambda net, x: net.activation(x, "Swish"), ["Conv", "Swish"]),
        (lambda net, x: net.activation(net.max_pool(x, 2), "Relu"), ["Conv", "MaxPool", "Relu"]),
    ],
)
def test_what_is_not_the_only_reader_or_no_activation_costs_by_itself(
    rest: Callable[[GraphBuilder, str], str], ops: list[str]
) -> None:
    net = GraphBuilder("unfused")
    graph = net.build(rest(net, net.conv(net.input(1, 3, 8, 8), 8, 3)))
    assert [cost.op for cost in layer_costs(graph)] == ops


def test_a_swish_of_two_nodes_is_one_pass() -> None:
    net = GraphBuilder("swish")
    x = net.input(1, 3, 8, 8)
    cost = the_cost(net.build(net.activation(x, "Swish")))
    assert (cost.kind, cost.input_bytes, cost.output_bytes, cost.n_outputs) == ("elementwise", 768, 768, 192)


def test_an_answer_of_the_network_is_not_swallowed() -> None:
    net = GraphBuilder("answers")
    x = net.conv(net.input(1, 3, 8, 8), 8, 3)
    assert [cost.op for cost in layer_costs(net.build(net.activation(x, "Relu"), x))] == ["Conv", "Relu"]


def with_constants(*nodes: Node, weights: dict[str, Weight], shape: tuple[int, ...] = (1, 4, 8, 8)) -> Graph:
    return Graph("by hand", {"frame": shape}, weights, nodes, (nodes[-1].outputs[0],))


CONV = Node("Conv", "conv", ("frame", "w"), ("x",), {"pads": (1, 1, 1, 1)})
KERNEL = Weight((8, 4, 3, 3))


def test_a_norm_its_scale_and_the_activation_behind_it_are_free() -> None:
    norm = Node("BatchNormalization", "norm", ("x", "s", "s", "s", "s"), ("n",))
    scale = Node("Mul", "scale", ("n", "per_channel"), ("m",))
    weights = {"w": KERNEL, "s": Weight((8,)), "per_channel": Weight((8, 1, 1))}
    graph = with_constants(CONV, norm, scale, Node("Relu", "relu", ("m",), ("y",)), weights=weights)
    cost = the_cost(graph)
    assert (cost.op, cost.macs) == ("Conv", 8 * 64 * 36)


@pytest.mark.parametrize("shape", [(1, 8, 8, 8), (8, 8), (2, 8, 8, 8)])
def test_a_sum_with_more_than_a_constant_per_channel_costs_by_itself(shape: tuple[int, ...]) -> None:
    add = Node("Add", "add", ("x", "map"), ("y",))
    _, cost = layer_costs(with_constants(CONV, add, weights={"w": KERNEL, "map": Weight(shape)}))
    assert (cost.op, cost.kind, cost.weight_bytes) == ("Add", "elementwise", 4 * prod(shape))


def test_one_divided_by_a_layer_is_not_folded_into_it() -> None:
    weights = {"w": KERNEL, "one": Weight((1,), 4, (1.0,))}
    backwards = with_constants(CONV, Node("Div", "div", ("one", "x"), ("y",)), weights=weights)
    forwards = with_constants(CONV, Node("Div", "div", ("x", "one"), ("y",)), weights=weights)
    assert [cost.op for cost in layer_costs(backwards)] == ["Conv", "Div"]
    assert [cost.op for cost in layer_costs(forwards)] == ["Conv"]


def test_what_depends_on_weights_alone_is_folded() -> None:
    turned = Node("Transpose", "turn", ("w",), ("wt",), {"perm": (1, 0)})
    product = Node("MatMul", "product", ("frame", "wt"), ("y",))
    graph = with_constants(turned, product, weights={"w": Weight((8, 4))}, shape=(3, 4))
    assert (the_cost(graph).kind, the_cost(graph).weight_bytes) == ("linear", 4 * 32)


def test_two_activations_multiplied_are_no_linear_layer() -> None:
    net = GraphBuilder("attention")
    a, b = net.input(2, 3, 5, 8), net.input(2, 3, 8, 7)
    cost = the_cost(net.build(net.matmul(a, b)))
    assert (cost.kind, cost.macs, cost.weight_bytes) == ("matmul", 2 * 3 * 5 * 7 * 8, 0)
    assert cost.input_bytes == 4 * 6 * (40 + 56)


def test_an_einsum_counts_every_index() -> None:
    node = Node("Einsum", "mix", ("frame", "w"), ("y",), {"equation": "nhc,hcd->nhd"})
    cost = the_cost(with_constants(node, weights={"w": Weight((2, 6, 3))}, shape=(4, 2, 6)))
    assert (cost.kind, cost.macs) == ("linear", 4 * 2 * 6 * 3)


def test_a_transposed_convolution_multiplies_each_input_with_the_kernel() -> None:
    node = Node("ConvTranspose", "up", ("frame", "w"), ("y",), {"strides": (2, 2), "group": 2})
    cost = the_cost(with_constants(node, weights={"w": Weight((4, 3, 2, 2))}))
    assert (cost.kind, cost.macs, cost.n_groups) == ("conv", 4 * 64 * 3 * 4, 2)


def test_a_transposed_operand_is_multiplied_over_its_own_inner_size() -> None:
    node = Node("Gemm", "gemm", ("frame", "w"), ("y",), {"transA": 1, "transB": 1})
    assert the_cost(with_constants(node, weights={"w": Weight((7, 3))}, shape=(3, 5))).macs == 5 * 7 * 3


def test_views_cost_nothing_and_copies_move_what_they_write() -> None:
    net = GraphBuilder("moves")
    x = net.input(1, 8, 6, 6)
    left, right = net.split(x, (2, 6))
    y = net.transpose(net.reshape(net.concat(right, left), 1, 8, 36), 0, 2, 1)
    costs = layer_costs(net.build(net.flatten(y)))
    assert [(cost.op, cost.kind) for cost in costs] == [("Split", "move"), ("Concat", "move"), ("Transpose", "move")]
    assert {(cost.input_bytes, cost.output_bytes, cost.macs) for cost in costs} == {(4 * 288, 4 * 288, 0)}


def test_a_constant_that_is_joined_is_read_and_one_that_says_how_is_not() -> None:
    joined = Node("Concat", "join", ("token", "frame"), ("y",), {"axis": 1})
    cost = the_cost(with_constants(joined, weights={"token": Weight((1, 1, 16))}, shape=(1, 9, 16)))
    assert (cost.weight_bytes, cost.input_bytes, cost.output_bytes) == (64, 576, 640)
    net = GraphBuilder("larger")
    assert the_cost(net.build(net.upsample(net.input(1, 2, 3, 3), 2))).weight_bytes == 0


def test_a_slice_and_a_lookup_read_only_what_they_keep() -> None:
    slice_ = Node("Slice", "slice", ("frame", "from", "to"), ("y",))
    bounds = {"from": Weight((1,), 8, (0,)), "to": Weight((1,), 8, (2,))}
    cost = the_cost(with_constants(slice_, weights=bounds, shape=(10, 100)))
    assert (cost.input_bytes, cost.output_bytes) == (4 * 200, 4 * 200)
    lookup = Node("Gather", "embed", ("table", "frame"), ("y",))
    cost = the_cost(with_constants(lookup, weights={"table": Weight((1000, 16))}, shape=(1, 5)))
    assert (cost.kind, cost.input_bytes, cost.output_bytes) == ("move", 4 * 80, 4 * 80)


def test_a_value_that_is_read_twice_by_one_operator_counts_once() -> None:
    net = GraphBuilder("square")
    x = net.input(1, 100)
    assert the_cost(net.build(net.mul(x, x))).input_bytes == 400


def test_an_int8_network_moves_a_quarter_of_the_bytes() -> None:
    def cost(element: str) -> LayerCost:
        net = GraphBuilder("small", element=element)  # type: ignore[arg-type]
        return the_cost(net.build(net.conv(net.input(1, 3, 8, 8), 8, 3)))

    small, large = cost("int8"), cost("float32")
    assert (small.element, large.element) == ("int8", "float32")
    assert (4 * small.input_bytes, 4 * small.output_bytes) == (large.input_bytes, large.output_bytes)
    assert small.macs == large.macs
    assert small.weight_bytes == 8 * 27 + 4 * 8


def test_what_a_runtime_fused_already_costs_as_much_as_what_it_would_fuse() -> None:
    fused = Node("FusedConv", "conv", ("frame", "w"), ("y",), {"pads": (1, 1, 1, 1), "activation": "Relu"})
    plain = with_constants(CONV, Node("Relu", "relu", ("x",), ("y",)), weights={"w": KERNEL})
    assert replace(the_cost(with_constants(fused, weights={"w": KERNEL})), op="Conv") == the_cost(plain)


def test_a_fused_sum_is_read_too() -> None:
    fused = Node("FusedConv", "conv", ("frame", "w", "", "skip"), ("y",), {"pads": (1, 1, 1, 1)})
    graph = Graph("sum", {"frame": (1, 4, 8, 8), "skip": (1, 8, 8, 8)}, {"w": KERNEL}, (fused,), ("y",))
    assert the_cost(graph).input_bytes == 4 * (256 + 512)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_linear_layers_of_two_and_three_axes_cost_the_same(rows: int, n_in: int, n_out: int) -> None:
    net = GraphBuilder("linear")
    flat = the_cost(net.build(net.linear(net.input(rows, n_in), n_out)))
    net = GraphBuilder("linear")
    deep = the_cost(net.build(net.linear(net.input(1, rows, n_in), n_out)))
    assert replace(flat, name="", op="") == replace(deep, name="", op="")
    assert flat.macs == rows * n_in * n_out


def test_asking_for_another_batch_in_between_changes_nothing() -> None:
    graph = conv_graph(4, 8, 3)
    first = layer_costs(graph)
    layer_costs(graph, batch=5)
    assert layer_costs(graph) == first
