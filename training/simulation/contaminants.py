"""What is not a galaxy: stars, quasars, blank sky, and a star in front of a galaxy.

Quality flags are tested on them. They are schematic: colours and strong features are right, line ratios are not.
"""

from functools import cache

import numpy as np

from training.simulation import constants
from training.simulation.galaxies import DATA, dust, power_law
from training.simulation.instrument import WAVELENGTH_NM, FloatArray, SingleArray

STARS_FILE = DATA / "stars.npz"


def planck(wavelength_nm: FloatArray, temperature_k: FloatArray) -> FloatArray:
    """Return black bodies per wavelength, arbitrary scale, shape (n, w) for temperatures of shape (n, 1)."""
    second_radiation_constant_nm_k = 1.438777e7
    return np.asarray(wavelength_nm**-5 / np.expm1(second_radiation_constant_nm_k / (wavelength_nm * temperature_k)))


@cache
def solar_blanketing() -> FloatArray:
    """Return the Sun's spectrum over a black body of its temperature, shape (len(WAVELENGTH_NM),)."""
    with np.load(STARS_FILE) as file:
        return np.asarray(file["blanketing"], dtype=np.float64)


def draw_temperature(count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw temperatures in K along the main sequence and the giant branch, and which stars are giants."""
    giant = rng.random(count) < constants.GIANT_FRACTION.value
    dwarf_low, dwarf_high = constants.DWARF_TEMPERATURE_K.value
    giant_low, giant_high = constants.GIANT_TEMPERATURE_K.value
    uniform = rng.random(count)
    dwarfs, giants = dwarf_low * (dwarf_high / dwarf_low) ** uniform, giant_low * (giant_high / giant_low) ** uniform
    return np.where(giant, giants, dwarfs), giant.astype(np.float64)


def star_light(count: int, rng: np.random.Generator) -> SingleArray:
    """Return stars, shape (n, len(WAVELENGTH_NM)), each one at its mean.

    A black body; the Sun's blanketing, stronger in cooler stars and in giants, gone above 9,500 K; the Balmer lines
    and jump about 9,000 K; the bands of TiO below 4,000 K.
    """
    temperature, giant = draw_temperature(count, rng)
    known_k, power = constants.BLANKETING_POWER.value
    strength = np.interp(temperature, known_k, power) * (1 + constants.GIANT_BLANKETING.value * giant)
    ln_light = np.log(planck(WAVELENGTH_NM, temperature[:, None]))
    ln_light += strength[:, None] * np.log(np.maximum(solar_blanketing(), 0.05))
    hydrogen = np.exp(-0.5 * (np.log(temperature / 9000.0) / 0.25) ** 2)[:, None]
    for line_nm in constants.BALMER_NM.value:
        depth = constants.BALMER_DEPTH.value * np.exp(-0.5 * ((WAVELENGTH_NM - line_nm) / 1.2) ** 2)
        ln_light += hydrogen * np.log1p(-depth)
    ln_light += hydrogen * np.log(constants.BALMER_JUMP.value) * (WAVELENGTH_NM < 370.0)
    molecules = np.clip((4000.0 - temperature) / 1100.0, 0, 1)[:, None]
    for head_nm in constants.TIO_HEADS_NM.value:
        behind = WAVELENGTH_NM - head_nm
        band = np.where(behind >= 0, np.exp(-behind / constants.TIO_WIDTH_NM.value), 0)
        ln_light += molecules * np.log1p(-constants.TIO_DEPTH.value * band)
    light = np.exp(ln_light - ln_light.max(axis=1, keepdims=True)) * dust(count, rng)
    return np.asarray(light / light.mean(axis=1, keepdims=True), dtype=np.float32)


def quasar_light(redshift: FloatArray, rng: np.random.Generator) -> SingleArray:
    """Return quasars at `redshift`, shape (n, len(WAVELENGTH_NM)), each one at its mean.

    A power law, the lines of Vanden Berk et al. 2001 (AJ 122, 549), and the forest of Lyman alpha.
    """
    rest = WAVELENGTH_NM / (1 + redshift[:, None])
    slope = rng.normal(*constants.AGN_SLOPE.value, (len(redshift), 1))
    light = power_law(rest, slope, constants.AGN_LINES_NM.value + constants.QUASAR_LINES_NM.value, 1, rng)
    optical_depth = constants.FOREST_DEPTH.value * (WAVELENGTH_NM / 121.6) ** constants.FOREST_POWER.value
    light = np.where(rest < 121.6, light * np.exp(-optical_depth), light)
    light = np.where(rest < 91.2, 0, light) * dust(len(redshift), rng)
    return np.asarray(light / light.mean(axis=1, keepdims=True), dtype=np.float32)
