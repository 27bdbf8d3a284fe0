"""Write ``gaia_redshift/spectra/data/smsgen_basis.npz``: Gaia's bases at the positions of the grid that models read.

The archive's coefficients times these are the samples, in e-/s per sample: what ``gaiaxpy.convert`` gives, in e-/s per
pixel, times the distance of the samples in pixels. Run ``python -m training.simulation.build.bases``.
"""

import numpy as np

from gaia_redshift.spectra import DR3
from gaia_redshift.spectra.releases import RELEASES
from training.simulation.build.gaiaxpy_tables import Band, FloatArray, design_matrix


def at_grid(band: Band) -> tuple[FloatArray, float]:
    """Return the bases at the kept samples, shape (coefficients, kept samples), per sample; and the step in pixels."""
    positions = DR3.positions
    ours = positions.band == band
    step = float(np.abs(np.diff(positions.pseudo_wavelength[ours])).mean())
    return design_matrix(band, positions.pseudo_wavelength[ours & positions.kept]) * step, step


def main() -> None:
    """Write the bases."""
    arrays: dict[str, FloatArray] = {}
    for band in (DR3.bp.name, DR3.rp.name):
        arrays[band], step = at_grid(band)
        arrays[f"{band}_step"] = np.array(step)
    basis = RELEASES[DR3.release].basis
    assert basis is not None  # noqa: S101 - DR3 has one
    np.savez(basis.file, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
