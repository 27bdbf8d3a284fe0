"""A tiny bundle whose answers can be computed by hand, and the way to the real data."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.bundle import (
    CALIBRATION_FILE,
    CARD_FILE,
    KERAS_FILE,
    ONNX_FILE,
    SCALER_FILE,
    Calibration,
    Manifest,
    TrainingRecord,
    seal,
)
from app.spectra import FLUX_COUNT, GRID_ID, FloatArray

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
SHIPPED = Path(__file__).parents[1] / "models"

WEIGHTS = np.linspace(0.0, 1.0, FLUX_COUNT, dtype=np.float32) / FLUX_COUNT
"""The tiny network's redshift is the weighted sum of the fluxes: it tells every sample from every other."""


def tiny_redshift(flux: FloatArray) -> FloatArray:
    """Return what the tiny network answers, computed without it."""
    return (flux.astype(np.float64) @ WEIGHTS.astype(np.float64)).astype(np.float32)


def tiny_graph(layers: int = 0) -> onnx.GraphProto:
    """Return the tiny network; each layer adds 4.2 million multiplications that leave the answer as it is."""
    nodes = [helper.make_node("MatMul", ["flux", "weights"], ["sum"])]
    tensors = [numpy_helper.from_array(WEIGHTS, "weights")]
    last = "sum"
    if layers:
        random = np.random.default_rng(1)
        wide = (random.standard_normal((FLUX_COUNT, 2048)) / 50).astype(np.float32)
        square = (random.standard_normal((2048, 2048)) / 100).astype(np.float32)
        tensors += [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(square, "square")]
        tensors += [numpy_helper.from_array(np.zeros(2048, np.float32), "nothing")]
        nodes += [helper.make_node("MatMul", ["flux", "wide"], ["h0"])]
        for layer in range(layers):
            nodes += [helper.make_node("MatMul", [f"h{layer}", "square"], [f"m{layer}"])]
            nodes += [helper.make_node("Relu", [f"m{layer}"], [f"h{layer + 1}"])]
        nodes += [helper.make_node("MatMul", [f"h{layers}", "nothing"], ["zero"])]
        nodes += [helper.make_node("Add", ["sum", "zero"], ["redshift"])]
        last = "redshift"
    nodes[0].output[0] = "redshift" if last == "sum" else "sum"
    return helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("flux", TensorProto.FLOAT, ["n", FLUX_COUNT])],
        [helper.make_tensor_value_info("redshift", TensorProto.FLOAT, ["n"])],
        tensors,
    )


def write_tiny_bundle(folder: Path, name: str = "tiny", *, version: str = "1.2.3", layers: int = 0) -> Path:
    """Write a complete bundle around the tiny network."""
    folder.mkdir(parents=True)
    graph = tiny_graph(layers)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(network)
    (folder / ONNX_FILE).write_bytes(network.SerializeToString())
    (folder / KERAS_FILE).write_bytes(b"not read by these tests")
    (folder / SCALER_FILE).write_bytes(b"not read by these tests")
    (folder / CARD_FILE).write_text("# tiny\n")
    calibration = Calibration(
        redshift=[0.1, 0.3],
        lower68=[-0.01, -0.03],
        upper68=[0.02, 0.04],
        lower95=[-0.02, -0.06],
        upper95=[0.04, 0.08],
        flux_min=[-1.0] * FLUX_COUNT,
        flux_max=[50.0] * FLUX_COUNT,
    )
    (folder / CALIBRATION_FILE).write_text(calibration.model_dump_json())
    seal(
        folder,
        Manifest(
            name=name,
            version=version,
            description="A weighted sum, for tests",
            grid=GRID_ID,
            output="point",
            redshift_range=(0.0, 0.6),
            training=TrainingRecord(
                simulated=True, dataset="none", dataset_sha256="0" * 64, spectra={}, recipe="none", seed=0
            ),
            metrics={},
            libraries={},
            created=datetime(2026, 1, 1, tzinfo=UTC),
            licence="BSD-3-Clause",
            citations=[],
            files={},
        ),
    )
    return folder
