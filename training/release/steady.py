"""A graph whose rows do not depend on their places. Imports `graph`; onnx.

ONNX Runtime computes sums along rows and logarithms with the vector registers that every processor of an architecture
has, which hold four numbers. What does not fill the last register is computed one by one and rounded otherwise, and so
are the first numbers of a row that does not begin where a register would: every second row of 186. The same spectrum
then gets another answer in another place of a batch, in the last bit of such a sum, which the network makes up to
1e-5 of redshift.

`steady` lets every row have a length that fills registers. A spectrum's answer is then that of one that came alone. It
holds for what one thread computes at a time: of logarithms of more than some thousand numbers, several threads take
parts that end anywhere. The engine's chunks are smaller.
"""

import numpy as np
import onnx

from training.release.graph import Graph

_VECTOR = 4
"""Numbers in a register."""

_SUMS = {"ReduceMean", "ReduceSum"}
_ELEMENTWISE = {"Log", "Softplus"}
"""Functions that are not computed alike by vectors and one by one; Exp, Tanh, Sigmoid and Erf are."""


def steady(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function with the same bits for a row wherever it stands, and whatever stands beside it."""
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
    graph.sweep()
    onnx.checker.check_model(model, full_check=True)
    return model


def _along_rows(graph: Graph, node: onnx.NodeProto, rank: int) -> bool:
    """Return whether a reduction is over the last axis alone, which it keeps."""
    axes = graph.constant.get(node.input[1]) if len(node.input) > 1 else None
    kept = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}.get("keepdims", 1)
    return bool(kept and axes is not None and axes.size == 1 and int(axes[0]) % rank == rank - 1)


def _split_sum(graph: Graph, node: onnx.NodeProto, length: int) -> None:
    """Sum what fills registers, and add the rest one by one: what happens to the first row of a batch."""
    name, rest = node.output[0], length % _VECTOR
    parts = [f"{name}/part_{number}" for number in range(1 + rest)]
    sizes = graph.add_constant(f"{name}/sizes", np.array([length - rest] + [1] * rest))
    nodes = [
        onnx.helper.make_node("Split", [node.input[0], sizes], parts, axis=-1),
        onnx.helper.make_node("ReduceSum", [parts[0], node.input[1]], [f"{name}/vectors"], keepdims=1),
        onnx.helper.make_node("Sum", [f"{name}/vectors", *parts[1:]], [name]),
    ]
    if node.op_type == "ReduceMean":
        nodes[-1].output[0] = f"{name}/sum"
        count = graph.add_constant(f"{name}/length", np.array(length, np.float32))
        nodes.append(onnx.helper.make_node("Div", [f"{name}/sum", count], [name]))
    graph.replace(node, nodes)


def _fill(graph: Graph, node: onnx.NodeProto, length: int) -> None:
    """Compute a function of as many copies of a row as fill registers."""
    value, name = node.input[0], node.output[0]
    bounds = [
        graph.add_constant(f"{name}/{what}", np.array([n])) for what, n in (("0", 0), ("n", length), ("axis", -1))
    ]
    graph.replace(
        node,
        [
            onnx.helper.make_node("Concat", [value] * _VECTOR, [f"{name}/copies"], axis=-1),
            onnx.helper.make_node(node.op_type, [f"{name}/copies"], [f"{name}/of_copies"]),
            onnx.helper.make_node("Slice", [f"{name}/of_copies", *bounds], [name]),
        ],
    )
