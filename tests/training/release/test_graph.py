"""A straightened graph computes the same, without a squeeze between a convolution and its activation."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.release.graph import straighten

CHANNELS, SAMPLES = 4, 12


def convolution(activation: str, *, residual: bool = False, shared: bool = False) -> onnx.ModelProto:
    """Write by hand what the converter makes of a convolution over one axis, its bias and its activation."""
    rng = np.random.default_rng(1)
    constants = {
        "kernel": rng.normal(size=(CHANNELS, CHANNELS, 1, 3)).astype(np.float32),
        "bias": rng.normal(size=(1, CHANNELS, 1)).astype(np.float32),
        "slope": rng.normal(size=SAMPLES).astype(np.float32),
        "half": np.float32(0.5),
        "axis": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["wide"]),
        helper.make_node("Conv", ["wide", "kernel"], ["c"], pads=[0, 1, 0, 1]),
        helper.make_node("Squeeze", ["c", "axis"], ["s"]),
        helper.make_node("Add", ["s", "bias"], ["b"]),
        helper.make_node("Mul", ["b", "slope"], ["m"]),
        helper.make_node("Mul", ["m", "half"], ["h"]),
        helper.make_node(activation, ["h"], ["a"]),
        helper.make_node("Add", ["a", "x" if residual else "h"], ["r"]),
        helper.make_node("Unsqueeze", ["r", "axis"], ["u"]),
        helper.make_node("MaxPool", ["u"], ["p"], kernel_shape=[1, 2], strides=[1, 2]),
        helper.make_node("Squeeze", ["p", "axis"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CHANNELS, SAMPLES // 2])]
    if shared:
        outputs.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", CHANNELS, SAMPLES]))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", CHANNELS, SAMPLES])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto, name: str, value: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value})


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_straightened_graph_computes_the_same(activation: str, residual: bool, shared: bool) -> None:
    flux = np.random.default_rng(2).normal(size=(5, CHANNELS, SAMPLES)).astype(np.float32)
    before = run(convolution(activation, residual=residual, shared=shared), "x", flux)
    after = run(straighten(convolution(activation, residual=residual, shared=shared)), "x", flux)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_only_arithmetic_is_between_a_convolution_and_its_pooling() -> None:
    kinds = [node.op_type for node in straighten(convolution("Relu")).graph.node]
    assert kinds == ["Unsqueeze", "Conv", "Add", "Mul", "Mul", "Relu", "Add", "MaxPool", "Squeeze"]
