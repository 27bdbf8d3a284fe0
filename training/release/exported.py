"""Runs an exported graph by itself. Imports nothing of the project but types; ONNX Runtime."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gaia_redshift.spectra import FloatArray

_CHUNK = 64


def run_onnx(
    graph: bytes, flux: FloatArray, outputs: Sequence[str], prior: int | None = None
) -> list[NDArray[np.float64]]:
    """Return the named outputs of a graph for raw spectra, shape (n, 186), under a prior that it knows by number."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that inputs may be left out is no warning
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    chunks = (flux[start : start + _CHUNK] for start in range(0, len(flux), _CHUNK))
    under = {} if prior is None else {"prior_index": np.array([prior], np.int32)}
    found = [session.run(list(outputs), {"flux": chunk, **under}) for chunk in chunks]
    return [np.concatenate(values) for values in zip(*found, strict=True)]
