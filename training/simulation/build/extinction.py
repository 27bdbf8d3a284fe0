"""Write ``data/extinction.npz``: Gordon et al. 2023's Milky Way, by dust_extinction (BSD-3)."""

import warnings

import numpy as np

from training.simulation import constants
from training.simulation.galaxies import EXTINCTION_FILE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import astropy.units as u
    from dust_extinction.parameter_averages import G23


def main() -> None:
    """Write the curve, relative to SDSS r."""
    wavelength_nm = np.arange(310.0, 1121.0, 10.0)
    curve = np.asarray(G23(Rv=3.1)(wavelength_nm * u.nm))
    pivot = np.interp(constants.EXTINCTION_PIVOT_NM.value, wavelength_nm, curve)
    np.savez_compressed(EXTINCTION_FILE, wavelength_nm=wavelength_nm, relative_extinction=curve / pivot)


if __name__ == "__main__":
    main()
