import csv
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gaia_redshift.errors import InvalidInputError
from tests.training.conftest import KERAS_WARNS, SMALL, Trained, eagerly, galaxies, gathered, redshifts
from training.data.dataset import Dataset
from training.data.material import Material
from training.recipes.cnn import Convolution
from training.trainer.fit import Fitted, fit
from training.trainer.progress import Bar
from training.trainer.run import Run

pytestmark = [pytest.mark.filterwarnings(KERAS_WARNS), pytest.mark.usefixtures("eager")]

TINY = SMALL.model_copy(
    update={"convolutions": (Convolution(filters=2, kernel=5),), "dense": (4,), "batch_size": 64, "epochs": 2}
)
"""Two steps an epoch."""


def labelled(sha256: str = "a" * 64, rows: int = 203) -> Dataset:
    flux, redshift = galaxies(203)
    return Dataset(flux[-rows:], redshift[-rows:], None, None, "galaxies.csv", sha256, None)


@pytest.fixture
def material() -> Material:
    return gathered(labelled())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of `whole`."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Fitted:
    """Return what `TINY` gives for that material without interruption."""
    with eagerly():
        return fit(gathered(labelled()), TINY, folder)


def weights(fitted: Fitted) -> list[Any]:
    return [np.asarray(each) for each in fitted.network.get_weights()]


def same(first: Fitted, second: Fitted) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(weights(first), weights(second), strict=True))


def test_a_small_network_learns_the_redshift(trained: Trained) -> None:
    assert trained.manifest.metrics["mae"] < 0.05
    first, *_, last = trained.fitted.history
    assert last.val_loss < first.val_loss


def test_the_scaler_saw_the_training_part_alone(trained: Trained) -> None:
    flux = trained.material.survey.flux("train")
    np.testing.assert_array_equal(trained.fitted.scaler.data_min_, flux.min(axis=0))
    np.testing.assert_array_equal(trained.fitted.scaler.data_max_, flux.max(axis=0))
    assert (trained.material.survey.dataset.flux.max(axis=0) > flux.max(axis=0)).any()


def test_one_seed_gives_the_same_weights_twice_and_another_seed_others(
    material: Material, whole: Fitted, tmp_path: Path
) -> None:
    assert same(whole, fit(material, TINY, tmp_path / "second"))
    assert not same(whole, fit(material, TINY.model_copy(update={"seed": 5}), tmp_path / "third"))


class Killed(BaseException):
    """What the operating system does, as far as a test can."""


@pytest.mark.parametrize("moment", ["before anything is saved", "after the best weights", "after the checkpoint"])
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    material: Material, whole: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    calls = {"before anything is saved": 0, "after the best weights": 1, "after the checkpoint": 2}[moment]

    record = Run.record
    replace_file = Path.replace

    def record_until_killed(run: Run, row: Any, network: Any) -> None:
        left = iter(range(calls))

        def replace_or_die(path: Path, target: Path) -> Path:
            if next(left, None) is None:
                raise Killed
            return replace_file(path, target)

        if row.epoch == 2:
            monkeypatch.setattr(Path, "replace", replace_or_die)
        record(run, row, network)

    monkeypatch.setattr(Run, "record", record_until_killed)
    with pytest.raises(Killed):
        fit(material, TINY, tmp_path / "killed")
    monkeypatch.undo()
    with (tmp_path / "killed" / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]

    resumed = fit(material, TINY, tmp_path / "killed")
    assert same(whole, resumed)
    without_time = [[replace(row, seconds=0.0) for row in each.history] for each in (whole, resumed)]
    assert without_time[0] == without_time[1]


def test_a_finished_run_is_not_trained_again(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.Model, "fit", None)
    again = fit(trained.material, SMALL, trained.run)
    assert same(again, trained.fitted)


def test_more_epochs_continue_a_finished_run_and_each_is_a_line_of_the_log(
    material: Material, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for epochs in (1, 3):
        fitted = fit(material, TINY.model_copy(update={"epochs": epochs}), tmp_path)
    assert [row.epoch for row in fitted.history] == [1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.weights.h5",
        "data.json",
        "epoch-003.keras",
        "history.csv",
        "recipe.json",
    ]
    captured = capsys.readouterr()
    assert captured.out == ""
    first, one, again, *others = captured.err.strip().splitlines()
    assert first == "127 train, 55 validation, 21 test spectra"
    assert again == f"{first}; 1 epoch is done already"
    assert [line.split(":")[0] for line in (one, *others)] == ["epoch 1/1", "epoch 2/3", "epoch 3/3"]


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best_epoch(
    material: Material, tmp_path: Path
) -> None:
    # Plain gradient steps this long overshoot, so some later epoch is worse than the best.
    recipe = TINY.model_copy(update={"epochs": 40, "patience": 2, "learning_rate": 0.1})
    fitted = fit(material, recipe, tmp_path)
    assert len(fitted.history) < 40
    assert fitted.best_epoch == len(fitted.history) - 2
    assert fitted.history[fitted.best_epoch - 1].val_loss == min(row.val_loss for row in fitted.history)
    survey = material.survey
    error = np.abs(redshifts(fitted, survey.flux("validation")) - survey.redshift("validation")).mean()
    assert error == pytest.approx(fitted.history[fitted.best_epoch - 1].val_mean_absolute_error, rel=1e-4)


def test_a_batch_larger_than_the_training_part_is_one_step_and_another_run_does_not_go_on_with_it(
    material: Material, tmp_path: Path
) -> None:
    recipe = TINY.model_copy(update={"epochs": 1, "batch_size": 1000})
    fitted = fit(material, recipe, tmp_path)
    assert int(Run(tmp_path, fitted.recipe, material).last_network().optimizer.iterations) == 1
    with pytest.raises(InvalidInputError, match="a run on other data"):
        fit(gathered(labelled("b" * 64)), recipe, tmp_path)
    with pytest.raises(InvalidInputError, match="a run of another recipe"):
        fit(material, recipe.model_copy(update={"batch_size": 8}), tmp_path)
    with pytest.raises(InvalidInputError, match="a run on other data"):
        fit(gathered(labelled(rows=202)), recipe, tmp_path)
    (tmp_path / "recipe.json").write_text("{}{", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is not a recipe of this version"):
        fit(material, recipe, tmp_path)


def test_every_spectrum_is_seen_once_an_epoch(material: Material, whole: Fitted, folder: Path) -> None:
    steps_per_epoch = -(-len(material.survey.parts.train) // TINY.batch_size)
    assert int(Run(folder, whole.recipe, material).last_network().optimizer.iterations) == TINY.epochs * steps_per_epoch


def test_a_diverging_training_says_so_and_leaves_no_epoch(material: Material, tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30, "loss": "mean_squared_error"})
    with pytest.raises(InvalidInputError, match="diverged in epoch 1"):
        fit(material, recipe, tmp_path)
    assert not (tmp_path / "history.csv").exists()


def test_a_terminal_gets_a_bar(
    material: Material,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(Bar, "update", partialmethod(Bar.update, refresh=True))
    fit(material, TINY.model_copy(update={"epochs": 1}), tmp_path)
    assert "2/2" in capsys.readouterr().err
