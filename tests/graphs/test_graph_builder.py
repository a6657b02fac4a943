"""Networks described in code have the shapes that ONNX Runtime gives them, at any batch."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_bytes import shapes_in_a_run

from tenuto.errors import UsageError
from tenuto.graphs import Graph, GraphBuilder, infer_shapes

Step = Callable[[GraphBuilder, str, st.DataObject], str]

ACTIVATIONS = ("Relu", "HardSwish", "Swish", "Clip", "Sigmoid", "LeakyRelu", "PRelu", "Gelu", "HardSigmoid")


def a_conv(net: GraphBuilder, x: str, data: st.DataObject) -> str:
    n_in = net.shape(x)[1]
    groups = data.draw(st.sampled_from([g for g in (1, 2, 4) if n_in % g == 0]))
    return net.conv(
        x,
        4 * data.draw(st.integers(1, 3)),
        data.draw(st.sampled_from((1, 3, 5, (1, 3), (3, 1)))),
        stride=data.draw(st.sampled_from((1, 2, (2, 1)))),
        # Enough for the widest kernel on the smallest map.
        padding=data.draw(st.sampled_from((None, 4, (4, 4, 5, 5)))),
        groups=groups,
        dilation=data.draw(st.sampled_from((1, 2))),
        activation=data.draw(st.sampled_from((None, *ACTIVATIONS))),
    )


def a_depthwise(net: GraphBuilder, x: str, data: st.DataObject) -> str:
    return net.depthwise(x, 3, stride=data.draw(st.integers(1, 2)), activation="Relu")


def a_pool(net: GraphBuilder, x: str, data: st.DataObject) -> str:
    pool = net.max_pool if data.draw(st.booleans()) else net.average_pool
    kernel = data.draw(st.sampled_from((2, 3, (2, 3))))
    return pool(
        x,
        kernel,
        stride=data.draw(st.sampled_from((None, 1, 2, 3))),
        padding=data.draw(st.sampled_from((1, (1, 1, 0, 0), (0, 1, 1, 1)))),
        ceil=data.draw(st.booleans()),
    )


def a_residual(net: GraphBuilder, x: str, _data: st.DataObject) -> str:
    return net.add(x, net.conv(x, net.shape(x)[1], 3))


def a_gate(net: GraphBuilder, x: str, _data: st.DataObject) -> str:
    return net.mul(x, net.conv(net.global_average_pool(x), net.shape(x)[1], 1, activation="HardSigmoid"))


def a_split(net: GraphBuilder, x: str, data: st.DataObject) -> str:
    channels = net.shape(x)[1]
    first = data.draw(st.integers(1, channels - 1))
    left, right = net.split(x, (first, channels - first))
    return net.concat(right, left)


def a_shuffle(net: GraphBuilder, x: str, data: st.DataObject) -> str:
    return net.channel_shuffle(x, data.draw(st.sampled_from((1, 2, 4))))


def an_attention(net: GraphBuilder, x: str, _data: st.DataObject) -> str:
    n, c, h, w = net.shape(x)
    tokens = net.layer_norm(net.transpose(net.reshape(x, n, c, h * w), 0, 2, 1))
    scores = net.softmax(net.matmul(tokens, net.transpose(net.linear(tokens, c), 0, 2, 1)))
    mixed = net.linear(net.matmul(scores, tokens), c, activation="Relu")
    return net.reshape(net.transpose(mixed, 0, 2, 1), n, c, h, w)


STEPS: tuple[Step, ...] = (
    a_conv, a_depthwise, a_pool, a_residual, a_gate, a_split, a_shuffle, an_attention,
    lambda net, x, _: net.upsample(x, 2), lambda net, x, _: net.lrn(x),
)  # fmt: skip


@st.composite
def networks(draw: Callable[..., Any]) -> tuple[GraphBuilder, Graph]:
    data = draw(st.data())
    net = GraphBuilder("drawn")
    x = net.input(draw(st.integers(1, 2)), 4, draw(st.integers(7, 12)), draw(st.integers(7, 12)))
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=5)):
        x = step(net, x, data)
    return net, net.build(net.linear(net.flatten(x), 3))


@settings(max_examples=60)
@given(networks(), st.one_of(st.none(), st.integers(1, 3)))
def test_every_shape_is_the_one_of_a_real_run(drawn: tuple[GraphBuilder, Graph], batch: int | None) -> None:
    _, graph = drawn
    ours = infer_shapes(graph, batch=batch)
    theirs = shapes_in_a_run(graph, batch=batch)
    assert {name: ours[name] for name in theirs} == theirs


@given(networks())
def test_the_builder_knows_each_shape_that_is_inferred_later(drawn: tuple[GraphBuilder, Graph]) -> None:
    net, graph = drawn
    ours = infer_shapes(graph)
    assert {name: net.shape(name) for name in ours} == ours


def test_paddings_sides_are_top_left_bottom_right() -> None:
    net = GraphBuilder("pads")
    x = net.input(1, 3, 10, 10)
    assert net.shape(net.conv(x, 8, 3, padding=(1, 0, 0, 0))) == (1, 8, 9, 8)
    assert net.shape(net.conv(x, 8, 3, padding=(0, 0, 0, 2))) == (1, 8, 8, 10)


def test_an_odd_kernel_keeps_the_size_even_when_dilated() -> None:
    net = GraphBuilder("same")
    x = net.input(1, 3, 10, 12)
    assert net.shape(net.conv(x, 8, 5, dilation=2)) == (1, 8, 10, 12)
    assert net.shape(net.conv(x, 8, (1, 7))) == (1, 8, 10, 12)


def test_a_reshape_may_fold_the_batch_and_still_follow_it() -> None:
    net = GraphBuilder("windows")
    x = net.input(1, 4, 4, 8)
    apart = net.reshape(x, 4, 4, 8)
    back = net.reshape(apart, 1, 16, 8)
    graph = net.build(back)
    shapes = infer_shapes(graph, batch=3)
    assert (shapes[apart], shapes[back]) == ((12, 4, 8), (3, 16, 8))


def test_an_int8_network_has_weights_of_one_byte_and_biases_of_four() -> None:
    net = GraphBuilder("small", element="int8")
    graph = net.build(net.conv(net.input(1, 3, 8, 8), 4, 3))
    assert {weight.shape: weight.element_bytes for weight in graph.weights.values()} == {(4, 3, 3, 3): 1, (4,): 4}
    assert graph.element == "int8"


def of_8_channels(net: GraphBuilder) -> str:
    return net.conv(net.input(1, 3, 8, 8), 8, 3)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda net: net.shape("nowhere"),
        lambda net: net.add("nowhere", of_8_channels(net)),
        lambda net: net.input(),
        lambda net: net.input(1, 0, 8),
        lambda net: net.conv(of_8_channels(net), 8, 3, groups=3),
        lambda net: net.conv(of_8_channels(net), 9, 3, groups=2),
        lambda net: net.conv(of_8_channels(net), 0, 3),
        lambda net: net.conv(of_8_channels(net), 8, 11, padding=0),
        lambda net: net.conv(of_8_channels(net), 8, 3, stride=0),
        lambda net: net.max_pool(of_8_channels(net), 30),
        lambda net: net.add(of_8_channels(net), net.input(1, 7, 8, 8)),
        lambda net: net.matmul(of_8_channels(net), net.input(1, 8, 7, 8)),
        lambda net: net.concat(of_8_channels(net), net.input(1, 8, 7, 8)),
        lambda net: net.split(of_8_channels(net), (3, 4)),
        lambda net: net.reshape(of_8_channels(net), 1, 8, 65),
        lambda net: net.reshape(of_8_channels(net), 2, 8, 64),
        lambda net: net.transpose(of_8_channels(net), 0, 1, 1, 2),
        lambda net: net.channel_shuffle(of_8_channels(net), 3),
        lambda net: net.linear(of_8_channels(net), 0),
        lambda net: net.build(),
        lambda net: net.build("nowhere"),
        lambda _: GraphBuilder("odd", element="float16"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_where_it_is_said(mistake: Callable[[GraphBuilder], object]) -> None:
    with pytest.raises(UsageError):
        mistake(GraphBuilder("wrong"))


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_below_one_is_refused(batch: int) -> None:
    net = GraphBuilder("batch")
    with pytest.raises(UsageError):
        infer_shapes(net.build(of_8_channels(net)), batch=batch)
