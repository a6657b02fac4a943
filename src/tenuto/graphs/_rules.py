"""The shape rule of each operator.

Source:
    ONNX operator specification, default domain up to opset 22, and ONNX Runtime's contributed operators
    (`com.microsoft`, and `com.microsoft.nchwc` with channels in blocks) for what its optimiser and quantiser write.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from tenuto.graphs import _layouts, _windows
from tenuto.graphs._graph import Shape
from tenuto.graphs._seen import Seen, UndeterminedError, axis_of, broadcast

Rule = Callable[[Seen], Shape]


def _same(seen: Seen) -> Shape:
    return seen.shape(0)


def _broadcast(*positions: int) -> Rule:
    """Element by element over these inputs, or over all where none is named."""

    def rule(seen: Seen) -> Shape:
        return broadcast(*(seen.shape(at) for at in positions or range(len(seen.shapes))))

    return rule


def _gemm(b_at: int) -> Rule:
    def rule(seen: Seen) -> Shape:
        a, b = seen.shape(0), seen.shape(b_at)
        rows, inner = reversed(a) if seen.integer("transA", 0) else a
        inner_b, columns = reversed(b) if seen.integer("transB", 0) else b
        if inner != inner_b and not seen.is_assumed:
            raise ValueError(f"rows of {inner} meet columns of {inner_b}")
        return (rows, columns)

    return rule


def _matmul(b_at: int) -> Rule:
    def rule(seen: Seen) -> Shape:
        a, b = _transposed(seen, "transA", seen.shape(0)), _transposed(seen, "transB", seen.shape(b_at))
        left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
        if left[-1] != right[-2] and not seen.is_assumed:
            raise ValueError(f"rows of {left[-1]} meet columns of {right[-2]}")
        rows = () if len(a) == 1 else (left[-2],)
        columns = () if len(b) == 1 else (right[-1],)
        return (*broadcast(left[:-2], right[:-2]), *rows, *columns)

    return rule


def _transposed(seen: Seen, attribute: str, shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if seen.integer(attribute, 0) else shape


def _einsum(seen: Seen) -> Shape:
    sizes = einsum_sizes(seen)
    left, _, right = seen.text("equation", "").replace(" ", "").partition("->")
    letters = right if "->" in seen.text("equation", "") else "".join(sorted(c for c in sizes if left.count(c) == 1))
    return tuple(sizes[letter] for letter in letters)


def einsum_sizes(seen: Seen) -> dict[str, int]:
    """The size behind each letter of an Einsum without ellipsis."""
    equation = seen.text("equation", "").replace(" ", "")
    if "." in equation:
        raise UndeterminedError("its equation has an ellipsis")
    sizes: dict[str, int] = {}
    for position, letters in enumerate(equation.partition("->")[0].split(",")):
        for letter, size in zip(letters, seen.shape(position), strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(f"letter {letter} stands for {sizes[letter]} and {size}")
    return sizes


def _reduce(seen: Seen) -> Shape:
    x = seen.shape(0)
    axes = seen.axes(1, len(x))
    if not axes:
        axes = () if seen.integer("noop_with_empty_axes", 0) else tuple(range(len(x)))
    return _without(seen, x, axes)


def _arg(seen: Seen) -> Shape:
    x = seen.shape(0)
    return _without(seen, x, (axis_of(seen.integer("axis", 0), len(x)),))


def _without(seen: Seen, x: Shape, axes: tuple[int, ...]) -> Shape:
    keeps = seen.integer("keepdims", 1) == 1
    return tuple(1 if axis in axes else size for axis, size in enumerate(x) if keeps or axis not in axes)


def _top_k(seen: Seen) -> Shape:
    x = seen.shape(0)
    axis, kept = axis_of(seen.integer("axis", -1), len(x)), seen.numbers("k", 1)
    if not kept:
        raise ValueError("it does not say how many")
    return (*x[:axis], int(kept[0]), *x[axis + 1 :])


def _shape(seen: Seen) -> Shape:
    rank = len(seen.shape(0))
    return (len(range(rank)[seen.integer("start", 0) : seen.integer("end", rank)]),)


def _constant_of_shape(seen: Seen) -> Shape:
    return tuple(int(size) for size in seen.numbers("shape", 0) or ())


def _range(seen: Seen) -> Shape:
    start, end, step = (seen.numbers("", position) or (0.0,) for position in range(3))
    return (max(0, int(np.ceil((end[0] - start[0]) / step[0]))),)


def _scalar(seen: Seen) -> Shape:  # noqa: ARG001 - a rule like the others
    return ()


def _quantise_dynamically(seen: Seen) -> tuple[Shape, ...]:
    return (seen.shape(0), (), ())


_UNCHANGED: Final = (
    "Abs", "BatchNormalization", "BiasGelu", "Cast", "Ceil", "Celu", "Clip", "Cos", "CumSum", "DequantizeLinear",
    "Dropout", "Elu", "Erf", "Exp", "FastGelu", "Floor", "Gelu", "GroupNormalization", "HardSigmoid", "HardSwish",
    "Identity", "InstanceNormalization", "IsNaN", "LRN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "QLinearLeakyRelu", "QLinearSigmoid",
    "QLinearSoftmax", "QuantizeLinear", "QuickGelu", "RMSNormalization", "Reciprocal", "Relu", "Round", "ScatterND",
    "Selu", "Sigmoid", "Sign", "SimplifiedLayerNormalization", "Sin", "SkipLayerNormalization", "Softmax", "Softplus",
    "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu", "Trilu",
)  # fmt: skip
_PAIRWISE: Final = (
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod",
    "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
_REDUCTIONS: Final = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip
_POOLS: Final = (
    "AveragePool", "LpPool", "MaxPool", "QLinearAveragePool", "com.microsoft.nchwc.AveragePool",
    "com.microsoft.nchwc.MaxPool",
)  # fmt: skip
_GLOBAL_POOLS: Final = (
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "QLinearGlobalAveragePool",
    "com.microsoft.nchwc.GlobalAveragePool", "com.microsoft.nchwc.GlobalMaxPool",
)  # fmt: skip

RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_UNCHANGED, _same),
    **dict.fromkeys(_PAIRWISE, _broadcast()),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _broadcast(0, 3)),
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv"), _windows.conv),
    "QLinearConv": lambda seen: _windows.conv(seen, weight_at=3),
    "ConvTranspose": _windows.conv_transpose,
    "com.microsoft.nchwc.Conv": lambda seen: _windows.conv(seen, is_blocked=True),
    **dict.fromkeys(_POOLS, _windows.pool),
    **dict.fromkeys(_GLOBAL_POOLS, _windows.global_pool),
    "Resize": _windows.resize,
    "Upsample": _windows.upsample,
    "com.microsoft.nchwc.Upsample": _windows.upsample,
    "com.microsoft.nchwc.ReorderInput": _layouts.reorder_input,
    "com.microsoft.nchwc.ReorderOutput": _layouts.reorder_output,
    **dict.fromkeys(("Gemm", "FusedGemm"), _gemm(1)),
    "QGemm": _gemm(3),
    **dict.fromkeys(
        ("MatMul", "FusedMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _matmul(1)
    ),
    "QLinearMatMul": _matmul(3),
    "Einsum": _einsum,
    "Concat": _layouts.concat(),
    "QLinearConcat": _layouts.concat(first=2, step=3),
    "Slice": _layouts.sliced,
    "Reshape": _layouts.reshape,
    "Flatten": _layouts.flatten,
    "Transpose": _layouts.transpose,
    "Squeeze": _layouts.squeeze,
    "Unsqueeze": _layouts.unsqueeze,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "TopK": _top_k,
    "Gather": _layouts.gather,
    "GatherElements": _layouts.gather_elements,
    "Expand": _layouts.expand,
    "Tile": _layouts.tile,
    "Pad": _layouts.pad,
    "DepthToSpace": _layouts.depth_to_space,
    "SpaceToDepth": _layouts.space_to_depth,
    "Shape": _shape,
    "Size": _scalar,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
}
"""Shape of every output of a node, by operator."""

RULES_OF_MANY: Final[Mapping[str, Callable[[Seen], tuple[Shape, ...]]]] = {
    "Split": _layouts.split,
    "DynamicQuantizeLinear": _quantise_dynamically,
}

OPERATORS: Final = frozenset(RULES) | frozenset(RULES_OF_MANY)
"""Operators whose shapes are known."""
