"""Write ``data/instrument.npz``: dispersion, response and bases of both photometers."""

from typing import Any

import numpy as np

from training.simulation.build.gaiaxpy_tables import (
    Band,
    basis_configuration,
    inverse_bases,
    pseudo_wavelength,
    response,
)
from training.simulation.instrument import INSTRUMENT_FILE

BANDS: tuple[Band, ...] = ("BP", "RP")
WAVELENGTH_STEP_NM = 0.5


def main() -> None:
    """Write the tables."""
    wavelength_nm = np.arange(310.0, 1110.0 + WAVELENGTH_STEP_NM, WAVELENGTH_STEP_NM)
    arrays: dict[str, Any] = {"wavelength_nm": wavelength_nm}
    for band in BANDS:
        bases = basis_configuration(band)
        size = int(bases["dimension"])
        arrays[f"{band}_pseudo_wavelength"] = pseudo_wavelength(band, wavelength_nm)
        arrays[f"{band}_response"] = response(band, wavelength_nm).astype(np.float32)
        arrays[f"{band}_basis_matrix"] = np.asarray(bases["transformationMatrix"]).reshape(size, size)
        arrays[f"{band}_basis_range"] = np.array([*bases["range"], *bases["normalizedRange"]])
        arrays[f"{band}_basis_id"] = np.array(int(bases["uniqueId"]))
        arrays[f"{band}_inverse_bases"] = inverse_bases(band, wavelength_nm).astype(np.float32)
    np.savez_compressed(INSTRUMENT_FILE, **arrays)


if __name__ == "__main__":
    main()
