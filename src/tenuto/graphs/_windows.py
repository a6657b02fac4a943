"""Shapes of what slides a window or changes a resolution: convolutions, pools, resizing.

Source:
    ONNX operator specification, Conv, ConvTranspose, MaxPool, AveragePool, Resize, Upsample (opset 22 and before).
    The last window of a pool that rounds up must start inside the input or its left padding, as ONNX Runtime does.
"""

import math

from tenuto.graphs._graph import Shape
from tenuto.graphs._seen import Seen, UndeterminedError


def conv(seen: Seen, weight_at: int = 1, *, is_blocked: bool = False) -> Shape:
    """Conv and its quantised and fused forms.

    `weight_at` says which input is the kernel; a blocked layout rounds channels up, which its kernel may count or not.
    """
    x, weight = seen.shape(0), seen.shape(weight_at)
    groups = seen.integer("group", 1)
    if len(weight) != len(x) or len(x) < 3:
        raise ValueError(f"its kernel {weight} does not fit an input {x}")
    if x[1] != weight[1] * groups and not (is_blocked or seen.is_assumed):
        raise ValueError(f"its kernel reads {weight[1] * groups} channels, its input {x} has {x[1]}")
    if groups < 1 or weight[0] % groups:
        raise ValueError(f"{weight[0]} channels do not divide into {groups} groups")
    return (x[0], weight[0], *_slide(seen, x[2:], seen.integers("kernel_shape", weight[2:])))


def pool(seen: Seen) -> Shape:
    """Pools with a window."""
    x = seen.shape(0)
    kernel = seen.integers("kernel_shape", ())
    if len(kernel) != len(x) - 2:
        raise ValueError(f"its window {kernel} does not fit an input {x}")
    return (*x[:2], *_slide(seen, x[2:], kernel))


def global_pool(seen: Seen) -> Shape:
    """Pools over the whole map."""
    x = seen.shape(0)
    return (*x[:2], *(1 for _ in x[2:]))


def _slide(seen: Seen, sizes: Shape, kernel: Shape) -> Shape:
    rank = len(sizes)
    strides, dilations = seen.integers("strides", (1,) * rank), seen.integers("dilations", (1,) * rank)
    pads = seen.integers("pads", (0,) * 2 * rank)
    auto_pad = seen.text("auto_pad", "NOTSET")
    if auto_pad.startswith("SAME"):
        return tuple(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))
    if auto_pad == "VALID":
        pads = (0,) * 2 * rank
    if len(pads) != 2 * rank:
        raise ValueError(f"its pads {pads} do not fit {rank} axes")
    rounds_up = seen.integer("ceil_mode", 0) == 1
    made = []
    for size, window, stride, dilation, before, after in zip(
        sizes, kernel, strides, dilations, pads[:rank], pads[rank:], strict=True
    ):
        slack = size + before + after - (dilation * (window - 1) + 1)
        if slack < 0:
            raise ValueError(f"its window {kernel} is larger than its padded input {sizes}")
        steps = -(-slack // stride) if rounds_up else slack // stride
        if rounds_up and steps * stride >= size + before:
            steps -= 1
        made.append(steps + 1)
    return tuple(made)


def conv_transpose(seen: Seen) -> Shape:
    """Transposed convolution; its kernel is (in, out / groups, ...)."""
    x, weight = seen.shape(0), seen.shape(1)
    if len(weight) != len(x) or len(x) < 3 or x[1] != weight[0]:
        raise ValueError(f"its kernel {weight} does not fit an input {x}")
    rank = len(x) - 2
    kernel = seen.integers("kernel_shape", weight[2:])
    strides, dilations = seen.integers("strides", (1,) * rank), seen.integers("dilations", (1,) * rank)
    pads, extra = seen.integers("pads", (0,) * 2 * rank), seen.integers("output_padding", (0,) * rank)
    sizes = seen.integers("output_shape", ())
    if not sizes and seen.text("auto_pad", "NOTSET").startswith("SAME"):
        sizes = tuple(size * stride for size, stride in zip(x[2:], strides, strict=True))
    sizes = sizes or tuple(
        stride * (size - 1) + more + dilation * (window - 1) + 1 - before - after
        for size, window, stride, dilation, more, before, after in zip(
            x[2:], kernel, strides, dilations, extra, pads[:rank], pads[rank:], strict=True
        )
    )
    return (x[0], weight[1] * seen.integer("group", 1), *sizes[-rank:])


def resize(seen: Seen) -> Shape:
    """Resize: by sizes or by scales, of all axes or of some (opset 10 has no region of interest)."""
    x = seen.shape(0)
    is_old = len(seen.node.inputs) == 2
    axes = seen.integers("axes", tuple(range(len(x))))
    sizes = None if is_old or not seen.has(3) else seen.numbers("sizes", 3)
    made = list(x)
    if sizes:
        if seen.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise UndeterminedError("it keeps an aspect ratio")
        for axis, size in zip(axes, sizes, strict=True):
            made[axis] = int(size)
        return tuple(made)
    return _scaled(x, axes, seen.numbers("scales", 1 if is_old else 2))


def upsample(seen: Seen) -> Shape:
    """What Resize was before opset 10."""
    x = seen.shape(0)
    return _scaled(x, tuple(range(len(x))), seen.numbers("scales", 1))


def _scaled(x: Shape, axes: Shape, scales: tuple[float, ...] | None) -> Shape:
    if not scales:
        raise ValueError("it says neither sizes nor scales")
    made = list(x)
    for axis, scale in zip(axes, scales, strict=True):
        made[axis] = math.floor(x[axis] * scale)
    return tuple(made)
