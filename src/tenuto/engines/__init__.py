"""Things that run a sub-network: ONNX Runtime with shared weights, and a table that answers from a profile."""

from tenuto.engines._engine import Engine
from tenuto.engines.onnx_runtime import OnnxRuntimeEngine
from tenuto.engines.table import TableEngine

__all__ = ["Engine", "OnnxRuntimeEngine", "TableEngine"]
