"""Shapes of what rearranges, repeats or leaves out elements.

Source:
    ONNX operator specification, up to opset 22; settings that were attributes once and are inputs now are read as both.
"""

from collections.abc import Callable

from tenuto.graphs._graph import Shape
from tenuto.graphs._seen import Seen, axis_of, broadcast, count
from tenuto.graphs._values import slices


def concat(*, first: int = 0, step: int = 1) -> Callable[[Seen], Shape]:
    """Inputs one after another; the quantised form brings a scale and a zero point with each."""

    def rule(seen: Seen) -> Shape:
        parts = [seen.shape(at) for at in range(first, len(seen.shapes), step)]
        axis = axis_of(seen.integer("axis", 1), len(parts[0]))
        if len({(*part[:axis], *part[axis + 1 :]) for part in parts}) > 1:
            raise ValueError(f"its inputs differ beside axis {axis}")
        return (*parts[0][:axis], sum(part[axis] for part in parts), *parts[0][axis + 1 :])

    return rule


def split(seen: Seen) -> tuple[Shape, ...]:
    """Parts of one axis, equal where no sizes are given."""
    x, n_outputs = seen.shape(0), len(seen.node.outputs)
    axis = axis_of(seen.integer("axis", 0), len(x))
    sizes = seen.numbers("split", 1)
    if not sizes:
        chunk = -(-x[axis] // n_outputs)
        sizes = tuple(min(chunk, x[axis] - chunk * index) for index in range(n_outputs))
    if len(sizes) != n_outputs or sum(sizes) != x[axis]:
        raise ValueError(f"parts of {sizes} do not make {n_outputs} outputs of {x[axis]}")
    return tuple((*x[:axis], int(size), *x[axis + 1 :]) for size in sizes)


def sliced(seen: Seen) -> Shape:
    """What bounds and steps keep of some axes."""
    x = seen.shape(0)
    return tuple(len(range(*part.indices(size))) for part, size in zip(slices(seen, x), x, strict=True))


def reshape(seen: Seen) -> Shape:
    """The same elements: 0 keeps a size, -1 is worked out."""
    x, target = seen.shape(0), seen.numbers("shape", 1)
    if target is None:
        raise ValueError("it does not say to which shape")
    keeps_zero = seen.integer("allowzero", 0) == 1
    sizes = [x[at] if size == 0 and not keeps_zero else int(size) for at, size in enumerate(target)]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = count(x) // max(1, -count(tuple(sizes)))
    if count(tuple(sizes)) != count(x):
        raise ValueError(f"{count(x)} elements do not fill {tuple(int(size) for size in target)}")
    return tuple(sizes)


def flatten(seen: Seen) -> Shape:
    """All axes before one in one, the rest in another."""
    x = seen.shape(0)
    axis = seen.integer("axis", 1)
    return (count(x[:axis]), count(x[axis:]))


def transpose(seen: Seen) -> Shape:
    """Axes in another order, reversed where none is given."""
    x = seen.shape(0)
    order = seen.integers("perm", tuple(reversed(range(len(x)))))
    if sorted(order) != list(range(len(x))):
        raise ValueError(f"{order} is no order of {len(x)} axes")
    return tuple(x[axis] for axis in order)


def squeeze(seen: Seen) -> Shape:
    """Without axes of size 1."""
    x = seen.shape(0)
    axes = seen.axes(1, len(x))
    if axes is None:
        return tuple(size for size in x if size != 1)
    if any(x[axis] != 1 for axis in axes):
        raise ValueError(f"axes {axes} are not all of size 1")
    return tuple(size for axis, size in enumerate(x) if axis not in axes)


def unsqueeze(seen: Seen) -> Shape:
    """With new axes of size 1, counted in the result."""
    x, axes = seen.shape(0), seen.numbers("axes", 1)
    if axes is None:
        raise ValueError("it does not say which axes")
    rank = len(x) + len(axes)
    new = {axis_of(int(axis), rank) for axis in axes}
    old = iter(x)
    return tuple(1 if axis in new else next(old) for axis in range(rank))


def gather(seen: Seen) -> Shape:
    """Some entries of one axis."""
    x, indices = seen.shape(0), seen.shape(1)
    axis = axis_of(seen.integer("axis", 0), len(x))
    return (*x[:axis], *indices, *x[axis + 1 :])


def gather_elements(seen: Seen) -> Shape:
    """As large as its indices."""
    return seen.shape(1)


def expand(seen: Seen) -> Shape:
    """Repeated to a target as arithmetic would."""
    target = seen.numbers("shape", 1) or ()
    return broadcast(seen.shape(0), tuple(int(size) for size in target))


def tile(seen: Seen) -> Shape:
    """Repeated along each axis."""
    return tuple(size * int(n) for size, n in zip(seen.shape(0), seen.numbers("repeats", 1) or (), strict=True))


def pad(seen: Seen) -> Shape:
    """Longer at either end of some axes."""
    x = seen.shape(0)
    pads = seen.numbers("pads", 1) or seen.numbers("paddings", 1)
    if pads is None:
        raise ValueError("it does not say how much")
    axes = (seen.axes(3, len(x)) if seen.has(3) else None) or tuple(range(len(x)))
    made = list(x)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        made[axis] += int(before) + int(after)
    return tuple(made)


def depth_to_space(seen: Seen) -> Shape:
    """Channels laid out as blocks of pixels."""
    n, c, h, w = seen.shape(0)
    block = seen.integer("blocksize", 1)
    return (n, c // (block * block), h * block, w * block)


def space_to_depth(seen: Seen) -> Shape:
    """Blocks of pixels laid out as channels."""
    n, c, h, w = seen.shape(0)
    block = seen.integer("blocksize", 1)
    return (n, c * block * block, h // block, w // block)


def reorder_output(seen: Seen) -> Shape:
    """From blocks of channels, without those that only filled a block, to NCHW or NHWC."""
    n, c, *sizes = seen.shape(0)
    channels = seen.integer("channels", c)
    return (n, *sizes, channels) if seen.integer("channels_last", 0) else (n, channels, *sizes)


def reorder_input(seen: Seen) -> Shape:
    """From NCHW or NHWC to blocks of channels."""
    n, *rest = seen.shape(0)
    return (n, rest[-1], *rest[:-1]) if seen.integer("channels_last", 0) else (n, *rest)
