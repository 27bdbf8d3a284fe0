"""The distribution of a sample is found from likelihoods alone, with honest errors, or not at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidRequestError
from gaia_redshift.interpretation.prior import name_of
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.sample import FEWEST, Likelihoods

EDGES = np.linspace(0, 0.6, 121)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
FLAT = np.full(120, 1 / 120)
SURVEY = CENTRES * np.exp(-CENTRES / 0.07)
SURVEY /= SURVEY.sum()


def densities(true: NDArray[np.float64], prior: NDArray[np.float64], sigma: float = 0.03) -> NDArray[np.float64]:
    """Return an exact model's densities of galaxies measured with this error, per unit of redshift."""
    measured = true + np.random.default_rng(3).normal(0, sigma, len(true))
    posterior = np.exp(-0.5 * ((CENTRES - measured[:, None]) / sigma) ** 2) * prior
    return posterior / posterior.sum(axis=1, keepdims=True) / np.diff(EDGES)


def no_flags(rows: int) -> NDArray[np.int32]:
    return np.zeros(rows, np.int32)


@pytest.mark.parametrize("prior", [FLAT, SURVEY], ids=["flat", "survey"])
@pytest.mark.parametrize("middle", [0.12, 0.35])
def test_mean_and_histogram_are_the_samples_whatever_prior_the_densities_hold_under(
    prior: NDArray[np.float64], middle: float
) -> None:
    true = np.random.default_rng(5).normal(middle, 0.03, 1000)
    found = Likelihoods(EDGES, prior).add(densities(true, prior), no_flags(1000)).infer()
    assert abs(found.mean - true.mean()) < 2 * found.mean_error
    assert found.mean_error == pytest.approx(0.042 / np.sqrt(1000), rel=0.4)
    made = found.histogram(0.05)
    counts = np.histogram(true, made.edges)[0]
    assert made.n.sum() == pytest.approx(1000)
    assert (np.abs(made.n - counts) < 3.5 * made.error).all()


def test_a_narrow_sample_comes_out_narrower_than_its_summed_densities() -> None:
    true = np.full(2000, 0.2)
    pdf = densities(true, FLAT)
    found = Likelihoods(EDGES, FLAT).add(pdf, no_flags(2000)).infer(replicas=0)
    spread = np.sqrt(found.probability @ (CENTRES - found.mean) ** 2)
    summed = pdf.mean(axis=0) * np.diff(EDGES)
    assert spread < 0.4 * np.sqrt(summed @ (CENTRES - summed @ CENTRES) ** 2)


def test_its_prior_draws_galaxies_to_their_sample_and_excludes_no_redshift() -> None:
    true = np.random.default_rng(5).normal(0.3, 0.01, 1000)
    prior = Likelihoods(EDGES, FLAT).add(densities(true, FLAT), no_flags(1000)).infer(replicas=0).prior()
    weights = prior.on_bins(EDGES)
    assert name_of(prior) == "sample"
    assert weights.sum() == pytest.approx(1)
    assert weights @ CENTRES == pytest.approx(true.mean(), abs=0.003)
    assert weights.min() > 1e-6


def test_too_few_galaxies_are_refused_with_their_number() -> None:
    gathered = Likelihoods(EDGES, FLAT).add(densities(np.full(FEWEST + 5, 0.1), FLAT), no_flags(FEWEST + 5))
    assert gathered.infer(replicas=0).rows == FEWEST + 5
    few = Likelihoods(EDGES, FLAT).add(densities(np.full(FEWEST - 1, 0.1), FLAT), no_flags(FEWEST - 1))
    with pytest.raises(InvalidRequestError, match=r"at least 200 .* there are 199: give more spectra"):
        few.infer()


def test_rows_without_a_density_or_that_are_no_galaxies_are_left_out_and_counted() -> None:
    pdf = densities(np.full(300, 0.1), FLAT)
    pdf[:60] = np.nan
    flags = no_flags(300)
    flags[60:110] = 1 << FLAGS.index("stellar_like")
    flags[110:] = 1 << FLAGS.index("bimodal")
    gathered = Likelihoods(EDGES, FLAT).add(pdf, flags)
    assert (len(gathered), gathered.rows, gathered.without, gathered.no_galaxies) == (190, 300, 60, 50)
    with pytest.raises(InvalidRequestError, match=r"there are 190 \(60 have none, 50 look like no galaxy\)"):
        gathered.infer()


def test_uninformative_spectra_give_no_numbers() -> None:
    blind = np.tile(FLAT / np.diff(EDGES), (1000, 1))
    found = Likelihoods(EDGES, FLAT).add(blind, no_flags(1000)).infer()
    assert not found.constrained
    assert np.isnan(found.histogram(0.05).n).all()
    with pytest.raises(InvalidRequestError, match="do not constrain the redshift distribution"):
        found.prior()


@pytest.mark.parametrize("width", [0.0, -1.0, 0.001, float("nan")])
def test_an_interval_is_at_least_a_bin_wide(width: float) -> None:
    found = Likelihoods(EDGES, FLAT).add(densities(np.full(300, 0.1), FLAT), no_flags(300)).infer(replicas=0)
    with pytest.raises(InvalidRequestError, match=r"at least that of the bins, 0\.005"):
        found.histogram(width)
