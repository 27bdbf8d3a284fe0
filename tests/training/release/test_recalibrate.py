"""A shipped model meets spectra that are bluer than its simulation's: a few hundred labels set it right."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.bundle import CALIBRATION_FILE, CARD_FILE, KERAS_FILE, MANIFEST, ONNX_FILE, SCALER_FILE, Bundle
from gaia_redshift.engine.keras import load_source
from gaia_redshift.errors import InvalidBundleError, InvalidInputError
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import SHIPPED, write_tiny_bundle
from tests.training.conftest import KERAS_WARNS, runner
from training.calibration.correction import Correction
from training.commands.recalibrate import recalibrate
from training.data.dataset import file_sha256, load
from training.release import convert
from training.release import recalibrate as release
from training.release.recalibrate import alike, choose, correct
from training.release.recalibrated import RECALIBRATION_FILE
from training.simulation.cli import simulate

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

LABELLED = 600


def write(path: Path, flux: FloatArray, redshift: FloatArray) -> Path:
    spectra = pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), DR3.samples)
    table = pa.table({"z": redshift, "flux": spectra}).replace_schema_metadata({"simulated": "true"})
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FloatArray, FloatArray]:
    """Return a file of labelled galaxies whose BP is a tenth too bright, and others: fluxes and redshifts."""
    folder = tmp_path_factory.mktemp("sky")
    runner(simulate)("-n", "1800", "--seed", "77", "--workers", "1", "-o", folder / "all.parquet")
    known = load(folder / "all.parquet")
    flux, redshift = known.flux.copy(), known.redshift
    flux[:, : DR3.bp.count] *= 0.9
    labelled = write(folder / "labelled.parquet", flux[:LABELLED], redshift[:LABELLED])
    return labelled, flux[LABELLED:], redshift[LABELLED:]


def held(model: Predictor, flux: FloatArray, redshift: FloatArray) -> tuple[float, float, float]:
    """Return the median error and the share of true redshifts in both intervals, of what is taken for a galaxy."""
    found = model.answer(flux)
    galaxy = ~(found.raised("out_of_distribution") | found.raised("stellar_like")) & np.isfinite(found.redshift)
    answers, true = found.values[galaxy], redshift[galaxy]
    inside = [float(((answers[:, low] <= true) & (true <= answers[:, low + 1])).mean()) for low in (1, 3)]
    return float(np.median((answers[:, 0] - true) / (1 + true))), inside[0], inside[1]


@pytest.mark.parametrize("name", ["default", "dissertation-cnn"])
def test_a_shipped_model_holds_its_promise_again_on_other_galaxies_and_serves(
    name: str, sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path
) -> None:
    labelled, flux, redshift = sky
    new = tmp_path / "models" / "mine"
    printed = runner(recalibrate)(name, labelled, "-o", new)
    old, made = Bundle(SHIPPED / name), Bundle(new)

    bias_before, before68, _ = held(Predictor(old, engine="onnx"), flux, redshift)
    bias, inside68, inside95 = held(Predictor(made, engine="onnx"), flux, redshift)
    assert before68 < 0.60
    assert inside68 == pytest.approx(0.68, abs=0.06)
    assert inside95 == pytest.approx(0.95, abs=0.03)
    assert abs(bias) < 0.6 * abs(bias_before)

    said = json.loads((new / RECALIBRATION_FILE).read_text())
    assert said["from"] == {"model": old.manifest.id, "manifest_sha256": old.sha256}
    assert said["data"]["sha256"] == file_sha256(labelled)
    assert said["data"]["galaxies"] + said["data"]["taken_for_no_galaxy"] == LABELLED
    share, error = said["after"]["survey"]["coverage_68"]
    assert error == pytest.approx(np.sqrt(share * (1 - share) / said["data"]["galaxies"]), abs=1e-5)
    assert share == pytest.approx(inside68, abs=5 * error)
    for text in (made.manifest.description, (new / CARD_FILE).read_text()):
        assert old.sha256 in text
        assert said["data"]["sha256"] in text
        assert f"{said['data']['galaxies']} labelled galaxies" in text
    major, minor, patch = old.manifest.version.split(".")
    assert made.manifest.id == f"mine@{major}.{minor}.{int(patch) + 1}"
    assert made.manifest.training == old.manifest.training
    assert "before" in printed
    assert "after, cross-validated" in printed
    assert made.manifest.id in printed
    changed = {file for file, record in old.manifest.files.items() if record != made.manifest.files[file]}
    assert changed == {KERAS_FILE, ONNX_FILE, CALIBRATION_FILE, CARD_FILE}

    few = flux[:20]
    wanted = Predictor(made, engine="onnx").answer(few)
    np.testing.assert_allclose(Predictor(made, engine="keras").answer(few).redshift, wanted.redshift, atol=1e-4)
    with TestClient(create_app(Settings(models=new.parent, default_model="mine", engine="onnx", threads=1))) as service:
        answer = service.post("/predict", json={"spectra": [{"flux": row.tolist()} for row in few]}).json()
        model = service.get("/models/mine").json()
    assert answer["model"] == {"name": "mine", "version": made.manifest.version}
    assert [row["redshift_upper"] for row in answer["predictions"]] == wanted.redshift_upper.tolist()
    assert model["manifest"]["description"].startswith(f"Recalibrated from {old.manifest.id}")


@pytest.fixture
def graph_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the graph of the old bundle in the new one: for tests of what does not depend on it."""
    monkeypatch.setattr(convert, "convert_apart", lambda _folder: None)
    monkeypatch.setattr(release, "check_agreement", lambda *_: None)


@pytest.mark.usefixtures("graph_as_it_was")
def test_where_nothing_is_to_be_gained_the_network_stays_byte_for_byte(
    sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path
) -> None:
    _, flux, redshift = sky
    as_simulated = flux[:LABELLED].copy()
    as_simulated[:, : DR3.bp.count] /= 0.9
    right = write(tmp_path / "right.parquet", as_simulated, redshift[:LABELLED])
    printed = runner(recalibrate)("dissertation-cnn", right, "-o", tmp_path / "again", "--version", "2.0.0")
    old, made = Bundle(SHIPPED / "dissertation-cnn"), Bundle(tmp_path / "again")
    assert "Redshifts stay as they were" in printed
    assert made.manifest.id == "again@2.0.0"
    for file in (KERAS_FILE, SCALER_FILE):
        assert made.manifest.files[file] == old.manifest.files[file]


@pytest.mark.usefixtures("graph_as_it_was")
def test_few_galaxies_are_warned_of_and_fewer_refused(
    sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, flux, redshift = sky
    few = write(tmp_path / "few.parquet", flux[:150], redshift[:150])
    recalibrate("dissertation-cnn", few, tmp_path / "new")
    told = capfd.readouterr().err
    assert "galaxies are few" in told
    fewer = write(tmp_path / "fewer.parquet", flux[:99], redshift[:99])
    with pytest.raises(InvalidInputError, match=r"galaxies to learn from.*: 100 are needed at least"):
        recalibrate("dissertation-cnn", fewer, tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


def test_dust_is_corrected_for_before_anything_is_learnt(tmp_path: Path) -> None:
    path = tmp_path / "dusty.parquet"
    simulate(path, count=200, seed=3, ebv="0.2:0.3", workers=1)
    dataset, bundle = load(path), Bundle(SHIPPED / "default")
    source = load_source(bundle)
    chosen, plain = (choose(bundle, each, source) for each in (dataset, replace(dataset, properties={})))
    assert chosen.galaxies.flux.mean() > 1.3 * plain.galaxies.flux.mean()


def test_spectra_that_are_no_galaxies_to_the_model_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    noise = random.normal(5, 3, (200, DR3.samples)).astype(np.float32)
    path = write(tmp_path / "noise.parquet", noise, random.uniform(0.05, 0.4, 200).astype(np.float32))
    with pytest.raises(InvalidInputError, match=r"200 of noise\.parquet's 200 spectra are flagged"):
        recalibrate("default", path, tmp_path / "new")


def test_labels_of_other_galaxies_are_refused(sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path) -> None:
    _, flux, _ = sky
    path = write(tmp_path / "wrong.parquet", flux[:200], np.linspace(0.45, 0.6, 200, dtype=np.float32))
    with pytest.raises(InvalidInputError, match="Are the redshifts those of these spectra"):
        recalibrate("dissertation-cnn", path, tmp_path / "new")


def test_a_bad_table_a_taken_folder_and_bad_names_are_refused(
    sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path
) -> None:
    labelled, flux, _ = sky
    with pytest.raises(InvalidInputError, match="exists already"):
        recalibrate("default", labelled, tmp_path)
    with pytest.raises(InvalidInputError, match="--version"):
        recalibrate("default", labelled, tmp_path / "new", version="2")
    with pytest.raises(InvalidInputError, match="--name"):
        recalibrate("default", labelled, tmp_path / "new", name="No name")
    table = pa.table({f"flux_{sample}": flux[:, sample] for sample in range(DR3.samples)})
    pyarrow.parquet.write_table(table, tmp_path / "unlabelled.parquet")
    with pytest.raises(InvalidInputError, match="lacks the column z"):
        recalibrate("default", tmp_path / "unlabelled.parquet", tmp_path / "new")
    endless = write(tmp_path / "endless.parquet", flux[:200], np.full(200, np.nan, np.float32))
    with pytest.raises(InvalidInputError, match="rows that cannot be used"):
        recalibrate("default", endless, tmp_path / "new")


def test_an_altered_bundle_is_not_recalibrated(sky: tuple[Path, FloatArray, FloatArray], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "dissertation-cnn", tmp_path / "altered"))
    with (folder / MANIFEST).open("a") as file:
        file.write("x")
    with pytest.raises(InvalidBundleError):
        recalibrate(str(folder), sky[0], tmp_path / "new")


def test_only_grids_whose_samples_lie_alike_are_carried_over() -> None:
    assert alike(DR3, replace(DR3, name="another"))
    assert not alike(DR3, replace(DR3, name="another", bp=replace(DR3.bp, kept=slice(33, 113))))
    assert not alike(DR3, replace(DR3, name="another", bp=replace(DR3.bp, kept=slice(34, 113))))


def test_a_network_with_another_output_takes_no_correction(tmp_path: Path) -> None:
    import keras

    write_tiny_bundle(tmp_path / "tiny")
    network = keras.Sequential([keras.Input((DR3.samples, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "relu")])
    with pytest.raises(InvalidBundleError, match="is not the linear dense layer"):
        correct(network, Correction(0.01), Bundle(tmp_path / "tiny"))
