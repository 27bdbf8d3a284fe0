"""Compare simulated spectra with real ones: the measurements of docs/validation.md. Imports the simulator.

Real data are read from a directory with ``real_mean_flux.csv``, ``real_flux_range.csv`` and ``gaia_xp/*.csv``;
docs/validation.md says what they are.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3
from training.simulation import brightness, constants, contaminants, gaiaxpy_simulator, galaxies
from training.simulation.instrument import (
    BANDS,
    WAVELENGTH_NM,
    Band,
    bases,
    coefficient_count,
    coefficients,
    inverse_bases,
    kept_matrix,
    light_per_pixel,
    response,
)

FloatArray = NDArray[np.float64]

RANGES = tuple((k / 10, (k + 1) / 10) for k in range(6))
"""Kiraleos 2023, figure 11: the ranges of redshift over which mean fluxes are known."""

HIGH_PASS_SIGMA = 4.0
HIGH_PASS_EDGE = 4
HIGH_PASS_PEAK = (3.0, 12.0)
"""RP peaks of the galaxies whose high-pass rms is compared, those of the six known real ones."""

REAL_HIGH_PASS = {"BP": 0.156, "RP": 0.170}
"""Median over six real galaxy spectra, e-/s per sample."""

REAL_CORRELATION = 0.86
"""Correlation of the errors of neighbouring samples, mean over archive spectra of real stars in both bands."""


_FAINT_W_M2_NM = 1e-17
"""Mean light of a source of about G = 16."""


@dataclass(frozen=True, slots=True)
class MeanFlux:
    """Comparison of a redshift range's simulated mean with the real one."""

    count: int
    shape_percent: float
    """rms difference over real peak, after scaling."""
    amplitude: float
    """Simulated over real."""


def read_table(path: Path) -> FloatArray:
    """Read a reference CSV file after its header and first column; blanks are NaN.

    Raises
    ------
    InvalidInputError
        If there is no such file.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path} is not there: give the directory of the real data")
    return np.asarray(np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1:], dtype=np.float64)


def mean_flux(redshift: FloatArray, flux: NDArray[np.float32], real: FloatArray) -> list[MeanFlux | None]:
    """Compare mean spectra in `RANGES` with the real ones, shape (186, 6); None where nothing was simulated."""
    found: list[MeanFlux | None] = []
    for (low, high), wanted in zip(RANGES, real.T, strict=True):
        inside = (redshift >= low) & (redshift < high)
        if not inside.any():
            found.append(None)
            continue
        known = np.isfinite(wanted)
        mean, wanted_known = flux[inside].mean(axis=0, dtype=np.float64)[known], wanted[known]
        scale = (mean @ wanted_known) / (mean @ mean)
        rms = np.sqrt(((mean * scale - wanted_known) ** 2).mean())
        found.append(MeanFlux(int(inside.sum()), float(100 * rms / wanted_known.max()), float(1 / scale)))
    return found


def high_pass_rms(flux: NDArray[np.float32]) -> dict[Band, FloatArray]:
    """Return each spectrum's rms about its own Gaussian-smoothed self, shape (n,), per band."""
    from scipy.ndimage import gaussian_filter1d

    halves: dict[Band, NDArray[np.float32]] = {"BP": flux[:, : DR3.bp.count], "RP": flux[:, DR3.bp.count :]}
    rms = {}
    for band, values in halves.items():
        smooth = gaussian_filter1d(values, HIGH_PASS_SIGMA, axis=1, mode="nearest")
        rms[band] = (values - smooth)[:, HIGH_PASS_EDGE:-HIGH_PASS_EDGE].std(axis=1).astype(np.float64)
    return rms


def neighbour_correlation(covariance: FloatArray, band: Band) -> float:
    """Return the mean correlation of neighbouring kept samples under a covariance of coefficients, (55, 55)."""
    samples = kept_matrix(band)
    matrix = samples.T @ covariance @ samples
    error = np.sqrt(np.diagonal(matrix))
    return float((np.diagonal(matrix, 1) / (error[1:] * error[:-1])).mean())


@dataclass(frozen=True, slots=True)
class Star:
    """One band of a real star in the archive."""

    source_id: str
    band: Band
    coefficients: FloatArray
    covariance: FloatArray


def read_stars(directory: Path) -> list[Star]:
    """Read the real stars of all ``XP_CONTINUOUS`` CSV files in a directory, each source and band once."""
    csv.field_size_limit(sys.maxsize)
    found: dict[tuple[str, Band], Star] = {}
    for path in sorted(directory.glob("*.csv")):
        with path.open(encoding="ascii", newline="") as file:
            for row in csv.DictReader(file):
                for band in BANDS:
                    arrays = [
                        _numbers(row[f"{band.lower()}_coefficient{end}"]) for end in ("s", "_errors", "_correlations")
                    ]
                    if len(arrays[0]) == coefficient_count(band):
                        key = (row["source_id"], band)
                        found[key] = Star(*key, arrays[0], _covariance(arrays[1], arrays[2]))
    if not found:
        raise InvalidInputError(f"no spectra in {directory}/*.csv: give the directory of the real data")
    return list(found.values())


def _numbers(cell: str) -> FloatArray:
    words = cell.replace("[", "").replace("]", "").strip("() ").split(",")
    return np.array([float(word) for word in words if word.strip()])


def _covariance(error: FloatArray, correlation: FloatArray) -> FloatArray:
    matrix = np.eye(len(error)) / 2
    matrix[np.tril_indices(len(error), k=-1)] = correlation
    return np.asarray((matrix + matrix.T) * np.outer(error, error))


def forward_spectra(star: Star) -> tuple[FloatArray, FloatArray]:
    """Return the archive's own spectrum and the forward model of its calibrated SED, kept samples, e-/s per px."""
    band, table_nm = star.band, inverse_bases(star.band)[0]
    transmitted = response(band, table_nm)
    energy = constants.PLANCK_J_S.value * constants.LIGHT_SPEED_M_S.value / (table_nm * 1e-9)
    photons = star.coefficients @ inverse_bases(band)[1]
    light = np.where(
        transmitted > 0, photons * energy / (constants.APERTURE_M2.value * np.maximum(transmitted, 1e-9)), 0
    )
    pseudo = DR3.positions.pseudo_wavelength[DR3.positions.band == band][DR3.bp.kept if band == "BP" else DR3.rp.kept]
    return star.coefficients @ bases(band, pseudo), light_per_pixel(band, pseudo, table_nm) @ light


def star_misfit_percent(star: Star) -> float:
    """Return rms/peak in percent of the forward model against the archive's own spectrum."""
    archive, model = forward_spectra(star)
    return float(100 * np.sqrt(((model - archive) ** 2).mean()) / archive.max())


def simulator_misfit_percent(release: str, count: int = 20, seed: int = 1) -> dict[Band, FloatArray]:
    """Return rms/peak in percent of our instrument against GaiaXPy's own simulator, per band, shape (2 count,).

    Parameters
    ----------
    release : str
        Of Gaia.
    count : int
        How many stars, and how many galaxies as point sources: GaiaXPy's light is a point's.
    seed : int

    Raises
    ------
    MissingDependencyError
        If GaiaXPy has no simulator, or another one than was guessed.
    InvalidInputError
        If the instrument of the release is not part of this version.
    """
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.05, 0.4, count)
    host, _, _ = galaxies.make(redshift, brightness.draw(redshift, rng).parent, rng, np.zeros(count))
    light = np.concatenate([contaminants.star_light(count, rng), host]).astype(np.float64)
    light *= _FAINT_W_M2_NM / light.mean(axis=1, keepdims=True)
    theirs, found = gaiaxpy_simulator.simulate(WAVELENGTH_NM, light, release), {}
    for band in BANDS:
        ours = coefficients(band, light, release) @ kept_matrix(band, release)
        rms = np.sqrt(((ours - theirs[band]) ** 2).mean(axis=1))
        found[band] = 100 * rms / theirs[band].max(axis=1)
    return found


def moments(redshift: FloatArray) -> dict[str, float]:
    """Return mean, median, standard deviation and skewness."""
    deviation = redshift - redshift.mean()
    return {
        "mean": float(redshift.mean()),
        "median": float(np.median(redshift)),
        "sd": float(redshift.std()),
        "skewness": float((deviation**3).mean() / redshift.std() ** 3),
    }


def read_spectra(path: Path) -> tuple[FloatArray, NDArray[np.float32], NDArray[np.int64], NDArray[np.str_]]:
    """Read redshift, flux, parent and part of a simulated Parquet file."""
    from pyarrow import parquet

    table = parquet.read_table(path, columns=["z", "flux", "parent_id", "part"])
    flux = table.column("flux").combine_chunks().flatten().to_numpy().reshape(-1, DR3.samples)
    part = table.column("part").combine_chunks()
    names = np.array(part.dictionary.to_pylist())[part.indices.to_numpy()]
    return table.column("z").to_numpy(), flux, table.column("parent_id").to_numpy().astype(np.int64), names
