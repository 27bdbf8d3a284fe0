"""Gaia's BP/RP photometers: from light to 55 + 55 coefficients and to 120 + 120 samples.

The chain is linear. Light of wavelength l falls at pseudo-wavelength u(l), spread by the line-spread
function; an extended galaxy is smeared further along scan; Gaia describes the result by 55 coefficients per
band in an internal basis, and SMSgen samples that basis. Everything here holds fluxes in e-/s per pixel until
`sample` makes them e-/s per sample. Imports neither gaiaxpy nor scipy: the tables are frozen by
``build/instrument_tables.py``.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra import DR3
from training.simulation import constants

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
Band = Literal["BP", "RP"]
BANDS: tuple[Band, Band] = ("BP", "RP")

INSTRUMENT_FILE = Path(__file__).parent / "data" / "instrument.npz"
COEFFICIENTS = 55

WAVELENGTH_NM: FloatArray = np.exp(np.arange(np.log(318.0), np.log(1098.0), 5e-4))
"""The observed-frame grid on which spectral energy distributions live, uniform in ln wavelength."""

NATIVE_PX: FloatArray = np.arange(-12.0, 72.0, 0.5)
"""Pseudo-wavelengths on which light is laid down before smearing; wider than Gaia's window, which clips
it."""

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


@cache
def _tables() -> dict[str, FloatArray]:
    with np.load(INSTRUMENT_FILE) as file:
        return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}


def pseudo_wavelength(band: Band, wavelength_nm: FloatArray) -> FloatArray:
    """Return where light of `wavelength_nm`, 310 to 1110 nm, falls, in pixels."""
    tables = _tables()
    return np.interp(wavelength_nm, tables["wavelength_nm"], tables[f"{band}_pseudo_wavelength"])


def response(band: Band, wavelength_nm: FloatArray) -> FloatArray:
    """Return the dimensionless throughput at `wavelength_nm`, zero outside 310-1110 nm."""
    tables = _tables()
    return np.interp(wavelength_nm, tables["wavelength_nm"], tables[f"{band}_response"], left=0, right=0)


def inverse_bases(band: Band) -> tuple[FloatArray, FloatArray]:
    """Return wavelengths in nm, shape (w,), and the light the 55 bases stand for, shape (55, w)."""
    tables = _tables()
    return tables["wavelength_nm"], tables[f"{band}_inverse_bases"]


def basis_id(band: Band) -> int:
    """Return Gaia's identifier of the band's basis configuration, as archive files carry it."""
    return int(_tables()[f"{band}_basis_id"])


def bases(band: Band, pseudo: FloatArray) -> FloatArray:
    """Return the 55 internal bases at pseudo-wavelengths `pseudo`, shape (55, len(pseudo)).

    Coefficients times these are the mean spectrum in e-/s per pixel, exactly as ``gaiaxpy.convert`` gives it
    (De Angeli et al. 2023, A&A 674, A2).
    """
    tables = _tables()
    low, high, normal_low, normal_high = tables[f"{band}_basis_range"]
    scale = (normal_high - normal_low) / (high - low)
    functions = hermite_functions(COEFFICIENTS, pseudo * scale + normal_low - low * scale)
    return np.asarray(tables[f"{band}_basis_matrix"] @ functions)


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


def line_spread(band: Band) -> LineSpread:
    """Return the fitted line-spread function of one photometer."""
    middle, scale = constants.LINE_SPREAD_SCALE_NM.value[band]
    return LineSpread(constants.LINE_SPREAD.value[band], middle, scale)


def light_per_pixel(band: Band, pseudo: FloatArray, wavelength_nm: FloatArray = WAVELENGTH_NM) -> FloatArray:
    """Return the matrix from a spectral energy distribution to light on the detector, shape (len(pseudo), w).

    Applied to fluxes in W m-2 nm-1 at `wavelength_nm`, shape (w,), it gives e-/s per pixel:
    f(u) = integral of K(u, l) A R(l) l/(hc) S(l) dl (Montegriffo et al. 2023, A&A 674, A3).
    """
    spread = line_spread(band)(pseudo, wavelength_nm, pseudo_wavelength(band, wavelength_nm))
    photon_energy = constants.PLANCK_J_S.value * constants.LIGHT_SPEED_M_S.value / (wavelength_nm * 1e-9)
    width_nm = np.gradient(wavelength_nm)
    collected = constants.APERTURE_M2.value * response(band, wavelength_nm) / photon_energy * width_nm
    return np.asarray(spread * collected)


def coefficients(band: Band, light: FloatArray) -> FloatArray:
    """Return the 55 coefficients of point sources, shape (n, 55); times `sample_matrix` they are 120 samples.

    Parameters
    ----------
    band : {"BP", "RP"}
        Which photometer.
    light : ndarray, shape (n, len(WAVELENGTH_NM))
        Spectral energy distributions in W m-2 nm-1 on `WAVELENGTH_NM`.
    """
    return np.asarray(light @ light_per_pixel(band, WINDOW_PX).T @ fit_matrix(band))


def to_modes(flux: SingleArray) -> NDArray[np.complex64]:
    """Return the Fourier modes along `NATIVE_PX` of fluxes, shape (n, len(NATIVE_PX)) -> (n, modes)."""
    return np.fft.rfft(flux, _TRANSFORM_LENGTH, axis=1).astype(np.complex64)


def smear_and_shift(modes: NDArray[np.complex64], weight: SingleArray, shift_px: SingleArray) -> NDArray[np.complex64]:
    """Smear each spectrum along scan by its own mixture of Gaussians, and shift it to smaller u.

    Parameters
    ----------
    modes : ndarray of complex64, shape (n, modes)
        From `to_modes`.
    weight : ndarray of float32, shape (n, 8)
        Share of each width of `constants.SMEAR_SIGMA_PX`; all of it in the first is a point source.
    shift_px : ndarray of float32, shape (n,)
        A feature at u moves to u - shift.
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
def fit_matrix(band: Band) -> FloatArray:
    """Return the matrix from fluxes on `WINDOW_PX` to least-squares coefficients, shape (window, 55)."""
    design = bases(band, WINDOW_PX)
    return np.asarray(np.linalg.solve(design @ design.T, design).T)


@cache
def sample_matrix(band: Band) -> FloatArray:
    """Return the matrix from coefficients to e-/s per sample, shape (55, 120), blue to red."""
    positions = DR3.positions.pseudo_wavelength[DR3.positions.band == band]
    if len(positions) != DR3.bp.samples:
        raise ValueError(f"the grid holds {len(positions)} samples of {band}, not {DR3.bp.samples}")
    return np.asarray(bases(band, positions) * np.abs(np.diff(positions)).mean())


def kept_matrix(band: Band) -> FloatArray:
    """Return `sample_matrix` for the kept samples alone, shape (55, 80) or (55, 106)."""
    return sample_matrix(band)[:, DR3.bp.kept if band == "BP" else DR3.rp.kept]
