"""Write ``gaia_redshift/spectra/data/smsgen_grid.csv``, where SMSgen samples the mean spectra, 120 + 120 positions.

ESA has not published the table. It publishes the number of samples, that they are uniform in
pseudo-wavelength, and that the kept 186 run from 366 to 996 nm; the rest is reconstructed: BP from 325.5 to
674.4 nm, RP from 611.8 to 1051.3 nm, each end good to about half a pixel. ESA's own table, once known,
replaces this file and its id.
"""

import numpy as np

from gaia_redshift.errors import InvalidInputError
from training.simulation.build.gaiaxpy_tables import pseudo_wavelength
from training.simulation.build.options import only_release
from training.simulation.instrument import Band, grid_of

END_POINTS_NM: dict[Band, tuple[float, float]] = {"BP": (325.5, 674.4), "RP": (611.8, 1051.3)}

if __name__ == "__main__":
    release = only_release(__doc__).name
    try:
        grid = grid_of(release)
    except InvalidInputError as error:
        raise SystemExit(f"error: {error.message}") from None
    fine_nm = np.arange(300.0, 1100.0, 0.02)
    # The reader takes the names from the first line, so no comment may precede them.
    lines = ["band,index,pseudo_wavelength,wavelength_nm"]
    for band, ends_nm in END_POINTS_NM.items():
        first, last = pseudo_wavelength(band, np.array(ends_nm), release)
        samples = np.linspace(first, last, grid.bp.samples)
        fine = pseudo_wavelength(band, fine_nm, release)
        order = np.argsort(fine)
        nm = np.interp(samples, fine[order], fine_nm[order])
        lines += [f"{band},{index},{at:.8f},{nm[index]:.5f}" for index, at in enumerate(samples)]
    grid.file.parent.mkdir(exist_ok=True)
    grid.file.write_text("\n".join(lines) + "\n", encoding="ascii")
