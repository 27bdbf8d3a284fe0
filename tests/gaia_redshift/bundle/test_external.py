"""Data outside of an ONNX graph are found wherever the graph may name them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from gaia_redshift.bundle import MANIFEST, ONNX_FILE, Bundle, Manifest, seal
from gaia_redshift.bundle.external import has_external_data
from gaia_redshift.errors import InvalidBundleError
from tests.tiny import SHIPPED, tiny_graph, write_tiny_bundle


def outside(location: str = "weights.bin", *, flagged: bool = True) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    if flagged:
        tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model(graph: onnx.GraphProto | None = None) -> onnx.ModelProto:
    return tiny_graph() if graph is None else helper.make_model(graph)


def in_initializer(tensor: TensorProto) -> onnx.ModelProto:
    made = model()
    made.graph.initializer.append(tensor)
    return made


def in_constant(tensor: TensorProto) -> onnx.ModelProto:
    made = model()
    made.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    return made


def in_list_of_tensors(tensor: TensorProto) -> onnx.ModelProto:
    made = model()
    made.graph.node.append(helper.make_node("Custom", [], ["c"], values=[tensor]))
    return made


def in_subgraph(tensor: TensorProto) -> onnx.ModelProto:
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    made = model()
    made.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))
    return made


def in_function(tensor: TensorProto) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    made = model()
    made.functions.append(helper.make_function("a", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))
    return made


def in_sparse(tensor: TensorProto) -> onnx.ModelProto:
    made = model()
    made.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return made


def in_training(tensor: TensorProto) -> onnx.ModelProto:
    made = model()
    made.training_info.add().algorithm.initializer.append(tensor)
    return made


PLACES = [in_initializer, in_constant, in_list_of_tensors, in_subgraph, in_function, in_sparse, in_training]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_data_outside_are_found(place: Callable[[TensorProto], onnx.ModelProto]) -> None:
    assert not has_external_data(place(numpy_helper.from_array(np.ones(4, np.float32), "w")).SerializeToString())
    assert has_external_data(place(outside()).SerializeToString())
    assert has_external_data(place(outside(flagged=False)).SerializeToString())
    flagged = numpy_helper.from_array(np.ones(4, np.float32), "w")
    flagged.data_location = TensorProto.EXTERNAL
    assert has_external_data(place(flagged).SerializeToString())


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*/")), ids=lambda folder: folder.name)
def test_the_shipped_graphs_are_whole(folder: Path) -> None:
    assert not has_external_data((folder / ONNX_FILE).read_bytes())


@pytest.mark.parametrize("location", ["weights.bin", "sub/w.bin", "../up.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_a_bundle_whose_graph_is_not_whole_is_refused_unread(tmp_path: Path, location: str) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    (folder / ONNX_FILE).write_bytes(in_initializer(outside(location)).SerializeToString())
    seal(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
    with pytest.raises(InvalidBundleError, match="keeps data in another file"):
        Bundle(folder)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_a_whole_graph(content: bytes) -> None:
    with suppress(ValueError):
        assert has_external_data(content) in {True, False}


def test_a_graph_without_end_is_refused() -> None:
    nested = b""
    for _ in range(200):  # a graph's node's attribute's graph
        for key in (0x32, 0x2A, 0x0A):
            size = len(nested)
            varint = bytes([*([size & 0x7F | 0x80, size >> 7] if size > 127 else [size])]) if size < 1 << 14 else b""
            if not varint:
                break
            nested = bytes([key]) + varint + nested
    with pytest.raises(ValueError, match="too deeply"):
        has_external_data(b"\x3a" + bytes([len(nested) & 0x7F | 0x80, len(nested) >> 7]) + nested)
