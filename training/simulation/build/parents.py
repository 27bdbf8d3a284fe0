"""Write ``data/parents.npz``, the real galaxies from which all are simulated, and ``data/parent_magnitudes.npz``.

kcorrect 5.1.9 (BSD-3, Blanton & Roweis 2007) ships 10,000 GALEX-SDSS-2MASS galaxies as its own test data.
Each is fitted by the five templates in ugrizJHK; what is kept is the redshift, the five coefficients, the
ugriz residuals (what the templates miss) and the Milky Way's extinction. The magnitudes are Petrosian r, AB, without
the Milky Way's dust.
"""

import warnings
from pathlib import Path
from typing import Any, TypeAlias

import kcorrect.kcorrect
import numpy as np
from astropy.io import fits

from training.simulation.brightness import MAGNITUDES_FILE
from training.simulation.galaxies import PARENTS_FILE
from training.simulation.instrument import FloatArray

SOURCE = Path(kcorrect.__file__).parent / "data" / "test" / "gst_tests_small.fits"
RESPONSES = [f"sdss_{name}0" for name in "ugriz"] + [f"twomass_{name}" for name in ("J", "H", "Ks")]
SDSS_TO_AB = np.array([-0.036, 0.012, 0.010, 0.028, 0.040])
"""kcorrect's own zero-point offsets, mag."""
SDSS_FLOOR = np.array([0.05, 0.02, 0.02, 0.02, 0.03])
"""Relative errors added in quadrature, as is kcorrect's practice."""
VEGA_TO_AB = {"J": 0.91, "H": 1.39, "K": 1.85}
EXTINCTION_OVER_R = {"J": 0.327, "H": 0.209, "K": 0.133}
RED = 2
"""Index of r in ugriz."""
BRIGHTEST_RESIDUAL = 2.0
"""A residual beyond this factor is a bad match, not a galaxy."""

Record: TypeAlias = Any
"""A FITS table; astropy has no types."""


def maggies(catalogue: Record) -> tuple[FloatArray, FloatArray]:
    """Return dereddened ugrizJHK fluxes in maggies and inverse variances, shape (n, 8)."""
    extinction = np.asarray(catalogue["EXTINCTION"], dtype=np.float64)
    flux = np.asarray(catalogue["MODELFLUX"], dtype=np.float64) * 10 ** (0.4 * extinction)
    inverse = np.asarray(catalogue["MODELFLUX_IVAR"], dtype=np.float64) * 10 ** (-0.8 * extinction)
    values = np.zeros((len(flux), 8))
    weights = np.zeros_like(values)
    values[:, :5] = flux * 1e-9 * 10 ** (-0.4 * SDSS_TO_AB)
    error = np.sqrt(1 / np.maximum(inverse, 1e-20) + (SDSS_FLOOR * flux) ** 2) * 1e-9
    weights[:, :5] = np.where(inverse > 0, 1 / error**2, 0)
    for column, (name, vega) in enumerate(VEGA_TO_AB.items(), start=5):
        magnitude = np.asarray(catalogue[f"{name}_M_EXT"], dtype=np.float64)
        scatter = np.asarray(catalogue[f"{name}_MSIG_EXT"], dtype=np.float64)
        good = (magnitude > 5) & (magnitude < 25) & (scatter > 0) & (scatter < 0.5)
        bright = 10 ** (-0.4 * (magnitude + vega - extinction[:, RED] * EXTINCTION_OVER_R[name]))
        values[:, column] = np.where(good, bright, 0)
        variance = (bright * scatter / 1.086) ** 2 + (0.1 * bright) ** 2
        weights[:, column] = np.where(good, 1 / np.maximum(variance, 1e-60), 0)
    return values, weights


def fit(redshift: FloatArray, flux: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return template coefficients, shape (n, 5), and the ratios observed/fitted, shape (n, 8)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kcorrect.kcorrect.Kcorrect(responses=RESPONSES, redshift_range=[0, 0.8], nredshift=2000)
        coefficients, ratios = [], []
        for z, f, w in zip(redshift, flux.astype(np.float32), weight.astype(np.float32), strict=True):
            found = model.fit_coeffs(redshift=z, maggies=f, ivar=w)
            coefficients.append(found)
            ratios.append(f / model.reconstruct(redshift=z, coeffs=found))
    return np.array(coefficients, dtype=np.float64), np.array(ratios, dtype=np.float64)


if __name__ == "__main__":
    catalogue = fits.getdata(SOURCE)
    flux, weight = maggies(catalogue)
    redshift = np.asarray(catalogue["Z"], dtype=np.float64)
    usable = (redshift > 0.008) & (redshift < 0.6) & (weight[:, :5] > 0).all(1) & (flux[:, :5] > 0).all(1)
    identity = np.flatnonzero(usable)
    coefficients, ratio = fit(redshift[identity], flux[identity], weight[identity])
    optical = ratio[:, :5]
    good = np.isfinite(optical).all(1) & (coefficients.sum(1) > 0)
    good &= (optical < BRIGHTEST_RESIDUAL).all(1) & (optical > 1 / BRIGHTEST_RESIDUAL).all(1)
    residual, parent, extinction = np.log(optical[good]), identity[good], np.asarray(catalogue["EXTINCTION"])[:, RED]
    np.savez_compressed(
        PARENTS_FILE,
        parent_id=parent.astype(np.int32),
        redshift=redshift[parent].astype(np.float32),
        coefficients=(coefficients[good] / coefficients[good].sum(1, keepdims=True)).astype(np.float32),
        log_residual=(residual - residual.mean(1, keepdims=True)).astype(np.float32),
        extinction_r=extinction[parent].astype(np.float32),
    )
    petrosian = 22.5 - 2.5 * np.log10(np.asarray(catalogue["PETROFLUX"], np.float64)[parent, RED]) - extinction[parent]
    np.savez_compressed(MAGNITUDES_FILE, parent_id=parent.astype(np.int32), petrosian_r=petrosian.astype(np.float32))
