"""Gaia's BP/RP photometers: from light to coefficients, 55 + 55 in DR3, and to 120 + 120 samples.

The chain is linear. Light of wavelength l falls at pseudo-wavelength u(l), spread by the line-spread function; an
extended galaxy is smeared further along scan. Gaia describes the result by coefficients in an internal basis of each
band, and SMSgen samples that basis. Fluxes are in e-/s per pixel until `sample_matrix` makes them e-/s per sample.
Imports neither gaiaxpy nor scipy: ``build/instrument_tables.py`` writes the tables, a file for each release of Gaia.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3, RELEASES, Grid
from gaia_redshift.spectra.grid import Band as GridBand
from training.simulation import constants

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
Band = Literal["BP", "RP"]
BANDS: tuple[Band, Band] = ("BP", "RP")

RELEASE = DR3.release
"""Simulated by default."""

WAVELENGTH_NM: FloatArray = np.exp(np.arange(np.log(318.0), np.log(1098.0), 5e-4))
"""The observed-frame grid on which spectral energy distributions live, uniform in ln wavelength."""

NATIVE_PX: FloatArray = np.arange(-12.0, 72.0, 0.5)
"""Pseudo-wavelengths of the light before smearing; wider than Gaia's window, which clips it."""

WINDOW_PX: FloatArray = np.arange(0.0, 59.01, 0.5)
"""Pseudo-wavelengths of Gaia's window, 0 to 59, on which the coefficients are fitted."""

_TRANSFORM_LENGTH = 320
_MODES = _TRANSFORM_LENGTH // 2 + 1
FREQUENCY: FloatArray = np.asarray(np.fft.rfftfreq(_TRANSFORM_LENGTH, d=0.5), dtype=np.float64)
"""Cycles per pixel of the Fourier modes in which smearing and shifting are products."""


def hermite_functions(count: int, x: FloatArray) -> FloatArray:
    """Return the first `count` orthonormal Hermite functions at `x`, shape (count, len(x))."""
    values = np.zeros((count, len(x)))
    values[0] = np.pi**-0.25 * np.exp(-x * x / 2)
    values[1] = np.sqrt(2) * x * values[0]
    for n in range(2, count):
        values[n] = np.sqrt(2 / n) * x * values[n - 1] - np.sqrt((n - 1) / n) * values[n - 2]
    return values


def instrument_file(release: str = RELEASE) -> Path:
    """Return where the tables of a release lie, or would lie."""
    return Path(__file__).parent / "data" / f"instrument_{RELEASES[release].schema}.npz"


def coefficient_count(band: Band, release: str = RELEASE) -> int:
    """Return how many coefficients a release publishes of one band."""
    return RELEASES[release].coefficients[BANDS.index(band)]


def grid_of(release: str = RELEASE) -> Grid:
    """Return where the samples of a release lie; raises InvalidInputError where this version does not know it."""
    grid = RELEASES[release].grid
    if grid is None:
        raise InvalidInputError(
            f"{release} has no grid of samples in this version: docs/how-to/dr4.md says what it needs"
        )
    return grid


@cache
def _tables(release: str) -> dict[str, FloatArray]:
    path = instrument_file(release)
    if not path.is_file():
        raise InvalidInputError(
            f"the instrument of {release} is not part of this version: `python -m "
            f"training.simulation.build.instrument_tables --release '{release}'` writes it from a GaiaXPy that knows it"
        )
    with np.load(path) as file:
        return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}


def pseudo_wavelength(band: Band, wavelength_nm: FloatArray, release: str = RELEASE) -> FloatArray:
    """Return where light of `wavelength_nm`, 310 to 1110 nm, falls, in pixels."""
    tables = _tables(release)
    return np.interp(wavelength_nm, tables["wavelength_nm"], tables[f"{band}_pseudo_wavelength"])


def response(band: Band, wavelength_nm: FloatArray, release: str = RELEASE) -> FloatArray:
    """Return the dimensionless throughput at `wavelength_nm`, zero outside 310-1110 nm."""
    tables = _tables(release)
    return np.interp(wavelength_nm, tables["wavelength_nm"], tables[f"{band}_response"], left=0, right=0)


def inverse_bases(band: Band, release: str = RELEASE) -> tuple[FloatArray, FloatArray]:
    """Return wavelengths in nm, shape (w,), and the light that the bases stand for, shape (coefficients, w)."""
    tables = _tables(release)
    return tables["wavelength_nm"], tables[f"{band}_inverse_bases"]


def basis_id(band: Band, release: str = RELEASE) -> int:
    """Return Gaia's identifier of the band's basis configuration, as archive files carry it."""
    return int(_tables(release)[f"{band}_basis_id"])


def bases(band: Band, pseudo: FloatArray, release: str = RELEASE) -> FloatArray:
    """Return the internal bases at pseudo-wavelengths `pseudo`, shape (coefficients, len(pseudo)).

    Coefficients times these are the mean spectrum in e-/s per pixel, exactly as ``gaiaxpy.convert`` gives it
    (De Angeli et al. 2023, A&A 674, A2).
    """
    tables = _tables(release)
    low, high, normal_low, normal_high = tables[f"{band}_basis_range"]
    matrix = tables[f"{band}_basis_matrix"]
    scale = (normal_high - normal_low) / (high - low)
    functions = hermite_functions(matrix.shape[1], pseudo * scale + normal_low - low * scale)
    return np.asarray(matrix @ functions)


@dataclass(frozen=True, slots=True)
class LineSpread:
    """A core, a wing and a halo, all Gaussian, that vary with x = (wavelength - middle) / scale.

    ln sigma = p0 + p1 x + p2 x^2 + p3 x^3 and shift = p4 + p5 x + p6 x^2 px; wing share = sigmoid(p7 + p8 x), wing
    sigma = exp(p9) sigma, wing shift = shift + p10 px; ln amplitude = p11 + p12 x + p13 x^2; halo share = p14, halo
    sigma = exp(p15) sigma, halo shift = shift + p16 px. The core has what wing and halo leave.
    """

    parameters: tuple[float, ...]
    middle_nm: float
    scale_nm: float

    def __call__(self, pseudo: FloatArray, wavelength_nm: FloatArray, arrival: FloatArray) -> FloatArray:
        """Return the light per pixel at `pseudo` of each wavelength arriving at `arrival`, shape (u, w)."""
        p = self.parameters
        x = (wavelength_nm - self.middle_nm) / self.scale_nm
        sigma = np.exp(np.polynomial.polynomial.polyval(x, p[0:4]))
        distance = pseudo[:, None] - arrival - np.polynomial.polynomial.polyval(x, p[4:7])
        wing_share, halo_share = 1 / (1 + np.exp(-(p[7] + p[8] * x))), p[14]
        spread = (1 - wing_share - halo_share) * _gaussian(distance, sigma)
        spread += wing_share * _gaussian(distance - p[10], sigma * np.exp(p[9]))
        if halo_share:
            spread += halo_share * _gaussian(distance - p[16], sigma * np.exp(p[15]))
        return np.asarray(spread * np.exp(np.polynomial.polynomial.polyval(x, p[11:14])))


def _gaussian(distance: FloatArray, sigma: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (distance / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)))


def line_spread(band: Band, release: str = RELEASE) -> LineSpread:
    """Return the fitted line-spread function of one photometer; raises InvalidInputError if none is known yet."""
    if release not in constants.LINE_SPREADS:
        raise InvalidInputError(
            f"no line spread of {release} is known: `python -m training.simulation.build.line_spread STARS.csv "
            f"--release '{release}'` fits it, and constants.LINE_SPREADS holds it"
        )
    middle, scale = constants.LINE_SPREAD_SCALE_NM.value[band]
    return LineSpread(constants.LINE_SPREADS[release].value[band], middle, scale)


def light_per_pixel(
    band: Band, pseudo: FloatArray, wavelength_nm: FloatArray = WAVELENGTH_NM, release: str = RELEASE
) -> FloatArray:
    """Return the matrix from a spectral energy distribution to light on the detector, shape (len(pseudo), w).

    Applied to fluxes in W m-2 nm-1 at `wavelength_nm`, shape (w,), it gives e-/s per pixel:
    f(u) = integral of K(u, l) A R(l) l/(hc) S(l) dl (Montegriffo et al. 2023, A&A 674, A3).
    """
    spread = line_spread(band, release)(pseudo, wavelength_nm, pseudo_wavelength(band, wavelength_nm, release))
    photon_energy = constants.PLANCK_J_S.value * constants.LIGHT_SPEED_M_S.value / (wavelength_nm * 1e-9)
    width_nm = np.gradient(wavelength_nm)
    collected = constants.APERTURE_M2.value * response(band, wavelength_nm, release) / photon_energy * width_nm
    return np.asarray(spread * collected)


def coefficients(band: Band, light: FloatArray, release: str = RELEASE) -> FloatArray:
    """Return the coefficients of point sources, shape (n, coefficients); times `sample_matrix` they are samples.

    The light is in W m-2 nm-1 on `WAVELENGTH_NM`, shape (n, w).
    """
    return np.asarray(light @ light_per_pixel(band, WINDOW_PX, release=release).T @ fit_matrix(band, release))


def to_modes(flux: SingleArray) -> NDArray[np.complex64]:
    """Return the Fourier modes along `NATIVE_PX` of fluxes, shape (n, len(NATIVE_PX)) -> (n, modes)."""
    return np.fft.rfft(flux, _TRANSFORM_LENGTH, axis=1).astype(np.complex64)


def smear_and_shift(
    modes: NDArray[np.complex64],
    weight: SingleArray,
    shift_px: SingleArray,
) -> NDArray[np.complex64]:
    """Smear each spectrum along scan by its own mixture of Gaussians, and shift it: a feature at u moves to u - shift.

    Takes modes from `to_modes`, the share of each width of `constants.SMEAR_SIGMA_PX`, of which the first is a point
    source, shape (n, widths), and shifts of shape (n,).
    """
    sigma = np.array(constants.SMEAR_SIGMA_PX.value)[:, None]
    transfer = np.exp(-2 * (np.pi * sigma * FREQUENCY) ** 2).astype(np.float32)
    phase = np.exp((2j * np.pi * FREQUENCY).astype(np.complex64) * shift_px[:, None])
    return np.asarray(modes * (weight @ transfer) * phase, dtype=np.complex64)


def as_points(modes: NDArray[np.complex64], shift_px: SingleArray) -> NDArray[np.complex64]:
    """Shift spectra of point sources, which nothing smears, to smaller u."""
    weight = np.zeros((len(modes), len(constants.SMEAR_SIGMA_PX.value)), dtype=np.float32)
    weight[:, 0] = 1
    return smear_and_shift(modes, weight, shift_px)


@cache
def modes_to_window() -> SingleArray:
    """Return the matrix from (real, imaginary) modes to fluxes on `WINDOW_PX`, shape (2 modes, window)."""
    scale = np.full(_MODES, 2.0 / _TRANSFORM_LENGTH)
    scale[[0, -1]] /= 2
    angle = 2 * np.pi * FREQUENCY[:, None] * (WINDOW_PX - NATIVE_PX[0])
    return np.concatenate([np.cos(angle) * scale[:, None], -np.sin(angle) * scale[:, None]]).astype(np.float32)


def window_flux(modes: NDArray[np.complex64]) -> SingleArray:
    """Return e-/s per pixel on `WINDOW_PX`, shape (n, window), of Fourier modes, shape (n, modes)."""
    both = np.concatenate([modes.real, modes.imag], axis=1)
    return np.asarray(both @ modes_to_window())


@cache
def fit_matrix(band: Band, release: str = RELEASE) -> FloatArray:
    """Return the matrix from fluxes on `WINDOW_PX` to least-squares coefficients, shape (window, coefficients)."""
    design = bases(band, WINDOW_PX, release)
    return np.asarray(np.linalg.solve(design @ design.T, design).T)


@cache
def sample_matrix(band: Band, release: str = RELEASE) -> FloatArray:
    """Return the matrix from coefficients to e-/s per sample, shape (coefficients, 120), blue to red."""
    grid = grid_of(release)
    positions, wanted = grid.positions.pseudo_wavelength[grid.positions.band == band], _band(grid, band).samples
    if len(positions) != wanted:
        raise ValueError(f"the grid holds {len(positions)} samples of {band}, not {wanted}")
    return np.asarray(bases(band, positions, release) * np.abs(np.diff(positions)).mean())


def kept_matrix(band: Band, release: str = RELEASE) -> FloatArray:
    """Return `sample_matrix` for the kept samples alone, shape (coefficients, 80) or (coefficients, 106)."""
    return sample_matrix(band, release)[:, _band(grid_of(release), band).kept]


def _band(grid: Grid, band: Band) -> GridBand:
    return grid.bp if band == "BP" else grid.rp
