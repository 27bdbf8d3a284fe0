"""A shortened graph computes the same from fewer multiplications, where that pays, and is otherwise untouched."""

import math
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from training.release.shorten import SPARED, Tiling, bases, choose_tiling, shorten


def convolution(
    taps: int,
    length: int,
    channels: int,
    filters: int,
    *,
    own_bias: bool = False,
    added_bias: bool = True,
    activation: str = "Relu",
    shared: bool = False,
    **attributes: Any,
) -> onnx.ModelProto:
    """Write by hand a convolution to `length` samples, its bias, its activation and a pooling, as `straighten` does."""
    rng = np.random.default_rng(taps * length + channels * filters)
    group = attributes.get("group", 1)
    constants = {
        "kernel": rng.normal(size=(filters, channels // group, 1, taps)) / np.sqrt(channels * taps),
        "own": rng.normal(size=filters),
        "added": rng.normal(size=(1, filters, 1, 1)),
    }
    nodes = [helper.make_node("Conv", ["x", "kernel", *(["own"] if own_bias else [])], ["c"], **attributes)]
    if added_bias:
        nodes.append(helper.make_node("Add", ["c", "added"], ["b"]))
    if activation:
        nodes.append(helper.make_node(activation, ["b" if added_bias else "c"], ["a"]))
    last = nodes[-1].output[0]
    nodes.append(helper.make_node("MaxPool", [last], ["y"], kernel_shape=[1, 2], strides=[1, 1]))
    names = ["y", "c"] if shared else ["y"]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, 1, length + taps - 1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", filters, 1, None]) for name in names],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def compare(taps: int, length: int, channels: int, filters: int, rows: int = 3, **options: Any) -> onnx.ModelProto:
    """Return the shortened graph after it has given what the direct one gives."""
    shape = rows, channels, 1, length + taps - 1
    x = np.maximum(np.random.default_rng(rows).normal(size=shape), 0).astype(np.float32)
    direct = convolution(taps, length, channels, filters, **options)
    short = shorten(convolution(taps, length, channels, filters, **options), worth=math.inf)
    for one, other in zip(run(direct, x), run(short, x), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * max(1, np.abs(one).max()))
    return short


def grouped(model: onnx.ModelProto) -> list[int]:
    """Return the groups of each convolution."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    held = [{each.name: onnx.helper.get_attribute_value(each) for each in node.attribute} for node in convolutions]
    return [each.get("group", 1) for each in held]


@settings(max_examples=60, deadline=None)
@given(
    taps=st.integers(1, 11),
    length=st.integers(2, 40),
    channels=st.integers(1, 24),
    filters=st.integers(1, 24),
    rows=st.integers(1, 5),
    own_bias=st.booleans(),
    added_bias=st.booleans(),
    activation=st.sampled_from(["", "Relu", "Tanh", "LeakyRelu"]),
)
def test_a_shortened_convolution_computes_the_same(taps: int, length: int, **options: Any) -> None:
    compare(taps, length, **options)


@pytest.mark.parametrize("length", [60, 61, 62, 63, 64, 65])
def test_the_last_tile_may_run_over_the_end(length: int) -> None:
    tiling = choose_tiling(5, length, 32, 48, worth=math.inf)
    assert tiling is not None
    assert grouped(compare(5, length, 32, 48)) == [tiling.points]
    assert 0 <= tiling.count * tiling.size - length < tiling.size


def test_what_others_read_stays() -> None:
    model = compare(5, 30, 8, 8, shared=True)
    assert {output.name for output in model.graph.output} == {"y", "c"}
    assert [node.op_type for node in model.graph.node][-3:] == ["Add", "Relu", "MaxPool"]


def test_bias_and_activation_cost_no_operation_more() -> None:
    kinds = [node.op_type for node in compare(5, 31, 8, 8, own_bias=True).graph.node]
    products = ["Transpose", "Gather", "MatMul", "Reshape", "Transpose", "Conv"]
    assert kinds == [*products, "Transpose", "Reshape", "MatMul", "Reshape", "Slice", "Relu", "Transpose", "MaxPool"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [0, 2, 0, 2]},
        {"auto_pad": "SAME_UPPER"},
        {"strides": [1, 2]},
        {"dilations": [1, 2]},
        {"group": 2},
    ],
    ids=lambda attributes: next(iter(attributes)),
)
def test_other_convolutions_stay(attributes: dict[str, Any]) -> None:
    before = convolution(5, 40, 8, 8, **attributes)
    after = shorten(convolution(5, 40, 8, 8, **attributes), worth=math.inf)
    assert after == before


def test_a_length_that_is_not_known_stays() -> None:
    models = [convolution(5, 40, 8, 8) for _ in range(2)]
    for model in models:
        model.graph.input[0].type.tensor_type.shape.dim[3].Clear()
    assert shorten(models[0], worth=math.inf) == models[1]


def test_a_shortened_graph_is_not_shortened_again() -> None:
    once = compare(5, 40, 8, 8)
    twice = shorten(onnx.load_from_string(once.SerializeToString()), worth=math.inf)
    assert twice == once


def test_a_graph_tells_how_many_multiply_adds_it_spares() -> None:
    (entry,) = compare(5, 90, 128, 128).metadata_props
    # Fifteen tiles of ten products for six outputs.
    products, transforms = 15 * 10 * 128 * 128, 15 * 10 * (10 + 6) * 128
    assert (entry.key, int(entry.value)) == (SPARED, 5 * 90 * 128 * 128 - products - transforms)


def test_small_convolutions_are_direct_and_the_dissertations_largest_is_not() -> None:
    assert choose_tiling(5, 87, 256, 256) == Tiling(5, 87, 6)
    assert choose_tiling(5, 182, 1, 256) is None
    assert choose_tiling(5, 87, 16, 16) is None
    assert choose_tiling(2, 19, 128, 64) is None
    assert choose_tiling(1, 186, 512, 512) is None
    assert choose_tiling(15, 186, 512, 512) is None
    small = convolution(5, 40, 8, 8)
    assert shorten(convolution(5, 40, 8, 8)) == small


@settings(deadline=None)
@given(st.integers(2, 9), st.data())
def test_the_bases_give_the_outputs_of_a_filter(taps: int, data: st.DataObject) -> None:
    outputs = data.draw(st.integers(2, 11 - taps))
    a, g, b = bases(outputs, taps)
    rng = np.random.default_rng(outputs)
    kernel, samples = rng.normal(size=taps), rng.normal(size=outputs + taps - 1)
    np.testing.assert_allclose(a @ ((g @ kernel) * (b @ samples)), np.correlate(samples, kernel), atol=1e-9)
