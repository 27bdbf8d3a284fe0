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


def write_tiny_bundle(folder: Path, name: str = "tiny") -> Path:
    """Write a complete bundle around the tiny network."""
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["flux", "weights"], ["redshift"])],
        "tiny",
        [helper.make_tensor_value_info("flux", TensorProto.FLOAT, ["n", FLUX_COUNT])],
        [helper.make_tensor_value_info("redshift", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
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
            version="1.2.3",
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
