"""Graphs as ONNX files, written byte by byte, so that the real runtime can judge ours without torch or onnx."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from tenuto.graphs import Graph, Node, Shape, Weight
from tenuto.graphs.protobuf import encode, number

_FLOAT, _INT8, _INT64 = 1, 3, 7
_INT_ATTRIBUTE, _STRING_ATTRIBUTE, _FLOAT_ATTRIBUTE, _FLOATS_ATTRIBUTE, _INTS_ATTRIBUTE = 2, 3, 1, 6, 7


def varint(field: int, value: int) -> bytes:
    return number(field << 3) + number(value & (1 << 64) - 1)


def text(field: int, value: str) -> bytes:
    return encode(field, value.encode())


def attribute(name: str, value: object) -> bytes:
    parts = text(1, name)
    if isinstance(value, int):
        parts += varint(3, value) + varint(20, _INT_ATTRIBUTE)
    elif isinstance(value, float):
        parts += number(2 << 3 | 5) + np.float32(value).tobytes() + varint(20, _FLOAT_ATTRIBUTE)
    elif isinstance(value, str):
        parts += text(4, value) + varint(20, _STRING_ATTRIBUTE)
    elif isinstance(value, tuple) and value and isinstance(value[0], float):
        parts += encode(7, np.array(value, dtype="<f4").tobytes()) + varint(20, _FLOATS_ATTRIBUTE)
    elif isinstance(value, tuple):
        parts += b"".join(varint(8, item) for item in value) + varint(20, _INTS_ATTRIBUTE)
    else:
        raise TypeError(f"{name}: {value!r}")
    return encode(5, parts)


def node_bytes(node: Node, domain: str = "") -> bytes:
    ends = [*(text(1, name) for name in node.inputs), *(text(2, name) for name in node.outputs)]
    settings = [attribute(name, value) for name, value in node.attributes.items()]
    return encode(1, b"".join([*ends, text(3, node.name), text(4, node.op), *settings, text(7, domain)]))


def tensor_bytes(name: str, weight: Weight, *, field: int = 5) -> bytes:
    dims = b"".join(varint(1, size) for size in weight.shape)
    kind = {1: "<i1", 4: "<f4", 8: "<i8"}[int(weight.element_bytes)]
    content = np.zeros(weight.shape) if weight.values is None else np.array(weight.values).reshape(weight.shape)
    code = {1: _INT8, 4: _FLOAT, 8: _INT64}[int(weight.element_bytes)]
    return encode(field, dims + varint(2, code) + text(8, name) + encode(9, content.astype(kind).tobytes()))


def value_bytes(field: int, name: str, shape: tuple[int | str, ...] | None, *, code: int = _FLOAT) -> bytes:
    if shape is None:
        return encode(field, text(1, name))
    sizes = (varint(1, size) if isinstance(size, int) else text(2, size) for size in shape)
    tensor = varint(1, code) + encode(2, b"".join(encode(1, size) for size in sizes))
    return encode(field, text(1, name) + encode(2, encode(1, tensor)))


def model_bytes(graph: bytes, *, opset: int = 22) -> bytes:
    """A model of one graph. From opset 22 on, checks and runs agree on pools that round up."""
    domains = b"".join(encode(8, text(1, domain) + varint(2, version)) for domain, version in
                       (("", opset), ("com.microsoft", 1)))  # fmt: skip
    return varint(1, 10) + encode(7, graph) + domains


def onnx_bytes(graph: Graph, *, outputs: tuple[str, ...] | None = None, batch: int | str | None = None) -> bytes:
    """The graph as an ONNX model with weights of zeros; `batch` replaces the first size of its inputs."""
    inputs = [
        value_bytes(11, name, (batch, *shape[1:]) if batch is not None else shape)
        for name, shape in graph.inputs.items()
    ]
    parts = [
        *map(node_bytes, graph.nodes),
        text(2, graph.name),
        *(tensor_bytes(name, weight) for name, weight in graph.weights.items()),
        *inputs,
        *(value_bytes(12, name, None) for name in outputs or graph.outputs),
    ]
    return model_bytes(b"".join(parts))


def run_shapes(model: bytes | Path, feeds: Mapping[str, np.ndarray]) -> dict[str, Shape]:
    """What ONNX Runtime makes of a model, unoptimised: the shape of each output."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
    return {
        output.name: np.shape(array)
        for output, array in zip(session.get_outputs(), session.run(None, dict(feeds)), strict=True)
    }


def shapes_in_a_run(graph: Graph, *, batch: int | None = None) -> dict[str, Shape]:
    """The shape of every value that a node makes, as ONNX Runtime finds it on an input of zeros."""
    made = tuple(name for node in graph.nodes for name in node.outputs if name)
    feeds = {
        name: np.zeros(shape if batch is None else (batch, *shape[1:]), dtype=np.float32)
        for name, shape in graph.inputs.items()
    }
    return run_shapes(onnx_bytes(graph, outputs=made, batch=batch), feeds)
