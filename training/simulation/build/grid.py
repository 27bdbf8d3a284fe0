"""Write ``gaia_redshift/spectra/data/smsgen_grid.csv``, where SMSgen samples the mean spectra, 120 + 120 positions.

ESA has not published the table. It publishes the number of samples, that they are uniform in
pseudo-wavelength, and that the kept 186 run from 366 to 996 nm; the rest is reconstructed: BP from 325.5 to
674.4 nm, RP from 611.8 to 1051.3 nm, each end good to about half a pixel. ESA's own table, once known,
replaces this file and its id.
"""

import numpy as np

from training.simulation.build.gaiaxpy_tables import Band, FloatArray, pseudo_wavelength
from training.simulation.build.options import only_release
from training.simulation.instrument import RELEASE, grid_of

END_POINTS_NM: dict[Band, tuple[float, float]] = {"BP": (325.5, 674.4), "RP": (611.8, 1051.3)}


def positions(band: Band, release: str = RELEASE) -> tuple[FloatArray, FloatArray]:
    """Return pseudo-wavelength and wavelength in nm of the 120 samples of one band, blue to red."""
    ends = pseudo_wavelength(band, np.array(END_POINTS_NM[band]), release)
    sample = np.linspace(ends[0], ends[1], grid_of(release).bp.samples)
    fine_nm = np.arange(300.0, 1100.0, 0.02)
    fine = pseudo_wavelength(band, fine_nm, release)
    order = np.argsort(fine)
    return sample, np.interp(sample, fine[order], fine_nm[order])


def main() -> None:
    """Write the grid of one release, to the file that its entry in `GRIDS` names."""
    release = only_release(__doc__).name
    # The reader takes the names from the first line, so no comment may precede them.
    lines = ["band,index,pseudo_wavelength,wavelength_nm"]
    for band in END_POINTS_NM:
        for index, (u, nm) in enumerate(zip(*positions(band, release), strict=True)):
            lines.append(f"{band},{index},{u:.8f},{nm:.5f}")
    file = grid_of(release).file
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
