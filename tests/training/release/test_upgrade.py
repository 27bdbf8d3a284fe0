"""A bundle of schema version 1 becomes one of this version: same network, same answers."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from gaia_redshift.bundle import CALIBRATION_FILE, KERAS_FILE, MANIFEST, ONNX_FILE, SCALER_FILE, Bundle
from gaia_redshift.engine import OnnxEngine
from gaia_redshift.errors import InvalidBundleError, InvalidInputError
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.spectra import DR3
from tests.training.conftest import KERAS_WARNS, Trained, runner
from training.commands.upgrade import upgrade
from training.release import convert
from training.release.convert import trace
from training.release.upgrade import convert_bundle, plausible

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)


def rewrite(folder: Path, **changes: Any) -> None:
    """Seal a folder as version 1 did."""
    files = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
        if path.name != MANIFEST
    }
    manifest = {**json.loads((folder / MANIFEST).read_text()), "schema_version": 1, "files": files, **changes}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def graph_of_version_1(folder: Path) -> onnx.ModelProto:
    """Return the network alone, from raw fluxes to its redshift."""
    network, scaler = keras.saving.load_model(folder / KERAS_FILE, compile=False), joblib.load(folder / SCALER_FILE)
    scale, offset = np.float32(scaler.scale_), np.float32(scaler.min_)

    def redshift(flux: Any) -> Any:
        return {"redshift": network((flux * scale + offset)[..., None], training=False)[:, 0]}

    return trace(redshift, [tf.TensorSpec((None, DR3.samples), tf.float32, name="flux")])


@pytest.fixture(scope="module")
def pristine(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version-1") / "old"
    shutil.copytree(trained.folder, folder)
    (folder / ONNX_FILE).write_bytes(graph_of_version_1(folder).SerializeToString())
    rewrite(folder)
    return folder


@pytest.fixture
def old(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "old"))


@pytest.fixture
def known_graph(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the graph be the one that was made of the same network: for tests of what is done with it."""
    graph = (trained.folder / ONNX_FILE).read_bytes()
    monkeypatch.setattr(convert, "convert_apart", lambda folder: (folder / ONNX_FILE).write_bytes(graph))


def test_a_bundle_of_version_1_is_refused_with_the_command_that_converts_it(old: Path) -> None:
    with pytest.raises(InvalidBundleError, match=r"schema version 1.*`gaia-redshift upgrade old NEW`"):
        Bundle(old)


def test_an_upgraded_bundle_is_the_same_but_for_its_graph_and_gives_the_same_answers(
    old: Path, trained: Trained, tmp_path: Path
) -> None:
    manifest, change = convert_bundle(old, tmp_path / "models" / "new")
    new = Bundle(tmp_path / "models" / "new")
    assert new.manifest == manifest
    before = json.loads((old / MANIFEST).read_text())
    after = json.loads((new.folder / MANIFEST).read_text())
    assert {key for key in before if before[key] != after[key]} == {"schema_version", "files"}
    assert {name for name, record in before["files"].items() if record != after["files"][name]} == {ONNX_FILE}
    assert (change.moved, change.flags) == (0, 0)
    flux = trained.material.survey.dataset.flux[:100]
    wanted = OnnxEngine(Bundle(trained.folder), 1)(flux)
    found = OnnxEngine(new, 1)(flux)
    assert np.abs(found.values - wanted.values).max() <= 1e-6
    assert (found.flags == wanted.flags).all()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["new"]


@pytest.mark.usefixtures("known_graph")
def test_the_command_says_what_moved_and_replaces_only_when_asked(old: Path) -> None:
    with pytest.raises(InvalidInputError, match="exists already"):
        upgrade(old, old)
    run = runner(upgrade)
    printed = run(old, old, "--replace")
    assert "small@1.2.3" in printed
    assert "flags changed in 0" in printed
    assert Bundle(old).manifest.name == "small"
    with pytest.raises(InvalidBundleError, match="there is nothing to upgrade"):
        upgrade(old, old.parent / "new")


def test_a_file_that_was_altered_is_not_even_read(old: Path, tmp_path: Path) -> None:
    with (old / SCALER_FILE).open("ab") as file:
        file.write(b" ")
    with pytest.raises(InvalidBundleError, match=r"old/scaler.joblib is not the file"):
        convert_bundle(old, tmp_path / "new")


@pytest.mark.usefixtures("known_graph")
def test_a_graph_of_another_network_is_not_replaced(old: Path, tmp_path: Path) -> None:
    model = onnx.load(old / ONNX_FILE)
    for tensor in model.graph.initializer:
        if tensor.dims and tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1.001, tensor.name))
    (old / ONNX_FILE).write_bytes(model.SerializeToString())
    rewrite(old)
    with pytest.raises(InvalidBundleError, match="gives other answers than the old one"):
        convert_bundle(old, tmp_path / "models" / "new")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.usefixtures("known_graph")
def test_with_a_key_only_a_signed_bundle_is_upgraded(old: Path, tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = tmp_path / "key.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    with pytest.raises(InvalidBundleError, match="not signed"):
        convert_bundle(old, tmp_path / "new", public)
    (old / "manifest.json.sig").write_bytes(key.sign((old / MANIFEST).read_bytes()))
    convert_bundle(old, tmp_path / "new", public)
    # What it wrote is another manifest, which the same key has not signed yet.
    with pytest.raises(InvalidBundleError, match="not signed"):
        Bundle(tmp_path / "new", public)


def test_a_calibration_that_this_version_cannot_read_is_refused(old: Path, tmp_path: Path) -> None:
    (old / CALIBRATION_FILE).write_text("{}")
    rewrite(old)
    with pytest.raises(InvalidBundleError, match=r"has no calibration\.json of this version"):
        convert_bundle(old, tmp_path / "new")


def test_plausible_spectra_are_seldom_out_of_distribution(trained: Trained) -> None:
    bundle = Bundle(trained.folder)
    flux = plausible(bundle.calibration, 500)
    assert np.isfinite(flux).all()
    known = OnnxEngine(bundle, 1)(flux).flags >> FLAGS.index("out_of_distribution") & 1
    assert known.mean() < 0.5
    unknown = plausible(bundle.calibration.model_copy(update={"quality": None}), 500)
    assert (unknown >= bundle.flux_low).all()
    assert (unknown <= bundle.flux_high).all()
