"""Whether an exported graph gives the answers of its Keras network. Imports `calibration.reference` and `exported`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gaia_redshift.bundle import Manifest
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import FloatArray
from training.calibration.reference.answer import Reference
from training.release.exported import run_onnx

AGREEMENT = 5e-6
"""Largest difference in redshift allowed between the Keras and the ONNX network."""
RARE = 1e-3
"""Fraction of a density's medians that may differ by more: where a median lies between two modes, its density has next
to nothing, and rounding the probabilities in the seventh digit moves it further."""

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
    """Compare a graph with the network that it was made from, and with the answer's definition in NumPy.

    Parameters
    ----------
    manifest : Manifest
    calibration : Calibration
    graph : bytes
        ONNX, raw fluxes in.
    flux : ndarray, shape (n, 186)
        e-/s per sample.
    output : mapping
        What the Keras network gives for them.

    Returns
    -------
    Agreement

    Raises
    ------
    InvalidBundleError
        If they differ by more than `AGREEMENT` in redshift.
    """
    reference = Reference(manifest, calibration)
    if manifest.bin_edges is None:
        wanted = reference.of_point(flux, output["redshift"]).redshift
        (found,) = run_onnx(graph, flux, ("redshift",))
        return _accepted(float(np.abs(found[:, 0] - wanted).max()), None)
    bins = Bins(manifest.bin_edges, calibration)
    redshift = probability = 0.0
    for number, prior in enumerate(bins.priors):
        moved = []
        for start in range(0, len(flux), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            kept = (flux[rows], output["density"][rows], output["kind"][rows])
            answer = reference.of_density(*kept, prior, flat=number == 1)
            found, pdf = run_onnx(graph, flux[rows], ("redshift", "pdf"), number)
            moved.append(np.abs(found[:, 0] - answer.redshift))
            apart = np.abs(pdf - np.asarray(answer.pdf)) * bins.widths
            probability = max(probability, float(apart.max()))
        redshift = max(redshift, float(np.quantile(np.concatenate(moved), 1 - RARE)))
    return _accepted(redshift, probability)


def _accepted(redshift: float, probability: float | None) -> Agreement:
    if not redshift <= AGREEMENT:
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {redshift:.2g} in z, more than {AGREEMENT:g}"
        )
    return Agreement(redshift, probability)
