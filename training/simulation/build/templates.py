"""Write ``data/templates.npz``: kcorrect's five NMF templates, continuum and lines apart.

The templates are Blanton & Roweis 2007 (AJ 133, 734), in the version that skypy 0.5.5 ships (BSD-3), which
holds the same five spectra with and without emission lines; the lines are the difference.
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.simulation.galaxies import LINE_GROUPS_NM, REST_WAVELENGTH_NM, TEMPLATES_FILE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import skypy
    from astropy.io import fits

SOURCE = Path(skypy.__file__).parent / "data" / "kcorrect" / "k_nmf_derived.default.fits"
WITH_LINES, WITHOUT_LINES, WAVELENGTH = 1, 2, 11

FloatArray = NDArray[np.float64]


def rebin(wavelength_nm: FloatArray, spectra: FloatArray) -> FloatArray:
    """Average spectra, shape (n, w), over the cells of the rest-frame grid, so that no line flux is lost."""
    step = np.log(REST_WAVELENGTH_NM[1] / REST_WAVELENGTH_NM[0])
    edges = np.append(REST_WAVELENGTH_NM, REST_WAVELENGTH_NM[-1] * np.exp(step)) * np.exp(-step / 2)
    middle = 0.5 * (spectra[:, 1:] + spectra[:, :-1]) * np.diff(wavelength_nm)
    integral = np.hstack([np.zeros((len(spectra), 1)), np.cumsum(middle, axis=1)])
    at_edges = np.array([np.interp(edges, wavelength_nm, row) for row in integral])
    return np.asarray(np.diff(at_edges, axis=1) / np.diff(edges))


def main() -> None:
    """Write the templates."""
    with fits.open(SOURCE) as file:
        wavelength_nm = np.asarray(file[WAVELENGTH].data, dtype=np.float64) / 10
        continuum = np.asarray(file[WITHOUT_LINES].data, dtype=np.float64)
        lines = np.maximum(np.asarray(file[WITH_LINES].data, dtype=np.float64) - continuum, 0)
    groups = [
        rebin(wavelength_nm, np.where((wavelength_nm >= low) & (wavelength_nm < high), lines, 0))
        for low, high in LINE_GROUPS_NM
    ]
    # The absolute scale of a template means nothing here: brightness is drawn from the survey.
    smooth = rebin(wavelength_nm, continuum)
    np.savez_compressed(TEMPLATES_FILE, continuum=smooth.astype(np.float32), lines=np.array(groups, dtype=np.float32))


if __name__ == "__main__":
    main()
