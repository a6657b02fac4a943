"""ONNX files are read without the onnx package, without their weights, and refused where they are damaged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_bytes import (
    attribute,
    model_bytes,
    node_bytes,
    onnx_bytes,
    run_shapes,
    shapes_in_a_run,
    tensor_bytes,
    text,
    value_bytes,
)

import tenuto
from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.graphs import Graph, GraphBuilder, Node, Shape, Weight, infer_shapes, layer_costs, read_onnx
from tenuto.graphs.protobuf import encode, number
from tenuto.nets.package import open_package

PACKAGE = Path(tenuto.__file__).parent / "packaged" / "fashion"
SHIPPED = sorted(PACKAGE.glob("*.onnx"))


def small_network() -> Graph:
    """No float weight of it is so small that the reader would keep its content."""
    net = GraphBuilder("small")
    x = net.channel_shuffle(net.conv(net.input(1, 3, 20, 20), 12, 3, stride=2, activation="Swish"), 2)
    left, right = net.split(net.upsample(x, 2), (3, 9))
    pooled = net.global_average_pool(net.concat(right, left))
    return net.build(net.linear(net.flatten(pooled), 10), net.layer_norm(left))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_networks_have_the_shapes_and_work_that_their_card_and_the_runtime_say(path: Path) -> None:
    graph = read_onnx(path)
    assert graph.inputs == {"frame": (1, 1, 28, 28)}
    (card,) = (one for one in open_package(PACKAGE).sub_networks if one.model == path)
    assert sum(cost.macs for cost in layer_costs(graph)) == card.macs
    theirs = run_shapes(path, {"frame": np.zeros((3, 1, 28, 28), dtype=np.float32)})
    ours = infer_shapes(graph, batch=3)
    assert {name: ours[name] for name in theirs} == theirs == {"logits": (3, 10)}


def test_a_network_survives_its_file(tmp_path: Path) -> None:
    graph = small_network()
    assert read_onnx(written(tmp_path, onnx_bytes(graph))) == graph


@pytest.mark.parametrize("level", ["ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_a_network_that_the_runtime_optimised_needs_as_much_work(tmp_path: Path, level: str) -> None:
    """Fused convolutions, and channels in blocks of 8 or 16 where the processor has them."""
    net = GraphBuilder("blocks")
    x = net.conv(net.input(1, 3, 16, 16), 16, 3, activation="Relu")
    x = net.add(net.conv(x, 16, 3, activation="Relu"), x)
    x = net.depthwise(net.max_pool(x, 3, stride=2), 3)
    graph = net.build(net.linear(net.flatten(net.global_average_pool(x)), 4))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(onnx_bytes(graph), options, providers=["CPUExecutionProvider"])
    optimised = read_onnx(tmp_path / "optimised.onnx")
    work = [(cost.kind, cost.macs) for cost in layer_costs(optimised) if cost.macs]
    assert work == [(cost.kind, cost.macs) for cost in layer_costs(graph) if cost.macs]
    assert {cost.source for cost in layer_costs(optimised)} == {"modelled"}
    assert infer_shapes(optimised)[graph.outputs[0]] == (1, 4)


def test_large_weights_are_not_read_and_need_not_be_there(tmp_path: Path) -> None:
    """Only their shape stands in the file, as exporters leave it that strip the weights."""
    tensor = encode(5, number(1 << 3) + number(7) + number(1 << 3) + number(5) + number(2 << 3) + number(1) +
                    text(8, "w") + number(14 << 3) + number(1))  # fmt: skip
    node = Node("Gemm", "gemm", ("x", "w"), ("y",), {"transB": 1})
    graph = node_bytes(node) + tensor + value_bytes(11, "x", ("n", 5)) + value_bytes(12, "y", None)
    read = read_onnx(written(tmp_path, model_bytes(graph)))
    assert read.weights == {"w": Weight((7, 5), 4)}
    assert read.inputs == {"x": (1, 5)}
    assert infer_shapes(read, batch=6)["y"] == (6, 7)


def test_an_initialiser_may_also_be_listed_among_the_inputs(tmp_path: Path) -> None:
    graph = (
        node_bytes(Node("Add", "add", ("x", "w"), ("y",)))
        + tensor_bytes("w", Weight((3,)))
        + value_bytes(11, "x", (2, 3))
        + value_bytes(11, "w", (3,))
        + value_bytes(12, "y", None)
    )
    assert read_onnx(written(tmp_path, model_bytes(graph))).inputs == {"x": (2, 3)}


def constant(*parts: bytes) -> bytes:
    return encode(1, text(2, "c") + text(3, "constant") + text(4, "Constant") + b"".join(parts))


@pytest.mark.parametrize(
    ("node", "weight"),
    [
        (constant(attribute("value_int", -3)), Weight((), 8, (-3,))),
        (constant(attribute("value_ints", (2, -3))), Weight((2,), 8, (2, -3))),
        (constant(attribute("value_float", 0.5)), Weight((), 4, (0.5,))),
        (constant(attribute("value_floats", (0.5, 2.0))), Weight((2,), 4, (0.5, 2.0))),
        (
            constant(encode(5, text(1, "value") + tensor_bytes("", Weight((2,), 8, (2, -3)), field=5))),
            Weight((2,), 8, (2, -3)),
        ),
    ],
)
def test_a_constant_node_becomes_a_weight(tmp_path: Path, node: bytes, weight: Weight) -> None:
    read = read_onnx(written(tmp_path, model_bytes(node + value_bytes(12, "c", None))))
    assert (read.nodes, read.weights) == ((), {"c": weight})


@pytest.mark.parametrize(
    ("field", "content", "kind", "values"),
    [
        (7, number(5) + number(2**64 - 1), 7, (5, -1)),
        (5, number(5) + number(2**64 - 1), 6, (5, -1)),
        (4, np.array([1.0, 2.5], dtype="<f4").tobytes(), 1, (1.0, 2.5)),
        (9, np.array([5, -1], dtype="<i8").tobytes(), 7, (5, -1)),
        (9, np.array([1.0, 2.5], dtype="<f8").tobytes(), 11, (1.0, 2.5)),
        (9, bytes(4), 10, None),
    ],
)
def test_small_arrays_are_read_in_every_form_that_a_file_may_give_them(
    tmp_path: Path, field: int, content: bytes, kind: int, values: tuple[float, ...] | None
) -> None:
    tensor = encode(5, encode(1, number(2)) + number(2 << 3) + number(kind) + text(8, "w") + encode(field, content))
    assert read_onnx(written(tmp_path, model_bytes(tensor + value_bytes(12, "w", None)))).weights["w"].values == values


@pytest.mark.parametrize(("n_values", "is_kept"), [(64, True), (65, False)])
def test_only_small_arrays_are_kept(tmp_path: Path, n_values: int, is_kept: bool) -> None:
    tensor = tensor_bytes("w", Weight((n_values,), 8, tuple(range(n_values))))
    read = read_onnx(written(tmp_path, model_bytes(tensor + value_bytes(12, "w", None))))
    assert (read.weights["w"].values is not None) == is_kept


def test_operators_of_other_domains_keep_their_domain_in_their_name(tmp_path: Path) -> None:
    nodes = (
        node_bytes(Node("Gelu", "a", ("x",), ("b",)), "com.microsoft"),
        node_bytes(Node("Conv", "c", ("b",), ("d",)), "com.example"),
        node_bytes(Node("Relu", "", ("d",), ("y",)), "ai.onnx"),
    )
    ends = value_bytes(11, "x", (1, 3, 8, 8)) + value_bytes(12, "y", None)
    read = read_onnx(written(tmp_path, model_bytes(b"".join(nodes) + ends)))
    assert [(node.op, node.name) for node in read.nodes] == [("Gelu", "a"), ("com.example.Conv", "c"), ("Relu", "y")]


def open_network(sizes: tuple[int | str, ...] | None, *, code: int = 1) -> bytes:
    node = node_bytes(Node("Relu", "relu", ("x",), ("y",)))
    return model_bytes(node + value_bytes(11, "x", sizes, code=code) + value_bytes(12, "y", None))


def test_an_open_batch_is_one_and_other_open_sizes_must_be_given(tmp_path: Path) -> None:
    assert read_onnx(written(tmp_path, open_network(("n", 3, 8)))).inputs == {"x": (1, 3, 8)}
    path = written(tmp_path, open_network(("n", 3, "height")))
    with pytest.raises(SpecError) as caught:
        read_onnx(path)
    assert (caught.value.path, caught.value.key) == (path, "x")
    assert read_onnx(path, input_shapes={"x": (2, 3, 9)}).inputs == {"x": (2, 3, 9)}


def test_a_shape_that_the_file_does_not_give_at_all_must_be_given(tmp_path: Path) -> None:
    path = written(tmp_path, open_network(None))
    with pytest.raises(SpecError) as caught:
        read_onnx(path)
    assert caught.value.key == "x"
    assert read_onnx(path, input_shapes={"x": (2, 3)}).inputs == {"x": (2, 3)}


@pytest.mark.parametrize("shape", [(2, 4, 8), (2, 3), (2, 3, 8, 8)])
def test_sizes_that_contradict_the_file_are_refused(tmp_path: Path, shape: Shape) -> None:
    path = written(tmp_path, open_network(("n", 3, "height")))
    with pytest.raises(UsageError):
        read_onnx(path, input_shapes={"x": shape})


def test_sizes_for_an_input_that_there_is_not_are_refused_with_a_near_match(tmp_path: Path) -> None:
    path = written(tmp_path, open_network(("n", 3, 8)))
    with pytest.raises(UnknownNameError) as caught:
        read_onnx(path, input_shapes={"xx": (2, 3, 8)})
    assert (caught.value.name, caught.value.matches) == ("xx", ("x",))


@pytest.mark.parametrize(("code", "n_bytes"), [(1, 4), (10, 2), (16, 2), (11, 8), (2, 4)])
def test_activations_are_as_wide_as_the_input_where_it_is_of_floats(tmp_path: Path, code: int, n_bytes: int) -> None:
    assert read_onnx(written(tmp_path, open_network((1, 3), code=code))).element_bytes == n_bytes


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"not a network at all",
        model_bytes(b""),
        model_bytes(value_bytes(12, "y", None)),
        model_bytes(encode(1, text(2, "y") + text(4, "Constant")) + value_bytes(12, "y", None)),
        model_bytes(node_bytes(Node("Relu", "relu", ("x",), ("y",))) + value_bytes(12, "y", None)),
        encode(7, encode(5, encode(1, number(3)) + number(2 << 3) + number(7) + encode(9, bytes(8)))),
        encode(7, encode(5, encode(1, number(2**64 - 1)))),
        encode(7, encode(2, b"\xff\xfe") + value_bytes(12, "y", None)),
        encode(7, number(1 << 3) + number(4)),
    ],
    ids=["empty", "image", "text", "no outputs", "output from nowhere", "constant of nothing", "input from nowhere",
         "short weight", "negative size", "no utf-8", "number for a node"],
)  # fmt: skip
def test_what_is_no_network_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SpecError) as caught:
        read_onnx(path)
    assert caught.value.path == path


def test_a_file_that_cannot_be_opened_is_refused_with_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.onnx", tmp_path):
        with pytest.raises(SpecError) as caught:
            read_onnx(path)
        assert caught.value.path == path


def test_a_network_that_contradicts_itself_is_read_and_refused_when_its_shapes_are_asked_for(tmp_path: Path) -> None:
    graph = small_network()
    wrong = replace(graph, weights=dict(graph.weights) | {"conv0.weight": Weight((12, 4, 3, 3))})
    read = read_onnx(written(tmp_path, onnx_bytes(wrong)))
    with pytest.raises(UsageError, match="conv0"):
        layer_costs(read)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, share: float) -> None:
    content = onnx_bytes(small_network())
    with pytest.raises(SpecError):
        read_onnx(written(tmp_path, content[: int(len(content) * share) - 40]))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(onnx_bytes(small_network()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        graph = read_onnx(written(tmp_path, bytes(content)))
        costs = layer_costs(graph)
    except UsageError:
        return
    assert all(cost.macs >= 0 and cost.output_bytes >= 0 for cost in costs)


def test_the_byte_writer_of_these_tests_writes_what_the_runtime_reads() -> None:
    graph = small_network()
    assert shapes_in_a_run(graph)[graph.outputs[0]] == (1, 10)
