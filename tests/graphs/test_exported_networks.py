"""Networks that torch exported: every shape is the one that a run finds, every count the one that hooks see."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_bytes import run_shapes

from tenuto.graphs import Shape, infer_shapes, layer_costs, read_onnx, unknown_operators

torch = pytest.importorskip("torch", reason="torch is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
nn, functional = torch.nn, torch.nn.functional

BATCH, SIDE = 2, 32


class Plain(nn.Module):  # type: ignore[misc, name-defined]
    """Convolutions, pools that round up, a classifier of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 5, 2), nn.Conv2d(8, 16, 3, padding=1)
        self.c, self.d = nn.Linear(16 * 16, 20), nn.Linear(20, 10)

    def forward(self, x: Any) -> Any:
        x = functional.max_pool2d(functional.relu(self.a(x)), 2, ceil_mode=True)
        x = functional.avg_pool2d(functional.leaky_relu(self.b(x)), 3, 2, padding=1, ceil_mode=True)
        return self.d(functional.relu(self.c(x.reshape(x.shape[0], -1)[:, : 16 * 16])))


class Residual(nn.Module):  # type: ignore[misc, name-defined]
    """Norms, a shortcut, a mean over the map."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.b, self.c, self.d = nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 1), nn.Linear(16, 10)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.a(x)))
        x = torch.relu(x + self.c(torch.relu(self.b(x))))
        return self.d(functional.max_pool2d(x, 3, 2, 1, ceil_mode=True).mean((2, 3)))


class Mobile(nn.Module):  # type: ignore[misc, name-defined]
    """Depthwise convolution, hard activations, a squeeze-excite gate, resizing, halves."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.Conv2d(16, 16, 5, 1, 2, groups=16)
        self.norm, self.c, self.d = nn.BatchNorm2d(16), nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.e, self.f = nn.Conv2d(16, 24, 1, groups=2), nn.Linear(24, 10)

    def forward(self, x: Any) -> Any:
        x = functional.relu6(self.b(functional.hardswish(self.norm(self.a(x)))))
        gate = torch.relu(self.c(functional.adaptive_avg_pool2d(x, 1)))
        x = functional.silu(self.e(x * functional.hardsigmoid(self.d(gate))))
        left, right = torch.chunk(functional.interpolate(x, scale_factor=2.0, mode="nearest"), 2, 1)
        x = torch.cat([right, left], 1)
        return self.f(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class Transformer(nn.Module):  # type: ignore[misc, name-defined]
    """Patches, one block of attention, an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.place = nn.Conv2d(3, 32, 8, 8), nn.Parameter(torch.zeros(1, 16, 32))
        self.before, self.after = nn.LayerNorm(32), nn.LayerNorm(32)
        self.query_key_value, self.mix = nn.Linear(32, 96), nn.Linear(32, 32)
        self.wide, self.narrow, self.head = nn.Linear(32, 64), nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        n, tokens, width = x.shape
        stacked = self.query_key_value(self.before(x)).reshape(n, tokens, 3, 4, width // 4)
        query, key, value = stacked.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-2, -1) * 8**-0.5).softmax(-1)
        x = x + self.mix((weights @ value).transpose(1, 2).reshape(n, tokens, width))
        x = x + self.narrow(functional.gelu(self.wide(self.after(x))))
        return self.head(x.mean(1))


ATTENTION_MACS = 2 * 4 * 16 * 16 * 8
"""Of one item's queries times keys, and weights times values: products that no module holds."""

CASES = [
    (network, opset, is_open)
    for network, opsets in (
        (Plain, (11, 17)),
        (Residual, (11, 18)),
        (Mobile, (11, 17, 18)),
        (Transformer, (11, 17, 20)),
    )
    for opset in opsets
    for is_open in (False, True)
]


def export(network: Callable[[], Any], folder: Path, opset: int, *, is_open: bool) -> tuple[Path, Any]:
    torch.manual_seed(1)
    model = network().eval()
    path = folder / "model.onnx"
    axes = {"x": {0: "n"}} if is_open else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            model, torch.zeros(BATCH, 3, SIDE, SIDE), str(path), opset_version=opset, dynamo=False, input_names=["x"],
            dynamic_axes=axes,
        )  # fmt: skip
    return path, model


def counted_by_hooks(model: Any) -> int:
    """Multiply-accumulates of every convolution and linear layer, from what really passes through it."""
    counts: list[int] = []

    def hook(module: Any, inputs: tuple[Any], output: Any) -> None:
        per_output = module.weight[0].numel() if isinstance(module, nn.Conv2d) else inputs[0].shape[-1]
        counts.append(output.numel() * per_output)

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(torch.zeros(BATCH, 3, SIDE, SIDE))
    return sum(counts)


def of_a_run(path: Path) -> Mapping[str, Shape]:
    """The shape of every value that a node makes, as ONNX Runtime finds it."""
    model = onnx.load(path)
    listed = {output.name for output in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in listed:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    return run_shapes(model.SerializeToString(), {"x": np.zeros((BATCH, 3, SIDE, SIDE), dtype=np.float32)})


def of_onnx(path: Path) -> Mapping[str, Shape]:
    """The shapes that onnx infers, where it knows them in full."""
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = BATCH
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in (*inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
        and all(size.HasField("dim_value") for size in value.type.tensor_type.shape.dim)
    }


@pytest.mark.parametrize(("network", "opset", "is_open"), CASES)
def test_shapes_and_work_are_those_of_a_real_run(
    tmp_path: Path, network: Callable[[], Any], opset: int, is_open: bool
) -> None:
    path, model = export(network, tmp_path, opset, is_open=is_open)
    graph = read_onnx(path)
    assert graph.inputs == {"x": (1 if is_open else BATCH, 3, SIDE, SIDE)}
    ours = infer_shapes(graph, batch=BATCH)
    for theirs in (of_a_run(path), of_onnx(path)):
        found = {name: shape for name, shape in theirs.items() if name in ours}
        assert {name: ours[name] for name in found} == found
        assert len(found) > len(graph.nodes) // 2
    extra = BATCH * ATTENTION_MACS if network is Transformer else 0
    costs = layer_costs(graph, batch=BATCH)
    assert sum(cost.macs for cost in costs) == counted_by_hooks(model) + extra
    assert unknown_operators(graph) == ()
    assert {cost.source for cost in costs} == {"modelled"}


@pytest.mark.parametrize("network", [Plain, Residual, Mobile, Transformer])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_quantised_network_does_the_same_work_in_int8(
    tmp_path: Path, network: Callable[[], Any], form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Frames(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            generator = np.random.default_rng(1)
            self.frames = iter([{"x": generator.random((BATCH, 3, SIDE, SIDE), dtype=np.float32)}])

        def get_next(self) -> Any:
            return next(self.frames, None)

    path, _ = export(network, tmp_path, 17, is_open=True)
    quantised = tmp_path / "quantised.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(
            str(path), str(quantised), Frames(), quant_format=getattr(quantization.QuantFormat, form), per_channel=True
        )
    graph = read_onnx(quantised)
    ours, theirs = infer_shapes(graph, batch=BATCH), of_a_run(quantised)
    assert {name: ours[name] for name in theirs} == theirs
    before, after = layer_costs(read_onnx(path)), layer_costs(graph)
    assert [cost.macs for cost in after if cost.macs] == [cost.macs for cost in before if cost.macs]
    assert {cost.element for cost in after if cost.macs} == {"int8"}
    assert unknown_operators(graph) == ()
    weights_after, weights_before = (sum(c.weight_bytes for c in costs if c.macs) for costs in (after, before))
    assert weights_after < weights_before / 2
