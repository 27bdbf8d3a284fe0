"""Write ``data/extinction.npz``: the Milky Way's extinction by Gordon et al. 2023, relative to SDSS r.

The curve is that of dust_extinction (BSD-3).
"""

import astropy.units as u
import numpy as np
from dust_extinction.parameter_averages import G23

from training.simulation import constants
from training.simulation.galaxies import EXTINCTION_FILE

if __name__ == "__main__":
    wavelength_nm = np.arange(310.0, 1121.0, 10.0)
    curve = np.asarray(G23(Rv=3.1)(wavelength_nm * u.nm))
    pivot = np.interp(constants.EXTINCTION_PIVOT_NM.value, wavelength_nm, curve)
    np.savez_compressed(EXTINCTION_FILE, wavelength_nm=wavelength_nm, relative_extinction=curve / pivot)
