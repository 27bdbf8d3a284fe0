"""A traced graph with fewer operations. Imports `graph`; onnx.

For a single spectrum, each operation costs about as much as the arithmetic of a layer.
"""

import numpy as np
import onnx
from onnx.helper import make_node

from training.release.graph import Graph, attributes

_RESHAPING = {"Reshape", "Squeeze", "Unsqueeze"}


def trim(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function with fewer operations, and divisions restored.

    TensorFlow turns the division by a constant into the product with its reciprocal, which is not the same number: of
    0.235776 it makes 0.23577599999999998. In double precision it becomes a division again.
    """
    graph = Graph(model)
    for node in list(graph.graph.node):
        if node.op_type == "Mul":
            _divide(graph, node)
        elif node.op_type == "Max":
            _clip(graph, node)
    shapes = graph.shapes()
    for node in list(graph.graph.node):
        if node.op_type in _RESHAPING:
            _merge(graph, node, shapes)
    graph.sweep()
    for node in list(graph.graph.node):
        if node.op_type == "MaxPool":
            _flatten(graph, node)
    return graph.checked()


def _divide(graph: Graph, node: onnx.NodeProto) -> None:
    factor = node.input[1]
    reciprocal = graph.constant.get(factor)
    if reciprocal is not None and reciprocal.dtype == np.float64 and factor.split(":")[0].endswith("_recip"):
        node.op_type = "Div"
        node.input[1] = f"{factor}/divisor"
        if node.input[1] not in graph.constant:
            graph.add_constant(node.input[1], 1 / reciprocal)


def _clip(graph: Graph, node: onnx.NodeProto) -> None:
    """Write the maximum of a minimum, both with a number, as a clip."""
    inner = graph.maker(node.input[0])
    if inner is None or inner.op_type != "Min" or len(graph.readers(inner.output[0])) > 1:
        return
    bounds = [graph.constant.get(each.input[1]) for each in (node, inner)]
    if all(bound is not None and bound.ndim == 0 for bound in bounds):
        low, high = node.input[1], inner.input[1]
        graph.replace(node, make_node("Clip", [inner.input[0], low, high], list(node.output)))


def _merge(graph: Graph, node: onnx.NodeProto, shapes: dict[str, list[int]]) -> None:
    """Reshape once what is reshaped in two steps, where at most the number of rows is unknown."""
    inner, shape = graph.maker(node.input[0]), shapes.get(node.output[0], [])
    if inner is None or inner.op_type not in _RESHAPING or not shape or 0 in shape[1:]:
        return
    name = graph.add_constant(f"{node.output[0]}/shape", np.array([-1, *shape[1:]]))
    graph.replace(node, make_node("Reshape", [inner.input[0], name], list(node.output)))


def _flatten(graph: Graph, node: onnx.NodeProto) -> None:
    """Pool along the one axis there is: over two, of which one has a single row, it takes eighteen times as long."""
    before, readers = graph.maker(node.input[0]), graph.readers(node.output[0])
    held = attributes(node)
    if before is None or before.op_type != "Reshape" or {each.op_type for each in readers} != {"Reshape"}:
        return
    shape = graph.constant.get(before.input[1])
    if shape is None or len(shape) != 4 or shape[2] != 1 or held.get("pads"):
        return
    name = graph.add_constant(f"{node.output[0]}/flat", np.delete(shape, 2))
    kernel, strides = held["kernel_shape"][1:], held["strides"][1:]
    flat = make_node("Reshape", [before.input[0], name], [f"{node.input[0]}/flat"])
    pooled = make_node("MaxPool", list(flat.output), list(node.output), kernel_shape=kernel, strides=strides)
    graph.replace(node, flat, pooled)
