"""Networks described in code."""

from collections.abc import Mapping

import numpy as np

from tenuto.errors import UsageError
from tenuto.graphs._graph import Attribute, Element, Graph, Node, Shape, Weight
from tenuto.graphs._seen import Seen, UndeterminedError, Values
from tenuto.graphs._shapes import shapes_of_outputs

Pads = tuple[int, int, int, int]


class GraphBuilder:
    """Builds a graph from its input on; each method adds operators and answers with the name of the value they make.

    Convolutions and linear layers carry a bias, as they do once BatchNormalization is folded in. Shapes are known at
    once (`shape`), and a contradiction is an error at the line that made it. Reshapes keep working at another batch as
    far as the first axis holds it.

    Args:
        name: The network's.
        element: `float32`, or `int8` for a network quantised throughout.

    Raises:
        UsageError: From any method: shapes that contradict each other, or a value that this builder does not know.

    Example:
        >>> net = GraphBuilder("tiny")
        >>> x = net.conv(net.input(1, 3, 32, 32), 16, 3, stride=2, activation="Relu")
        >>> net.shape(x)
        (1, 16, 16, 16)
        >>> graph = net.build(net.linear(net.flatten(net.global_average_pool(x)), 10))
    """

    def __init__(self, name: str, *, element: Element = "float32") -> None:
        if element not in ("float32", "int8"):
            raise UsageError(f"element: asked for {element!r}, found no rule for it; choose float32 or int8")
        self._name = name
        self._bytes = 1 if element == "int8" else 4
        self._inputs: dict[str, Shape] = {}
        self._weights: dict[str, Weight] = {}
        self._values: dict[str, Values] = {}
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {}

    def input(self, *shape: int) -> str:
        """An input of this shape, batch first: `input(1, 3, 224, 224)`."""
        if not shape or min(shape) < 1:
            raise UsageError(f"input: asked for shape {shape}, found nothing to hold; give sizes of at least 1")
        name = f"input{len(self._inputs)}" if self._inputs else "input"
        self._inputs[name] = self._shapes[name] = shape
        return name

    def shape(self, value: str) -> Shape:
        """The shape of a value."""
        if value not in self._shapes:
            raise UsageError(f"{value!r}: asked for its shape, found no such value; use what this builder answered")
        return self._shapes[value]

    def conv(
        self,
        x: str,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | Pads | None = None,
        groups: int = 1,
        dilation: int = 1,
        activation: str | None = None,
    ) -> str:
        """A two-dimensional convolution with bias.

        Args:
            x: What it reads, NCHW.
            out_channels: How many channels it makes.
            kernel: Its height and width, or both in one.
            stride: Likewise.
            padding: On every side, or (top, left, bottom, right); None is half the dilated kernel, which keeps the size
                at stride 1 where the kernel is odd.
            groups: Groups of channels that do not meet.
            dilation: Distance of the kernel's taps.
            activation: As for `activation`, or None.
        """
        size = _pair(kernel)
        n_in = self.shape(x)[1]
        if groups < 1 or n_in % groups:
            raise UsageError(f"conv: asked for {groups} groups, found {n_in} channels in {x!r}; choose a divisor")
        halves = (dilation * (size[0] - 1) // 2, dilation * (size[1] - 1) // 2)
        made = self._add(
            "Conv",
            (x,),
            {"weight": (out_channels, n_in // groups, *size), "bias": (out_channels,)},
            kernel_shape=size,
            strides=_pair(stride),
            pads=(*halves, *halves) if padding is None else _sides(padding),
            dilations=(dilation, dilation),
            group=groups,
        )
        return made if activation is None else self.activation(made, activation)

    def depthwise(
        self,
        x: str,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | Pads | None = None,
        activation: str | None = None,
    ) -> str:
        """A convolution of each channel by itself."""
        n = self.shape(x)[1]
        return self.conv(x, n, kernel, stride=stride, padding=padding, groups=n, activation=activation)

    def linear(self, x: str, out_features: int, *, activation: str | None = None) -> str:
        """A linear layer with bias over the last axis: Gemm for two axes, else MatMul and Add."""
        shape = self.shape(x)
        if len(shape) == 2:
            parameters = {"weight": (out_features, shape[1]), "bias": (out_features,)}
            made = self._add("Gemm", (x,), parameters, transB=1)
        else:
            product = self._add("MatMul", (x,), {"weight": (shape[-1], out_features)})
            made = self._add("Add", (product,), {"bias": (out_features,)})
        return made if activation is None else self.activation(made, activation)

    def activation(self, x: str, op: str) -> str:
        """An activation by its ONNX name; Swish becomes x * Sigmoid(x), PRelu gets a slope per channel."""
        if op == "Swish":
            return self.mul(x, self._add("Sigmoid", (x,)))
        if op == "PRelu":
            shape = self.shape(x)
            return self._add(op, (x,), {"slope": (shape[1], *(1 for _ in shape[2:]))})
        return self._add(op, (x,))

    def max_pool(
        self,
        x: str,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None = None,
        padding: int | Pads = 0,
        ceil: bool = False,
    ) -> str:
        """The largest of each window; a stride of None is the kernel, `ceil` rounds sizes up."""
        return self._pool("MaxPool", x, kernel, stride=stride, padding=padding, ceil=ceil)

    def average_pool(
        self,
        x: str,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None = None,
        padding: int | Pads = 0,
        ceil: bool = False,
    ) -> str:
        """The mean of each window; a stride of None is the kernel, `ceil` rounds sizes up."""
        return self._pool("AveragePool", x, kernel, stride=stride, padding=padding, ceil=ceil)

    def global_average_pool(self, x: str) -> str:
        """The mean of each channel, as a map of size 1."""
        return self._add("GlobalAveragePool", (x,))

    def add(self, a: str, b: str) -> str:
        """The sum, element by element."""
        return self._add("Add", (a, b))

    def mul(self, a: str, b: str) -> str:
        """The product, element by element."""
        return self._add("Mul", (a, b))

    def matmul(self, a: str, b: str) -> str:
        """The product of two activations' last two axes."""
        return self._add("MatMul", (a, b))

    def concat(self, *xs: str, axis: int = 1) -> str:
        """Values one after another."""
        return self._add("Concat", xs, axis=axis)

    def split(self, x: str, sizes: tuple[int, ...], *, axis: int = 1) -> tuple[str, ...]:
        """Parts of these sizes."""
        constant = self._constant(sizes)
        return self._add_many("Split", (x, constant), len(sizes), axis=axis)

    def reshape(self, x: str, *shape: int) -> str:
        """The same elements in another shape; one size may be -1, to be worked out."""
        sizes = list(shape)
        if sizes and sizes[0] != -1:
            # As files are exported: the first axis follows the batch, whatever it will be.
            if sizes[0] == self.shape(x)[0]:
                sizes[0] = 0
            elif -1 not in sizes:
                sizes[0] = -1
        made = self._add("Reshape", (x, self._constant(tuple(sizes))))
        if -1 not in shape and self.shape(made) != shape:
            raise UsageError(f"reshape: asked for {shape}, found {self.shape(x)} in {x!r}; give as many elements")
        return made

    def flatten(self, x: str) -> str:
        """All but the first axis in one."""
        return self._add("Flatten", (x,), axis=1)

    def transpose(self, x: str, *axes: int) -> str:
        """The axes in another order."""
        return self._add("Transpose", (x,), perm=axes)

    def upsample(self, x: str, factor: int) -> str:
        """Height and width times a factor."""
        rank = len(self.shape(x))
        return self._add("Resize", (x, "", self._constant((1.0, 1.0, *(float(factor),) * (rank - 2)))), mode="nearest")

    def channel_shuffle(self, x: str, groups: int) -> str:
        """Channels of all groups interleaved: reshape, transpose, reshape."""
        n, c, h, w = self.shape(x)
        if groups < 1 or c % groups:
            raise UsageError(f"channel_shuffle: asked for {groups} groups, found {c} channels; choose a divisor")
        apart = self.reshape(x, n, groups, c // groups, h, w)
        return self.reshape(self.transpose(apart, 0, 2, 1, 3, 4), n, c, h, w)

    def lrn(self, x: str) -> str:
        """Local response normalisation over 5 channels."""
        return self._add("LRN", (x,), size=5)

    def softmax(self, x: str) -> str:
        """Softmax over the last axis."""
        return self._add("Softmax", (x,), axis=-1)

    def layer_norm(self, x: str) -> str:
        """Layer normalisation over the last axis, with scale and bias."""
        n = self.shape(x)[-1]
        return self._add("LayerNormalization", (x,), {"weight": (n,), "bias": (n,)}, axis=-1)

    def build(self, *outputs: str) -> Graph:
        """The network that answers with these values."""
        return Graph(self._name, self._inputs, self._weights, tuple(self._nodes), outputs, self._bytes)

    def _pool(
        self,
        op: str,
        x: str,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None,
        padding: int | Pads,
        ceil: bool,
    ) -> str:
        return self._add(
            op,
            (x,),
            kernel_shape=_pair(kernel),
            strides=_pair(kernel if stride is None else stride),
            pads=_sides(padding),
            ceil_mode=int(ceil),
        )

    def _constant(self, values: tuple[int, ...] | tuple[float, ...]) -> str:
        name = f"constant{len(self._weights)}"
        self._weights[name] = Weight((len(values),), 8 if isinstance(values[0], int) else 4, values)
        self._values[name] = np.array(values)
        self._shapes[name] = (len(values),)
        return name

    def _add(
        self, op: str, inputs: tuple[str, ...], parameters: Mapping[str, Shape] | None = None, **attributes: Attribute
    ) -> str:
        return self._add_many(op, inputs, 1, parameters, **attributes)[0]

    def _add_many(
        self,
        op: str,
        inputs: tuple[str, ...],
        n_outputs: int,
        parameters: Mapping[str, Shape] | None = None,
        **attributes: Attribute,
    ) -> tuple[str, ...]:
        name = f"{op.lower()}{len(self._nodes)}"
        for value in filter(None, inputs):
            self.shape(value)
        for part, shape in (parameters or {}).items():
            if min(shape, default=1) < 1:
                raise UsageError(f"{op}: asked for a {part} of {shape}, found sizes below 1; give at least 1")
            # Biases of int8 layers are int32.
            n_bytes = 4 if part == "bias" else self._bytes
            self._weights[f"{name}.{part}"] = Weight(shape, n_bytes)
            self._shapes[f"{name}.{part}"] = shape
        outputs = (name,) if n_outputs == 1 else tuple(f"{name}.{index}" for index in range(n_outputs))
        reads = (*inputs, *(f"{name}.{part}" for part in parameters or {}))
        node = Node(op, name, reads, outputs, attributes)
        try:
            made = shapes_of_outputs(Seen.of(node, self._shapes, self._values))
        except UndeterminedError:
            # An operator that has no rule yet: tagged as assumed when costs are counted.
            made = (self.shape(inputs[0]),) * n_outputs
        self._shapes.update(zip(outputs, made, strict=True))
        self._nodes.append(node)
        return outputs


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _sides(padding: int | Pads) -> Pads:
    return (padding, padding, padding, padding) if isinstance(padding, int) else padding
