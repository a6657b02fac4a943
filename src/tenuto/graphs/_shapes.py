"""The shape of every value of a network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from tenuto.errors import UsageError
from tenuto.graphs._graph import Graph, Shape
from tenuto.graphs._rules import RULES, RULES_OF_MANY
from tenuto.graphs._seen import Seen, UndeterminedError, Values
from tenuto.graphs._values import evaluate

# What a rule stumbles over when a network contradicts itself.
_CONTRADICTIONS: Final = (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Inferred:
    """What can be known of a network's values before it runs.

    Attributes:
        shapes: Of every value, inputs and weights included.
        constants: Bytes per element of what does not depend on the input: weights, and what is made of them alone.
        assumed: Values whose shape rests on the fallback for an operator without a rule.
        fallbacks: Those of them whose own maker fell back.
    """

    shapes: Mapping[str, Shape]
    constants: Mapping[str, float]
    assumed: frozenset[str]
    fallbacks: frozenset[str]


def infer_shapes(graph: Graph, *, batch: int | None = None) -> Mapping[str, Shape]:
    """The shape of every value by name: inputs, weights and what nodes make.

    Args:
        graph: The network.
        batch: Replaces the first size of every input, at least 1; None leaves the inputs as they are.

    Returns:
        Shapes. What an operator without a rule makes is assumed to have the shape of its first input.

    Raises:
        UsageError: The batch is below 1, or shapes contradict each other: the node is named.
    """
    return infer(graph, batch=batch).shapes


def infer(graph: Graph, *, batch: int | None = None) -> Inferred:
    """As `infer_shapes`, with what is constant and what is assumed."""
    if batch is not None and batch < 1:
        raise UsageError(f"batch: asked for {batch}, found nothing to run; give at least 1")
    shapes: dict[str, Shape] = {name: weight.shape for name, weight in graph.weights.items()}
    for name, shape in graph.inputs.items():
        shapes[name] = (batch, *shape[1:]) if batch is not None and shape else shape
    values = {
        name: np.array(weight.values).reshape(weight.shape)
        for name, weight in graph.weights.items()
        if weight.values is not None
    }
    constants: dict[str, float] = {name: weight.element_bytes for name, weight in graph.weights.items()}
    assumed: set[str] = set()
    fallbacks: set[str] = set()
    for node in graph.nodes:
        seen = Seen.of(node, shapes, values, is_assumed=not assumed.isdisjoint(node.inputs))
        made, content, fell_back = _made(seen)
        shapes.update((name, shape) for name, shape in zip(node.outputs, made, strict=True) if name)
        given = [name for name in node.inputs if name]
        if content is not None:
            values[node.outputs[0]] = content
            constants[node.outputs[0]] = constants.get(given[0], 8) if given else 8
        elif given and all(name in constants for name in given):
            n_bytes = 1 if node.op == "QuantizeLinear" else constants[given[0]]
            constants.update((name, n_bytes) for name in node.outputs)
        if fell_back:
            fallbacks.update(node.outputs)
        if fell_back or seen.is_assumed:
            assumed.update(node.outputs)
    return Inferred(shapes, constants, frozenset(assumed), frozenset(fallbacks))


def shapes_of_outputs(seen: Seen) -> tuple[Shape, ...]:
    """The shape of each output of a node.

    Raises:
        UsageError: Its inputs contradict its attributes or each other.
        UndeterminedError: It has no rule, or depends on data that only a run would show.
    """
    with _contradictions_named(seen):
        return _apply_rule(seen)


def _apply_rule(seen: Seen) -> tuple[Shape, ...]:
    node = seen.node
    if node.op in RULES_OF_MANY:
        made = RULES_OF_MANY[node.op](seen)
    elif node.op in RULES:
        made = (RULES[node.op](seen),) * len(node.outputs)
    else:
        raise UndeterminedError(f"no rule for {node.op}")
    if any(size < 0 for shape in made for size in shape):
        raise ValueError(f"a size of {made} would be below 0")
    return made[: len(node.outputs)]


def _made(seen: Seen) -> tuple[tuple[Shape, ...], Values | None, bool]:
    """Shapes of what a node makes, the content of the first where it is known, and whether this is the fallback."""
    try:
        with _contradictions_named(seen):
            made = _apply_rule(seen)
            return made, evaluate(seen, made[0]), False
    except UndeterminedError:
        pass
    except UsageError:
        if not seen.is_assumed:
            raise
    first = next((shape for shape in seen.shapes if shape is not None), ())
    return (first,) * len(seen.node.outputs), None, True


@contextmanager
def _contradictions_named(seen: Seen) -> Iterator[None]:
    try:
        yield
    except _CONTRADICTIONS as error:
        node = seen.node
        found = ", ".join(str(shape) for shape in seen.shapes if shape is not None)
        raise UsageError(
            f"node {node.name!r} ({node.op}): {error}; it reads shapes {found or 'of nothing'}; correct the network, "
            "or the batch and the input shapes that were asked for"
        ) from error
