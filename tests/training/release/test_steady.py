"""A steady graph gives a row the same bits wherever it stands, and what it gave to one that came alone."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.release.steady import steady

ROWS = 37


def graph(kind: str, length: int) -> onnx.ModelProto:
    """Return one operation on rows of so many numbers, behind another, whose output lies in the runtime's memory."""
    inputs, attributes = (["x2", "axis"], {"keepdims": 1}) if kind.startswith("Reduce") else (["x2"], {})
    nodes = [helper.make_node("Mul", ["x", "x"], ["x2"]), helper.make_node(kind, inputs, ["y"], **attributes)]
    shape = ["n", 1 if kind.startswith("Reduce") else length]
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", length])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array([-1]), "axis")] if kind.startswith("Reduce") else [],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceSum", "Log", "Softplus"])
@pytest.mark.parametrize("length", [1, 3, 4, 60, 186, 187])
def test_a_row_has_the_same_bits_in_every_place_and_alone(kind: str, length: int) -> None:
    x = np.random.default_rng(length).lognormal(0, 1, (ROWS, length)).astype(np.float32)
    made = steady(graph(kind, length))
    together = run(made, x)
    assert together.shape == run(graph(kind, length), x).shape
    np.testing.assert_allclose(together, run(graph(kind, length), x), rtol=1e-6, atol=1e-6)
    for shift in range(1, 9):
        assert (run(made, x[shift:]) == together[shift:]).all()
    for row in range(ROWS):
        assert (run(made, x[row : row + 1]) == together[row]).all()


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceSum"])
def test_a_sum_is_that_of_the_first_row_of_a_batch(kind: str) -> None:
    x = np.random.default_rng(1).lognormal(0, 1, (ROWS, 186)).astype(np.float32)
    steadied, plain = steady(graph(kind, 186)), graph(kind, 186)
    for row in range(ROWS):
        assert (run(steadied, x[row : row + 1]) == run(plain, x[row : row + 1])).all()


def test_without_it_a_sum_depends_on_its_place() -> None:
    """If this fails, the runtime has changed its sums, and `steady` may have nothing left to do."""
    x = np.random.default_rng(1).lognormal(0, 1, (ROWS, 186)).astype(np.float32)
    assert (run(graph("ReduceMean", 186), x)[1:] != run(graph("ReduceMean", 186), x[1:])).any()


def test_rows_that_fill_registers_are_left_alone() -> None:
    assert len(steady(graph("ReduceMean", 256)).graph.node) == 2
    assert len(steady(graph("Log", 8)).graph.node) == 2
