"""A graph holds only what can run, and does not change."""

from dataclasses import replace

import pytest

from tenuto.errors import UnknownNameError, UsageError
from tenuto.graphs import Graph, Node, Weight

RELU = Node("Relu", "first", ("frame",), ("a",))
GEMM = Node("Gemm", "second", ("a", "w"), ("b",), {"transB": 1})


def small_graph() -> Graph:
    return Graph("small", {"frame": (1, 4)}, {"w": Weight((2, 4))}, (RELU, GEMM), ("b",))


def test_a_graph_and_its_nodes_are_read_only() -> None:
    graph = small_graph()
    for mapping in (graph.inputs, graph.weights, graph.nodes[1].attributes):
        with pytest.raises(TypeError):
            mapping["frame"] = (2, 4)  # type: ignore[index]


def test_a_graph_keeps_no_hold_on_the_mappings_it_was_given() -> None:
    inputs, attributes = {"frame": (1, 4)}, {"transB": 1}
    node = replace(GEMM, attributes=attributes)
    graph = Graph("small", inputs, {"w": Weight((2, 4))}, (RELU, node), ("b",))
    inputs["frame"], attributes["transB"] = (9, 9), 0
    assert graph == small_graph()


def test_a_value_that_nobody_makes_is_named_with_its_reader_and_a_near_match() -> None:
    graph = small_graph()
    with pytest.raises(UnknownNameError) as caught:
        replace(graph, nodes=(RELU, replace(GEMM, inputs=("a", "ww"))))
    assert caught.value.name == "ww"
    assert "'second'" in caught.value.kind
    assert "w" in caught.value.matches


def test_nodes_must_stand_in_an_order_in_which_they_can_run() -> None:
    graph = small_graph()
    with pytest.raises(UnknownNameError) as caught:
        replace(graph, nodes=(GEMM, RELU))
    assert caught.value.name == "a"


def test_an_output_that_nobody_makes_is_named() -> None:
    with pytest.raises(UnknownNameError) as caught:
        replace(small_graph(), outputs=("logits",))
    assert (caught.value.name, caught.value.kind) == ("logits", "output of graph 'small':")


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": ()},
        {"nodes": (RELU, replace(GEMM, outputs=("a",)))},
        {"nodes": (RELU, replace(GEMM, outputs=("frame",)))},
        {"weights": {"w": Weight((2, 4)), "frame": Weight((1,))}},
        {"nodes": (RELU, replace(GEMM, outputs=("b", "b")))},
        {"nodes": (RELU, GEMM, Node("Print", "third", ("b",), ("",)))},
    ],
)
def test_what_is_made_twice_or_makes_nothing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(small_graph(), **changes)  # type: ignore[arg-type]


def test_an_optional_input_may_be_left_out() -> None:
    clip = Node("Clip", "clip", ("b", "", "w"), ("c",))
    assert replace(small_graph(), nodes=(RELU, GEMM, clip), outputs=("c",)).outputs == ("c",)


@pytest.mark.parametrize(("n_bytes", "element"), [(4, "float32"), (1, "int8"), (2, "float32")])
def test_the_element_follows_from_its_bytes(n_bytes: int, element: str) -> None:
    assert replace(small_graph(), element_bytes=n_bytes).element == element
