"""Write ``data/stars.npz``: the Sun's line blanketing, from which that of other stars is scaled.

kcorrect 5.1.9 ships the BaSeL 2.2 solar model (Lejeune et al. 1997, after Kurucz 1991). Divided by a black body of
the Sun's temperature it is the blanketing: lines, the G band and the Balmer jump.
"""

from pathlib import Path

import kcorrect
import numpy as np

from training.simulation import constants
from training.simulation.contaminants import STARS_FILE, planck
from training.simulation.instrument import WAVELENGTH_NM

SOURCE = Path(kcorrect.__file__).parent / "data" / "basel" / "lcbsun.ori"
WAVELENGTHS = 1221

if __name__ == "__main__":
    # After the wavelengths come the model's number and three parameters, then its fluxes per frequency.
    numbers = np.array(SOURCE.read_text(encoding="ascii").split(), np.float64)
    wavelength_nm, flux = numbers[:WAVELENGTHS], numbers[-WAVELENGTHS:]
    sun = np.interp(WAVELENGTH_NM, wavelength_nm, flux * (1 / wavelength_nm**2))
    ratio = sun / planck(WAVELENGTH_NM, np.array([[constants.SUN_TEMPERATURE_K.value]]))[0]
    np.savez_compressed(STARS_FILE, blanketing=(ratio / np.median(ratio[WAVELENGTH_NM > 700])).astype(np.float32))
