import json
from pathlib import Path

import pytest

from gaia_redshift.bundle import MANIFEST, REQUIRED_FILES, Bundle, discover
from gaia_redshift.errors import InvalidBundleError
from tests.tiny import write_tiny_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_untouched_bundle_loads(folder: Path) -> None:
    bundle = Bundle(folder)
    assert bundle.manifest.name == "tiny"
    assert bundle.read("CARD.md") == b"# tiny\n"


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_one_altered_byte_in_any_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidBundleError, match=f"tiny/{name} is not the file that manifest.json describes"):
        Bundle(folder)


def test_a_longer_file_is_refused(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(InvalidBundleError, match="refused unread"):
        Bundle(folder)


def test_a_file_changed_after_loading_is_not_read(folder: Path) -> None:
    bundle = Bundle(folder)
    (folder / "scaler.joblib").write_bytes(b"a pickle that would run a command")
    with pytest.raises(InvalidBundleError, match="refused unread"):
        bundle.read("scaler.joblib")


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InvalidBundleError, match=f"tiny/{name} cannot be read"):
        Bundle(folder)


def test_a_manifest_that_omits_a_file_is_refused(folder: Path) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    del files["scaler.joblib"]
    rewrite(folder, files=files)
    with pytest.raises(InvalidBundleError, match=r"does not list scaler\.joblib"):
        Bundle(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "sub/model.onnx", "..", "/model.onnx"])
def test_a_manifest_cannot_reach_outside_its_folder(folder: Path, name: str) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    rewrite(folder, files={**files, name: files["CARD.md"]})
    with pytest.raises(InvalidBundleError, match="outside its folder"):
        Bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": "another-grid"}, "trained on the grid 'another-grid'"),
        ({"schema_version": 3}, "schema_version"),
        ({"schema_version": 1}, "gaia-redshift upgrade tiny NEW"),
        ({"output": "cloud"}, "output"),
        ({"output": "density"}, "bin_edges are needed for a density model"),
        ({"bin_edges": [0.0, 0.3, 0.6]}, "bin_edges are needed for a density model"),
        ({"output": "density", "bin_edges": [0.0, 0.6]}, "at least two bins"),
        ({"output": "density", "bin_edges": [0.0, 0.3, 0.3]}, "must increase"),
        ({"name": "../../etc"}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_manifest_this_version_does_not_understand_is_refused(folder: Path, changes: dict, message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(InvalidBundleError, match=message):
        Bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b" " * (2 << 20)])
def test_an_invalid_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(InvalidBundleError, match=r"manifest\.json"):
        Bundle(folder)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundleError, match=r"no readable manifest\.json"):
        Bundle(tmp_path)


def test_bundles_are_discovered_by_their_manifest_in_order_of_name(tmp_path: Path) -> None:
    for name in ("second", "first"):
        write_tiny_bundle(tmp_path / name)
    (tmp_path / "not-a-bundle").mkdir()
    assert [path.name for path in discover(tmp_path)] == ["first", "second"]
