"""Networks as graphs, and what each of their layers costs.

A `Graph` comes from an ONNX file (`read_onnx`, without the `onnx` package and without loading weights) or from a
`GraphBuilder`. `infer_shapes` says how large each value is, `layer_costs` what each layer multiplies and moves, after
fusing what every runtime fuses; `unknown_operators` names what there was no rule for.
"""

from tenuto.graphs._builder import GraphBuilder
from tenuto.graphs._costs import CostSource, Kind, LayerCost, layer_costs, unknown_operators
from tenuto.graphs._graph import Attribute, Element, Graph, Node, Shape, Weight
from tenuto.graphs._onnx import read_onnx
from tenuto.graphs._shapes import infer_shapes

__all__ = [
    "Attribute",
    "CostSource",
    "Element",
    "Graph",
    "GraphBuilder",
    "Kind",
    "LayerCost",
    "Node",
    "Shape",
    "Weight",
    "infer_shapes",
    "layer_costs",
    "read_onnx",
    "unknown_operators",
]
