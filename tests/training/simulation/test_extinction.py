"""The Milky Way's dust in front of simulated galaxies, and the library's table that corrects for it."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3, TRAINING_EBV
from gaia_redshift.spectra.extinction import attenuation
from training.data.dataset import load
from training.data.kinds import KINDS
from training.simulation import brightness, constants, dataset, extinction, galaxies
from training.simulation.beyond import Given
from training.simulation.build import sample_extinction
from training.simulation.cli import simulate
from training.simulation.files import parquet_schema


def test_the_library_leaves_the_mean_dust_of_the_simulated_survey() -> None:
    assert pytest.approx(extinction.survey_ebv(), abs=1e-4) == TRAINING_EBV


def test_the_law_is_that_of_the_milky_way() -> None:
    blue, visual = extinction.per_ebv(np.array([440.0, 550.0]))
    assert visual == pytest.approx(3.1)
    assert blue - visual == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(extinction.in_r(np.array([0, 0.1])), [0, 0.271], atol=0.001)


def test_without_a_range_galaxies_have_the_dust_that_their_seed_draws_to_the_last_bit() -> None:
    rng, known = np.random.default_rng(2), galaxies.parents().extinction_r
    rng.normal(*constants.TILT.value, (5, 1))
    own = known[rng.integers(len(known), size=5)]
    redshift, parent = np.full(5, 0.1), np.arange(5)
    drawn, given = (galaxies.smooth_factor(redshift, parent, np.random.default_rng(2), of) for of in (None, own))
    assert (drawn == given).all()


def test_dust_moves_the_light_of_the_same_galaxies_to_the_red_and_dims_it() -> None:
    flux = []
    for ebv in (0.03, 0.3):
        rng = np.random.default_rng(1)
        redshift = np.full(50, 0.1)
        seen = brightness.draw(redshift, rng)
        window = dataset.simulator().clean(redshift, seen, rng, Given(np.full(50, ebv)))
        flux.append([window[band].sum(axis=1) for band in ("BP", "RP")])
    (blue, red), (dusty_blue, dusty_red) = flux
    np.testing.assert_allclose(-2.5 * np.log10(dusty_red / red) / 0.27, 1.95, atol=0.1)
    assert (dusty_blue / blue < dusty_red / red).all()


def test_the_librarys_table_is_that_of_the_simulated_galaxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_extinction, "COUNT", 800)
    clear, dusty = (sample_extinction.mean_spectrum(dataset.simulator(), ebv) for ebv in (TRAINING_EBV, 0.3))
    known = attenuation(np.array([0.3 - TRAINING_EBV]), DR3)[0]
    np.testing.assert_allclose(-2.5 * np.log10(dusty / clear), known, atol=0.02)


def test_a_range_gives_every_galaxy_its_dust_and_other_kinds_none(tmp_path: Path) -> None:
    path = tmp_path / "dusty.parquet"
    simulate(path, count=300, seed=2, ebv="0.1:0.3", kind=["galaxy", "star", "blend"], workers=1)
    table = parquet.read_table(path)
    assert table.schema.metadata[b"ebv_range"] == b"0.1 0.3"
    ebv, kind = table["ebv"].to_numpy(), np.array(table["kind"].to_pylist())
    assert (np.isnan(ebv) == (kind == "star")).all()
    assert 0.1 <= np.nanmin(ebv) < 0.12
    assert 0.28 < np.nanmax(ebv) <= 0.3


def test_a_model_knows_the_mean_dust_that_it_was_trained_behind(tmp_path: Path) -> None:
    for ebv, mean in (("0.3", 0.15), (None, TRAINING_EBV)):
        path = tmp_path / "galaxies.parquet"
        simulate(path, count=10, seed=2, ebv=ebv, workers=1)
        assert load(path).ebv == pytest.approx(mean)


def test_without_a_range_nothing_of_it_is_in_a_file() -> None:
    recipe = dataset.Recipe(5, 1)
    block = next(dataset.simulate(recipe))
    assert block.ebv is None
    assert "ebv" not in parquet_schema(recipe).names
    assert b"ebv_range" not in parquet_schema(recipe).metadata
    assert KINDS[0] == "galaxy"


@pytest.mark.parametrize("text", ["much", "-0.1", "0.3:0.1", "0:1.5", "0:", ":0.3", "nan", "0.1:nan"])
def test_a_wrong_range_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError, match="--ebv must be MAX or MIN:MAX"):
        simulate(tmp_path / "dusty.parquet", count=10, ebv=text)


def test_dust_is_not_put_in_front_of_a_spectrum_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="exclude each other"):
        simulate(tmp_path / "own.parquet", sed=tmp_path / "own.txt", redshift=["0.1"], ebv="0.3")


def test_dust_for_sources_that_are_not_behind_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="change galaxies"):
        simulate(tmp_path / "stars.parquet", count=10, kind=["star"], ebv="0.3")
    with pytest.raises(InvalidInputError, match="change galaxies"):
        simulate(tmp_path / "stars.parquet", count=10, kind=["star", "sky"], beyond=0.3)
