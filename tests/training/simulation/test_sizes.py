"""Radii, profiles and angles are the published ones."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from training.simulation import size_constants, sizes


def exact_growth(radius: np.ndarray, index: float, steepness: float, end: float) -> np.ndarray:
    """Return the light of a Sersic profile inside radii, ended smoothly between .75 of `end` and `end`."""
    r = np.linspace(1e-6, end, 200_001)
    taper = np.where(r < 0.75 * end, 1, (1 - ((r / end - 0.75) / 0.25) ** 2) ** 2)
    inside = np.cumsum(np.exp(-steepness * r ** (1 / index)) * taper * r)
    return np.interp(radius, r, inside / inside[-1])


@pytest.mark.parametrize(("bulge", "index", "steepness", "end"), [(1.0, 4, 7.6692, 8), (0.0, 1, 1.6783, 4)])
def test_profiles_are_de_vaucouleurs_and_exponential(bulge: float, index: float, steepness: float, end: float) -> None:
    radius = np.geomspace(0.01, 10, 50)
    one = np.ones(50)
    found = sizes.growth(radius, bulge * one, one, one)
    np.testing.assert_allclose(found, exact_growth(radius, index, steepness, end), atol=0.005)


def test_half_of_the_light_is_inside_the_half_light_radius() -> None:
    rng = np.random.default_rng(1)
    shapes = sizes.draw(np.full(500, 0.1), np.full(500, -21.5), rng.random(500) < 0.5, rng)
    face_on = [
        radius * np.sqrt(ratio)
        for radius, ratio in (
            (shapes.bulge_radius, shapes.bulge_axis_ratio),
            (shapes.disc_radius, shapes.disc_axis_ratio),
        )
    ]
    inside = sizes.growth(shapes.half_light, shapes.bulge_share, *face_on)
    np.testing.assert_allclose(inside, 0.5, atol=0.005)


def test_distances_and_angles_are_those_of_a_flat_universe() -> None:
    redshift = np.array([0.01, 0.1, 0.3, 0.6])
    universe = FlatLambdaCDM(size_constants.HUBBLE_KM_S_MPC.value, size_constants.MATTER_DENSITY.value)
    np.testing.assert_allclose(sizes.distance_modulus(redshift), universe.distmod(redshift).value, atol=0.001)
    per_kpc = universe.arcsec_per_kpc_proper(redshift).value
    np.testing.assert_allclose(sizes.arcsec_per_kpc(redshift), per_kpc, rtol=0.001)


def test_radii_are_shen_and_others_with_their_scatter() -> None:
    # Worked out by hand from the published coefficients.
    early, late = np.array([True]), np.array([False])
    assert sizes.median_radius_kpc(np.array([-22.5]), early)[0] == pytest.approx(10 ** (0.26 * 22.5 - 5.06))
    assert sizes.median_radius_kpc(np.array([-20.91]), late)[0] == pytest.approx(3.46, rel=0.01)
    assert sizes.radius_scatter(np.array([-18.0, -20.91, -23.0])) == pytest.approx([0.449, 0.36, 0.274], abs=0.002)
    rng = np.random.default_rng(2)
    drawn = sizes.draw(np.full(4000, 0.1), np.full(4000, -21.0), np.ones(4000, dtype=bool), rng)
    kpc = np.log(drawn.half_light / sizes.arcsec_per_kpc(np.array([0.1])))
    total = -21 - sizes.beyond_petrosian(drawn.bulge_share)  # Shen's radii belong to all of the light
    median = np.log(sizes.median_radius_kpc(total, np.ones(4000, dtype=bool)))
    assert np.median(kpc - median) == pytest.approx(0, abs=0.02)
    assert (kpc - median).std() == pytest.approx(sizes.radius_scatter(np.array([-21.2]))[0], rel=0.05)


def test_radii_shrink_from_the_redshift_at_which_they_were_measured() -> None:
    kpc = []
    for redshift in (0.1, 0.4):
        rng = np.random.default_rng(2)
        drawn = sizes.draw(np.full(9, redshift), np.full(9, -21.0), np.zeros(9, dtype=bool), rng)
        kpc.append(drawn.half_light / sizes.arcsec_per_kpc(np.array([redshift])))
    np.testing.assert_allclose(kpc[1] / kpc[0], (1.4 / 1.1) ** -0.75, rtol=1e-6)


def test_discs_may_be_thin_and_bulges_are_not() -> None:
    rng = np.random.default_rng(3)
    drawn = sizes.draw(np.full(3000, 0.1), np.full(3000, -21.0), np.zeros(3000, dtype=bool), rng)
    assert drawn.disc_axis_ratio.min() < 0.25
    assert np.percentile(drawn.bulge_axis_ratio, 1) > 0.3
    assert drawn.disc_axis_ratio.max() <= 1
