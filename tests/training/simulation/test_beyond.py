"""Galaxies unlike SDSS's: as many as asked for, with light, brightness and cores of their own."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.errors import InvalidInputError
from training.simulation import beyond, brightness, constants, dataset, extinction, galaxies, sizes
from training.simulation.cli import simulate


def test_so_many_galaxies_are_beyond_and_most_of_them_of_other_types() -> None:
    drawn = beyond.draw(0.3, 4000, seed=1, block=2)
    assert len(drawn.rows) / 4000 == pytest.approx(0.3, abs=0.03)
    assert len(drawn.light.rows) / len(drawn.rows) == pytest.approx(constants.BEYOND_TYPES.value, abs=0.05)
    assert np.isin(drawn.light.rows, drawn.rows).all()
    np.testing.assert_allclose(drawn.light.shares.sum(axis=1), 1)
    assert (beyond.draw(0.3, 4000, seed=1, block=3).rows[:50] != drawn.rows[:50]).any()


def test_only_they_are_changed() -> None:
    seen = brightness.draw(np.full(200, 0.1), np.random.default_rng(1))
    drawn = beyond.draw(0.5, 200, seed=1, block=0)
    changed = drawn.changed(seen)
    others = np.setdiff1d(np.arange(200), drawn.rows)
    assert (changed.apparent[others] == seen.apparent[others]).all()
    assert (changed.shapes.bulge_radius[others] == seen.shapes.bulge_radius[others]).all()
    np.testing.assert_allclose(changed.apparent[drawn.rows] - seen.apparent[drawn.rows], drawn.fainter)
    assert np.median(changed.shapes.bulge_radius[drawn.rows] / seen.shapes.bulge_radius[drawn.rows]) < 0.8
    shapes = changed.shapes
    assert (shapes.half_light[others] == seen.shapes.half_light[others]).all()
    bulge, disc = (
        radius * np.sqrt(ratio)
        for radius, ratio in (
            (shapes.bulge_radius, shapes.bulge_axis_ratio),
            (shapes.disc_radius, shapes.disc_axis_ratio),
        )
    )
    # The table of half-light radii ends at bulges of 1/55 and 1.6 times the disc.
    inside = sizes.growth(shapes.half_light, shapes.bulge_share, bulge, disc)
    known = (bulge / disc > np.exp(-4)) & (bulge / disc < np.exp(0.5))
    np.testing.assert_allclose(inside[known], 0.5, atol=0.005)


def test_a_file_says_which_they_are_and_is_the_same_without_them(tmp_path: Path) -> None:
    path, kinds = tmp_path / "unlike.parquet", ["galaxy", "star", "blend"]
    simulate(path, count=300, seed=2, beyond=0.4, kind=kinds, workers=1)
    table = parquet.read_table(path)
    assert table.schema.metadata[b"beyond_share"] == b"0.4"
    chosen, kind = table["beyond"].to_numpy(zero_copy_only=False), np.array(table["kind"].to_pylist())
    assert chosen.mean() == pytest.approx(0.4 * 2 / 3, abs=0.1)
    assert not chosen[kind == "star"].any()
    told = table["bulge_share"].to_numpy()
    drawn = beyond.draw(0.4, 300, seed=2, block=0)
    mine = kind[drawn.rows] != "star"
    np.testing.assert_allclose(told[drawn.rows[mine]], drawn.bulge_share[mine], rtol=1e-6)
    plain = next(dataset.simulate(dataset.Recipe(300, 2, kinds=("galaxy",))))
    some = next(dataset.simulate(dataset.Recipe(300, 2, kinds=("galaxy",), beyond=0.4)))
    assert plain.beyond is None
    assert some.beyond is not None
    assert (plain.redshift == some.redshift).all()
    # But for what is drawn in the order of the galaxies, they are the same, and behind SDSS's dust.
    ratio = 10 ** (0.4 * (plain.magnitude - some.magnitude))
    assert np.abs(ratio[~some.beyond] - 1).max() < 0.2
    assert np.median(ratio[some.beyond]) < 0.9


def test_they_are_behind_more_dust_unless_a_range_is_asked_for() -> None:
    drawn = beyond.draw(0.5, 2000, seed=1, block=0)
    dust = drawn.dust(2000)
    assert np.isnan(np.delete(dust, drawn.rows)).all()
    assert 0.28 < dust[drawn.rows].max() <= constants.BEYOND_EBV.value
    few = np.array([0.1, np.nan, 0.5])
    factor = galaxies.smooth_factor(np.full(3, 0.1), np.arange(3), np.random.default_rng(1), extinction.in_r(few))
    assert np.isfinite(factor).all()
    assert extinction.fainter_in_r(few)[1] == 1
    assert extinction.fainter_in_r(few)[2] < 0.5


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_wrong_share_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(InvalidInputError, match="--beyond must be from 0 to 1"):
        simulate(tmp_path / "unlike.parquet", count=10, beyond=share)


def test_it_does_not_change_a_spectrum_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--beyond and --sed exclude each other"):
        simulate(tmp_path / "own.parquet", sed=tmp_path / "own.txt", redshift=["0.1"], beyond=0.5)
