"""The weights of an ONNX file, found and moved without the `onnx` package (a board does not have it).

An ONNX file is a protobuf message. Only the few fields that say where weights lie are understood here; all others are
copied as they stand.

Source:
    onnx.proto3 of ONNX 1.16: ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto.{dims = 1, data_type = 2,
    name = 8, raw_data = 9, external_data = 13, data_location = 14}, StringStringEntryProto.{key = 1, value = 2}.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tenuto.graphs.protobuf import encode, fields, packed

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 9, 13, 14
_EXTERNAL = 1


@dataclass(frozen=True, slots=True)
class Weight:
    """One initialiser whose bytes lie in another file.

    Attributes:
        name: Its name in the graph.
        shape: Its dimensions.
        data_type: ONNX's code of its element type (1 is float32).
        location: The file, relative to the model's folder.
        offset: Of its first byte in that file.
        length: Its bytes, or None for all to the end of the file.
    """

    name: str
    shape: tuple[int, ...]
    data_type: int
    location: str
    offset: int
    length: int | None


def weights_of(model: bytes) -> list[Weight]:
    """Every initialiser of the main graph that lies in another file.

    Raises:
        ValueError: Not a protobuf message of this form, or cut short.
    """
    found: list[Weight] = []
    for field, value, _ in fields(model):
        if field == _GRAPH and isinstance(value, bytes):
            tensors = (inner for key, inner, _ in fields(value) if key == _INITIALIZER and isinstance(inner, bytes))
            found.extend(weight for weight in map(_weight, tensors) if weight is not None)
    return found


def relocate(model: bytes, place: Callable[[Weight], tuple[str, int, int]]) -> bytes:
    """The same model with every weight of `weights_of` at the (location, offset, length) that `place` says.

    Raises:
        ValueError: Not a protobuf message of this form, or cut short.
    """

    def tensor(content: bytes) -> bytes:
        weight = _weight(content)
        if weight is None:
            return content
        kept = b"".join(whole for field, _, whole in fields(content) if field != _EXTERNAL_DATA)
        location, offset, length = place(weight)
        pairs = (("location", location), ("offset", str(offset)), ("length", str(length)))
        entries = (encode(1, key.encode()) + encode(2, value.encode()) for key, value in pairs)
        return kept + b"".join(encode(_EXTERNAL_DATA, entry) for entry in entries)

    return _map(model, _GRAPH, lambda graph: _map(graph, _INITIALIZER, tensor))


def _weight(tensor: bytes) -> Weight | None:
    shape: list[int] = []
    data_type, name, is_external, where = 0, "", False, {}
    for field, value, _ in fields(tensor):
        if field == _DIMS:
            shape.extend(packed(value) if isinstance(value, bytes) else [value])
        elif field == _DATA_TYPE and isinstance(value, int):
            data_type = value
        elif field == _NAME and isinstance(value, bytes):
            name = value.decode()
        elif field == _DATA_LOCATION:
            is_external = value == _EXTERNAL
        elif field == _EXTERNAL_DATA and isinstance(value, bytes):
            entry = {key: text.decode() for key, text, _ in fields(value) if isinstance(text, bytes)}
            where[entry.get(1, "")] = entry.get(2, "")
    if not is_external:
        return None
    length = int(where["length"]) if "length" in where else None
    return Weight(name, tuple(shape), data_type, where.get("location", ""), int(where.get("offset", "0")), length)


def _map(message: bytes, field: int, change: Callable[[bytes], bytes]) -> bytes:
    return b"".join(
        encode(field, change(value)) if number == field and isinstance(value, bytes) else whole
        for number, value, whole in fields(message)
    )
