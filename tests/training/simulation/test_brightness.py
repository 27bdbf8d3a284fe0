"""Galaxies are as bright as their parents, and those that SDSS and Gaia would have taken."""

import numpy as np
import pytest

from training.simulation import brightness, galaxies, size_constants, sizes


@pytest.fixture(scope="module")
def near() -> brightness.Seen:
    return brightness.draw(np.full(3000, 0.1), np.random.default_rng(1))


def test_a_parent_at_its_own_redshift_has_its_own_magnitude() -> None:
    parents, rows = galaxies.parents(), np.arange(0, 9000, 500)
    redshift = parents.redshift[rows]
    apparent = (
        brightness.known().absolute[rows] + sizes.distance_modulus(redshift) + brightness.k_correction(rows, redshift)
    )
    with np.load(brightness.MAGNITUDES_FILE) as file:
        wanted = file["petrosian_r"][np.searchsorted(file["parent_id"], parents.parent_id[rows])]
    np.testing.assert_allclose(apparent, wanted, atol=1e-4)


def test_k_corrections_of_red_galaxies_are_the_known_ones() -> None:
    # Chilingarian et al. 2010: about .25 to .3 mag in r at z = .25 for galaxies of the red sequence.
    red = np.flatnonzero(brightness.known().early_chance > 0.9)[:500]
    assert np.median(brightness.k_correction(red, np.full(len(red), 0.25))) == pytest.approx(0.28, abs=0.08)
    assert np.abs(brightness.k_correction(red, np.zeros(len(red)))).max() < 1e-6


def test_main_galaxies_keep_to_the_surveys_limits(near: brightness.Seen) -> None:
    petrosian = near.apparent + sizes.beyond_petrosian(near.shapes.bulge_share)
    beyond = (petrosian > size_constants.MAIN_LIMIT.value).mean()
    # Those that SDSS took for other reasons, most of which are fainter.
    assert 0 < beyond < size_constants.OTHER_FRACTION.value
    limit, radius = size_constants.FIBRE_LIMIT.value
    assert brightness.aperture_magnitude(near.apparent, near.shapes, near.nucleus, radius).min() > limit


def test_luminous_galaxies_are_larger(near: brightness.Seen) -> None:
    faint, bright = near.absolute > np.percentile(near.absolute, 75), near.absolute < np.percentile(near.absolute, 25)
    assert np.median(near.shapes.half_light[bright]) > 1.3 * np.median(near.shapes.half_light[faint])


def test_gaia_prefers_compact_cores() -> None:
    rng = np.random.default_rng(2)
    shapes = sizes.draw(np.full(400, 0.15), np.full(400, -21.5), np.zeros(400, dtype=bool), rng)
    chance = brightness.gaia_chance(np.full(400, 17.7), shapes, np.zeros(400))
    compact = shapes.bulge_share > np.median(shapes.bulge_share)
    assert chance[compact].mean() > chance[~compact].mean() + 0.1
    assert (brightness.gaia_chance(np.full(400, 17.7), shapes, np.full(400, 0.5)) >= chance).all()


def test_far_galaxies_are_those_with_nuclei_though_nuclei_are_no_commoner_than_the_evolution_says() -> None:
    rng = np.random.default_rng(3)
    share = [(brightness.draw(np.full(400, z), rng).nucleus > 0).mean() for z in (0.1, 0.3, 0.5)]
    assert share[0] < 0.02
    assert share[2] > share[1] + 0.1


def test_magnitudes_fall_off_smoothly_with_redshift() -> None:
    rng = np.random.default_rng(4)
    median = [np.median(brightness.draw(np.full(600, z), rng).apparent) for z in np.arange(0.05, 0.6, 0.05)]
    steps = np.diff(median)
    assert steps.min() > -0.05
    assert steps.max() < 1.0
