"""Whether the graph of a bundle gives the answers of its Keras network. Imports `bundle` and `engine`; Keras."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import keras
import numpy as np

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import load_engine
from gaia_redshift.engine.answer import Answer
from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.result import Redshifts
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


def check_agreement(bundle: Bundle, flux: FloatArray, output: Mapping[str, FloatArray]) -> Agreement:
    """Compare the graph of a bundle with the answer behind the network that it was made from.

    Parameters
    ----------
    bundle : Bundle
    flux : ndarray, shape (n, 186)
        Raw, e-/s per sample.
    output : mapping
        What the Keras network gives for them.

    Raises
    ------
    InvalidBundleError
        If they differ by more than `AGREEMENT` in redshift.
    """
    bins = bundle.bins
    moved, apart = np.empty((1 if bins is None else len(bins.priors), len(flux))), [0.0]
    for prior, rows, wanted, found in answers(bundle, flux, output):
        moved[prior, rows] = np.abs(found.redshift - np.asarray(wanted["redshift"])[:, 0])
        if bins is not None and found.pdf is not None:
            apart.append((np.abs(found.pdf - np.asarray(wanted["pdf"])) * bins.widths).max())
    redshift = float(moved.max() if bins is None else np.quantile(moved, 1 - RARE, axis=1).max())
    if not redshift <= AGREEMENT:  # which NaN is not either
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {redshift:.2g} in z, more than {AGREEMENT:g}"
        )
    return Agreement(redshift, None if bins is None else float(max(apart)))


def answers(
    bundle: Bundle, flux: FloatArray, output: Mapping[str, FloatArray]
) -> Iterator[tuple[int, slice, Mapping[str, Tensor], Redshifts]]:
    """Yield the answer behind a network's output and that of a bundle's graph, by prior of the bundle and some rows.

    Fluxes and output are those of `check_agreement`. A point model has one prior, zero.
    """
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)  # the answer sums probabilities in double precision
    answer, engine, bins = Answer(bundle.manifest, bundle.calibration), load_engine(bundle, "onnx"), bundle.bins
    priors = 1 if bins is None else len(bins.priors)
    for prior, start in product(range(priors), range(0, len(flux), _ROWS_AT_ONCE)):
        rows = slice(start, start + _ROWS_AT_ONCE)
        some = flux[rows]
        part = {name: values[rows].reshape(len(some), -1) for name, values in output.items()}
        if bins is None:
            yield prior, rows, answer(some, part), engine(some)
        else:
            index = np.full(len(some), prior, np.int32)
            yield prior, rows, answer(some, part, bins.priors, index), engine(some, index, pdf=True)
