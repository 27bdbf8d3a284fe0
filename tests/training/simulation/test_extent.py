"""The profile along scan of a galaxy behind Gaia's window is what an image of it would give."""

import numpy as np
import pytest

from training.simulation import constants, extent, size_constants, sizes

WIDTHS = np.array(constants.SMEAR_SIGMA_PX.value)


def shape(bulge: float, radius: float, ratio: float, bulge_radius: float = 0.3) -> sizes.Shapes:
    one = np.ones(1)
    return sizes.Shapes(
        radius * one, bulge * one, bulge_radius * one, radius * one, np.sqrt(ratio) * one, ratio * one, one > 0
    )


def test_a_tiny_galaxy_is_a_point_of_which_nothing_is_lost() -> None:
    weight = extent.smear(shape(0.0, 1e-4, 1.0), np.zeros((1, 1)), "RP")
    assert weight[0, 0] == pytest.approx(1, abs=1e-3)


def test_a_larger_galaxy_loses_more_light_and_more_of_it_in_bp() -> None:
    angle = np.full((1, 1), 0.7)
    held = [extent.smear(shape(0.3, radius, 0.8), angle, "RP").sum() for radius in (0.5, 1.0, 2.0, 4.0)]
    assert all(np.diff(held) < -0.02)
    assert extent.smear(shape(0.3, 2.0, 0.8), angle, "BP").sum() < held[2]


def test_a_galaxy_scanned_along_its_major_axis_is_smeared_more() -> None:
    along, across = (
        extent.smear(shape(0.0, 0.6, 0.3), np.full((1, 1), angle), "RP")[0] @ WIDTHS**2 for angle in (0.0, np.pi / 2)
    )
    assert along > 3 * across


@pytest.mark.parametrize(
    "case", [(0.2, 1.5, 0.4, 0.5), (0.6, 3.0, 0.7, 1.0), (1.0, 0.8, 0.8, 0.8)], ids=["spiral", "lenticular", "bulge"]
)
def test_the_mixture_is_the_profile_of_an_image(case: tuple[float, float, float, float]) -> None:
    galaxy, angle = shape(*case), np.array([[0.3, 1.1]])
    edges = np.arange(-30.0, 30.1, 0.5)
    middle = (edges[1:] + edges[:-1]) / 2
    image = image_profile(galaxy, angle[0], edges)
    spread = np.sqrt(WIDTHS**2 + 1)  # a line spread of 1 px
    mixture = extent.smear(galaxy, angle, "RP")[0] / spread / np.sqrt(2 * np.pi)
    found = np.exp(-0.5 * (middle[:, None] / spread) ** 2) @ mixture
    assert found.sum() == pytest.approx(image.sum(), rel=0.01)
    assert np.sqrt(((found - image) ** 2).mean()) < 0.01 * image.max()


def image_profile(galaxy: sizes.Shapes, angles: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the light per px along scan, of many points drawn from the Sersic profiles themselves."""
    rng, count = np.random.default_rng(1), 200_000
    blue = size_constants.BAND_NM.value["RP"] / constants.SDSS_EFFECTIVE_NM.value[2]
    unit = blue**size_constants.SIZE_WAVELENGTH.value
    light = np.zeros(len(edges) - 1)
    for share, radius, ratio, index, steepness, end in (
        (galaxy.bulge_share[0], galaxy.bulge_radius[0], galaxy.bulge_axis_ratio[0], 4, 7.6692, 8),
        (1 - galaxy.bulge_share[0], galaxy.disc_radius[0], galaxy.disc_axis_ratio[0], 1, 1.6783, 4),
    ):
        r = np.linspace(1e-6, end, 100_001)
        taper = np.where(r < 0.75 * end, 1, (1 - ((r / end - 0.75) / 0.25) ** 2) ** 2)
        inside = np.cumsum(np.exp(-steepness * r ** (1 / index)) * taper * r)
        drawn = np.interp((np.arange(count) + 0.5) / count, inside / inside[-1], r) * radius * unit
        turn = rng.uniform(0, 2 * np.pi, count)
        x, y = drawn * np.cos(turn), drawn * ratio * np.sin(turn)
        for angle in angles:
            along, across = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
            held = np.abs(across) < size_constants.WINDOW_ACROSS_ARCSEC.value / 2
            place = along[held] / size_constants.PIXEL_ARCSEC.value + rng.standard_normal(held.sum())
            light += share * np.histogram(place, edges)[0] / count / len(angles)
    return light / np.diff(edges)
