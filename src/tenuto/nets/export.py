"""From a trained super-network to static ONNX files (torch and onnx; the `train` extra).

Every sub-network becomes a model of its own that any ONNX tool opens. Their weights lie in one file next to them:
what two sub-networks have in common, byte for byte, is stored once.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tenuto.nets.fashion import (
    KERNEL_SIZES,
    N_CLASSES,
    SPACE,
    STAGE_CHANNELS,
    STEM_CHANNELS,
    WIDTHS_PCT,
    inner_channels,
)
from tenuto.nets.fashion_torch import Block, ConvNorm, FashionNet
from tenuto.points import SubNetwork
from tenuto.storage import place, replace_file

WEIGHTS_FILE: Final = "weights.bin"
"""The file that holds the weights of every model of a package."""

INPUT_NAME: Final = "frame"
OUTPUT_NAME: Final = "logits"

_OPSET: Final = 17
_IR_VERSION: Final = 8  # what ONNX Runtime 1.22 and every later one reads


def build_model(network: FashionNet, sub_network: SubNetwork) -> onnx.ModelProto:
    """One sub-network as a static ONNX graph, norms folded into the convolutions, weights inside.

    The network's norms must be calibrated for this sub-network. Input `frame`, float32 (n, 1, 28, 28) in [0, 1];
    output `logits`, float32 (n, 10); n is free.

    Raises:
        UnknownNameError: The super-network has no such sub-network.
    """
    SPACE.parse(sub_network.name)
    graph = _Graph()
    depth, width_pct, kernel_size = (sub_network.values(dimension.name) for dimension in SPACE.dimensions)
    x = graph.convolution(INPUT_NAME, network.stem, "stem", inputs=1, outputs=STEM_CHANNELS, kernel_size=3)
    x = graph.node("MaxPool", [graph.node("Relu", [x])], kernel_shape=[2, 2], strides=[2, 2])
    entering = STEM_CHANNELS
    for stage, channels in enumerate(STAGE_CHANNELS):
        entry = cast(ConvNorm, network.entries[stage])
        x = graph.convolution(x, entry, f"entry{stage}", inputs=entering, outputs=channels, kernel_size=3)
        x = graph.node("Relu", [x])
        inner = inner_channels(stage, width_pct[stage])
        for index in range(depth[stage]):
            block, name = cast(Block, cast(Any, network.stages[stage])[index]), f"stage{stage}.{index}"
            y = graph.convolution(
                x,
                block.widen,
                f"{name}.widen",
                inputs=channels,
                outputs=inner,
                kernel_size=kernel_size[stage],
                variant=KERNEL_SIZES.index(kernel_size[stage]),
            )
            y = graph.convolution(
                graph.node("Relu", [y]),
                block.narrow,
                f"{name}.narrow",
                inputs=inner,
                outputs=channels,
                kernel_size=3,
                variant=WIDTHS_PCT.index(width_pct[stage]),
            )
            x = graph.node("Relu", [graph.node("Add", [x, y])])
        entering = channels
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
    weight = graph.weight("classifier.weight", network.classifier.weight.detach().numpy())
    bias = graph.weight("classifier.bias", network.classifier.bias.detach().numpy())
    graph.node("Gemm", [x, weight, bias], output=OUTPUT_NAME, transB=1)
    return graph.model(f"{sub_network.network}/{sub_network.name}")


def export_static(network: FashionNet, sub_network: SubNetwork, path: Path) -> Path:
    """Write one calibrated sub-network to `path`, its weights beside it in `<stem>.bin`.

    Raises:
        UnknownNameError: The super-network has no such sub-network.
        OSError: The folder cannot be written.
    """
    _write({path.name: build_model(network, sub_network)}, path.parent, f"{path.stem}.bin")
    return path


def export_package(
    network: FashionNet,
    sub_networks: Iterable[SubNetwork],
    folder: Path,
    *,
    calibrate: Callable[[SubNetwork], None],
) -> dict[SubNetwork, Path]:
    """Write `<name>.onnx` for each sub-network, and one `weights.bin` that all of them point into.

    Args:
        network: The trained super-network.
        sub_networks: Which to deploy.
        folder: Where to; made if it is not there.
        calibrate: Sets the network's norms for one sub-network; called before each is read.

    Returns:
        Each sub-network's model.

    Raises:
        UnknownNameError: The super-network has no such sub-network.
        OSError: The folder cannot be written.
    """
    models = {}
    for sub_network in sub_networks:
        calibrate(sub_network)
        models[sub_network] = build_model(network, sub_network)
    folder.mkdir(parents=True, exist_ok=True)
    _write({f"{sub_network.name}.onnx": model for sub_network, model in models.items()}, folder, WEIGHTS_FILE)
    return {sub_network: folder / f"{sub_network.name}.onnx" for sub_network in models}


def n_parameters(model: onnx.ModelProto) -> int:
    """How many numbers a built model carries."""
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)


class _Graph:
    """Nodes and weights, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []

    def node(self, operator: str, inputs: list[str], *, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, value: NDArray[np.float32]) -> str:
        self._weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def convolution(
        self, x: str, layer: ConvNorm, name: str, *, inputs: int, outputs: int, kernel_size: int, variant: int = 0
    ) -> str:
        folded, bias = layer.norm.folded(layer.conv.active_weight(inputs, outputs, kernel_size), variant=variant)
        weight_name = self.weight(f"{name}.weight", folded.detach().numpy())
        bias_name = self.weight(f"{name}.bias", bias.detach().numpy())
        stride, margin = layer.conv.stride[0], kernel_size // 2
        return self.node(
            "Conv",
            [x, weight_name, bias_name],
            kernel_shape=[kernel_size] * 2,
            pads=[margin] * 4,
            strides=[stride] * 2,
        )

    def model(self, name: str) -> onnx.ModelProto:
        side = 28
        frame = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["n", 1, side, side])
        logits = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", N_CLASSES])
        graph = helper.make_graph(self._nodes, name, [frame], [logits], self._weights)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="tenuto"
        )


def _write(models: Mapping[str, onnx.ModelProto], folder: Path, weights_name: str) -> None:
    """Move the weights of all models into one file, then write the models; each file appears whole or not at all."""
    tensors = [tensor for model in models.values() for tensor in model.graph.initializer]
    offsets, content = place([tensor.raw_data for tensor in tensors])
    for tensor in tensors:
        location = {"location": weights_name, "offset": offsets[tensor.raw_data], "length": len(tensor.raw_data)}
        del tensor.external_data[:]
        for key, value in location.items():
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
    replace_file(folder / weights_name, content)
    for name, model in models.items():
        replace_file(folder / name, model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(folder / name), full_check=True)
