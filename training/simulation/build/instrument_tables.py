"""Write ``data/instrument_gaiadr3.npz``: dispersion, response and bases of both photometers, for one release.

Run ``python -m training.simulation.build.instrument_tables --release dr3``.
"""

import numpy as np

from training.simulation.build.gaiaxpy_tables import basis_configuration, inverse_bases, pseudo_wavelength, response
from training.simulation.build.options import only_release
from training.simulation.instrument import BANDS, FloatArray, instrument_file

WAVELENGTH_STEP_NM = 0.5

if __name__ == "__main__":
    release = only_release(__doc__).name
    wavelength_nm = np.arange(310.0, 1110.0 + WAVELENGTH_STEP_NM, WAVELENGTH_STEP_NM)
    arrays: dict[str, FloatArray] = {"wavelength_nm": wavelength_nm}
    for band in BANDS:
        bases = basis_configuration(band, release)
        size = int(bases["dimension"])
        arrays |= {
            f"{band}_pseudo_wavelength": pseudo_wavelength(band, wavelength_nm, release),
            f"{band}_response": response(band, wavelength_nm, release).astype(np.float32),
            f"{band}_basis_matrix": np.asarray(bases["transformationMatrix"]).reshape(size, size),
            f"{band}_basis_range": np.array([*bases["range"], *bases["normalizedRange"]]),
            f"{band}_basis_id": np.array(int(bases["uniqueId"])),
            f"{band}_inverse_bases": inverse_bases(band, wavelength_nm, release).astype(np.float32),
        }
    np.savez_compressed(instrument_file(release), **arrays)  # type: ignore[arg-type]
