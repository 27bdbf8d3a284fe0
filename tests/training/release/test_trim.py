"""A trimmed graph computes the same with less around it."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from training.release.trim import trim


def graph(nodes: list[Any], constants: dict[str, np.ndarray], kind: int, shape: list[Any]) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, ["n", 6])],
        [helper.make_tensor_value_info("y", kind, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_a_division_in_double_precision_is_one_again() -> None:
    nodes = [helper.make_node("Mul", ["x", "a/truediv_recip:0"], ["y"])]
    model = trim(graph(nodes, {"a/truediv_recip:0": np.array(1 / 1e6)}, TensorProto.DOUBLE, ["n", 6]))
    assert kinds(model) == ["Div"]
    x = np.arange(235_770.0, 235_776).reshape(1, 6)
    assert run(model, x).tolist() == [[0.23577, 0.235771, 0.235772, 0.235773, 0.235774, 0.235775]]


def test_in_single_precision_it_stays_what_the_network_was_traced_with() -> None:
    nodes = [helper.make_node("Mul", ["x", "a/truediv_recip:0"], ["y"])]
    model = graph(nodes, {"a/truediv_recip:0": np.array(1 / 3, np.float32)}, TensorProto.FLOAT, ["n", 6])
    assert kinds(trim(model)) == ["Mul"]


def test_a_maximum_of_a_minimum_with_numbers_is_a_clip() -> None:
    nodes = [helper.make_node("Min", ["x", "high"], ["m"]), helper.make_node("Max", ["m", "low"], ["y"])]
    bounds = {"low": np.array(0.0), "high": np.array(1.0)}
    model = trim(graph(nodes, bounds, TensorProto.DOUBLE, ["n", 6]))
    assert kinds(model) == ["Clip"]
    assert run(model, np.array([[-1.0, 0, 0.5, 1, 2, np.inf]])).tolist() == [[0, 0, 0.5, 1, 1, 1]]
    vectors = {"low": np.zeros(6), "high": np.ones(6)}
    assert kinds(trim(graph(nodes, vectors, TensorProto.DOUBLE, ["n", 6]))) == ["Min", "Max"]


def test_reshapes_are_merged_and_a_pool_along_one_axis_is_one() -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["x", "one"], ["u"]),
        helper.make_node("Unsqueeze", ["u", "one"], ["v"]),
        helper.make_node("MaxPool", ["v"], ["p"], kernel_shape=[1, 3], strides=[1, 1]),
        helper.make_node("Squeeze", ["p", "two"], ["s"]),
        helper.make_node("Squeeze", ["s", "one"], ["y"]),
    ]
    constants = {"one": np.array([1]), "two": np.array([2])}
    model = trim(graph(nodes, constants, TensorProto.FLOAT, ["n", 4]))
    assert kinds(model) == ["Reshape", "MaxPool", "Reshape"]
    assert onnx.helper.get_attribute_value(model.graph.node[1].attribute[0]) == [3]
    x = np.float32([[1, 5, 2, 0, 3, 4], [9, 8, 7, 6, 5, 4]])
    assert run(model, x).tolist() == [[5, 5, 3, 4], [9, 8, 7, 6]]
