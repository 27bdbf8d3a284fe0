"""Write ``gaia_redshift/spectra/data/smsgen_basis.npz``: Gaia's bases at the positions of one release's grid.

The archive's coefficients times these are the samples, in e-/s per sample: what ``gaiaxpy.convert`` gives, in e-/s per
pixel, times the distance of the samples in pixels. Run ``python -m training.simulation.build.bases --release dr3``; the
file is the one that the release's entry in `RELEASES` names.
"""

import numpy as np

from training.simulation.build.gaiaxpy_tables import design_matrix
from training.simulation.build.options import only_release
from training.simulation.instrument import BANDS, FloatArray, grid_of

if __name__ == "__main__":
    release = only_release(__doc__)
    if release.basis is None:
        raise SystemExit(f"{release.name} has no basis in gaia_redshift/spectra/releases.py: name its file there first")
    positions, arrays = grid_of(release.name).positions, dict[str, FloatArray]()
    for band in BANDS:
        ours = positions.band == band
        step = np.abs(np.diff(positions.pseudo_wavelength[ours])).mean()
        kept = positions.pseudo_wavelength[ours & positions.kept]
        arrays |= {band: design_matrix(band, kept, release.name) * step, f"{band}_step": np.array(step)}
    np.savez(release.basis.file, **arrays)  # type: ignore[arg-type]
