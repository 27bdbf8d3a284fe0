"""Write ``data/parent_magnitudes.npz``: the parents' Petrosian r magnitudes, AB, without Milky Way dust.

They come from the same catalogue of kcorrect's as the parents themselves (`parents`).
"""

import numpy as np
from astropy.io import fits

from training.simulation.brightness import MAGNITUDES_FILE
from training.simulation.build.parents import SOURCE
from training.simulation.galaxies import parents

RED = 2
"""Of ugriz."""


def main() -> None:
    """Read the catalogue and write the magnitudes of those that are parents."""
    catalogue = fits.getdata(SOURCE)
    identity = np.sort(parents().parent_id)
    flux = np.asarray(catalogue["PETROFLUX"], dtype=np.float64)[identity, RED]
    extinction = np.asarray(catalogue["EXTINCTION"], dtype=np.float64)[identity, RED]
    magnitude = 22.5 - 2.5 * np.log10(flux) - extinction
    np.savez_compressed(MAGNITUDES_FILE, parent_id=identity, petrosian_r=magnitude.astype(np.float32))


if __name__ == "__main__":
    main()
