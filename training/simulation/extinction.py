"""The Milky Way's dust in front of simulated galaxies: Gordon et al. 2023 (ApJ 950, 86), R(V) = 3.1."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.data.kinds import KINDS
from training.simulation import constants, galaxies
from training.simulation.instrument import FloatArray, SingleArray

_V_NM = 550.0


@cache
def curve() -> tuple[FloatArray, FloatArray]:
    """Return wavelengths in nm and A(wavelength) / E(B-V) there, mag per mag."""
    with np.load(galaxies.EXTINCTION_FILE) as file:
        wavelength_nm, relative = file["wavelength_nm"], file["relative_extinction"]
    return wavelength_nm, constants.TOTAL_TO_SELECTIVE.value * relative / np.interp(_V_NM, wavelength_nm, relative)


def per_ebv(wavelength_nm: FloatArray | float) -> FloatArray:
    """Return A(wavelength) / E(B-V), mag per mag."""
    return np.asarray(np.interp(wavelength_nm, *curve()))


def in_r(ebv: FloatArray) -> FloatArray:
    """Return the extinction in SDSS r, mag, of colour excesses E(B-V)."""
    return np.asarray(ebv * per_ebv(constants.EXTINCTION_PIVOT_NM.value))


@cache
def survey_ebv() -> float:
    """Return the mean E(B-V) in front of the galaxies that the simulation descends from, mag."""
    return float(galaxies.parents().extinction_r.mean() / per_ebv(constants.EXTINCTION_PIVOT_NM.value))


def draw(limits: tuple[float, float], count: int, seed: int, block: int) -> FloatArray:
    """Draw E(B-V), mag, uniform between limits, apart from all else that is drawn for a block: shape (count,)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, 1)))
    return np.asarray(rng.uniform(*limits, count))


def of_galaxies(ebv: FloatArray, kind: NDArray[np.int8]) -> SingleArray:
    """Return E(B-V) with NaN for kinds that are not behind it: stars, quasars and sky; shape (n,)."""
    return np.where(behind(kind), ebv, np.nan).astype(np.float32)


def behind(kind: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which kinds are galaxies behind that dust, blends among them; shape (n,)."""
    return np.isin(kind, [KINDS.index("galaxy"), KINDS.index("blend")])


def fainter_in_r(ebv: FloatArray) -> SingleArray:
    """Return how much fainter galaxies are in SDSS r than behind the survey's mean dust, (n, 1); 1 of NaN."""
    more = np.nan_to_num(in_r(ebv) - in_r(np.array(survey_ebv())))
    return np.asarray(10 ** (-0.4 * more), dtype=np.float32)[:, None]
