"""Each quality flag, on spectra made to have it and on spectra made not to."""

import numpy as np
import pytest

from gaia_redshift.bundle import Bundle
from gaia_redshift.interpretation import noise
from gaia_redshift.interpretation.quality import EDGE_WIDTH, FLAGS
from gaia_redshift.spectra import DR3
from tests.reference.quality import Quality, bimodal, missing_band, noise_mismatch
from tests.tiny import SHIPPED
from tests.training.conftest import galaxies
from training.calibration.quality import learn
from training.calibration.reference import features
from training.simulation import constants

FLUX, REDSHIFT = galaxies(3000, 1)
RANGE = (FLUX.min(axis=0) - 1, FLUX.max(axis=0) + 1)
KINDS = ("galaxy", "star", "quasar", "sky", "blend")


def kinds(rows: int, star: float = 0.0) -> np.ndarray:
    return np.tile([1 - star, star, 0, 0, 0], (rows, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def quality() -> Quality:
    sure = kinds(1000, 0.01) + np.random.default_rng(1).uniform(0, 0.01, (1000, 5)).astype(np.float32)
    return Quality(learn(FLUX[:2000], FLUX[2000:], sure, 4), RANGE, (0.0, 0.6), KINDS)


def masks(quality: Quality, flux: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    return quality.masks(flux.astype(np.float32), np.full(len(flux), 0.2), **more)


def test_a_model_with_all_parameters_gives_all_flags_in_order(quality: Quality) -> None:
    found = masks(quality, FLUX[:5], posterior=np.full((5, 12), 1 / 12), kind=kinds(5))
    assert tuple(found) == FLAGS


def test_galaxies_like_the_training_set_are_seldom_out_of_distribution(quality: Quality) -> None:
    assert masks(quality, galaxies(2000, 9)[0])["out_of_distribution"].mean() < 0.06


def test_galaxies_of_a_balanced_set_lower_the_limit_where_they_are_unlikely() -> None:
    rare = FLUX[2000:] * np.linspace(1, 1.4, DR3.samples, dtype=np.float32)  # redder than the survey's
    strict, lenient = (
        Quality(learn(FLUX[:2000], FLUX[2000:], None, 4, balanced), RANGE, (0.0, 0.6)) for balanced in (None, rare)
    )
    assert masks(strict, rare)["out_of_distribution"].mean() > 0.1
    assert masks(lenient, rare)["out_of_distribution"].mean() == pytest.approx(0.04, abs=0.01)
    alike = Quality(learn(FLUX[:2000], FLUX[2000:], None, 4, FLUX[2000:]), RANGE, (0.0, 0.6))
    assert (masks(alike, rare)["out_of_distribution"] == masks(strict, rare)["out_of_distribution"]).all()


def damaged(name: str) -> np.ndarray:
    flux = galaxies(200, 8)[0]
    random = np.random.default_rng(2)
    if name == "spike":
        flux[np.arange(200), random.integers(DR3.samples, size=200)] += 3 * flux.max(axis=1)
    if name == "scrambled":
        flux = random.permuted(flux, axis=1)
    if name == "reversed":
        flux = flux[:, ::-1].copy()
    if name == "noise alone":
        flux = random.normal(0, 1, flux.shape)
    if name == "zigzag":
        flux = flux * (1 + 0.5 * (-1.0) ** np.arange(DR3.samples))
    return flux


@pytest.mark.parametrize("name", ["spike", "scrambled", "reversed", "noise alone", "zigzag"])
def test_damaged_spectra_are_out_of_distribution(quality: Quality, name: str) -> None:
    assert masks(quality, damaged(name))["out_of_distribution"].mean() > 0.95


def test_sky_has_low_signal_and_galaxies_have_not(quality: Quality) -> None:
    sky = np.random.default_rng(3).normal(0, 0.05, (500, DR3.samples))
    assert masks(quality, sky)["low_signal"].mean() > 0.95
    assert masks(quality, FLUX)["low_signal"].mean() < 0.01


def test_what_the_network_takes_for_a_star_is_stellar_like(quality: Quality) -> None:
    assert masks(quality, FLUX[:3], kind=kinds(3, 0.9))["stellar_like"].all()
    assert not masks(quality, FLUX[:3], kind=kinds(3, 0.001))["stellar_like"].any()


@pytest.mark.parametrize("band", [slice(0, DR3.bp.count), slice(DR3.bp.count, None)])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_band_that_is_missing_is_flagged_and_out_of_distribution(quality: Quality, band: slice, value: float) -> None:
    flux = FLUX[:4].copy()
    flux[1, band] = value
    assert missing_band(flux).tolist() == [False, True, False, False]
    assert masks(quality, flux)["out_of_distribution"][1]
    untaught = Quality(None, RANGE, (0.0, 0.6))
    assert masks(untaught, flux)["out_of_distribution"].tolist() == [False, True, False, False]


def test_a_flux_beyond_the_training_range_is_flagged() -> None:
    flux = FLUX[:2].copy()
    flux[1, 7] = RANGE[1][7] + 1
    assert masks(Quality(None, RANGE, (0.0, 0.6)), flux)["outside_training_range"].tolist() == [False, True]


def test_redshifts_near_the_ends_are_flagged() -> None:
    redshift = np.array([0.0, EDGE_WIDTH - 1e-6, EDGE_WIDTH + 1e-6, 0.6 - EDGE_WIDTH + 1e-6])
    found = Quality(None, RANGE, (0.0, 0.6)).masks(FLUX[:4], redshift)["near_range_edge"]
    assert found.tolist() == [True, True, False, True]


def density(*peaks: tuple[float, float]) -> np.ndarray:
    centre = (np.arange(60) + 0.5) / 100
    values = sum(weight * np.exp(-0.5 * ((centre - z) / 0.02) ** 2) for z, weight in peaks)
    return np.asarray(values / np.sum(values))[None]


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ([(0.2, 1.0)], False),
        ([(0.1, 1.0), (0.3, 0.5)], True),
        ([(0.1, 1.0), (0.3, 0.05)], False),
        ([(0.2, 1.0), (0.23, 1.0)], False),
        ([(0.05, 1.0), (0.3, 0.3), (0.5, 0.3)], True),
    ],
)
def test_two_modes_worth_telling_apart_are_bimodal(peaks: list[tuple[float, float]], expected: bool) -> None:
    assert bimodal(density(*peaks))[0] == expected


def test_flags_do_not_depend_on_the_other_spectra(quality: Quality) -> None:
    whole = masks(quality, FLUX[:50], kind=kinds(50))
    for row in (0, 17, 49):
        alone = masks(quality, FLUX[row : row + 1], kind=kinds(1))
        assert {flag: bool(mask[row]) for flag, mask in whole.items()} == {f: bool(m[0]) for f, m in alone.items()}


@pytest.fixture(scope="module")
def simulated() -> np.ndarray:
    """Return 4,000 spectra with Gaia's noise, as the simulator knows it."""
    from training.simulation import dataset

    recipe = dataset.Recipe(4000, 77, "survey", ("galaxy",))
    return np.concatenate([block.flux for block in dataset.simulate(recipe, 1)])


def found_by_noise(flux: np.ndarray) -> float:
    """Return the fraction of spectra flagged noise_mismatch, with the shipped model's components."""
    known = Bundle(SHIPPED / "default").calibration.quality
    assert known is not None
    basis = np.array(known.mean_shape, np.float32), np.array(known.components, np.float32)
    described = features(flux.astype(np.float32), *basis)
    return float(noise_mismatch(flux, np.exp(2 * (described[:, 0] + described[:, 1]))).mean())


def test_noise_and_brightness_of_galaxies_belong_together(simulated: np.ndarray) -> None:
    assert found_by_noise(simulated) < 0.02


@pytest.mark.parametrize(
    ("factor", "least"), [(3, 0.72), (1 / 3, 0.79), (2.9, 0.69), (1 / DR3.pixels, 0.69)], ids=["3", "1/3", "2.9", "px"]
)
def test_fluxes_in_another_unit_are_found_by_their_noise(simulated: np.ndarray, factor: object, least: float) -> None:
    assert found_by_noise(simulated * factor) > least


def test_the_noise_of_one_transit_is_the_simulators() -> None:
    assert constants.PHOTON_VARIANCE.value == noise.PHOTON_VARIANCE
    assert constants.BACKGROUND_VARIANCE.value == noise.BACKGROUND_VARIANCE
    assert constants.EXPOSURE_S.value == noise.EXPOSURE_S
