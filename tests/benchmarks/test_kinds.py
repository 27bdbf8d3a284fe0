"""Galaxies that no training has seen: templates out of wheels, and simulated galaxies that are changed."""

import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kinds import brighter, compact, downloaded, lines, of_template, own, read_template, row
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import Redshifts
from training.simulation import galaxies, population


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    (tmp_path / "some").mkdir()
    path = tmp_path / "some" / "some-1.whl"
    wavelength = np.linspace(0, 20_000, 500)
    text = "# Angstrom\n" + "\n".join(f"{one:.1f} {one / 1e4:.5f} 7" for one in wavelength)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/SED/E.sed", text)
    return path


def test_a_template_is_read_from_a_wheel_that_is_there_already(wheel: Path) -> None:
    assert downloaded("some", wheel.parents[1]) == wheel
    sed = read_template(wheel, "some/SED/E.sed")
    assert len(sed.wavelength_nm) == 499  # without the one at zero
    assert sed.wavelength_nm[-1] == 2000
    shown = of_template(sed, 20, seed=1)
    assert shown.flux.shape == (20, 186)
    assert np.isfinite(shown.flux).all()
    assert (of_template(sed, 20, seed=1).flux == shown.flux).all()


def test_own_galaxies_are_of_parents_that_no_training_has_seen_and_their_dust_is_told_if_asked() -> None:
    plain, dusty = own(30, 1, 0.0), own(30, 1, 0.3, told=True)
    assert (plain.redshift == dusty.redshift).all()
    assert plain.ebv is None
    assert dusty.ebv is not None
    assert dusty.ebv.tolist() == [0.3] * 30
    assert (dusty.flux.sum(axis=1) < plain.flux.sum(axis=1)).all()


@pytest.mark.parametrize("change", [partial(brighter, factor=4.0), partial(lines, factor=4.0)], ids=["bright", "lines"])
def test_a_change_is_undone(change: Callable[[ExitStack], None]) -> None:
    before = own(10, 1).flux
    assert (own(10, 1, change=change).flux != before).any()
    assert (own(10, 1, change=change).flux.max(axis=1) >= 0).all()
    assert (own(10, 1).flux == before).all()


def test_a_compact_galaxy_has_its_share_of_light_in_the_smallest_width() -> None:
    redshift = np.full(5, 0.1)
    with ExitStack() as stack:
        compact(stack, 0.5)
        half = population.draw_smear(redshift, np.random.default_rng(1))
    with ExitStack() as stack:
        compact(stack, 1.0)
        points = population.draw_smear(redshift, np.random.default_rng(1))
    plain = population.draw_smear(redshift, np.random.default_rng(1))
    np.testing.assert_allclose(half[:, 1], 0.5 + plain[:, 1] / 2, rtol=1e-5)
    np.testing.assert_allclose(points, np.eye(8)[[0] * 5], atol=1e-6)
    with ExitStack() as stack:
        continuum, known = galaxies.templates()
        lines(stack, 2.0)
        assert galaxies.templates()[0] is continuum
        np.testing.assert_allclose(galaxies.templates()[1], 2 * known)


def test_a_row_counts_errors_coverage_and_flags() -> None:
    values = np.array([[0.1, 0.05, 0.15, 0.0, 0.2], [0.3, 0.29, 0.31, 0.28, 0.32]])
    flags = np.array([0, 1 << FLAGS.index("out_of_distribution")], np.int32)
    found = row(Redshifts(values, flags), np.array([0.12, 0.2])).split(" | ")
    assert found == ["0.0600", "+0.0400", "50.0%", "50.0%", "0.0%", "50.0%", "50.0%", "0.0%", "100.0%"]
