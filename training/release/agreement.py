"""Whether an exported graph gives the answers of its Keras network. Imports `engine`; Keras, ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import keras
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gaia_redshift.bundle import Manifest
from gaia_redshift.engine.answer import Answer
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import FloatArray

AGREEMENT = 5e-6
"""Largest difference in redshift allowed between the Keras and the ONNX network."""
RARE = 1e-3
"""Fraction of a density's medians that may differ by more: between two modes the density is almost zero, and rounding
the probabilities in the seventh digit moves a median further."""

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Agreement:
    """The largest differences that were found."""

    redshift: float
    """Of a density in all medians but `RARE`, under every prior of its own."""
    probability: float | None
    """In a probability; None for a point model."""


def check_agreement(
    manifest: Manifest, calibration: Calibration, graph: bytes, flux: FloatArray, output: Mapping[str, FloatArray]
) -> Agreement:
    """Compare a graph in ONNX with the answer behind the network that it was made from.

    Fluxes are raw, in e-/s per sample, shape (n, 186); `output` is what the Keras network gives for them. Raises
    InvalidBundleError if they differ by more than `AGREEMENT` in redshift.
    """
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)  # the answer sums probabilities in double precision
    answer = Answer(manifest, calibration)
    if manifest.bin_edges is None:
        wanted = answer(flux, {"redshift": output["redshift"][:, None]})
        (found,) = run_onnx(graph, flux, ("redshift",))
        redshift, probability = np.abs(found[:, 0] - np.asarray(wanted["redshift"])[:, 0]).max(), None
    else:
        bins = Bins(manifest.bin_edges, calibration)
        moved, apart = np.empty((len(bins.priors), len(flux))), []
        for number, start in product(range(len(bins.priors)), range(0, len(flux), _ROWS_AT_ONCE)):
            rows = slice(start, start + _ROWS_AT_ONCE)
            kept = {name: output[name][rows] for name in ("density", "kind")}
            wanted = answer(flux[rows], kept, bins.priors, np.array([number], np.int32))
            found, pdf = run_onnx(graph, flux[rows], ("redshift", "pdf"), number)
            moved[number, rows] = np.abs(found[:, 0] - np.asarray(wanted["redshift"])[:, 0])
            apart.append((np.abs(pdf - np.asarray(wanted["pdf"])) * bins.widths).max())
        redshift, probability = np.quantile(moved, 1 - RARE, axis=1).max(), float(np.max(apart))
    if not redshift <= AGREEMENT:  # nor is NaN
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {redshift:.2g} in z, more than {AGREEMENT:g}"
        )
    return Agreement(float(redshift), probability)


def run_onnx(
    graph: bytes, flux: FloatArray, outputs: Sequence[str], prior: int | None = None, rows: int = 64
) -> list[NDArray[np.float64]]:
    """Return the named outputs of a graph for raw spectra, shape (n, 186), `rows` at a time, under a numbered prior."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that inputs may be left out is no warning
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    chunks = (flux[start : start + rows] for start in range(0, len(flux), rows))
    under = {} if prior is None else {"prior_index": np.array([prior], np.int32)}
    found = [session.run(list(outputs), {"flux": chunk, **under}) for chunk in chunks]
    return [np.concatenate(values) for values in zip(*found, strict=True)]
