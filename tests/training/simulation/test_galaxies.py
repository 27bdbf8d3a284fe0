"""Galaxies: redshift moves light as it should, far galaxies are bluer, nuclei are where they are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.simulation import constants, galaxies
from training.simulation.instrument import WAVELENGTH_NM


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.6), st.floats(350, 650))
def test_redshift_moves_a_line_by_one_plus_z(redshift: float, rest_nm: float) -> None:
    line = np.exp(-0.5 * ((galaxies.REST_WAVELENGTH_NM - rest_nm) / 1.0) ** 2).astype(np.float32)[None]
    seen = galaxies.to_observer(line, np.array([redshift]))[0]
    centre = (seen * WAVELENGTH_NM).sum() / seen.sum()
    assert centre == pytest.approx(rest_nm * (1 + redshift), rel=3e-4)


def test_galaxies_beyond_half_descend_mostly_from_star_bursting_ones() -> None:
    rng = np.random.default_rng(1)
    young = galaxies.parents().coefficients[:, 0]
    share = {z: (young[galaxies.choose_parents(np.full(2000, z), rng)] > constants.BLUE_PARENT.value).mean()
             for z in (0.15, 0.55)}  # fmt: skip
    assert share[0.15] < 0.1
    assert share[0.55] == pytest.approx(0.96, abs=0.04)


def test_nuclei_are_as_frequent_as_the_table_says_and_carry_their_share() -> None:
    redshift = np.full(4000, 0.55)
    active, share, light = galaxies.nuclei(redshift, np.random.default_rng(2))
    assert len(active) / len(redshift) == pytest.approx(0.65, abs=0.03)
    assert light.shape == (len(active), len(galaxies.REST_WAVELENGTH_NM))
    assert share.min() >= constants.AGN_LIGHT.value[0]
    assert share.max() <= constants.AGN_LIGHT.value[1]


def test_dust_reddens() -> None:
    factor = galaxies.dust(500, np.random.default_rng(3))
    assert (factor <= 1).all()
    assert (factor[:, 100] <= factor[:, -100]).all()
