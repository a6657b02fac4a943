"""ONNX files as graphs, without the `onnx` package (a board does not have it) and without reading weights.

The file is mapped into memory and only the pages that describe the network are touched: weights may lie in the file, in
another one that need not be there, or have been left out.

Source:
    onnx.proto3 of ONNX 1.16 (field numbers below).
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.graphs._elements import BYTES_OF_TYPE
from tenuto.graphs._graph import Attribute, Graph, Node, Shape, Weight
from tenuto.graphs._seen import count
from tenuto.graphs.protobuf import fields, packed, signed

MOST_VALUES: Final = 64
"""Larger whole-number arrays than this do not describe a shape."""

_MOST_FLOATS: Final = 8  # the scales of a Resize; floats beyond are weights

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_F, _ATTRIBUTE_I, _ATTRIBUTE_S, _ATTRIBUTE_T = 1, 2, 3, 4, 5
_ATTRIBUTE_FLOATS, _ATTRIBUTE_INTS, _ATTRIBUTE_TYPE = 7, 8, 20
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INT32S, _TENSOR_INT64S, _TENSOR_NAME, _TENSOR_RAW = (
    1, 2, 4, 5, 7, 8, 9,
)  # fmt: skip
_VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TYPE_ELEMENT, _TYPE_SHAPE, _SHAPE_DIM, _DIM_SIZE = 1, 2, 1, 1, 2, 1, 1

_NUMPY_TYPES: Final[Mapping[int, str]] = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 11: "<f8"}
_FLOAT_TYPES: Final = frozenset({1, 10, 11, 16})
_STANDARD_DOMAINS: Final = frozenset({"", "ai.onnx", "com.microsoft"})

Fields = Mapping[int, list[int | memoryview]]


def read_onnx(path: Path, *, input_shapes: Mapping[str, Shape] | None = None) -> Graph:
    """The network in an ONNX file.

    Args:
        path: The file. Weights are not read; their files need not be there.
        input_shapes: Sizes of inputs that the file leaves open, by input. A batch that is left open is 1 unless said
            here or when shapes and costs are asked for; any other open size must be given.

    Returns:
        The graph. Constant nodes become weights; operators outside ONNX's and ONNX Runtime's own domain keep their
        domain in the name (`com.microsoft.nchwc.Conv`).

    Raises:
        SpecError: The file cannot be read, is no ONNX model or is cut short, or leaves sizes open that are not given.
        UnknownNameError: Sizes are given for an input that the network does not have.
        UsageError: Sizes are given that contradict the file.
    """
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise SpecError(path, f"asked for an ONNX model, found {error.strerror or error}; check the path") from error
    except ValueError as error:  # mmap maps no empty file
        raise SpecError(path, "asked for an ONNX model, found an empty file; export it again") from error
    try:
        graphs = [_view(graph) for graph in _fields(content).get(_MODEL_GRAPH, [])]
        if not graphs:
            raise ValueError("no network in it")
        graph = _fields(graphs[-1])
        weights = {name: weight for name, weight in map(_weight, _views(graph, _GRAPH_INITIALIZER)) if name}
        declared = [_declared(value) for value in _views(graph, _GRAPH_INPUT)]
        nodes = tuple(_nodes(graph, weights))
        outputs = tuple(_text(_fields(value), _VALUE_NAME) for value in _views(graph, _GRAPH_OUTPUT))
        name = _text(graph, _GRAPH_NAME) or path.stem
    except ValueError as error:
        raise SpecError(path, f"asked for an ONNX model, found {error}; export it again") from error
    declared = [one for one in declared if one[0] not in weights]
    inputs = _input_shapes(path, declared, input_shapes or {})
    types = [element for _, element, _ in declared if element in _FLOAT_TYPES]
    n_bytes = int(BYTES_OF_TYPE[types[0]]) if types else 4
    try:
        return Graph(name, inputs, weights, nodes, outputs, n_bytes)
    except UsageError as error:
        raise SpecError(path, str(error)) from error


def _input_shapes(
    path: Path, declared: list[tuple[str, int, tuple[int | None, ...] | None]], given: Mapping[str, Shape]
) -> dict[str, Shape]:
    for name in given:
        if name not in {one for one, _, _ in declared}:
            raise UnknownNameError("input", name, [one for one, _, _ in declared])
    shapes: dict[str, Shape] = {}
    for name, _, sizes in declared:
        if name in given:
            shape = tuple(given[name])
            fits = sizes is None or len(sizes) == len(shape)
            if not fits or any(size not in (None, own) for size, own in zip(sizes or (), shape, strict=False)):
                raise UsageError(
                    f"input {name!r}: asked for {shape}, found {sizes} in {path}; give what it leaves open"
                )
        elif sizes is None or None in sizes[1:]:
            problem = f"found sizes left open, {sizes or 'all of them'}; give the input's shape"
            raise SpecError(path, f"asked for the shape of input {name!r}, {problem}", key=name)
        else:
            shape = tuple(1 if size is None else size for size in sizes)
        shapes[name] = shape
    return shapes


def _nodes(graph: Fields, weights: dict[str, Weight]) -> Iterator[Node]:
    """Every operator; a Constant is put among the weights instead."""
    for message in _views(graph, _GRAPH_NODE):
        node = _fields(message)
        outputs = _texts(node, _NODE_OUTPUT)
        op, domain = _text(node, _NODE_OP), _text(node, _NODE_DOMAIN)
        attributes: dict[str, Attribute] = {}
        for part in _views(node, _NODE_ATTRIBUTE):
            name, value = _attribute(part)
            if isinstance(value, Weight) and op == "Constant":
                weights[outputs[0]] = value
            elif isinstance(value, Weight):
                attributes.update({} if value.values is None else {name: value.values})
            elif value is not None:
                attributes[name] = value
        if op == "Constant" and domain in _STANDARD_DOMAINS:
            if outputs[0] not in weights:
                weights[outputs[0]] = _constant(attributes)
            continue
        op = op if domain in _STANDARD_DOMAINS else f"{domain}.{op}"
        yield Node(op, _text(node, _NODE_NAME) or next(filter(None, outputs), op), _texts(node, _NODE_INPUT),
                   outputs, attributes)  # fmt: skip


def _constant(attributes: Mapping[str, Attribute]) -> Weight:
    """A Constant that is given as plain numbers."""
    for name, value in attributes.items():
        if isinstance(value, int | float):
            return Weight((), 8 if name == "value_int" else 4, (value,))
        if isinstance(value, tuple):
            return Weight((len(value),), 8 if name == "value_ints" else 4, value)
    raise ValueError("a Constant without numbers")


def _attribute(message: memoryview) -> tuple[str, Attribute | Weight | None]:
    """Its name and value; None where it is of a kind that costs nothing here (a graph, a list of words)."""
    attribute = _fields(message)
    (kind,) = attribute.get(_ATTRIBUTE_TYPE, [0])[:1]
    value: Attribute | Weight | None = None
    if _ATTRIBUTE_T in attribute:
        value = _weight(_view(attribute[_ATTRIBUTE_T][0]))[1]
    elif _ATTRIBUTE_INTS in attribute or kind == 7:
        value = tuple(_integers(attribute, _ATTRIBUTE_INTS))
    elif _ATTRIBUTE_FLOATS in attribute or kind == 6:
        value = _floats(attribute, _ATTRIBUTE_FLOATS)
    elif _ATTRIBUTE_S in attribute:
        value = _text(attribute, _ATTRIBUTE_S)
    elif _ATTRIBUTE_F in attribute or kind == 1:
        value = next(iter(_floats(attribute, _ATTRIBUTE_F)), 0.0)
    elif _ATTRIBUTE_I in attribute or kind == 2:
        value = next(_integers(attribute, _ATTRIBUTE_I), 0)
    return _text(attribute, _ATTRIBUTE_NAME), value


def _weight(message: memoryview) -> tuple[str, Weight]:
    tensor = _fields(message)
    shape = tuple(_integers(tensor, _TENSOR_DIMS))
    if any(size < 0 for size in shape):
        raise ValueError(f"a weight of shape {shape}")
    code = next(_integers(tensor, _TENSOR_TYPE), 0)
    return _text(tensor, _TENSOR_NAME), Weight(shape, BYTES_OF_TYPE.get(code, 4), _small_values(tensor, shape, code))


def _small_values(tensor: Fields, shape: Shape, code: int) -> tuple[int, ...] | tuple[float, ...] | None:
    kind, n_values = _NUMPY_TYPES.get(code), count(shape)
    if kind is None or n_values > (_MOST_FLOATS if code in _FLOAT_TYPES else MOST_VALUES):
        return None
    values: tuple[int, ...] | tuple[float, ...]
    if _TENSOR_RAW in tensor:
        raw = _view(tensor[_TENSOR_RAW][0])
        if len(raw) != n_values * np.dtype(kind).itemsize:
            raise ValueError(f"{len(raw)} bytes for a weight of shape {shape}")
        values = tuple(np.frombuffer(raw, dtype=kind).tolist())
    elif code == 1 and _TENSOR_FLOATS in tensor:
        values = _floats(tensor, _TENSOR_FLOATS)
    elif code in (6, 9) and _TENSOR_INT32S in tensor:
        values = tuple(_integers(tensor, _TENSOR_INT32S))
    elif code == 7 and _TENSOR_INT64S in tensor:
        values = tuple(_integers(tensor, _TENSOR_INT64S))
    else:  # it lies in another file, or was left out
        return () if n_values == 0 else None
    if len(values) != n_values:
        raise ValueError(f"{len(values)} numbers for a weight of shape {shape}")
    return values


def _declared(message: memoryview) -> tuple[str, int, tuple[int | None, ...] | None]:
    """An input's name, element type and sizes: None for an open size, and for a shape that is not given at all."""
    value = _fields(message)
    type_ = _fields(_first_view(value, _VALUE_TYPE))
    tensor = _fields(_first_view(type_, _TYPE_TENSOR))
    sizes = None
    if _TYPE_SHAPE in tensor:
        sizes = tuple(map(_size, _views(_fields(_first_view(tensor, _TYPE_SHAPE)), _SHAPE_DIM)))
    return _text(value, _VALUE_NAME), next(_integers(tensor, _TYPE_ELEMENT), 0), sizes


def _size(message: memoryview) -> int | None:
    size = next(_integers(_fields(message), _DIM_SIZE), 0)
    return size if size > 0 else None


def _fields(message: memoryview) -> Fields:
    found: dict[int, list[int | memoryview]] = {}
    for field, value, _ in fields(message):
        found.setdefault(field, []).append(value)
    return found


def _view(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError(f"the number {value} in place of a message")
    return value


def _views(message: Fields, field: int) -> Iterator[memoryview]:
    return map(_view, message.get(field, []))


def _first_view(message: Fields, field: int) -> memoryview:
    return next(_views(message, field), memoryview(b""))


def _texts(message: Fields, field: int) -> tuple[str, ...]:
    return tuple(bytes(view).decode() for view in _views(message, field))


def _text(message: Fields, field: int) -> str:
    return bytes(_first_view(message, field)).decode()


def _integers(message: Fields, field: int) -> Iterator[int]:
    for value in message.get(field, []):
        yield from map(signed, [value] if isinstance(value, int) else packed(value))


def _floats(message: Fields, field: int) -> tuple[float, ...]:
    """Floats of 4 bytes, packed or one by one."""
    content = b"".join(_views(message, field))
    if len(content) % 4:
        raise ValueError(f"{len(content)} bytes of floats")
    return tuple(np.frombuffer(content, dtype="<f4").tolist())
