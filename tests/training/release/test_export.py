import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.bundle import CALIBRATION_FILE, KERAS_FILE, MANIFEST, ONNX_FILE, REQUIRED_FILES, SCALER_FILE, Bundle
from gaia_redshift.engine import load_engine
from gaia_redshift.errors import InvalidBundleError, InvalidInputError
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import DR3
from tests.tiny import BIN_EDGES, KINDS, tiny_calibration, tiny_manifest, write_tiny_bundle
from tests.training.conftest import KERAS_WARNS, SMALL, Trained, galaxies, redshifts
from training.evaluation.metrics import PUBLISHED, measure
from training.evaluation.predicted import Predicted
from training.recipes.cnn import CnnRecipe, Convolution
from training.release import agreement, card, export
from training.release.agreement import Agreement
from training.release.convert import convert_apart
from training.release.shorten import SPARED
from training.release.tested import UnderPrior

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)


def onnx_redshift(bundle: Bundle, flux: Any) -> Any:
    return onnxruntime.InferenceSession(bundle.read(ONNX_FILE)).run(["redshift"], {"flux": flux})[0][:, 0]


def test_a_bundle_is_complete_sealed_and_says_how_it_was_made(trained: Trained) -> None:
    bundle = Bundle(trained.folder)
    manifest = bundle.manifest
    assert set(manifest.files) == {*REQUIRED_FILES, "recipe.json", "history.csv"}
    assert (manifest.name, manifest.version, manifest.grid, manifest.output) == ("small", "1.2.3", DR3.name, "point")
    assert CnnRecipe.model_validate_json(bundle.read("recipe.json")) == SMALL
    assert manifest.training.spectra == {"train": 378, "validation": 162, "test": 60}
    assert manifest.training.simulated is None
    assert manifest.training.dataset_sha256 == trained.material.sha256
    train = trained.material.survey.redshift("train")
    assert manifest.redshift_range == pytest.approx((train.min(), train.max()))
    assert len(bundle.read("history.csv").splitlines()) == 1 + len(trained.fitted.history)


def test_the_manifest_holds_the_metrics_of_the_test_part(trained: Trained) -> None:
    survey = trained.material.survey
    expected = measure(survey.redshift("test"), redshifts(trained.fitted, survey.flux("test")))
    found = dict(trained.manifest.metrics)
    assert 0 < found.pop("coverage_68") < found.pop("coverage_95") <= 1
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 600])
def test_the_onnx_network_takes_raw_fluxes_in_any_number_and_agrees_with_keras(trained: Trained, rows: int) -> None:
    flux = trained.material.survey.dataset.flux[:rows]
    redshift = onnx_redshift(Bundle(trained.folder), flux)
    assert redshift.shape == (rows,)
    np.testing.assert_allclose(redshift, redshifts(trained.fitted, flux), rtol=0, atol=5e-6)


def test_the_keras_file_loads_in_safe_mode_and_carries_no_optimiser(trained: Trained) -> None:
    network = keras.saving.load_model(trained.folder / "model.keras", safe_mode=True)
    assert network.compiled is False
    with zipfile.ZipFile(trained.folder / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert not config["compile_config"]
    kinds = {layer["class_name"] for layer in config["config"]["layers"]}
    assert kinds == {"InputLayer", "Conv1D", "MaxPooling1D", "Flatten", "Dense"}


def test_a_bundle_predicts_where_there_is_no_tensorflow_keras_or_scikit_learn(trained: Trained) -> None:
    program = f"""
import sys
for name in ("tensorflow", "keras", "sklearn", "joblib", "training"):
    sys.modules[name] = None
import numpy, onnxruntime, pathlib
from gaia_redshift.bundle import Bundle
bundle = Bundle(pathlib.Path({str(trained.folder)!r}))
session = onnxruntime.InferenceSession(bundle.read("model.onnx"))
print(float(session.run(["redshift"], {{"flux": numpy.full((1, 186), 2, "float32")}})[0][0, 0]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(redshifts(trained.fitted, np.full((1, 186), 2, "float32"))[0], abs=5e-6)


def export_to(trained: Trained, folder: Path, *, replace: bool = False) -> None:
    release = export.Release(folder, "again", "0.0.1", replace=replace)
    export.export(trained.fitted, trained.material, trained.run, release)


def nowhere(*_: Any) -> Any:
    """Make an engine that gives NaN."""

    def engine(flux: Any, _index: Any = None, *, pdf: bool = False) -> Redshifts:
        ends, flags = np.full((len(flux), 5), np.nan), np.zeros(len(flux), np.int32)
        return Redshifts(ends, flags, np.full((len(flux), len(BIN_EDGES) - 1), np.nan) if pdf else None)

    return engine


def test_networks_that_disagree_are_not_released_and_nothing_is_left(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(*asked: Any) -> Any:
        engine = load_engine(*asked)
        return lambda flux: replace(engine(flux), values=engine(flux).values + 1e-5)

    monkeypatch.setattr(agreement, "load_engine", moved)
    with pytest.raises(InvalidBundleError, match=r"differs from the Keras network by (1|1\.1)e-05"):
        export_to(trained, tmp_path / "models" / "again")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_network_that_gives_nan_does_not_agree(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    flux = trained.material.survey.flux("test")
    wanted = trained.fitted.output(flux)
    agreement.check_agreement(Bundle(trained.folder), flux, wanted)
    monkeypatch.setattr(agreement, "load_engine", nowhere)
    with pytest.raises(InvalidBundleError, match="differs from the Keras network by nan"):
        agreement.check_agreement(Bundle(trained.folder), flux, wanted)


def test_a_graph_whose_densities_give_nan_does_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "load_engine", nowhere)
    flux = np.random.default_rng(1).uniform(1, 20, (3, 186)).astype(np.float32)
    bins = len(BIN_EDGES) - 1
    output = {
        "density": np.full((3, bins), 1 / bins, np.float32),
        "kind": np.full((3, len(KINDS)), 1 / len(KINDS), np.float32),
    }
    with pytest.raises(InvalidBundleError, match="differs from the Keras network by nan"):
        agreement.check_agreement(Bundle(write_tiny_bundle(tmp_path / "tiny", density=True)), flux, output)


def test_a_bundle_is_replaced_only_when_asked_and_then_whole(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(InvalidInputError, match="exists already"):
        export_to(trained, folder)
    export_to(trained, folder, replace=True)
    assert Bundle(folder).manifest.name == "again"
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


@pytest.mark.parametrize(
    ("simulated", "words"),
    [
        (True, "Trained on SIMULATED spectra"),
        (False, "Trained on observed"),
        (None, "Trained on spectra of undeclared"),
    ],
)
def test_the_first_line_of_a_card_says_what_the_spectra_are(
    trained: Trained, simulated: bool | None, words: str
) -> None:
    true = trained.material.survey.redshift("test")
    text = write_card(trained, measured(true, true), simulated)
    assert words in text.splitlines()[0]


def measured(true: Any, predicted: Any) -> card.Tested:
    nothing = np.zeros(len(true))
    galaxies = Predicted(true, predicted, *[nothing] * 4, family=np.arange(len(true)))
    found = measure(true, predicted) | {"coverage_68": 0.681, "coverage_95": 0.953}
    return card.Tested({"survey": UnderPrior(galaxies, found, {"low_signal": 0.1})}, measure(true, true), {})


def write_card(trained: Trained, found: card.Tested, simulated: bool | None = None) -> str:
    survey = replace(trained.material.survey, dataset=replace(trained.material.survey.dataset, simulated=simulated))
    material = replace(trained.material, survey=survey)
    return card.write_card(trained.manifest, trained.fitted, material, found, Agreement(1e-7, None))


def test_a_card_gives_its_numbers_beside_the_published_ones(trained: Trained) -> None:
    text = (trained.folder / "CARD.md").read_text(encoding="utf-8")
    metrics = trained.manifest.metrics
    assert f"| mean absolute error | {metrics['mae']:.4f} |" in text
    assert f"| true redshifts in the 68% interval | {metrics['coverage_68']:.1%} |" in text
    assert "378 spectra to train" in text
    assert trained.material.sha256 in text
    row = next(line for line in text.splitlines() if line.startswith("| 0.55-0.60"))
    assert row.endswith("| 0 | - | - | -0.2100 | 0.0978 | 0.04 |")
    assert "not directly comparable" in text
    assert "SIMULATED" not in text
    assert "credit ESA/Gaia/DPAC" in text


def test_a_card_names_the_redshifts_where_the_model_is_biased(trained: Trained) -> None:
    true = np.array([0.12, 0.13, 0.42, 0.43], dtype=np.float32)
    predicted = np.array([0.12, 0.14, 0.31, 0.37], dtype=np.float32)
    text = write_card(trained, measured(true, predicted))
    assert "redshift: -0.085 at 0.40-0.45." in " ".join(text.split())
    row = next(line for line in text.splitlines() if line.startswith("| 0.35-0.40"))
    assert "| 1 | -0.0600 | - |" in row


def test_the_published_table_has_twelve_bins_that_hold_all_galaxies() -> None:
    assert len(PUBLISHED) == 12
    assert sum(percent for _, _, percent in PUBLISHED) == pytest.approx(100, abs=0.05)


def test_a_large_convolution_is_exported_with_fewer_multiplications(tmp_path: Path) -> None:
    recipe = CnnRecipe(
        convolutions=(Convolution(filters=128, kernel=5), Convolution(filters=128, kernel=5)), dense=(8,)
    )
    network = recipe.build()
    flux, _ = galaxies(9)
    scaler = MinMaxScaler().fit(flux)
    network.save(tmp_path / KERAS_FILE)
    joblib.dump(scaler, tmp_path / SCALER_FILE)
    (tmp_path / CALIBRATION_FILE).write_text(tiny_calibration().model_dump_json())
    (tmp_path / MANIFEST).write_text(tiny_manifest().model_dump_json())
    convert_apart(tmp_path)
    graph = (tmp_path / ONNX_FILE).read_bytes()
    assert SPARED in [entry.key for entry in onnx.load_from_string(graph).metadata_props]
    expected = network.predict(scaler.transform(flux)[..., np.newaxis], verbose=0)[:, 0]
    (found,) = onnxruntime.InferenceSession(graph).run(["redshift"], {"flux": flux})
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=agreement.AGREEMENT)
