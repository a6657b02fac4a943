"""The small sums by which exported files work out shapes: Shape, Gather, Concat, Reshape and the like.

With the input's shape known all of this is known before the network runs, and a runtime folds it away.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tenuto.graphs._graph import Shape
from tenuto.graphs._seen import Seen, Values, count

MOST_ELEMENTS: Final = 1024
"""Larger arrays than this are data, not shapes."""

_NUMPY_TYPES: Final = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64}

_ELEMENTWISE: Final[dict[str, Callable[..., Any]]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Mod": np.mod, "Neg": np.negative, "Abs": np.abs,
    "Floor": np.floor, "Ceil": np.ceil, "Sqrt": np.sqrt, "Equal": np.equal, "Greater": np.greater, "Less": np.less,
    "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal, "Where": np.where, "And": np.logical_and,
    "Or": np.logical_or, "Not": np.logical_not,
}  # fmt: skip
_REDUCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min,
}  # fmt: skip
_RESHAPES: Final = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


def evaluate(seen: Seen, made: Shape) -> Values | None:
    """The content of a node's first output of shape `made`, or None where it is not known before a run."""
    op = seen.node.op
    if op == "Shape":
        shape = seen.shape(0)
        return np.array(shape[seen.integer("start", 0) : seen.integer("end", len(shape))], dtype=np.int64)
    if op == "Size":
        return np.array(count(seen.shape(0)), dtype=np.int64)
    inputs = [values for values, name in zip(seen.values, seen.node.inputs, strict=True) if name]
    arrays = [values for values in inputs if values is not None]
    if not arrays or len(arrays) < len(inputs) or count(made) > MOST_ELEMENTS:
        return None
    with np.errstate(all="ignore"):
        found = _calculate(op, seen, arrays, made)
    return None if found is None or found.shape != made else found


def _calculate(op: str, seen: Seen, arrays: list[Values], made: Shape) -> Values | None:
    if op in _RESHAPES:
        return arrays[0].reshape(made)
    if op in _ELEMENTWISE:
        return np.asarray(_ELEMENTWISE[op](*arrays))
    if op in _REDUCTIONS:
        return np.asarray(_REDUCTIONS[op](arrays[0], axis=seen.axes(1, arrays[0].ndim))).reshape(made)
    return np.asarray(_OTHERS[op](seen, arrays, made)) if op in _OTHERS else None


def _divided(_seen: Seen, arrays: list[Values], _made: Shape) -> Values:
    quotient: Values = np.true_divide(*arrays)
    # ONNX divides whole numbers towards zero.
    return np.trunc(quotient).astype(arrays[0].dtype) if arrays[0].dtype.kind == "i" else quotient


def _cast(seen: Seen, arrays: list[Values], _made: Shape) -> Values:
    # Types that numpy does not have keep their numbers: sizes are whole.
    return arrays[0].astype(_NUMPY_TYPES.get(seen.integer("to", 1), arrays[0].dtype))


def _gathered(seen: Seen, arrays: list[Values], _made: Shape) -> Values:
    return np.take(arrays[0], arrays[1].astype(np.int64), axis=seen.integer("axis", 0))


def _filled(seen: Seen, _arrays: list[Values], made: Shape) -> Values:
    fill = seen.node.attributes.get("value", 0.0)
    one = fill[0] if isinstance(fill, tuple) else fill
    return np.full(made, one, dtype=np.int64 if isinstance(one, int) else np.float32)


_OTHERS: Final[dict[str, Callable[[Seen, list[Values], Shape], Values]]] = {
    "Div": _divided,
    "Cast": _cast,
    "Gather": _gathered,
    "Concat": lambda seen, arrays, _: np.concatenate(arrays, axis=seen.integer("axis", 0)),
    "Slice": lambda seen, arrays, _: arrays[0][slices(seen, arrays[0].shape)],
    "Transpose": lambda seen, arrays, _: arrays[0].transpose(seen.integers("perm", tuple(range(arrays[0].ndim))[::-1])),
    "Expand": lambda _seen, arrays, made: np.broadcast_to(arrays[0], made),
    "Range": lambda _seen, arrays, _made: np.arange(*(array.item() for array in arrays)),
    "ConstantOfShape": _filled,
}


def slices(seen: Seen, x: Shape) -> tuple[slice, ...]:
    """What a Slice keeps of each axis; its bounds are attributes before opset 10, inputs since."""
    starts, ends = seen.numbers("starts", 1), seen.numbers("ends", 2)
    if starts is None or ends is None:
        raise ValueError("it says neither where it starts nor where it ends")
    axes = seen.axes(3, len(x)) or tuple(range(len(starts)))
    steps = seen.numbers("steps", 4) or (1,) * len(starts)
    kept = [slice(None)] * len(x)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        kept[axis] = slice(int(start), int(end), int(step))
    return tuple(kept)
