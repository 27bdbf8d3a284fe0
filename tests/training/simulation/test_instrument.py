"""The forward model of BP/RP: linear, and light lands where the dispersion says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.spectra import DR3
from training.simulation import constants
from training.simulation.instrument import (
    BANDS,
    FREQUENCY,
    NATIVE_PX,
    WAVELENGTH_NM,
    WINDOW_PX,
    Band,
    bases,
    coefficients,
    fit_matrix,
    kept_matrix,
    light_per_pixel,
    pseudo_wavelength,
    sample_matrix,
    smear_and_shift,
    to_modes,
    window_flux,
)

WIDTHS = len(constants.SMEAR_SIGMA_PX.value)
POINT = np.eye(WIDTHS, dtype=np.float32)[:1]
BROAD = np.eye(WIDTHS, dtype=np.float32)[9:10]
NO_SHIFT = np.zeros(1, dtype=np.float32)


def sampled(band: Band, light: np.ndarray, weight: np.ndarray = POINT, shift: float = 0.0) -> np.ndarray:
    native = (light_per_pixel(band, NATIVE_PX) @ light).astype(np.float32)[None]
    window = window_flux(smear_and_shift(to_modes(native), weight, np.full(1, shift, dtype=np.float32)))
    return (window @ fit_matrix(band) @ kept_matrix(band))[0]


def line(at_nm: float) -> np.ndarray:
    return np.exp(-0.5 * ((WAVELENGTH_NM - at_nm) / 0.8) ** 2) * 1e-16


@settings(max_examples=25, deadline=None)
@given(st.floats(430, 600), st.floats(0.0, 0.5))
def test_a_redshifted_line_lands_on_the_sample_that_the_dispersion_predicts(observed_nm: float, z: float) -> None:
    rest_nm = observed_nm / (1 + z)
    flux = sampled("BP", line(rest_nm * (1 + z)))
    nearest = np.argmin(np.abs(DR3.wavelength_nm[:80] - observed_nm))
    assert abs(int(flux.argmax()) - int(nearest)) <= 1


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e3), st.sampled_from(BANDS))
def test_flux_scales_linearly_with_light(factor: float, band: Band) -> None:
    light = line(550.0) + line(700.0) + 1e-17
    once, scaled = sampled(band, light), sampled(band, light * factor)
    np.testing.assert_allclose(scaled, once * factor, rtol=2e-4, atol=2e-5 * factor * once.max())


@pytest.mark.parametrize("band", BANDS)
def test_no_smear_equals_a_point_source(band: Band) -> None:
    light = line(550.0) + line(760.0) + 1e-17
    window = light_per_pixel(band, WINDOW_PX) @ light
    expected = window @ fit_matrix(band) @ kept_matrix(band)
    np.testing.assert_allclose(sampled(band, light), expected, atol=2e-3 * expected.max())


@pytest.mark.parametrize("band", BANDS)
def test_smear_widens_a_line_and_keeps_its_light(band: Band) -> None:
    native = (light_per_pixel(band, NATIVE_PX) @ line(550.0 if band == "BP" else 800.0)).astype(np.float32)[None]
    modes = to_modes(native)
    sharp, wide = smear_and_shift(modes, POINT, NO_SHIFT), smear_and_shift(modes, BROAD, NO_SHIFT)
    assert window_flux(wide).max() < 0.2 * window_flux(sharp).max()
    np.testing.assert_allclose(wide[:, 0], sharp[:, 0], rtol=1e-5)
    assert FREQUENCY[0] == 0


def test_a_positive_shift_moves_a_line_to_smaller_pseudo_wavelength() -> None:
    light = line(550.0)
    step = abs(np.diff(pseudo_wavelength("BP", DR3.wavelength_nm[:80]))).mean()
    moved = int(sampled("BP", light, shift=2 * step).argmax()) - int(sampled("BP", light).argmax())
    assert moved == 2  # BP's samples run against u


@pytest.mark.parametrize("band", BANDS)
def test_the_fit_recovers_coefficients_exactly(band: Band) -> None:
    coefficients = np.random.default_rng(0).standard_normal((3, 55))
    fitted = coefficients @ bases(band, WINDOW_PX) @ fit_matrix(band)
    np.testing.assert_allclose(fitted, coefficients, atol=1e-9)


@pytest.mark.parametrize(("band", "zero_point"), [("BP", 25.3540), ("RP", 25.1040)])
def test_a_source_of_fifteenth_ab_magnitude_gives_the_published_count_rate(band: Band, zero_point: float) -> None:
    # Zero points of Gaia DR3 in the AB system: Riello et al. 2021. A flat spectrum in frequency is 15 in every band.
    per_hertz = 3631e-26 * 10 ** (-0.4 * 15)
    light = per_hertz * 2.99792458e17 / WAVELENGTH_NM**2
    counts = (coefficients(band, light[None]) @ sample_matrix(band)).sum()
    assert counts == pytest.approx(10 ** (-0.4 * (15 - zero_point)), rel=0.05)
