"""Write ``gaia_redshift/spectra/data/smsgen_extinction.csv``: the Milky Way's extinction of the samples of one release.

Run ``python -m training.simulation.build.sample_extinction --release dr3`` after any change of the simulated galaxies'
light or extent. The extinction of a sample, per E(B-V) and its square, is fitted to the mean spectra of the same
simulated galaxies behind different amounts of dust; per_ebv holds about the mean dust of the survey's galaxies.
"""

import numpy as np

from training.simulation import brightness, population
from training.simulation.beyond import Given
from training.simulation.build.options import only_release
from training.simulation.dataset import Simulator
from training.simulation.extinction import survey_ebv
from training.simulation.instrument import BANDS, FloatArray, fit_matrix, grid_of, kept_matrix

COUNT, SEED = 6000, 99
EBV = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)


def mean_spectrum(simulator: Simulator, ebv: float) -> FloatArray:
    """Return the mean noise-free spectrum of galaxies behind so much dust, e-/s per sample, shape (samples,)."""
    rng = np.random.default_rng(SEED)
    redshift = population.draw_redshift(COUNT, "survey", rng)
    window = simulator.clean(redshift, brightness.draw(redshift, rng), rng, Given(np.full(COUNT, ebv)))
    samples = [
        window[band].mean(axis=0) @ fit_matrix(band, simulator.release) @ kept_matrix(band, simulator.release)
        for band in BANDS
    ]
    return np.concatenate(samples).astype(np.float64)


def fitted(release: str) -> tuple[FloatArray, float]:
    """Return the two coefficients of each sample, shape (2, samples), and the largest misfit in mag."""
    simulator = Simulator(release)
    clear = mean_spectrum(simulator, survey_ebv())
    excess = np.array(EBV) - survey_ebv()
    extinction = -2.5 * np.log10([mean_spectrum(simulator, ebv) / clear for ebv in EBV])
    powers = np.stack([excess, excess**2], axis=1)
    found = np.linalg.lstsq(powers, extinction, rcond=None)[0]
    return np.asarray(found), float(np.abs(powers @ found - extinction).max())


def main() -> None:
    """Write the table of one release to the file that its grid names."""
    release = only_release(__doc__).name
    grid = grid_of(release)
    if grid.extinction is None:
        raise SystemExit(f"{grid.name} names no file for it in gaia_redshift/spectra/grid.py: name it there first")
    (linear, square), _ = fitted(release)
    bands, index = grid.positions.band[grid.positions.kept], grid.positions.index[grid.positions.kept]
    rows = zip(bands, index, linear, square, strict=True)
    lines = ["band,index,per_ebv,per_ebv2", *("{},{},{:.4f},{:.4f}".format(*row) for row in rows)]
    grid.extinction.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
