"""The search: every point of its space makes a network, and an interrupted search goes on."""

import csv
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from tests.training.conftest import KERAS_WARNS, csv_table, galaxies, gathered, runner
from training.commands.tune import tune
from training.data.dataset import read
from training.recipes.choose import choose
from training.recipes.cnn import CnnRecipe
from training.trainer import search, space
from training.trainer.fit import fit
from training.trainer.space import CONVOLUTIONS, DENSE, FILTERS, KERNEL, UNITS, draw

pytestmark = [
    pytest.mark.filterwarnings(KERAS_WARNS),
    pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning"),  # keras-tuner 1.4.8
]

run = runner(tune)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "galaxies.csv"
    pyarrow.csv.write_csv(csv_table(*galaxies(150)), path)
    return path


@pytest.fixture
def small_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "FILTERS", (2, 4))
    monkeypatch.setattr(space, "UNITS", (4, 8))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def point(**chosen: Any) -> keras_tuner.HyperParameters:
    choices = keras_tuner.HyperParameters()
    draw(choices, CnnRecipe())
    choices.values.update(chosen)
    choices.ensure_active_values()
    return choices


@settings(deadline=None, max_examples=60)
@given(st.integers(*CONVOLUTIONS), st.lists(st.integers(*KERNEL), min_size=5, max_size=5))
def test_no_kernel_is_wider_than_what_the_layers_before_it_leave(count: int, kernels: list[int]) -> None:
    widths = {f"kernel_{layer}": kernel for layer, kernel in enumerate(kernels, 1)}
    recipe = draw(point(convolutions=count, **widths), CnnRecipe())
    left = 186
    for one, wanted in itertools.zip_longest(recipe.convolutions, kernels[:count]):
        assert one is not None
        assert 1 <= one.kernel <= wanted
        left = (left - one.kernel + 1) // 2
        assert left >= 1


def test_the_widest_kernels_make_a_network_that_can_be_built() -> None:
    recipe = draw(point(convolutions=5, **{f"kernel_{layer}": 9 for layer in range(1, 6)}), CnnRecipe())
    assert [one.kernel for one in recipe.convolutions] == [9, 9, 9, 9, 3]
    assert recipe.build().output_shape == (None, 1)


def test_the_space_holds_the_dissertations_recipe() -> None:
    filters, kernels = (256, 256, 128, 64), (5, 5, 3, 2)
    chosen: dict[str, Any] = {"convolutions": 4, "dense": 4, "activation": "relu", "loss": "huber"}
    chosen |= {f"filters_{layer}": value for layer, value in enumerate(filters, 1)}
    chosen |= {f"kernel_{layer}": value for layer, value in enumerate(kernels, 1)}
    chosen |= {f"units_{layer}": value for layer, value in enumerate((256, 256, 128, 64), 1)}
    assert set(filters) <= set(FILTERS)
    assert {256, 128, 64} <= set(UNITS)
    assert DENSE[0] <= 4 <= DENSE[1]
    recipe = draw(point(optimizer="adamax", **chosen), CnnRecipe())
    assert recipe == CnnRecipe(name="tuned")


@pytest.mark.usefixtures("small_space", "eager")
def test_a_search_goes_on_where_it_stopped_and_its_best_recipe_is_one_that_train_takes(
    data: Path, tmp_path: Path
) -> None:
    options = ("-o", tmp_path / "tune", "--epochs", "1", "--batch-size", "32", "--trials")
    said = run(data, *options, "2")
    first = {row["trial"]: row["validation_mae"] for row in table(tmp_path / "tune")}
    assert set(first) == {"0", "1"}
    run(data, *options, "3")
    rows = table(tmp_path / "tune")
    assert first.items() < {row["trial"]: row["validation_mae"] for row in rows}.items()
    scores = [float(row["validation_mae"]) for row in rows]
    assert scores == sorted(scores)
    best = choose(str(tmp_path / "tune" / "best.json"))
    assert (best.name, best.epochs, best.patience, best.batch_size) == ("tuned", 20, 5, 32)
    assert rows[0]["dense"] == " ".join(map(str, best.dense))
    assert rows[0]["parameters"] == str(best.build().count_params())
    assert "--recipe" in said
    with pytest.raises(InvalidInputError, match="holds a search on other data or with other options"):
        run(data, "-o", tmp_path / "tune", "--epochs", "2", "--batch-size", "32", "--trials", "3")


@pytest.mark.usefixtures("small_space", "eager")
def test_trials_that_fail_are_listed_and_do_not_end_the_search(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([InvalidInputError("the training diverged"), MemoryError("too large"), None])

    def fails_twice(*arguments: Any) -> Any:
        outcome = next(outcomes)
        if outcome:
            raise outcome
        return fit(*arguments)

    monkeypatch.setattr(search, "fit", fails_twice)
    run(data, "-o", tmp_path / "tune", "--epochs", "1", "--trials", "3")
    rows = table(tmp_path / "tune")
    assert [row["trial"] for row in rows] == ["2", "0", "1"]
    assert [row["problem"] for row in rows] == ["", "the training diverged", "too large"]
    assert [row["validation_mae"] for row in rows[1:]] == ["failed", "failed"]


@pytest.mark.usefixtures("small_space")
@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (InvalidInputError("the training diverged"), "no trial of 2 succeeded; the first failed .* diverged"),
        (OSError(28, "No space left on device"), "cannot be written to: No space left on device"),
    ],
)
def test_a_search_that_cannot_succeed_is_one_clear_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, message: str
) -> None:
    def fails(*_: Any) -> Any:
        raise problem

    monkeypatch.setattr(search, "fit", fails)
    with pytest.raises(InvalidInputError, match=message):
        run(data, "-o", tmp_path / "tune", "--epochs", "1", "--trials", "2")


KILL_IN_SECOND_TRIAL = """
import os, signal, sys
import keras
from pathlib import Path
from training.trainer import progress, search, space
from training.commands import tune
space.FILTERS, space.UNITS = (2, 4), (4, 8)
fit = search.fit

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        assert batch == 7, "in mid-epoch, which has 12 batches"
        os.kill(os.getpid(), signal.SIGKILL)

def until_killed(material, recipe, folder):
    if folder.name != "trial-1":
        keras.Model.run_eagerly = property(lambda network: True, lambda network, wanted: None)
        made = fit(material, recipe.model_copy(update={"epochs": 1, "batch_size": 1000}), folder)
        del keras.Model.run_eagerly
        return made
    progress.Progress.callbacks = lambda self, epoch: [Kill()] if epoch == 2 else []
    return fit(material, recipe, folder)

search.fit = until_killed
tune.tune(Path(sys.argv[1]), Path(sys.argv[2]), trials=2, epochs=2, batch_size=8)
"""


@pytest.mark.usefixtures("small_space")
def test_a_search_killed_in_mid_epoch_finishes_that_trial_with_the_weights_of_one_that_was_not_killed(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tune"
    environment = {name: value for name, value in os.environ.items() if name != "KERASTUNER_TUNER_ID"}
    command = [sys.executable, "-c", KILL_IN_SECOND_TRIAL, str(data), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    trial = folder / "runs" / "trial-1"
    before = (trial / "history.csv").read_text().splitlines()
    assert len(before) == 2
    run(data, "-o", folder, "--epochs", "2", "--batch-size", "8", "--trials", "2")
    assert {row["trial"] for row in table(folder)} == {"0", "1"}
    after = (trial / "history.csv").read_text().splitlines()
    assert after[:2] == before
    assert len(after) == 3
    assert len(list(folder.glob("runs/*/recipe.json"))) == 2
    recipe, material = choose(str(trial / "recipe.json")), gathered(read(data))
    finished, whole = fit(material, recipe, trial), fit(material, recipe, tmp_path / "whole")
    for one, other in zip(finished.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_keras_tuner_the_message_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(MissingDependencyError, match=r"needs keras_tuner, .*pip install .*\[train\]'"):
        run(data, "-o", tmp_path / "tune")


def test_importing_the_command_loads_no_network_runtime() -> None:
    program = (
        "import sys, training.commands.tune; print([n for n in ('tensorflow', 'keras', 'sklearn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
