"""A bundle's Keras network and scaler as one ONNX graph. Imports `graph` and `shorten`; TensorFlow, tf2onnx.

Only TensorFlow can trace the graph, so a training on another Keras backend runs this file as a program of its own.
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from gaia_redshift.bundle import KERAS_FILE, ONNX_FILE, SCALER_FILE
from gaia_redshift.spectra import DR3
from training.graph import straighten
from training.shorten import shorten

OPSET = 18


def convert(folder: Path) -> None:
    """Write ``model.onnx`` beside the ``model.keras`` and ``scaler.joblib`` of a bundle that was just made.

    The graph takes ``flux``, float32 of shape (n, 186), raw fluxes in e-/s per sample. It gives the outputs that the
    network names, or ``redshift``, float32 of shape (n,), where the network has one output. The files are trusted:
    never call this on a bundle that somebody else sent.

    Parameters
    ----------
    folder : Path
    """
    network = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    scaler = joblib.load(folder / SCALER_FILE)
    # NumPy arrays become constants of the graph; TensorFlow tensors would become inputs.
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    scale, offset = np.float32(scaler.scale_), np.float32(scaler.min_)
    flux = tf.TensorSpec((None, DR3.samples), tf.float32, name="flux")

    def outputs(flux: Any) -> Any:
        found = network((flux * scale + offset)[..., np.newaxis], training=False)
        return found if isinstance(found, dict) else {"redshift": found[:, 0]}

    graph, _ = tf2onnx.convert.from_function(tf.function(outputs), input_signature=[flux], opset=OPSET)
    (folder / ONNX_FILE).write_bytes(shorten(straighten(graph)).SerializeToString())


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
