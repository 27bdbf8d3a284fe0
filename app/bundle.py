"""A model bundle on disk: its manifest, its hashes, its calibration. Imports `spectra` and `errors` of the project.

A bundle is a folder with everything that prediction needs. ``manifest.json`` lists each other file with size and
SHA-256; nothing is parsed or unpickled before its bytes match. `Bundle.read` returns the very bytes that were
checked, so a file cannot change between the check and its use.
"""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import InvalidBundleError
from app.spectra import FLUX_COUNT, GRID_ID

MANIFEST = "manifest.json"
ONNX_FILE = "model.onnx"
KERAS_FILE = "model.keras"
SCALER_FILE = "scaler.joblib"
CALIBRATION_FILE = "calibration.json"
CARD_FILE = "CARD.md"
REQUIRED_FILES = (KERAS_FILE, SCALER_FILE, ONNX_FILE, CALIBRATION_FILE, CARD_FILE)

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+$"

_MANIFEST_BYTES = 1 << 20
_FILE_BYTES = 1 << 30


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(_Strict):
    """One file of a bundle."""

    size: int = Field(ge=0, le=_FILE_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TrainingRecord(_Strict):
    """What a model was trained on, and how."""

    simulated: bool | None
    """None where the training set did not say."""
    dataset: str
    dataset_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    spectra: dict[str, int]
    """Number of spectra in each part: train, validation, test."""
    recipe: str
    seed: int


class Manifest(_Strict):
    """The contents of ``manifest.json``."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=VERSION_PATTERN)
    description: str
    grid: str
    output: Literal["point"]
    """What the network gives: ``point`` is one redshift per spectrum."""
    redshift_range: tuple[float, float]
    """Range of the training redshifts: what the model can answer at all."""
    training: TrainingRecord
    metrics: dict[str, float]
    """Measured on the test part; the card says more."""
    libraries: dict[str, str]
    created: datetime
    licence: str
    citations: list[str]
    files: dict[str, FileRecord]


class Calibration(_Strict):
    """Split-conformal intervals by predicted redshift, and the training range of each flux.

    For a predicted redshift the offsets are interpolated linearly between `redshift` nodes and added: the interval
    [prediction + lower, prediction + upper] held 68% (95%) of the validation galaxies near that prediction.
    """

    redshift: list[float]
    lower68: list[float]
    upper68: list[float]
    lower95: list[float]
    upper95: list[float]
    flux_min: list[float] = Field(min_length=FLUX_COUNT, max_length=FLUX_COUNT)
    flux_max: list[float] = Field(min_length=FLUX_COUNT, max_length=FLUX_COUNT)
    """Per-sample range of the training part, e-/s per sample."""

    def model_post_init(self, _context: object, /) -> None:
        """Refuse offsets that do not match the nodes, or nodes out of order."""
        offsets = (self.lower68, self.upper68, self.lower95, self.upper95)
        if not self.redshift or any(len(column) != len(self.redshift) for column in offsets):
            raise ValueError("every offset needs one value per redshift node, and there must be a node")
        if sorted(set(self.redshift)) != self.redshift:
            raise ValueError("redshift nodes must increase")


class Bundle:
    """A bundle whose files were all checked against its manifest.

    Parameters
    ----------
    folder : Path
        The bundle's folder.

    Raises
    ------
    InvalidBundleError
        If a file is missing, unlisted or altered, or the manifest does not fit this version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder)
        if self.manifest.grid != GRID_ID:
            raise InvalidBundleError(
                f"{folder.name} was trained on the grid {self.manifest.grid!r}; this version serves {GRID_ID!r}"
            )
        missing = [name for name in REQUIRED_FILES if name not in self.manifest.files]
        if missing:
            raise InvalidBundleError(f"{folder.name}: {MANIFEST} does not list {', '.join(missing)}")
        for name in self.manifest.files:
            self.read(name)
        try:
            self.calibration = Calibration.model_validate_json(self.read(CALIBRATION_FILE))
        except ValidationError as error:
            raise InvalidBundleError(f"{folder.name}/{CALIBRATION_FILE}: {_first(error)}") from error

    def read(self, name: str) -> bytes:
        """Return a listed file's bytes after they have matched the manifest."""
        record = self.manifest.files[name]
        where = f"{self.folder.name}/{name}"
        try:
            with (self.folder / name).open("rb") as file:
                content = file.read(record.size + 1)
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
        if path.name != MANIFEST and path.is_file():
            content = path.read_bytes()
            records[path.name] = FileRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    sealed = manifest.model_copy(update={"files": records})
    (folder / MANIFEST).write_text(sealed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return sealed


def discover(models: Path) -> list[Path]:
    """Return the bundle folders below `models`, by name: those that hold a manifest."""
    return sorted(path.parent for path in models.glob(f"*/{MANIFEST}"))


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidBundleError(f"{folder.name} has no readable {MANIFEST}: {error.strerror}") from error
    if len(content) > _MANIFEST_BYTES:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} is larger than {_MANIFEST_BYTES} bytes")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST}: {_first(error)}") from error
    outside = [name for name in manifest.files if Path(name).name != name or name in {"", ".", ".."}]
    if outside:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} names a file outside its folder: {outside[0]!r}")
    return manifest


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'content'}: {problem['msg']}"
