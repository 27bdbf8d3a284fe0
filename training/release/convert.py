"""A bundle's Keras network, its scaler and the answer behind them as one ONNX graph. TensorFlow, tf2onnx.

Only TensorFlow can trace the graph, so a training on another Keras backend runs this file as a program of its own, and
TensorFlow is imported where it traces.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import onnx

from gaia_redshift.bundle import (
    CALIBRATION_FILE,
    KERAS_FILE,
    MANIFEST,
    ONNX_FILE,
    SCALER_FILE,
    Bundle,
    Manifest,
    seal,
)
from gaia_redshift.bundle.bundle import parse_manifest
from gaia_redshift.engine.answer import Answer
from gaia_redshift.engine.keras import Source, named
from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import COLUMNS
from gaia_redshift.spectra import GRIDS
from training.release.graph import straighten
from training.release.shorten import shorten
from training.release.steady import steady
from training.release.trim import trim

OPSET = 18
_IR_VERSION = 8
"""IR version of the file: what the oldest runtime that knows the opset reads."""


def complete(folder: Path, manifest: Manifest) -> Bundle:
    """Write the graph of a bundle beside its other files, seal all of them under a manifest, and load the bundle.

    Raises InvalidBundleError if the bundle is not whole.
    """
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    convert_apart(folder)
    seal(folder, manifest)
    return Bundle(folder)


def convert(folder: Path) -> None:
    """Write ``model.onnx`` beside the files of a bundle that it is made from, a manifest among them; they are trusted.

    The graph takes ``flux``, float32 of shape (n, samples), raw fluxes in e-/s per sample. A density model also takes
    ``priors``, float64 of shape (k, bins), and ``prior_index``, int32 of shape (n,) or (1,); both may be left out. It
    returns what `gaia_redshift.engine.answer` does.
    """
    manifest = parse_manifest(folder, (folder / MANIFEST).read_bytes())
    calibration = Calibration.model_validate_json((folder / CALIBRATION_FILE).read_bytes())
    network = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    source = Source(network, joblib.load(folder / SCALER_FILE))
    # NumPy arrays become constants of the graph; TensorFlow tensors would become inputs.
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    answer = make_answer(manifest, calibration)

    def graph(flux: Tensor, *priors: Tensor) -> dict[str, Tensor]:
        return answer(flux, named(network(source.scaled(flux), training=False)), *priors)

    traced = trace(graph, inputs_of(manifest))
    (folder / ONNX_FILE).write_bytes(describe(traced, manifest, calibration).SerializeToString())


def convert_apart(folder: Path) -> None:
    """Do what `convert` does, in a process of its own where Keras does not run on TensorFlow."""
    if keras.backend.backend() == "tensorflow":
        convert(folder)
        return
    command = [sys.executable, "-m", "training.release.convert", str(folder.resolve())]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "tensorflow"})  # noqa: S603 - our own file


def make_answer(manifest: Manifest, calibration: Calibration) -> Answer:
    """Return the answer in a form that becomes few operations."""
    import tensorflow as tf

    return Answer(manifest, calibration, take=tf.gather)


def inputs_of(manifest: Manifest) -> list[Any]:
    """Return the signature of a model's graph."""
    import tensorflow as tf

    flux = tf.TensorSpec((None, GRIDS[manifest.grid].samples), tf.float32, name="flux")
    if manifest.bin_edges is None:
        return [flux]
    priors = tf.TensorSpec((None, len(manifest.bin_edges) - 1), tf.float64, name="priors")
    return [flux, priors, tf.TensorSpec((None,), tf.int32, name="prior_index")]


def trace(function: Callable[..., Tensor], inputs: Sequence[Any]) -> onnx.ModelProto:
    """Return a function of TensorFlow's as an ONNX graph, optimised, with the same bits for every row."""
    import tensorflow as tf
    import tf2onnx

    graph, _ = tf2onnx.convert.from_function(
        tf.function(function, autograph=False), input_signature=list(inputs), opset=OPSET
    )
    return shorten(steady(trim(straighten(graph))))


def describe(model: onnx.ModelProto, manifest: Manifest, calibration: Calibration) -> onnx.ModelProto:
    """Return a graph with documented inputs and outputs, of which only the fluxes are required."""
    model.ir_version = _IR_VERSION
    lengths = {"redshift": [len(COLUMNS)], "quality": []}
    notes = {
        "model": manifest.id,
        "description": manifest.description,
        "grid": manifest.grid,
        "unit": "e-/s per sample",
        "redshift": ",".join(COLUMNS),
        "quality": ",".join(f"{1 << bit}={flag}" for bit, flag in enumerate(FLAGS)),
    }
    if manifest.bin_edges is not None:
        bins = Bins(manifest.bin_edges, calibration)
        lengths["pdf"] = [len(bins.widths)]
        notes |= {"bin_edges": ",".join(map(str, manifest.bin_edges)), "priors": "0=survey,1=flat"}
        # An input with a value of its own may be left out.
        for name, value in (("priors", bins.priors), ("prior_index", np.zeros(1, np.int32))):
            model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    rows = {"priors": "k", "prior_index": "n or 1"}
    for value in (*model.graph.input, *model.graph.output):
        shape = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim][1:]
        shape = [rows.get(value.name, "n"), *lengths.get(value.name, shape)]
        value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape))
    for key, note in notes.items():
        model.metadata_props.add(key=key, value=note)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
