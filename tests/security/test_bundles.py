"""What a bundle can do to the service that loads it: nothing, before its manifest and its maker are known."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.bundle import KERAS_FILE, MANIFEST, SCALER_FILE, SIGNATURE, Bundle, Manifest, seal
from gaia_redshift.engine.keras import load_source
from gaia_redshift.errors import InvalidBundleError
from tests.tiny import write_tiny_bundle


def write_public(key: Any, path: Path) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def public(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    return write_public(key, tmp_path / "public.pem")


@pytest.fixture
def folder(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    folder = write_tiny_bundle(tmp_path / "models" / "tiny")
    (folder / SIGNATURE).write_bytes(key.sign((folder / MANIFEST).read_bytes()))
    return folder


def test_a_signed_bundle_loads_and_is_sealed_again_without_its_signature(folder: Path, public: Path) -> None:
    manifest = Bundle(folder, public).manifest
    assert SIGNATURE not in seal(folder, manifest).files


def test_an_unsigned_bundle_is_refused_where_a_key_is_set(folder: Path, public: Path) -> None:
    (folder / SIGNATURE).unlink()
    with pytest.raises(InvalidBundleError, match="is not signed"):
        Bundle(folder, public)
    Bundle(folder)


def test_a_manifest_changed_after_signing_is_refused_before_it_is_parsed(folder: Path, public: Path) -> None:
    (folder / MANIFEST).write_bytes(b"{ not even JSON")
    with pytest.raises(InvalidBundleError, match="is not a signature of its"):
        Bundle(folder, public)


@pytest.mark.parametrize("signature", [b"", b"x" * 64, b"x" * 1000])
def test_random_bytes_are_not_a_signature(folder: Path, public: Path, signature: bytes) -> None:
    (folder / SIGNATURE).write_bytes(signature)
    with pytest.raises(InvalidBundleError, match="is not a signature of its"):
        Bundle(folder, public)


def test_another_makers_signature_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_public(Ed25519PrivateKey.generate(), tmp_path / "other.pem")
    with pytest.raises(InvalidBundleError, match="by this key"):
        Bundle(folder, other)


def test_a_key_that_is_no_ed25519_key_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidBundleError, match="not an Ed25519 key"):
        Bundle(folder, write_public(generate_private_key(SECP256R1()), tmp_path / "ec.pem"))
    for content in (b"rubbish", None):
        path = tmp_path / "rubbish.pem"
        path.unlink(missing_ok=True)
        if content:
            path.write_bytes(content)
        with pytest.raises(InvalidBundleError, match=r"rubbish\.pem cannot be read"):
            Bundle(folder, path)


def test_the_service_does_not_start_with_an_unsigned_bundle(folder: Path, public: Path) -> None:
    settings = Settings(models=folder.parent, default_model="tiny", engine="onnx", bundle_public_key=public)
    with TestClient(create_app(settings)) as service:
        assert service.get("/health/ready").status_code == 200
    (folder / SIGNATURE).unlink()
    with pytest.raises(InvalidBundleError, match="is not signed"), TestClient(create_app(settings)):
        pass


class Trap:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_that_the_manifest_does_not_describe_is_never_loaded(folder: Path, tmp_path: Path) -> None:
    bundle = Bundle(folder)
    sprung = tmp_path / "sprung"
    (folder / SCALER_FILE).write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(InvalidBundleError, match="refused unread"):
        Bundle(folder)
    with pytest.raises(InvalidBundleError):
        bundle.read(SCALER_FILE)
    assert not sprung.exists()


def test_a_keras_file_with_a_lambda_is_refused_even_with_the_right_hash(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keras = pytest.importorskip("keras")
    trap = keras.layers.Lambda(lambda x: print("SPRUNG") or x)  # noqa: T201 - what must not be seen
    keras.Sequential([keras.layers.Input((186, 1)), trap]).save(folder / KERAS_FILE)
    assert "SPRUNG" in capfd.readouterr().out
    seal(folder, Manifest.model_validate_json((folder / MANIFEST).read_bytes()))
    with pytest.raises(InvalidBundleError, match=r"model\.keras cannot be loaded: [\s\S]*unsafe"):
        load_source(Bundle(folder))
    assert "SPRUNG" not in capfd.readouterr().out
