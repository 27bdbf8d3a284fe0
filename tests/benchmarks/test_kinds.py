"""Galaxies that no training has seen: templates out of wheels, and simulated galaxies that are changed."""

import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kinds import brighter, compact, downloaded, of_template, own, read_template, row, with_lines
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import Redshifts
from training.simulation import brightness, extent


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


def test_a_brighter_galaxy_is_the_same_but_for_its_flux() -> None:
    before, after = own(10, 1), own(10, 1, change=partial(brighter, factor=4.0))
    assert (before.redshift == after.redshift).all()
    # All but the noise and the brightest, which no real galaxy exceeds.
    assert np.median(after.flux.sum(axis=1) / before.flux.sum(axis=1)) == pytest.approx(4, rel=0.1)


def test_stronger_lines_change_the_light_and_are_undone() -> None:
    before = own(10, 1).flux
    assert (with_lines(10, 1, 4.0).flux != before).any()
    assert (own(10, 1).flux == before).all()


def test_a_compact_galaxy_has_its_share_of_light_in_a_small_bulge() -> None:
    seen = brightness.draw(np.full(5, 0.1), np.random.default_rng(1))
    half, points = compact(seen, 0.5).shapes, compact(seen, 1.0).shapes
    assert half.bulge_share.tolist() == [0.5] * 5
    assert half.bulge_radius.tolist() == [0.14] * 5
    assert (half.disc_radius == seen.shapes.disc_radius).all()
    smear = extent.smear(points, extent.scan_angles(5, np.random.default_rng(2)), "RP")
    np.testing.assert_allclose(smear[:, 0], 1, atol=0.02)


def test_a_row_counts_errors_coverage_and_flags() -> None:
    values = np.array([[0.1, 0.05, 0.15, 0.0, 0.2], [0.3, 0.29, 0.31, 0.28, 0.32]])
    flags = np.array([0, 1 << FLAGS.index("out_of_distribution")], np.int32)
    found = row(Redshifts(values, flags), np.array([0.12, 0.2]), np.array([True, False])).split(" | ")
    assert found == ["0.0600", "+0.0400", "50.0%", "50.0%", "0.0%", "50.0%", "50.0%", "0.0%", "0.0%", "100.0%"]
