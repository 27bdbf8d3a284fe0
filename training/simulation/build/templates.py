"""Write ``data/templates.npz``: kcorrect's five NMF templates, continuum and lines apart.

The templates are Blanton & Roweis 2007 (AJ 133, 734), in the version that skypy 0.5.5 ships (BSD-3), which
holds the same five spectra with and without emission lines; the lines are the difference.
"""

from pathlib import Path

import numpy as np
import skypy
from astropy.io import fits
from scipy.integrate import cumulative_trapezoid

from training.simulation.galaxies import LINE_GROUPS_NM, REST_WAVELENGTH_NM, TEMPLATES_FILE
from training.simulation.instrument import FloatArray

SOURCE = Path(skypy.__file__).parent / "data" / "kcorrect" / "k_nmf_derived.default.fits"
WITH_LINES, WITHOUT_LINES, WAVELENGTH = 1, 2, 11


def rebin(wavelength_nm: FloatArray, spectra: FloatArray) -> FloatArray:
    """Average spectra, shape (n, w), over the cells of the rest-frame grid, so that no line flux is lost."""
    step = np.log(REST_WAVELENGTH_NM[1] / REST_WAVELENGTH_NM[0])
    edges = np.append(REST_WAVELENGTH_NM, REST_WAVELENGTH_NM[-1] * np.exp(step)) * np.exp(-step / 2)
    integral = cumulative_trapezoid(spectra, wavelength_nm, initial=0)
    at_edges = np.array([np.interp(edges, wavelength_nm, row) for row in integral])
    return np.asarray(np.diff(at_edges, axis=1) / np.diff(edges))


if __name__ == "__main__":
    with fits.open(SOURCE) as file:
        wavelength_nm = np.asarray(file[WAVELENGTH].data, np.float64) / 10
        continuum = np.asarray(file[WITHOUT_LINES].data, np.float64)
        lines = np.maximum(np.asarray(file[WITH_LINES].data, np.float64) - continuum, 0)
    inside = [(wavelength_nm >= low) & (wavelength_nm < high) for low, high in LINE_GROUPS_NM]
    np.savez_compressed(
        TEMPLATES_FILE,
        continuum=rebin(wavelength_nm, continuum).astype(np.float32),
        lines=np.array([rebin(wavelength_nm, np.where(group, lines, 0)) for group in inside], np.float32),
    )
