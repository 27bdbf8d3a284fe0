"""From a network's output to the answer in NumPy: what `gaia_redshift.engine.answer` computes, as it is defined."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaia_redshift.bundle import Manifest
from gaia_redshift.interpretation.calibration import ENDS, Calibration
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.interpretation.result import DECIMALS, Redshifts
from gaia_redshift.spectra import FloatArray
from tests.reference.quality import Quality
from training.calibration.reference import interval_ends, posterior, quantile

_ORDER = [ENDS.index(end) for end in ("lower68", "upper68", "lower95", "upper95")]


class Reference:
    """The answer computed from a model's network output.

    Parameters
    ----------
    manifest : Manifest
    calibration : Calibration
    """

    def __init__(self, manifest: Manifest, calibration: Calibration) -> None:
        flux_range = np.array([calibration.flux_min, calibration.flux_max], np.float32)
        self._calibration, self._edges = calibration, manifest.bin_edges
        self._quality = Quality(
            calibration.quality, (flux_range[0], flux_range[1]), manifest.redshift_range, calibration.kinds or ()
        )

    def of_point(self, flux: FloatArray, redshift: NDArray[np.floating]) -> Redshifts:
        """Return answers for redshifts, shape (n,), of spectra, shape (n, samples)."""
        point = redshift.astype(np.float64).round(DECIMALS)
        ends = (point + interval_ends(self._calibration, "survey", flux, point)).round(DECIMALS)
        return _redshifts(point, ends, self._quality.masks(flux, point))

    def of_density(
        self,
        flux: FloatArray,
        density: FloatArray,
        kind: FloatArray,
        prior: ArrayLike | None = None,
        *,
        flat: bool = False,
    ) -> Redshifts:
        """Return answers for densities, shape (n, bins), and kinds, shape (n, kinds), with densities.

        Parameters
        ----------
        flux, density, kind : ndarray
        prior : array_like, shape (bins,), optional
            The survey's if absent.
        flat : bool
            Whether it takes the interval tables of the flat prior.
        """
        edges = np.array(self._edges)
        prior = self._calibration.prior_survey if prior is None else prior
        densities = posterior(density, np.asarray(prior), np.array(self._calibration.prior_train))
        point = quantile(densities, edges, 0.5).round(DECIMALS)
        levels = interval_ends(self._calibration, "flat" if flat else "survey", flux, point)
        ends = quantile(densities, edges, levels).round(DECIMALS)
        masks = self._quality.masks(flux, point, densities, kind)
        return _redshifts(point, ends, masks, (densities / np.diff(edges)).round(DECIMALS))


def _redshifts(
    point: NDArray[np.float64],
    ends: NDArray[np.float64],
    masks: dict[QualityFlag, NDArray[np.bool_]],
    pdf: NDArray[np.float64] | None = None,
) -> Redshifts:
    flags = np.zeros(len(point), np.int32)
    for flag, mask in masks.items():
        flags |= mask.astype(np.int32) << FLAGS.index(flag)
    return Redshifts(np.stack([point, *ends[_ORDER]], axis=1), flags, pdf)
