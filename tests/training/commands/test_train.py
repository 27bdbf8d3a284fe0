import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import OnnxEngine
from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from tests.training.conftest import KERAS_WARNS, SMALL, Trained, csv_table, galaxies, redshifts, runner
from training.commands.train import train
from training.data.dataset import read
from training.data.split import split
from training.recipes.cnn import CnnRecipe

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

WriteCsv = Callable[[pa.Table], Path]
run = runner(train)


@pytest.fixture
def small_recipe(tmp_path: Path) -> Path:
    """A recipe of the small network instead of the dissertation's, as a file."""
    path = tmp_path / "small.json"
    path.write_text(SMALL.model_dump_json(), encoding="utf-8")
    return path


@pytest.mark.usefixtures("eager")
def test_the_command_trains_and_writes_a_bundle(
    write_csv: WriteCsv, tmp_path: Path, small_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flux, redshift = galaxies(150)
    redshift[0] = 0.7
    data = write_csv(csv_table(flux, redshift))
    options = ("--epochs", "1", "--batch-size", "64", "--seed", "9", "--version", "2.0.0")
    said = run(data, "-o", "models/mine", "--recipe", small_recipe, "--observed", "--policy", "drop", *options)
    manifest = Bundle(tmp_path / "models" / "mine").manifest
    assert (manifest.name, manifest.version) == ("mine", "2.0.0")
    assert manifest.training.seed == 9
    assert manifest.training.simulated is False
    assert sum(manifest.training.spectra.values()) == 149
    assert f"mine 2.0.0, test part MAE {manifest.metrics['mae']:.4f}" in said
    assert (tmp_path / "runs" / "mine" / "history.csv").exists()
    assert "Left out: 1 row with a redshift outside 0 to 0.6." in (tmp_path / "models/mine/CARD.md").read_text()
    made_by = CnnRecipe.model_validate_json((tmp_path / "models" / "mine" / "recipe.json").read_bytes())
    assert made_by == SMALL.model_copy(update={"epochs": 1, "batch_size": 64, "seed": 9})


@pytest.mark.usefixtures("eager")
def test_a_bundle_is_trained_further_on_new_spectra(
    trained: Trained, write_csv: WriteCsv, tmp_path: Path, small_recipe: Path
) -> None:
    flux, redshift = galaxies(150, seed=3)
    data = write_csv(csv_table(2 * flux, redshift))
    arguments = ("--epochs", "1", "--batch-size", "64", "--learning-rate", "1e-9", "--run-dir", tmp_path / "run")
    run(data, "-o", tmp_path / "mine", "--init", trained.folder, *arguments)
    start, finer = Bundle(trained.folder), Bundle(tmp_path / "mine")
    made_by = CnnRecipe.model_validate_json(finer.read("recipe.json"))
    assert made_by.start is not None
    assert made_by.start.startswith("small@1.2.3 (model.keras SHA-256 ")
    # So small a rate leaves the weights as they were: they are those of the bundle, on the bundle's scale.
    expected = redshifts(trained.fitted, 2 * flux[:20])
    found = OnnxEngine(finer, 1)(2 * flux[:20]).redshift
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    seen = 2 * flux[split(read(data), SMALL.seed).train]
    assert finer.calibration.flux_max == pytest.approx(np.maximum(start.flux_high, seen.max(axis=0)))
    card = (tmp_path / "mine" / "CARD.md").read_text(encoding="utf-8")
    assert "Fine-tuned from small@1.2.3" in card.splitlines()[0]
    assert "minimum and maximum of each flux as in the training of small@1.2.3" in card
    assert "Fine-tuned from small@1.2.3" in finer.manifest.description
    with pytest.raises(InvalidInputError, match=r"starts from small@1\.2\.3 .*: add --init"):
        run(data, "-o", tmp_path / "again", "--recipe", tmp_path / "mine" / "recipe.json")
    with pytest.raises(InvalidInputError, match=r"recipe dissertation does not make the network of small@1\.2\.3"):
        run(data, "-o", tmp_path / "other", "--init", trained.folder, "--recipe", "dissertation")
    other = SMALL.model_copy(update={"activation": "tanh"})
    small_recipe.write_text(other.model_dump_json(), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="recipe small does not make the network"):
        run(data, "-o", tmp_path / "other", "--init", trained.folder, "--recipe", small_recipe)


def test_without_tensorboard_the_option_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"needs tensorboard, .*pip install tensorboard"):
        run(tmp_path / "galaxies.csv", "-o", tmp_path / "mine", "--tensorboard", tmp_path)


@pytest.mark.parametrize(
    ("option", "value"), [("--name", "My Model"), ("--name", "../up"), ("--version", "1.0"), ("--version", "1.0.0\n")]
)
def test_a_name_or_version_that_no_bundle_may_have_is_refused_before_training(
    tmp_path: Path, option: str, value: str
) -> None:
    with pytest.raises(InvalidInputError, match=option):
        run(tmp_path / "galaxies.csv", "-o", tmp_path / "mine", option, value)


def test_a_folder_that_is_taken_is_refused_before_training(write_csv: WriteCsv, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InvalidInputError, match="mine exists already"):
        run(write_csv(csv_table(*galaxies(150))), "-o", tmp_path / "mine")


def test_importing_the_command_loads_no_network_runtime() -> None:
    program = (
        "import sys, training.commands.train; "
        "print([n for n in ('tensorflow', 'keras', 'sklearn', 'onnx') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["keras", "tensorflow", "sklearn", "tf2onnx", "joblib", "onnx"])
def test_without_the_training_packages_the_command_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {missing}, .*pip install .*\[train\]'"):
        run(tmp_path / "galaxies.csv", "-o", tmp_path / "mine")
