"""Redshifts of spectra that are corrected for the Milky Way's extinction. Imports `quality`, `result` and `spectra`.

The correction amplifies the noise, so that a corrected spectrum is noisier than a training galaxy of its brightness.
Each such spectrum is answered twice. The redshift and its density are those of the corrected spectrum. The flags that
judge a spectrum by its noise, and the least width of the intervals, are those of the corrected spectrum divided by the
amplification: the shape is that of a training galaxy, and noise and brightness belong together as Gaia observed them.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import UnsupportedByModelError
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.interpretation.result import DECIMALS, Redshifts
from gaia_redshift.spectra import FloatArray, Grid, deredden, wrong_ebv

_OF_THE_REDSHIFT: tuple[QualityFlag, ...] = ("bimodal", "near_range_edge")
_OWN = np.int32(sum(1 << FLAGS.index(flag) for flag in _OF_THE_REDSHIFT))


class Corrected:
    """Spectra of a batch, those with an E(B-V) corrected.

    Parameters
    ----------
    flux : ndarray of float32, shape (n, samples)
        In e-/s per sample.
    ebv : ndarray, shape (n,), or None
        E(B-V), mag; NaN, or wrong, where a spectrum is not to be corrected. None is NaN throughout.
    grid : Grid
    left : float
        E(B-V) of the model's training galaxies.
    highest : float
        Highest redshift of the model, beyond which no interval is widened.

    Raises
    ------
    UnsupportedByModelError
        If the extinction is not known for the grid.
    """

    def __init__(
        self, flux: FloatArray, ebv: NDArray[np.floating] | None, grid: Grid, *, left: float, highest: float
    ) -> None:
        self._count, self._highest = len(flux), highest
        self._rows = np.empty(0, np.int64) if ebv is None else np.flatnonzero(~(np.isnan(ebv) | wrong_ebv(ebv)))
        self.flux = flux
        """What the network is given, shape (n + k, samples): after the n spectra the k to judge flags by."""
        if ebv is not None and len(self._rows):
            try:
                corrected, noise = deredden(flux[self._rows], ebv[self._rows], grid, left)
            except ValueError as error:
                raise UnsupportedByModelError(str(error)) from None
            every = flux.copy()
            every[self._rows] = corrected
            self.flux = np.concatenate([every, corrected / noise])

    def __len__(self) -> int:
        return len(self.flux)

    def together(self, found: Redshifts) -> Redshifts:
        """Return the answers for the n spectra from those for the n + k rows of `flux`."""
        if not len(self._rows):
            return found
        own, judged = found.part(0, self._count), found.part(self._count, len(found), pdf=False)
        values, flags = own.values.copy(), own.flags.copy()
        rows = self._rows
        values[rows] = _widened(values[rows], judged.values, self._highest)
        there = np.isfinite(judged.redshift) & np.isfinite(own.redshift[rows])
        flags[rows[there]] = (flags[rows[there]] & _OWN) | (judged.flags[there] & ~_OWN)
        return replace(own, values=values, flags=flags)


def _widened(values: NDArray[np.float64], judged: NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    """Return answers whose interval ends are at least as far from the redshift as those of other answers.

    No end is moved beyond zero or the highest redshift.
    """
    ends, point = values[:, 1:], values[:, :1]
    least = point + judged[:, 1:] - judged[:, :1]
    lower, upper = [0, 2], [1, 3]
    made = ends.copy()
    made[:, lower] = np.minimum(ends[:, lower], np.maximum(np.fmin(ends[:, lower], least[:, lower]), 0))
    made[:, upper] = np.maximum(ends[:, upper], np.minimum(np.fmax(ends[:, upper], least[:, upper]), highest))
    return np.round(np.concatenate([point, made], axis=1), DECIMALS)
