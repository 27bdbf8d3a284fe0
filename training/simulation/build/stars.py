"""Write ``data/stars.npz``: the Sun's line blanketing, from which other stars' is scaled.

kcorrect 5.1.9 ships the BaSeL 2.2 solar model (Lejeune et al. 1997, after Kurucz 1991). Divided by a black body of
the Sun's temperature it is the blanketing: lines, the G band and the Balmer jump.
"""

import warnings
from pathlib import Path

import numpy as np

from training.simulation import constants
from training.simulation.contaminants import STARS_FILE, planck
from training.simulation.instrument import WAVELENGTH_NM

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kcorrect

SOURCE = Path(kcorrect.__file__).parent / "data" / "basel" / "lcbsun.ori"
WAVELENGTHS = 1221


def main() -> None:
    """Write the blanketing on the simulator's wavelength grid."""
    lines = SOURCE.read_text(encoding="ascii").splitlines()
    numbers = [float(word) for line in lines for word in line.split()]
    # After the wavelengths come the model's number and three parameters, then its fluxes per nm.
    wavelength_nm = np.array(numbers[:WAVELENGTHS])
    flux = np.array(numbers[-WAVELENGTHS:])
    frequency_to_wavelength = 1 / wavelength_nm**2
    sun = np.interp(WAVELENGTH_NM, wavelength_nm, flux * frequency_to_wavelength)
    ratio = sun / planck(WAVELENGTH_NM, np.array([[constants.SUN_TEMPERATURE_K.value]]))[0]
    np.savez_compressed(STARS_FILE, blanketing=(ratio / np.median(ratio[WAVELENGTH_NM > 700])).astype(np.float32))


if __name__ == "__main__":
    main()
