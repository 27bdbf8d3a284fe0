"""A small density network, from simulated files to a bundle that serves."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from gaia_redshift.bundle import ONNX_FILE, Bundle
from gaia_redshift.commands.main import build
from gaia_redshift.engine import KerasEngine, OnnxEngine
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import SpectrumBatch
from tests.training.conftest import KERAS_WARNS, runner
from training.commands.train import train
from training.data.dataset import read
from training.data.material import Galaxies, Material, gather
from training.data.split import split
from training.recipes.density import DensityRecipe
from training.simulation.cli import simulate
from training.trainer.fit import fit
from training.trainer.run import Epoch, Run

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

SMALL = DensityRecipe(bins=24, width=32, hidden=48, blocks=1, batch_size=64, epochs=3, learning_rate=2e-2)


class Files(NamedTuple):
    """What a density is trained on."""

    survey: Path
    balance: Path
    contaminants: Path


def gathered(files: Files) -> Material:
    survey, balance = read(files.survey), read(files.balance)
    return gather(Galaxies(survey, split(survey, 4)), Galaxies(balance, split(balance, 4)), files.contaminants)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Simulate a survey, a uniform set and contaminants."""
    folder = tmp_path_factory.mktemp("spectra")
    make = runner(simulate)
    make("-n", "1500", "--seed", "1", "--workers", "1", "-o", folder / "survey.parquet")
    make("-n", "1000", "--seed", "2", "--workers", "1", "--redshift", "uniform", "-o", folder / "uniform.parquet")
    kinds = [word for kind in ("star", "quasar", "sky", "blend") for word in ("--kind", kind)]
    make("-n", "800", "--seed", "3", "--workers", "1", *kinds, "-o", folder / "others.parquet")
    paths = (folder / f"{name}.parquet" for name in ("survey", "uniform", "others"))
    return Files(*paths)


class Trained(NamedTuple):
    """The bundle that the command made of a density network, and what it said."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def trained(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train and export."""
    place = tmp_path_factory.mktemp("density")
    recipe = place / "recipe.json"
    recipe.write_text(SMALL.model_dump_json())
    said = runner(train)(
        *(files.survey, "-o", place / "small", "--recipe", recipe, "--balance", files.balance),
        *("--contaminants", files.contaminants, "--run-dir", place / "run", "--version", "1.0.0"),
    )
    return Trained(place / "small", said)


@pytest.fixture(scope="module")
def folder(trained: Trained) -> Path:
    """Return the bundle's folder."""
    return trained.folder


def test_both_engines_give_the_same_densities_and_flags(files: Files, folder: Path) -> None:
    bundle, flux = Bundle(folder), read(files.survey).flux[:200]
    onnx, keras = (engine(bundle, 1)(flux, pdf=True) for engine in (OnnxEngine, KerasEngine))
    assert onnx.pdf.shape == (200, 24)
    np.testing.assert_allclose(onnx.pdf * bundle.bins.widths, keras.pdf * bundle.bins.widths, atol=5e-6)
    np.testing.assert_allclose((onnx.pdf * bundle.bins.widths).sum(axis=1), 1, atol=1e-5)
    assert (onnx.flags == keras.flags).all()


def test_the_network_has_learnt_redshifts_and_tells_stars_and_sky_from_galaxies(files: Files, folder: Path) -> None:
    model, survey = Predictor(folder, engine="onnx", threads=1), read(files.survey)
    rows = np.flatnonzero(survey.part == "test")
    found = model.predict(SpectrumBatch(survey.flux[rows]), AnswerOptions()).redshifts
    constant = np.abs(survey.redshift[rows] - np.median(survey.redshift)).mean()
    assert np.abs(found.redshift - survey.redshift[rows]).mean() < 0.8 * constant
    assert set(model.bundle.flags) == {
        *("low_signal", "outside_training_range", "out_of_distribution"),
        *("bimodal", "near_range_edge", "missing_band", "stellar_like", "noise_mismatch"),
    }


def test_intervals_are_calibrated_for_both_priors(folder: Path) -> None:
    calibration = Bundle(folder).calibration
    assert set(calibration.intervals) == {"survey", "flat"}
    assert sum(calibration.prior_train or []) == pytest.approx(1)
    assert (calibration.kinds or [])[0] == "galaxy"


def test_the_card_says_what_the_model_is(folder: Path) -> None:
    card = (folder / "CARD.md").read_text()
    assert card.startswith("**Trained on SIMULATED spectra")
    for part in ("survey prior", "flat prior", "Quality flags", "`stellar_like`", "Epochs: 3 of at most 3"):
        assert part in card


@pytest.mark.usefixtures("eager")
def test_an_interrupted_training_ends_with_the_weights_of_one_that_was_not(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material, recipe = gathered(files), SMALL.model_copy(update={"batch_size": 1100, "epochs": 2})
    whole = fit(material, recipe, tmp_path / "whole")
    run, record = tmp_path / "stopped", Run.record

    def record_and_stop(self: Run, row: Epoch, network: object) -> None:
        record(self, row, network)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "record", record_and_stop)
    with pytest.raises(KeyboardInterrupt):
        fit(material, recipe, run)
    monkeypatch.setattr(Run, "record", record)
    again = fit(material, recipe, run)
    for one, other in zip(whole.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_density_needs_its_three_files(files: Files, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="needs --balance and --contaminants"):
        runner(train)(files.survey, "-o", tmp_path / "model", "--recipe", "density")
    with pytest.raises(InvalidInputError, match=r"^--balance belongs to --recipe density, .*: leave it out$"):
        runner(train)(files.survey, "-o", tmp_path / "model", "--balance", files.balance)


def test_contaminants_that_are_galaxies_are_refused(files: Files) -> None:
    survey = read(files.survey)
    galaxies = Galaxies(survey, split(survey, 4))
    with pytest.raises(InvalidInputError):
        gather(galaxies, galaxies, files.survey)


@pytest.mark.usefixtures("undrawn")
def test_the_command_trains_serves_and_evaluates(files: Files, trained: Trained, tmp_path: Path) -> None:
    assert "small 1.0.0, test part MAE" in trained.said
    assert ONNX_FILE in Bundle(trained.folder).manifest.files
    command = ["evaluate", str(trained.folder), str(files.survey), "--report", str(tmp_path / "report")]
    result = CliRunner().invoke(build(), command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report" / "index.html").read_text()
    assert "CRPS" in page
    assert "probability integral transform" in page


@pytest.mark.usefixtures("eager")
def test_a_density_is_trained_further_and_told_to_tensorboard(files: Files, folder: Path, tmp_path: Path) -> None:
    options = ("--epochs", "1", "--batch-size", "1000", "--learning-rate", "1e-9", "--run-dir", tmp_path / "run")
    if find_spec("tensorboard"):
        options += ("--tensorboard", tmp_path / "board")
    sources = (files.survey, "--balance", files.balance, "--contaminants", files.contaminants)
    runner(train)(*sources, "-o", tmp_path / "finer", "--init", folder, *options)
    start, finer = Bundle(folder), Bundle(tmp_path / "finer")
    assert "Fine-tuned from small@1.0.0" in finer.manifest.description
    # So small a rate leaves the weights as they were, the standardisation of the spectra among them.
    flux = read(files.survey).flux[:50]
    old, new = (OnnxEngine(bundle, 1)(flux, pdf=True) for bundle in (start, finer))
    np.testing.assert_allclose(old.pdf, new.pdf, atol=1e-3)
    if find_spec("tensorboard"):
        assert {path.name for path in (tmp_path / "board").iterdir()} == {"train", "validation"}
