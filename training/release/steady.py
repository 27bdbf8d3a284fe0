"""A graph whose answers do not depend on a row's place. Imports `graph`; onnx.

ONNX Runtime computes sums along rows and logarithms in vector registers of four numbers. Numbers that do not fill the
last register are computed one by one and rounded otherwise, and so are the first of a row that does not begin where a
register would: every second row of 186. The same spectrum then gets another answer in another place of a batch, in the
last bit of such a sum, which the network makes up to 1e-5 of redshift.

`steady` gives every row a length that fills registers, so that a spectrum's answer is the same as alone. This holds for
what one thread computes at a time: several threads share logarithms of more than some thousand numbers, and their parts
end anywhere. The engine's chunks are smaller.
"""

import numpy as np
import onnx
from onnx.helper import make_node

from training.release.graph import Graph, attributes

_VECTOR = 4
"""Numbers in a register."""

_SUMS = {"ReduceMean", "ReduceSum"}
_ELEMENTWISE = {"Log", "Softplus"}
"""Functions that are not computed alike by vectors and one by one; Exp, Tanh, Sigmoid and Erf are."""


def steady(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function, which gives a row the same bits in every place and beside any other rows."""
    graph = Graph(model)
    shapes = graph.shapes()
    for node in list(graph.graph.node):
        shape = shapes.get(node.input[0], []) if node.input else []
        if not shape or not shape[-1] or shape[-1] % _VECTOR == 0:
            continue
        if node.op_type in _SUMS and _along_rows(graph, node, len(shape)):
            _split_sum(graph, node, shape[-1])
        elif node.op_type in _ELEMENTWISE:
            _fill(graph, node, shape[-1])
    return graph.checked()


def _along_rows(graph: Graph, node: onnx.NodeProto, rank: int) -> bool:
    """Return whether a reduction is over the last axis alone, which it keeps."""
    if len(node.input) < 2 or not attributes(node).get("keepdims", 1):
        return False
    axes = graph.constant.get(node.input[1])
    return axes is not None and axes.size == 1 and int(axes[0]) % rank == rank - 1


def _split_sum(graph: Graph, node: onnx.NodeProto, length: int) -> None:
    """Sum what fills registers, and add the rest one by one: what happens to the first row of a batch."""
    name, rest = node.output[0], length % _VECTOR
    parts = [f"{name}/part_{number}" for number in range(1 + rest)]
    sizes = graph.add_constant(f"{name}/sizes", np.array([length - rest] + [1] * rest))
    nodes = [
        make_node("Split", [node.input[0], sizes], parts, axis=-1),
        make_node("ReduceSum", [parts[0], node.input[1]], [f"{name}/vectors"], keepdims=1),
        make_node("Sum", [f"{name}/vectors", *parts[1:]], [name]),
    ]
    if node.op_type == "ReduceMean":
        nodes[-1].output[0] = f"{name}/sum"
        count = graph.add_constant(f"{name}/length", np.array(length, np.float32))
        nodes.append(make_node("Div", [f"{name}/sum", count], [name]))
    graph.replace(node, *nodes)


def _fill(graph: Graph, node: onnx.NodeProto, length: int) -> None:
    """Compute a function of as many copies of a row as fill registers."""
    value, name = node.input[0], node.output[0]
    limits = {"0": 0, "n": length, "axis": -1}
    bounds = [graph.add_constant(f"{name}/{what}", np.array([number])) for what, number in limits.items()]
    nodes = [
        make_node("Concat", [value] * _VECTOR, [f"{name}/copies"], axis=-1),
        make_node(node.op_type, [f"{name}/copies"], [f"{name}/of_copies"]),
        make_node("Slice", [f"{name}/of_copies", *bounds], [name]),
    ]
    graph.replace(node, *nodes)
