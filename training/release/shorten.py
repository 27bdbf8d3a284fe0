"""Convolutions with fewer multiplications than they have by definition. Imports `graph`; onnx.

Winograd 1980 (Arithmetic Complexity of Computations, SIAM) showed that m neighbouring outputs of a filter of r taps
need m + r - 1 multiplications, not m r; Lavin & Gray 2016 (arXiv:1509.09308) made convolutions of it. A tile of
m + r - 1 samples and the taps are transformed to another basis, the values of polynomials at m + r - 1 points, and
multiplied there. Only the products sum over channels, so that the transforms are cheap if there are many: ten products
for six outputs of five taps do the work of thirty.

`shorten` writes this with ordinary operations. The products of all points are one convolution of width one with a group
for each point, which ONNX Runtime computes as fast as any, and both changes of basis are products of matrices with the
channels last, an order that it takes from its convolutions and gives back to them in passing.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.helper import make_node

from training.release.graph import Graph, attributes

SPARED = "spared_multiply_adds"
"""Entry of the graph's metadata: how many multiply-adds a spectrum fewer it does than the network has by definition."""

_POINTS = tuple(map(Fraction, ("0", "1", "-1", "1/2", "-2", "2", "-1/2", "3/4", "-4/3")))
"""Where polynomials are evaluated, and at infinity. In this order each number of points errs little: Barabasz et al.
2018, arXiv:1803.10986. With all, outputs are good to some 1e-6 of the largest, at worst, with few channels, to 6e-6."""
_ONE = 1
"""The place of the point 1, whose product counts once in every output: the one that a bias is added to."""

_TRANSFORM_COST = 4
"""Cost of a multiply-add in the small matrices, which are bound by memory, in those of a convolution."""
_FIXED_COST = 1_000_000
"""Cost of the ten operations more, in multiply-adds: some 20 microseconds of a core."""
WORTH = 0.75
"""Largest part of the direct convolution's cost at which it is replaced."""

_ACTIVATIONS = frozenset({"Elu", "Erf", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Softplus", "Tanh"})


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a convolution is cut: `count` tiles of `size` outputs, the last of which may run over the end."""

    taps: int
    length: int
    size: int

    @property
    def points(self) -> int:
        """Number of multiplications for a tile, and of its samples."""
        return self.size + self.taps - 1

    @property
    def count(self) -> int:
        """Number of tiles."""
        return ceil(self.length / self.size)

    def work(self, channels: int, filters: int) -> tuple[int, int]:
        """Return the multiply-adds between the changes of basis, and those of the changes of basis."""
        places = self.count * self.points
        return places * channels * filters, places * (self.points * channels + self.size * filters)

    def cost(self, channels: int, filters: int) -> int:
        """Return what the whole takes, in multiply-adds of a convolution."""
        products, transforms = self.work(channels, filters)
        return products + _TRANSFORM_COST * transforms + _FIXED_COST


def shorten(model: onnx.ModelProto, worth: float = WORTH) -> onnx.ModelProto:
    """Return the same function with large convolutions computed from fewer multiplications.

    Replaced are convolutions over one axis of a known length, without padding, strides, dilation or groups, if
    `choose_tiling` finds that it pays: at most `worth` of the direct convolution's cost. `straighten` should have put
    bias and activation behind each convolution. The result is the same to some 1e-6 of the largest output of each
    convolution; its metadata has `SPARED`, if any was replaced.
    """
    graph, before = Graph(model), len(model.graph.node)
    shapes = graph.shapes()
    spared = sum(_replace(graph, node, shapes, worth) for node in list(model.graph.node) if node.op_type == "Conv")
    if len(model.graph.node) == before:
        return model
    model.metadata_props.add(key=SPARED, value=str(spared))
    return graph.checked()


def choose_tiling(taps: int, length: int, channels: int, filters: int, worth: float = WORTH) -> Tiling | None:
    """Return the cheapest way to cut a convolution, or None where the direct one is better.

    Taps are the kernel's, the length and the filters the output's, channels the input's; `worth` is as for `shorten`.
    """
    # An even number of products: a point without its partner, -1/x, errs as much as the pair.
    sizes = range(2, min(length, len(_POINTS) + 2 - taps) + 1) if taps > 1 else ()
    tilings = [tiling for tiling in (Tiling(taps, length, size) for size in sizes) if tiling.points % 2 == 0]
    best = min(tilings, key=lambda tiling: tiling.cost(channels, filters), default=None)
    direct = taps * length * channels * filters
    return best if best is not None and best.cost(channels, filters) <= worth * direct else None


def bases(outputs: int, taps: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrices A, G and B of Lavin & Gray's eq. 2, with which outputs are A ((G taps) * (B samples)).

    There are outputs + taps - 1 products; A has shape (outputs, products), G (products, taps), and B (products,
    products). The rows of B are scaled to a largest element of one, and those of G inversely: single precision then
    errs least.
    """
    products = outputs + taps - 1
    points = np.array(_POINTS[: products - 1], np.float64)
    b = np.zeros((products, products))
    for row, point in enumerate(points):
        others = np.delete(points, row)
        b[row, :-1] = np.poly(others)[::-1] / np.prod(point - others)
    b[-1] = np.poly(points)[::-1]
    a, g = (np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1]]) for n in (outputs, taps))
    scale = np.abs(b).max(axis=1, keepdims=True)
    return a.T, g * scale, b / scale


def _replace(graph: Graph, node: onnx.NodeProto, shapes: dict[str, list[int]], worth: float) -> int:
    """Replace a convolution where that pays; return how many multiply-adds of a spectrum this spares."""
    shape = shapes.get(node.input[0], [])
    if len(shape) != 4 or not _is_plain(node) or any(name not in graph.constant for name in node.input[1:]):
        return 0
    kernel = graph.constant[node.input[1]]
    (filters, channels, height, taps), (_, _, rows, samples) = kernel.shape, shape
    tiling = choose_tiling(taps, samples + 1 - taps, channels, filters, worth) if height == rows == 1 else None
    if tiling is None or kernel.dtype != np.float32:
        return 0
    bias, behind = _bias(graph, node)
    chain = [node, *behind]
    activation = _only_reader(graph, chain[-1])
    if activation is not None and activation.op_type not in _ACTIVATIONS:
        activation = None
    chain += [] if activation is None else [activation]
    nodes = _Writer(graph, chain[-1].output[0])
    products = nodes.products(node.input[0], kernel[:, :, 0].astype(np.float64), bias, samples, tiling)
    nodes.outputs(products, activation, filters, tiling)
    graph.replace(node, *nodes.written)
    for each in chain[1:]:
        graph.graph.node.remove(each)
    return int(tiling.length * kernel.size) - sum(tiling.work(channels, filters))


def _is_plain(node: onnx.NodeProto) -> bool:
    """Return whether a convolution has no padding, strides, dilation or groups."""
    held = attributes(node)
    return (
        not any(held.get("pads", ()))
        and held.get("auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"}
        and {1} == {held.get("group", 1), *held.get("strides", (1,)), *held.get("dilations", (1,))}
    )


def _only_reader(graph: Graph, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the node that alone reads what `node` makes, or None."""
    readers = graph.readers(node.output[0])
    return readers[0] if len(readers) == 1 and node.output[0] not in graph.outputs else None


def _bias(graph: Graph, node: onnx.NodeProto) -> tuple[NDArray[np.float32], list[onnx.NodeProto]]:
    """Return a convolution's bias, shape (filters,), and the node that adds it, if it is one of its own."""
    filters = len(graph.constant[node.input[1]])
    own = graph.constant[node.input[2]] if len(node.input) > 2 else np.zeros(filters, np.float32)
    reader = _only_reader(graph, node)
    if reader is not None and reader.op_type == "Add":
        added = [graph.constant[name] for name in reader.input if name in graph.constant]
        if added and added[0].shape in {(filters, 1, 1), (1, filters, 1, 1)}:
            return own + added[0].reshape(-1), [reader]
    return own, []


class _Writer:
    """The nodes that take a convolution's place, in order."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name
        self.written: list[onnx.NodeProto] = []

    def constant(self, value: NDArray[np.generic]) -> str:
        """Add a constant; return its name."""
        return self.graph.add_constant(f"{self.name}/shortened/constant_{len(self.graph.graph.initializer)}", value)

    def write(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        made = output or f"{self.name}/shortened/{kind}_{len(self.written)}"
        self.written.append(make_node(kind, list(inputs), [made], name=made, **attributes))
        return made

    def reshape(self, value: str, *shape: int) -> str:
        """Reshape all but the spectra."""
        return self.write("Reshape", value, self.constant(np.array([0, *shape])))

    def products(
        self, source: str, kernel: NDArray[np.float64], bias: NDArray[np.float32], samples: int, tiling: Tiling
    ) -> str:
        """Write what leads to the products, shape (n, points filters, 1, tiles)."""
        filters, channels, taps = kernel.shape
        count, points = tiling.count, tiling.points
        _, g, b = bases(tiling.size, taps)
        # The last tile repeats the last sample where there are no more: this reaches no output that is kept.
        places = np.minimum(np.arange(count)[:, np.newaxis] * tiling.size + np.arange(points), samples - 1)
        value = self.write("Transpose", source, perm=[0, 2, 3, 1])
        value = self.write("Gather", value, self.constant(places), axis=2)
        value = self.write("MatMul", self.constant(b.astype(np.float32)), value)
        value = self.write("Transpose", self.reshape(value, 1, count, points * channels), perm=[0, 3, 1, 2])
        weights = np.einsum("pt,fct->pfc", g, kernel).reshape(points * filters, channels, 1, 1)
        added = np.zeros((points, filters), np.float32)
        added[_ONE] = bias
        constants = self.constant(weights.astype(np.float32)), self.constant(added.reshape(-1))
        return self.write("Conv", value, *constants, group=points, kernel_shape=[1, 1])

    def outputs(self, products: str, activation: onnx.NodeProto | None, filters: int, tiling: Tiling) -> None:
        """Write what leads from the products to the activated outputs, shape (n, filters, 1, length)."""
        a, _, _ = bases(tiling.size, tiling.taps)
        value = self.write("Transpose", products, perm=[0, 2, 3, 1])
        value = self.reshape(value, tiling.count, tiling.points, filters)
        value = self.write("MatMul", self.constant(a.astype(np.float32)), value)
        value = self.reshape(value, 1, tiling.count * tiling.size, filters)
        if tiling.count * tiling.size > tiling.length:
            bounds = (self.constant(np.array([each])) for each in (0, tiling.length, 2))
            value = self.write("Slice", value, *bounds)
        if activation is not None:
            # Before the transpose, which a pooling then takes in passing.
            value = self.write(activation.op_type, value, **attributes(activation))
        self.write("Transpose", value, output=self.name, perm=[0, 3, 1, 2])
