"""Galaxies: redshift moves light as it should, nuclei and other types are where they are asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.simulation import constants, galaxies
from training.simulation.instrument import WAVELENGTH_NM, FloatArray


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.6), st.floats(350, 650))
def test_redshift_moves_a_line_by_one_plus_z(redshift: float, rest_nm: float) -> None:
    line = np.exp(-0.5 * ((galaxies.REST_WAVELENGTH_NM - rest_nm) / 1.0) ** 2).astype(np.float32)[None]
    seen = galaxies.to_observer(line, np.array([redshift]))[0]
    centre = (seen * WAVELENGTH_NM).sum() / seen.sum()
    assert centre == pytest.approx(rest_nm * (1 + redshift), rel=3e-4)


@pytest.fixture
def broad_lines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "NARROW_FRACTION", replace(constants.NARROW_FRACTION, value=0.0))


@pytest.mark.usefixtures("broad_lines_alone")
def test_a_broad_line_nucleus_is_a_power_law_of_one_at_500_nm_in_the_galaxies_that_have_one() -> None:
    active, light = galaxies.nuclei(np.array([0, 0.4, 0, 0.9]), np.random.default_rng(2))
    assert active.tolist() == [1, 3]
    assert light.shape == (2, len(galaxies.REST_WAVELENGTH_NM))
    at_550 = light[:, np.argmin(np.abs(galaxies.REST_WAVELENGTH_NM - 550))]
    np.testing.assert_allclose(at_550, 1.1**-1.5, atol=0.15)  # no line there
    assert (light[:, 0] > light[:, -1]).all()


def test_narrow_line_nuclei_are_lines_alone_in_their_share_of_the_other_galaxies() -> None:
    shares = np.where(np.arange(4000) % 4 == 0, 0.5, 0.0)
    active, light = galaxies.nuclei(shares, np.random.default_rng(2))
    narrow = shares[active] == 0
    assert narrow.sum() == pytest.approx(3000 * constants.NARROW_FRACTION.value, rel=0.3)
    assert (np.diff(active) > 0).all()
    lines, step = light[narrow], np.gradient(galaxies.REST_WAVELENGTH_NM)
    assert (lines[:, np.abs(galaxies.REST_WAVELENGTH_NM - 550) < 20] == 0).all()

    def width(line_nm: float, half_nm: float) -> FloatArray:
        inside = np.abs(galaxies.REST_WAVELENGTH_NM - line_nm) < half_nm
        return np.asarray((lines * step)[:, inside].sum(axis=1))

    assert np.median(width(500.8, 2.0)) == pytest.approx(constants.NARROW_WIDTH_NM.value[0], rel=0.3)
    np.testing.assert_allclose(width(657.5, 4.0) / width(500.8, 2.0), 0.56, rtol=0.01)  # H-alpha and [NII]


def test_a_narrow_line_nucleus_leaves_its_host_and_other_galaxies_as_they_are(request: pytest.FixtureRequest) -> None:
    parent, redshift, none = np.arange(300), np.full(300, 0.1), np.zeros(300)
    same, active, nucleus = galaxies.make(redshift, parent, np.random.default_rng(1), none)
    assert 0 < len(active) < 30
    request.getfixturevalue("broad_lines_alone")
    host, without, _ = galaxies.make(redshift, parent, np.random.default_rng(1), none)
    assert not len(without)
    np.testing.assert_array_equal(host, same)
    assert (nucleus.max(axis=1) > 0.1 * host[active].max(axis=1)).any()


def test_other_light_is_any_mixture_of_the_templates_with_its_own_lines_and_slope() -> None:
    parent, redshift, none = np.arange(3), np.full(3, 0.1), np.zeros(3)
    young = galaxies.Light(np.array([1]), np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), np.array([2.0]), np.array([-1.0]))
    plain, _, _ = galaxies.make(redshift, parent, np.random.default_rng(1), none)
    other, _, _ = galaxies.make(redshift, parent, np.random.default_rng(1), none, other=young)
    np.testing.assert_array_equal(plain[[0, 2]], other[[0, 2]])
    blue, red = WAVELENGTH_NM < 450, WAVELENGTH_NM > 800
    assert other[1][blue].mean() / other[1][red].mean() > 2 * plain[1][blue].mean() / plain[1][red].mean()
    halpha = np.abs(WAVELENGTH_NM / 1.1 - 656.5) < 3
    beside = np.abs(WAVELENGTH_NM / 1.1 - 640) < 5
    assert other[1][halpha].max() > 2 * other[1][beside].mean()
    assert young.among(np.array([1, 2])).rows.tolist() == [0]
    assert len(young.among(np.array([0, 2])).rows) == 0


def test_dust_reddens() -> None:
    factor = galaxies.dust(500, np.random.default_rng(3))
    assert (factor <= 1).all()
    assert (factor[:, 100] <= factor[:, -100]).all()
