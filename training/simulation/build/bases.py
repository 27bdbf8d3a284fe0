"""Write ``gaia_redshift/spectra/data/smsgen_basis.npz``: Gaia's bases at the positions of one release's grid.

The archive's coefficients times these are the samples, in e-/s per sample: what ``gaiaxpy.convert`` gives, in e-/s per
pixel, times the distance of the samples in pixels. Run ``python -m training.simulation.build.bases --release dr3``; the
file is the one that the release's entry in `RELEASES` names.
"""

import numpy as np

from training.simulation.build.gaiaxpy_tables import Band, FloatArray, design_matrix
from training.simulation.build.options import only_release
from training.simulation.instrument import BANDS, RELEASE, grid_of


def at_grid(band: Band, release: str = RELEASE) -> tuple[FloatArray, float]:
    """Return the bases at the kept samples, shape (coefficients, kept samples), per sample; and the step in pixels."""
    positions = grid_of(release).positions
    ours = positions.band == band
    step = float(np.abs(np.diff(positions.pseudo_wavelength[ours])).mean())
    return design_matrix(band, positions.pseudo_wavelength[ours & positions.kept], release) * step, step


def main() -> None:
    """Write the bases."""
    release = only_release(__doc__)
    if release.basis is None:
        raise SystemExit(f"{release.name} has no basis in gaia_redshift/spectra/releases.py: name its file there first")
    arrays: dict[str, FloatArray] = {}
    for band in BANDS:
        arrays[band], step = at_grid(band, release.name)
        arrays[f"{band}_step"] = np.array(step)
    np.savez(release.basis.file, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
