"""Converts the archive's coefficients to the samples that a model reads, by a matrix product. Imports numpy alone.

Gaia's archive keeps a mean spectrum as coefficients of basis functions of pseudo-wavelength (De Angeli et al. 2023, A&A
674, A2). The basis functions at the positions of a grid are stored in a file next to the grid's.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_ROWS = 256
"""Whose pairs of coefficients are in memory together, 3 MB."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The basis functions of a release at the kept positions of its grid.

    Attributes
    ----------
    file : Path
        ``.npz`` with, for each band, such as BP: ``BP`` of shape (coefficients, kept samples), e-/s per sample, blue to
        red; and ``BP_step``, the spacing of the samples in pixels, which converted e-/s per pixel.
    """

    file: Path

    def matrix(self, band: Literal["BP", "RP"]) -> Values:
        """Return the band's matrix, shape (coefficients, kept samples), in e-/s per sample."""
        return _load(self.file)[band]

    def step(self, band: Literal["BP", "RP"]) -> float:
        """Return the spacing of the band's samples in pixels."""
        return float(_load(self.file)[f"{band}_step"])

    def samples(self, band: Literal["BP", "RP"], coefficients: Values) -> Values:
        """Return spectra of one band.

        Parameters
        ----------
        band : {"BP", "RP"}
        coefficients : ndarray, shape (n, coefficients)

        Returns
        -------
        ndarray, shape (n, kept samples)
            e-/s per sample, blue to red.
        """
        return np.asarray(coefficients @ self.matrix(band))

    def errors(self, band: Literal["BP", "RP"], errors: Values, correlations: Values) -> Values:
        """Return the standard errors of the samples of one band.

        Parameters
        ----------
        band : {"BP", "RP"}
        errors : ndarray, shape (n, m)
            Errors of the m coefficients as in the archive, which already include the standard deviation.
        correlations : ndarray, shape (n, m (m - 1) / 2)
            Correlations of the coefficients, above the diagonal, column by column. Without them the errors of samples
            are wrong by up to 85%.

        Returns
        -------
        ndarray, shape (n, kept samples)
            e-/s per sample.

        Notes
        -----
        sqrt(diag(B' C B)) with C the covariance of the coefficients, as ``gaiaxpy.convert`` has it; a row with a
        missing number gives NaN. A variance is a sum over the pairs of coefficients, each pair once, so that the
        variances of all rows are one matrix product, with what the bases give to each pair.
        """
        size, made = len(self.matrix(band)), np.empty((len(errors), self.matrix(band).shape[1]))
        for start in range(0, len(errors), _ROWS):
            own, correlation = errors[start : start + _ROWS], correlations[start : start + _ROWS]
            pairs = np.empty((len(own), size * (size + 1) // 2))
            np.square(own, out=pairs[:, :size])
            for high in range(1, size):  # its pairs with all lower ones stand behind one another
                place = slice(high * (high - 1) // 2, high * (high + 1) // 2)
                scaled = np.multiply(own[:, :high], own[:, high, None], out=pairs[:, size:][:, place])
                scaled *= correlation[:, place]
            made[start : start + _ROWS] = pairs @ _pairs(self.file, band)
        return np.sqrt(made)


@cache
def _pairs(file: Path, band: str) -> Values:
    """Return what each coefficient, and then each pair of them, gives to the variance of each sample."""
    matrix = _load(file)[band]
    high, low = np.tril_indices(len(matrix), k=-1)
    return np.concatenate([matrix**2, 2 * matrix[high] * matrix[low]])


@cache
def _load(file: Path) -> dict[str, Values]:
    with np.load(file) as arrays:
        return {name: np.asarray(arrays[name], np.float64) for name in arrays.files}
