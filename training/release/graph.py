"""An exported graph without squeezes that cost a sixth of its time. Imports nothing of the project; onnx.

ONNX Runtime fuses a convolution with its bias, its activation and its pooling when they follow each other. TensorFlow
computes a convolution over one axis as one over two, and squeezes and unsqueezes the extra axis around every step
between, which keeps them apart. `straighten` moves the squeezes to the end, where they cancel the unsqueezes.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.helper import get_attribute_value, make_node

_ELEMENTWISE = frozenset(
    {"Add", "Clip", "Div", "Elu", "Erf", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Softplus", "Sub", "Tanh"}
)

_SQUEEZED_RANK = 3
"""Rank of the output of a convolution over one axis: spectrum, channel, sample."""
_CONSTANT_RANKS = (0, 1, _SQUEEZED_RANK)
"""Numbers, and vectors along the samples, fit with and without the extra axis; arrays of rank 3 get it too."""


def straighten(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function with squeezes moved behind elementwise operations and cancelled where they can be.

    The graph computes the same to the last bits of single precision.
    """
    graph = Graph(model)
    while any(graph.sink(node) for node in list(model.graph.node)):
        pass
    graph.cancel()
    return graph.checked()


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name."""
    return {each.name: get_attribute_value(each) for each in node.attribute}


class Graph:
    """The nodes of a graph by what they make and who reads it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.graph = model, model.graph
        self.constant = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        self.outputs = {each.name for each in self.graph.output}

    def maker(self, name: str) -> onnx.NodeProto | None:
        """Return the node that makes `name`, or None for inputs and constants."""
        return next((node for node in self.graph.node if name in node.output), None)

    def inputs(self, name: str) -> list[str]:
        """Return what the node that makes `name` reads; nothing for inputs and constants."""
        node = self.maker(name)
        return [] if node is None else list(node.input)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that read `name`."""
        return [node for node in self.graph.node if name in node.input]

    def shapes(self) -> dict[str, list[int]]:
        """Return the shape of each value that has one, zero for a length that is not known."""
        graph = onnx.shape_inference.infer_shapes(self.model).graph
        return {
            value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
            for value in [*graph.value_info, *graph.input, *graph.output]
        }

    def add_constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a constant; return its name."""
        self.constant[name] = value
        self.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def replace(self, node: onnx.NodeProto, *others: onnx.NodeProto) -> None:
        """Put other nodes in a node's place."""
        place = list(self.graph.node).index(node)
        self.graph.node.remove(node)
        for offset, each in enumerate(others):
            self.graph.node.insert(place + offset, each)

    def squeezed_axis(self, name: str) -> int | None:
        """Return the one axis that was squeezed to make `name`, or None."""
        node = self.maker(name)
        if node is None or node.op_type != "Squeeze" or len(node.input) < 2:
            return None
        axes = self.constant.get(node.input[1])
        return int(axes[0]) if axes is not None and axes.size == 1 else None

    def sink(self, node: onnx.NodeProto) -> bool:
        """Move the squeezes in front of an elementwise operation behind it; return whether there were any."""
        if node.op_type not in _ELEMENTWISE:
            return False
        varying = [name for name in node.input if name not in self.constant]
        axes = {self.squeezed_axis(name) for name in varying}
        axis = axes.pop() if len(axes) == 1 else None
        if axis is None or any(
            self.constant[name].ndim not in _CONSTANT_RANKS for name in node.input if name in self.constant
        ):
            return False
        after, before = node.output[0], f"{node.output[0]}/unsqueezed"
        axes_name = self.inputs(varying[0])[1]
        for position, name in enumerate(node.input):
            node.input[position] = self._widened(name, axis) if name in self.constant else self.inputs(name)[0]
        node.output[0] = before
        behind = list(self.graph.node).index(node) + 1
        self.graph.node.insert(behind, make_node("Squeeze", [before, axes_name], [after]))
        return True

    def _widened(self, name: str, axis: int) -> str:
        """Return a constant with the axis that its operand has again."""
        value = self.constant[name]
        if value.ndim < _SQUEEZED_RANK:
            return name
        new = f"{name}/unsqueezed"
        return new if new in self.constant else self.add_constant(new, np.expand_dims(value, axis))

    def cancel(self) -> None:
        """Remove each unsqueeze of what the same axis was squeezed from."""
        for node in list(self.graph.node):
            if node.op_type != "Unsqueeze":
                continue
            axes = self.constant.get(node.input[1])
            if axes is None or axes.tolist() != [self.squeezed_axis(node.input[0])] or node.output[0] in self.outputs:
                continue
            source = self.inputs(node.input[0])[0]
            for reader in self.readers(node.output[0]):
                for position, name in enumerate(reader.input):
                    if name == node.output[0]:
                        reader.input[position] = source
            self.graph.node.remove(node)

    def sweep(self) -> None:
        """Remove nodes and constants that nothing reads any more."""
        while True:
            read = {name for node in self.graph.node for name in node.input} | self.outputs
            dead = [node for node in self.graph.node if not read & set(node.output)]
            if not dead:
                break
            for node in dead:
                self.graph.node.remove(node)
        for each in list(self.graph.initializer):
            if each.name not in read:
                self.graph.initializer.remove(each)

    def checked(self) -> onnx.ModelProto:
        """Return the model, swept, after onnx's own check."""
        self.sweep()
        onnx.checker.check_model(self.model, full_check=True)
        return self.model
