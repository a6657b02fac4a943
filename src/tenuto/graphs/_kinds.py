"""Which operators cost what: the table of cost rules by operator."""

from collections.abc import Mapping
from typing import Final, Literal

Rule = Literal["conv", "conv_transpose", "linear", "einsum", "pool", "elementwise", "move", "pick", "view"]
"""How an operator's cost is counted; `pick` is a move that reads only what it keeps, `view` costs nothing."""

_BY_RULE: Final[Mapping[Rule, tuple[str, ...]]] = {
    "conv": ("Conv", "ConvInteger", "FusedConv", "QLinearConv", "com.microsoft.nchwc.Conv"),
    "conv_transpose": ("ConvTranspose",),
    "linear": (
        "DynamicQuantizeMatMul", "FusedGemm", "FusedMatMul", "Gemm", "MatMul", "MatMulInteger", "MatMulIntegerToFloat",
        "QGemm", "QLinearMatMul",
    ),
    "einsum": ("Einsum",),
    "pool": (
        "ArgMax", "ArgMin", "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool",
        "QLinearAveragePool", "QLinearGlobalAveragePool", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
        "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "TopK",
        "com.microsoft.nchwc.AveragePool", "com.microsoft.nchwc.GlobalAveragePool",
        "com.microsoft.nchwc.GlobalMaxPool", "com.microsoft.nchwc.MaxPool",
    ),
    "elementwise": (
        "Abs", "Add", "And", "BatchNormalization", "BiasGelu", "Cast", "Ceil", "Celu", "Clip", "Cos", "CumSum",
        "DequantizeLinear", "Div", "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "FastGelu", "Floor", "Gelu",
        "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish", "InstanceNormalization", "IsNaN",
        "LRN", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "Max",
        "Mean", "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
        "QLinearAdd", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear",
        "QuickGelu", "RMSNormalization", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
        "SimplifiedLayerNormalization", "Sin", "SkipLayerNormalization", "Softmax", "Softplus", "Softsign", "Sqrt",
        "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Trilu", "Where", "Xor",
    ),
    "move": (
        "Concat", "ConstantOfShape", "DepthToSpace", "Expand", "Pad", "QLinearConcat", "Range", "Resize", "ScatterND",
        "SpaceToDepth", "Split", "Tile", "Transpose", "Upsample",
        "com.microsoft.nchwc.ReorderInput", "com.microsoft.nchwc.ReorderOutput", "com.microsoft.nchwc.Upsample",
    ),
    "pick": ("Gather", "GatherElements", "Slice"),
    "view": ("Dropout", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze"),
}  # fmt: skip

RULE_OF: Final[Mapping[str, Rule]] = {op: rule for rule, ops in _BY_RULE.items() for op in ops}
"""The cost rule of each operator."""

WEIGHT_AT: Final[Mapping[str, int]] = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
"""Which input is the second operand, where it is not input 1."""

VIEWS: Final = frozenset(_BY_RULE["view"])

ACTIVATIONS: Final = frozenset({"Relu", "LeakyRelu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "PRelu"})
"""Runtimes apply these while they write a convolution's or linear layer's result."""

GATES: Final[Mapping[str, str]] = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish"}
"""What x times one of these is."""

INT8_OPERATORS: Final = frozenset(
    op for op in RULE_OF if op.startswith(("QLinear", "QGemm")) or op in ("ConvInteger", "MatMulInteger")
) | {"MatMulIntegerToFloat", "DynamicQuantizeMatMul"}
"""Operators that calculate in int8 by their definition."""
