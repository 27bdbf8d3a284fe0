"""What the nuisance numbers of the simulator tell of the redshift is known, and does not grow."""

from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.leak import Told, learnt, nuisances, told
from training.simulation import population


def test_the_regression_finds_what_is_there() -> None:
    rng = np.random.default_rng(2)
    redshift = rng.random(2000)
    assert told(np.column_stack([redshift**0.5, rng.random(2000)]), redshift).share > 0.99
    assert abs(told(rng.random((2000, 3)), redshift).share) < 0.02


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Fit in one thread: OpenMP's threads spin while they wait, ten times the work where other tests run beside."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def found() -> dict[str, Told]:
    rng = np.random.default_rng(1)
    redshift = population.draw_redshift(8_000, "survey", rng)
    return {name: learnt(numbers, redshift) for name, numbers in nuisances(redshift, rng).items()}


def test_in_the_sky_found_nuisances_tell_no_more_than_the_published_relations(found: dict[str, Told]) -> None:
    # A regression's own scatter is .01 of the variance.
    assert found["transits, excess of noise, position, background"].share < 0.005
    size = found["bound: size, bulge, disc, axis ratios, type"].share
    assert found["extent: the shares of the smear in both bands"].share < size + 0.02
    assert found["balance of the bands"].share < size + 0.02
    both = found["bound: magnitude, size, bulge, disc, axis ratios, type"].share
    assert found["brightness in the window"].share < both
    assert found["all"].share < both + 0.02


def test_the_bound_would_see_an_extent_that_follows_the_redshift(found: dict[str, Told]) -> None:
    rng = np.random.default_rng(1)
    redshift = population.draw_redshift(8_000, "survey", rng)
    leaking = np.column_stack([np.exp(-5 * redshift + 0.2 * rng.standard_normal(8_000)), rng.random(8_000)])
    assert learnt(leaking, redshift).share > found["bound: size, bulge, disc, axis ratios, type"].share + 0.02
