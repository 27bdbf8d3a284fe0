"""The answer from fluxes and a network's output, written once in `keras.ops`. Imports its neighbours.

The ONNX graph is exported from this function, and TensorFlow and JAX compile it together with the network, so that no
engine computes row by row in Python.
"""

from collections.abc import Mapping

import numpy as np
from keras import ops

from gaia_redshift.bundle import Manifest
from gaia_redshift.engine.flags import Flags
from gaia_redshift.engine.intervals import Intervals, Take
from gaia_redshift.engine.posterior import Cumulative, posterior, valley
from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import GRIDS

_SCALE = 1e6
"""Decimals of an answer: a thousandth of the best scatter in redshift. Answers are rounded so that every format gives
the same number."""


def _take(matrix: Tensor, rows: Tensor) -> Tensor:
    return ops.take(matrix, rows, axis=0)


class Answer:
    """The operations that follow a model's network.

    Parameters
    ----------
    manifest : Manifest
    calibration : Calibration
    take : callable, optional
        Returns the rows of a matrix at these indices. Keras' own `take` also handles negative indices, which adds a
        dozen operations to an exported graph.

    Notes
    -----
    Intervals are split-conformal: quantiles of the validation part near the predicted redshift and brightness (Lei et
    al. 2018, JASA 113, 1094), of its residuals for a point model, of p(< z true) for a density. The redshift of a
    density is its median. A point model's lower limit can lie slightly below zero; flags never change the number.
    """

    def __init__(self, manifest: Manifest, calibration: Calibration, take: Take = _take) -> None:
        self._take = take
        grid = GRIDS[manifest.grid]
        self._intervals = Intervals(calibration, grid, take)
        self._flags = Flags(calibration, manifest.redshift_range, grid)
        self._edges = np.array(manifest.bin_edges or ())
        self._prior_train = np.array(calibration.prior_train or ())

    def __call__(
        self, flux: Tensor, output: Mapping[str, Tensor], priors: Tensor = None, prior_index: Tensor = None
    ) -> dict[str, Tensor]:
        """Return the answers for n spectra.

        Parameters
        ----------
        flux : tensor of float32, shape (n, samples)
            e-/s per sample, finite.
        output : mapping
            The network's outputs: ``redshift``, shape (n, 1), or ``density`` (n, bins) and ``kind`` (n, kinds).
        priors : tensor of float64, shape (k, bins)
            Probability per bin: the survey's, flat, and any others; None for a point model.
        prior_index : tensor of int32, shape (n,) or (1,)
            The prior of each spectrum, or of all; None for a point model.

        Returns
        -------
        dict
            ``redshift``, float64 of shape (n, 5), in the order of `COLUMNS`; ``quality``, int32 of shape (n,), bits in
            the order of `FLAGS`; for a density ``pdf``, float64 of shape (n, bins).
        """
        if not len(self._edges):
            redshift = _rounded(ops.cast(output["redshift"], "float64"))
            ends = _rounded(redshift + self._intervals.at(redshift, flux))
            return {"redshift": ops.concatenate([redshift, ends], axis=1), "quality": self._flags(flux, redshift)}
        densities = posterior(output["density"], self._take(priors, prior_index), self._prior_train)
        cumulative = Cumulative(densities, self._edges)
        redshift = _rounded(cumulative.quantile(np.full((1, 1), 0.5)))
        levels = self._intervals.at(redshift, flux, prior_index)
        ends = _rounded(cumulative.quantile(ops.expand_dims(levels, 2)))
        return {
            "redshift": ops.concatenate([redshift, ends], axis=1),
            "quality": self._flags(flux, redshift, valley(densities, cumulative.at_upper_edge), output["kind"]),
            "pdf": _rounded(densities / np.diff(self._edges)),
        }


def _rounded(values: Tensor) -> Tensor:
    return ops.round(values * _SCALE) / _SCALE
