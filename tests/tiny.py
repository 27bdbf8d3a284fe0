"""A tiny bundle whose answers can be computed by hand, and the way to the real data."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from gaia_redshift.bundle import (
    CALIBRATION_FILE,
    CARD_FILE,
    KERAS_FILE,
    ONNX_FILE,
    SCALER_FILE,
    Manifest,
    TrainingRecord,
    seal,
)
from gaia_redshift.interpretation.calibration import Calibration, IntervalTable
from gaia_redshift.spectra import DR3, FloatArray

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
ANSWERS = {kind: Path(__file__).parent / "data" / f"tiny_{kind}_answer.onnx" for kind in ("point", "density")}
"""Graphs of the answer after the tiny networks; the network's output is an additional input."""
SHIPPED = Path(__file__).parents[1] / "models"

WEIGHTS = np.linspace(0.0, 1.0, DR3.samples, dtype=np.float32) / DR3.samples
"""Weights of the fluxes, whose sum is the tiny network's redshift: all samples have different weights."""


def tiny_redshift(flux: FloatArray) -> FloatArray:
    """Return the tiny network's redshifts, computed without it."""
    return (flux.astype(np.float64) @ WEIGHTS.astype(np.float64)).astype(np.float32)


Part = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]
"""Nodes and constants of a graph."""


def tiny_network(layers: int = 0) -> Part:
    """Return the tiny network; each layer adds 4.2 million multiplications that do not change the answer."""
    nodes = [helper.make_node("MatMul", ["flux", "weights"], ["sum"])]
    tensors = [numpy_helper.from_array(WEIGHTS[:, None], "weights")]
    if layers:
        random = np.random.default_rng(1)
        wide = (random.standard_normal((DR3.samples, 2048)) / 50).astype(np.float32)
        square = (random.standard_normal((2048, 2048)) / 100).astype(np.float32)
        tensors += [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(square, "square")]
        tensors += [numpy_helper.from_array(np.zeros((2048, 1), np.float32), "nothing")]
        nodes += [helper.make_node("MatMul", ["flux", "wide"], ["h0"])]
        for layer in range(layers):
            nodes += [helper.make_node("MatMul", [f"h{layer}", "square"], [f"m{layer}"])]
            nodes += [helper.make_node("Relu", [f"m{layer}"], [f"h{layer + 1}"])]
        nodes += [helper.make_node("MatMul", [f"h{layers}", "nothing"], ["zero"])]
        nodes += [helper.make_node("Add", ["sum", "zero"], ["point"])]
    else:
        nodes[0].output[0] = "point"
    return nodes, tensors


BIN_EDGES = np.linspace(0, 0.6, 61).round(9)
TINY_WIDTH = 0.03
KINDS = ("galaxy", "star")
SURVEY_PRIOR = np.linspace(2, 0.1, 60) / np.linspace(2, 0.1, 60).sum()


def tiny_density(flux: FloatArray) -> FloatArray:
    """Return the tiny density network's densities: Gaussians around the tiny redshifts, shape (n, 60)."""
    centres = (BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2
    weight = np.exp(-0.5 * ((centres - tiny_redshift(flux)[:, None]) / TINY_WIDTH) ** 2)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def tiny_density_network() -> Part:
    """Return the tiny density network; every spectrum is as likely a star as a galaxy to it."""
    centres = ((BIN_EDGES[1:] + BIN_EDGES[:-1]) / 2).astype(np.float32)
    constants = {
        "weights": WEIGHTS[:, None],
        "centres": centres[None],
        "sharpness": np.float32(-0.5 / TINY_WIDTH**2),
        "nothing": np.zeros((DR3.samples, len(KINDS)), np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["flux", "weights"], ["z"]),
        helper.make_node("Sub", ["z", "centres"], ["d"]),
        helper.make_node("Mul", ["d", "d"], ["d2"]),
        helper.make_node("Mul", ["d2", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["density"], axis=1),
        helper.make_node("MatMul", ["flux", "nothing"], ["kinds"]),
        helper.make_node("Softmax", ["kinds"], ["kind"], axis=1),
    ]
    return nodes, [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]


def tiny_graph(*, density: bool = False, layers: int = 0) -> onnx.ModelProto:
    """Return the tiny network with the graph of the answer, traced by `tests.tiny_answers`."""
    model = onnx.load(ANSWERS["density" if density else "point"])
    nodes, tensors = tiny_density_network() if density else tiny_network(layers)
    answer = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *answer])
    model.graph.initializer.extend(tensors)
    known = {"flux", "priors", "prior_index"}
    inputs = [each for each in model.graph.input if each.name in known]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def tiny_calibration(*, density: bool = False) -> Calibration:
    """Return nodes at .1 and .3: offsets for a redshift, the levels of a perfect density for a density."""
    edges = {"flux_min": [-1.0] * DR3.samples, "flux_max": [50.0] * DR3.samples}
    if not density:
        table = IntervalTable(
            redshift=[0.1, 0.3],
            lower95=[-0.02, -0.06],
            lower68=[-0.01, -0.03],
            upper68=[0.02, 0.04],
            upper95=[0.04, 0.08],
        )
        return Calibration(brightness_edges=[], intervals={"survey": [table]}, **edges)
    level = IntervalTable(redshift=[0.1], lower95=[0.025], lower68=[0.16], upper68=[0.84], upper95=[0.975])
    wide = IntervalTable(redshift=[0.1], lower95=[0.01], lower68=[0.1], upper68=[0.9], upper95=[0.99])
    return Calibration(
        brightness_edges=[10.0],
        intervals={"survey": [wide, level], "flat": [wide, level]},
        kinds=list(KINDS),
        prior_train=[1 / len(SURVEY_PRIOR)] * len(SURVEY_PRIOR),
        prior_survey=SURVEY_PRIOR.tolist(),
        **edges,
    )


def tiny_manifest(name: str = "tiny", *, version: str = "1.2.3", density: bool = False) -> Manifest:
    """Return the tiny bundle's manifest without its files."""
    return Manifest(
        name=name,
        version=version,
        description="A weighted sum, for tests",
        grid=DR3.name,
        output="density" if density else "point",
        bin_edges=BIN_EDGES.tolist() if density else None,
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
    )


def write_tiny_bundle(
    folder: Path, name: str = "tiny", *, version: str = "1.2.3", layers: int = 0, density: bool = False
) -> Path:
    """Write a complete bundle around the tiny network."""
    folder.mkdir(parents=True)
    network = tiny_graph(density=density, layers=layers)
    onnx.checker.check_model(network)
    (folder / ONNX_FILE).write_bytes(network.SerializeToString())
    (folder / KERAS_FILE).write_bytes(b"not read by these tests")
    (folder / SCALER_FILE).write_bytes(b"not read by these tests")
    (folder / CARD_FILE).write_text("# tiny\n")
    (folder / CALIBRATION_FILE).write_text(tiny_calibration(density=density).model_dump_json())
    seal(folder, tiny_manifest(name, version=version, density=density))
    return folder
