"""A model bundle on disk: its manifest and its hashes. Imports `interpretation`, `spectra` and its neighbours.

A bundle is a folder with everything that prediction needs. ``manifest.json`` lists each other file with size and
SHA-256; nothing is parsed or unpickled before its bytes match. `Bundle.read` returns the bytes that were checked, so a
file cannot change between the check and its use.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from gaia_redshift.bundle.external import has_external_data
from gaia_redshift.bundle.manifest import MANIFEST, FileRecord, Manifest
from gaia_redshift.bundle.reading import read_file
from gaia_redshift.bundle.signature import SIGNATURE, verify
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.dust import Corrected
from gaia_redshift.interpretation.quality import possible_flags
from gaia_redshift.spectra import GRIDS, FloatArray

ONNX_FILE = "model.onnx"
KERAS_FILE = "model.keras"
SCALER_FILE = "scaler.joblib"
CALIBRATION_FILE = "calibration.json"
CARD_FILE = "CARD.md"
REQUIRED_FILES = (KERAS_FILE, SCALER_FILE, ONNX_FILE, CALIBRATION_FILE, CARD_FILE)

_MANIFEST_BYTES = 1 << 20


class Bundle:
    """A bundle whose files have all been checked against its manifest.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    public_key : Path, optional
        Ed25519 public key in PEM. If given, a manifest not signed with it is refused before it is parsed.

    Raises
    ------
    InvalidBundleError
        If a file is missing, unlisted or altered, the manifest does not fit this version, or its signature is invalid.
    """

    def __init__(self, folder: Path, public_key: Path | None = None) -> None:
        self.folder = folder
        self.manifest, self.sha256 = read_manifest(folder, public_key)
        if self.manifest.grid not in GRIDS:
            raise InvalidBundleError(
                f"{folder.name} was trained on the grid {self.manifest.grid!r}; this version has {', '.join(GRIDS)}"
            )
        self.grid = GRIDS[self.manifest.grid]
        missing = [name for name in REQUIRED_FILES if name not in self.manifest.files]
        if missing:
            raise InvalidBundleError(f"{folder.name}: {MANIFEST} does not list {', '.join(missing)}")
        for name in self.manifest.files:
            content = self.read(name)
            if name.endswith(".onnx"):
                self._refuse_external_data(name, content)
        try:
            self.calibration = Calibration.model_validate_json(self.read(CALIBRATION_FILE))
            self.calibration.refuse_misfit(
                self.manifest.output, len(self.manifest.bin_edges or (0,)) - 1, self.grid.samples
            )
        except ValidationError as error:
            raise InvalidBundleError(f"{folder.name}/{CALIBRATION_FILE}: {_first(error)}") from error
        except ValueError as error:
            raise InvalidBundleError(f"{folder.name}/{CALIBRATION_FILE}: {error}") from error
        held = self.calibration
        self.flux_low, self.flux_high = np.array([held.flux_min, held.flux_max], np.float32)
        self.flux_scale = 1 / np.maximum(self.flux_high - self.flux_low, np.finfo(np.float32).tiny)
        """Factor that scales a flux minus `flux_low` to 0..1 within the training range, shape (samples,)."""
        self.bins = None if self.manifest.bin_edges is None else Bins(self.manifest.bin_edges, held)
        self.flags = possible_flags(held.quality, density=self.bins is not None)

    def _refuse_external_data(self, name: str, graph: bytes) -> None:
        try:
            external = has_external_data(graph)
        except ValueError as error:
            raise InvalidBundleError(f"{self.folder.name}/{name} cannot be loaded: {error}") from error
        if external:
            raise InvalidBundleError(
                f"{self.folder.name}/{name} keeps data in another file, not in the manifest: export it as one file"
            )

    def read(self, name: str) -> bytes:
        """Return a listed file's bytes after they have matched the manifest."""
        return read_listed(self.folder, name, self.manifest)

    def corrected(self, flux: FloatArray, ebv: NDArray[np.float64] | None) -> Corrected:
        """Return spectra for the model, corrected for extinction by their E(B-V), shape (n,); raises as `Corrected`."""
        highest = self.manifest.redshift_range[1] if self.bins is None else float(self.bins.edges[-1])
        return Corrected(flux, ebv, self.grid, left=self.manifest.ebv, highest=highest)


def read_listed(folder: Path, name: str, manifest: Manifest) -> bytes:
    """Return a listed file's bytes; raises InvalidBundleError unless they match the manifest."""
    record = manifest.files[name]
    where = f"{folder.name}/{name}"
    try:
        content = read_file(folder / name, record.size + 1)
    except OSError as error:
        raise InvalidBundleError(f"{where} cannot be read: {error.strerror}") from error
    if len(content) != record.size or hashlib.sha256(content).hexdigest() != record.sha256:
        raise InvalidBundleError(
            f"{where} is not the file that {MANIFEST} describes (size or SHA-256 differs): refused unread"
        )
    return content


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write ``manifest.json`` with the size and SHA-256 of each file of `folder`; return what was written."""
    records = {}
    for path in sorted(folder.iterdir()):
        if path.name not in {MANIFEST, SIGNATURE} and path.is_file():
            content = path.read_bytes()
            records[path.name] = FileRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    sealed = manifest.model_copy(update={"files": records})
    (folder / MANIFEST).write_text(sealed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return sealed


def discover(models: Path) -> list[Path]:
    """Return the bundle folders in `models`, by name: those with a manifest, except hidden ones."""
    return sorted(path.parent for path in models.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def read_manifest(folder: Path, public_key: Path | None) -> tuple[Manifest, str]:
    """Return the manifest and the SHA-256 of its bytes."""
    content = manifest_bytes(folder, public_key)
    if _schema_version(content) == 1:
        raise InvalidBundleError(
            f"{folder.name} is a bundle of schema version 1, whose graph ends at the network's output: convert it "
            f"(no training needed) with `gaia-redshift upgrade {folder.name} NEW`"
        )
    return parse_manifest(folder, content), hashlib.sha256(content).hexdigest()


def manifest_bytes(folder: Path, public_key: Path | None) -> bytes:
    """Return the bytes of the manifest; raises InvalidBundleError if it is not signed with the given key."""
    path = folder / MANIFEST
    try:
        content = read_file(path, _MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidBundleError(f"{folder.name} has no readable {MANIFEST}: {error.strerror}") from error
    if len(content) > _MANIFEST_BYTES:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} is larger than {_MANIFEST_BYTES} bytes")
    if public_key is not None:
        verify(folder, content, public_key)
    return content


def parse_manifest(folder: Path, content: bytes) -> Manifest:
    """Return the manifest parsed from its bytes; raises InvalidBundleError, which names `folder`, if it is invalid."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST}: {_first(error)}") from error
    outside = [name for name in manifest.files if Path(name).name != name or name in {"", ".", ".."}]
    if outside:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} names a file outside its folder: {outside[0]!r}")
    return manifest


def _schema_version(content: bytes) -> object:
    """Return the schema version that a manifest gives, or None where it cannot be read."""
    try:
        manifest = from_json(content)
    except ValueError:
        return None
    return manifest.get("schema_version") if isinstance(manifest, dict) else None


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'content'}: {problem['msg']}"
