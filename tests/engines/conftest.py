"""A tiny dynamic network as ONNX files, written byte by byte: these tests need neither torch nor onnx."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tenuto.graphs.protobuf import encode, number
from tenuto.points import SubNetwork

WIDTHS_PCT = (25, 50, 75, 100)
N_CHANNELS, N_CLASSES, SIDE = 64, 4, 8

_FLOAT, _INT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 7


def _varint(field: int, value: int) -> bytes:
    return number(field << 3) + number(value)


def _text(field: int, value: str) -> bytes:
    return encode(field, value.encode())


def _node(operator: str, inputs: Iterable[str], output: str, **attributes: int | list[int]) -> bytes:
    parts = [*(_text(1, name) for name in inputs), _text(2, output), _text(4, operator)]
    for name, value in attributes.items():
        if isinstance(value, int):
            parts.append(encode(5, _text(1, name) + _varint(3, value) + _varint(20, _INT_ATTRIBUTE)))
        else:
            numbers = b"".join(_varint(8, item) for item in value)
            parts.append(encode(5, _text(1, name) + numbers + _varint(20, _INTS_ATTRIBUTE)))
    return encode(1, b"".join(parts))


def _value(field: int, name: str, shape: tuple[int | str, ...]) -> bytes:
    sizes = (_varint(1, size) if isinstance(size, int) else _text(2, size) for size in shape)
    tensor = _varint(1, _FLOAT) + encode(2, b"".join(encode(1, size) for size in sizes))
    return encode(field, _text(1, name) + encode(2, encode(1, tensor)))


def write_model(path: Path, weights: dict[str, np.ndarray], *, batch: str | int = "n") -> Path:
    """Conv, Relu, Conv, pool, Gemm: float32 (batch, 1, 8, 8) to (batch, 4); the weights in `<stem>.bin`."""
    content, initialisers = b"", []
    for name, array in weights.items():
        raw = array.astype(np.float32).tobytes()
        pairs = {"location": f"{path.stem}.bin", "offset": str(len(content)), "length": str(len(raw))}
        external = b"".join(encode(13, _text(1, key) + _text(2, value)) for key, value in pairs.items())
        dims = b"".join(_varint(1, size) for size in array.shape)
        initialisers.append(encode(5, dims + _varint(2, _FLOAT) + _text(8, name) + external + _varint(14, 1)))
        content += raw
    nodes = [
        _node("Conv", ["frame", "w1", "b1"], "x1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        _node("Relu", ["x1"], "x2"),
        _node("Conv", ["x2", "w2", "b2"], "x3", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        _node("GlobalAveragePool", ["x3"], "x4"),
        _node("Flatten", ["x4"], "x5"),
        _node("Gemm", ["x5", "w3", "b3"], "logits", transB=1),
    ]
    ends = [_value(11, "frame", (batch, 1, SIDE, SIDE)), _value(12, "logits", (batch, N_CLASSES))]
    graph = b"".join([*nodes, _text(2, "tiny"), *initialisers, *ends])
    path.with_suffix(".bin").write_bytes(content)
    path.write_bytes(_varint(1, 8) + encode(7, graph) + encode(8, _varint(2, 17)))
    return path


def tiny_weights(width_pct: int) -> dict[str, np.ndarray]:
    """The first channels of one set of weights; the second bias is each sub-network's own."""
    generator = np.random.default_rng(7)
    inner = N_CHANNELS * width_pct // 100
    w1, b1 = generator.normal(size=(N_CHANNELS, 1, 3, 3)), generator.normal(size=N_CHANNELS)
    w2, b2 = generator.normal(size=(32, N_CHANNELS, 3, 3)), generator.normal(size=32)
    w3, b3 = generator.normal(size=(N_CLASSES, 32)), generator.normal(size=N_CLASSES)
    return {"w1": w1[:inner], "b1": b1[:inner], "w2": w2[:, :inner], "b2": b2 + width_pct, "w3": w3, "b3": b3}


@pytest.fixture
def tiny_models(tmp_path: Path) -> dict[SubNetwork, Path]:
    """Four sub-networks, narrowest first."""
    folder = tmp_path / "models"
    folder.mkdir()
    return {
        SubNetwork("tiny", (("width_pct", (width,)),)): write_model(folder / f"w{width}.onnx", tiny_weights(width))
        for width in WIDTHS_PCT
    }


@pytest.fixture
def single_item_models(tiny_models: dict[SubNetwork, Path]) -> dict[SubNetwork, Path]:
    """The same, but the widest accepts one item at a time."""
    widest = SubNetwork("tiny", (("width_pct", (100,)),))
    return tiny_models | {widest: write_model(tiny_models[widest], tiny_weights(100), batch=1)}


@pytest.fixture
def frame() -> np.ndarray:
    """Three random items."""
    return np.random.default_rng(3).random((3, 1, SIDE, SIDE), dtype=np.float32)
