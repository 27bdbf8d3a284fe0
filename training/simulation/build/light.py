"""Write the light of galaxies and stars, and the dust before it: ``templates.npz``, ``stars.npz``, ``extinction.npz``.

The templates are kcorrect's five, continuum and lines apart (Blanton & Roweis 2007, AJ 133, 734), in the version that
skypy 0.5.5 ships (BSD-3), which holds the same spectra with and without emission lines; the lines are the difference.

The stars are scaled from the Sun's blanketing: lines, the G band and the Balmer jump. It is the BaSeL 2.2 solar model
(Lejeune et al. 1997, after Kurucz 1991), which kcorrect 5.1.9 ships, divided by a black body of the Sun's temperature.

The extinction of the Milky Way, relative to SDSS r, is that of Gordon et al. 2023 by dust_extinction (BSD-3).
"""

from pathlib import Path

import astropy.units as u
import kcorrect
import numpy as np
import skypy
from astropy.io import fits
from dust_extinction.parameter_averages import G23
from scipy.integrate import cumulative_trapezoid

from training.simulation import constants
from training.simulation.contaminants import STARS_FILE, planck
from training.simulation.galaxies import EXTINCTION_FILE, LINE_GROUPS_NM, REST_WAVELENGTH_NM, TEMPLATES_FILE
from training.simulation.instrument import WAVELENGTH_NM, FloatArray

TEMPLATES = Path(skypy.__file__).parent / "data" / "kcorrect" / "k_nmf_derived.default.fits"
WITH_LINES, WITHOUT_LINES, WAVELENGTH = 1, 2, 11
SUN = Path(kcorrect.__file__).parent / "data" / "basel" / "lcbsun.ori"
SUN_WAVELENGTHS = 1221


def rebin(wavelength_nm: FloatArray, spectra: FloatArray) -> FloatArray:
    """Average spectra, shape (n, w), over the cells of the rest-frame grid, so that no line flux is lost."""
    step = np.log(REST_WAVELENGTH_NM[1] / REST_WAVELENGTH_NM[0])
    edges = np.append(REST_WAVELENGTH_NM, REST_WAVELENGTH_NM[-1] * np.exp(step)) * np.exp(-step / 2)
    integral = cumulative_trapezoid(spectra, wavelength_nm, initial=0)
    at_edges = np.array([np.interp(edges, wavelength_nm, row) for row in integral])
    return np.asarray(np.diff(at_edges, axis=1) / np.diff(edges))


if __name__ == "__main__":
    with fits.open(TEMPLATES) as file:
        wavelength_nm = np.asarray(file[WAVELENGTH].data, np.float64) / 10
        continuum = np.asarray(file[WITHOUT_LINES].data, np.float64)
        lines = np.maximum(np.asarray(file[WITH_LINES].data, np.float64) - continuum, 0)
    inside = [(wavelength_nm >= low) & (wavelength_nm < high) for low, high in LINE_GROUPS_NM]
    np.savez_compressed(
        TEMPLATES_FILE,
        continuum=rebin(wavelength_nm, continuum).astype(np.float32),
        lines=np.array([rebin(wavelength_nm, np.where(group, lines, 0)) for group in inside], np.float32),
    )

    # After the wavelengths come the model's number and three parameters, then its fluxes per frequency.
    numbers = np.array(SUN.read_text(encoding="ascii").split(), np.float64)
    wavelength_nm, flux = numbers[:SUN_WAVELENGTHS], numbers[-SUN_WAVELENGTHS:]
    sun = np.interp(WAVELENGTH_NM, wavelength_nm, flux * (1 / wavelength_nm**2))
    ratio = sun / planck(WAVELENGTH_NM, np.array([[constants.SUN_TEMPERATURE_K.value]]))[0]
    np.savez_compressed(STARS_FILE, blanketing=(ratio / np.median(ratio[WAVELENGTH_NM > 700])).astype(np.float32))

    wavelength_nm = np.arange(310.0, 1121.0, 10.0)
    curve = np.asarray(G23(Rv=3.1)(wavelength_nm * u.nm))
    pivot = np.interp(constants.EXTINCTION_PIVOT_NM.value, wavelength_nm, curve)
    np.savez_compressed(EXTINCTION_FILE, wavelength_nm=wavelength_nm, relative_extinction=curve / pivot)
