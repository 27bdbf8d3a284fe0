"""A model bundle on disk: its manifest and its hashes. Imports `calibration` and what lies below.

A bundle is a folder with everything that prediction needs. ``manifest.json`` lists each other file with size and
SHA-256; nothing is parsed or unpickled before its bytes match. `Bundle.read` returns the very bytes that were
checked, so a file cannot change between the check and its use.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from app.calibration import Calibration, Intervals, Strict, increase
from app.errors import InvalidBundleError, MissingDependencyError
from app.prior import Prior, PriorName, PriorTable
from app.quality import Quality, QualityFlag
from app.spectra import FLUX_COUNT, GRID_ID

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
"""Ed25519 signature of the manifest's bytes, 64 bytes; SECURITY.md shows how to make it."""
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


class FileRecord(Strict):
    """One file of a bundle."""

    size: int = Field(ge=0, le=_FILE_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TrainingRecord(Strict):
    """What a model was trained on, and how."""

    simulated: bool | None
    """None where the training set did not say."""
    dataset: str
    dataset_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    spectra: dict[str, int]
    """Number of spectra in each part: train, validation, test."""
    recipe: str
    seed: int


class Manifest(Strict):
    """The contents of ``manifest.json``."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=VERSION_PATTERN)
    description: str
    grid: str
    output: Literal["point", "density"]
    """What the network gives: one redshift per spectrum, or a probability for each bin of redshift."""
    bin_edges: tuple[float, ...] | None = None
    """Edges of a density's bins; None for a point model."""
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

    @model_validator(mode="after")
    def _bins_with_a_density(self) -> "Manifest":
        if (self.output == "density") != (self.bin_edges is not None):
            raise ValueError("bin_edges belong to a density, and to nothing else")
        if self.bin_edges is not None and (len(self.bin_edges) < 3 or not increase(self.bin_edges)):
            raise ValueError("bin_edges must increase and bound at least two bins")
        return self

    @property
    def id(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def order(self) -> tuple[str, tuple[int, ...]]:
        """What bundles are sorted by: name, then version as numbers."""
        return self.name, tuple(map(int, self.version.split(".")))


class BinGrid:
    """A density's bins, and the priors on them.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
    widths : ndarray, shape (bins,)
    prior_train : ndarray, shape (bins,)
        Probability per bin of the redshifts that the network was trained on.
    """

    def __init__(self, edges: Sequence[float], calibration: Calibration) -> None:
        self.edges = np.array(edges)
        self.widths = np.diff(self.edges)
        self.prior_train = np.array(calibration.prior_train)
        self._priors: dict[PriorName, NDArray[np.float64]] = {
            "survey": np.array(calibration.prior_survey),
            "flat": self.widths / self.widths.sum(),
        }

    def prior(self, wanted: Prior) -> NDArray[np.float64]:
        """Return a prior as probability per bin, shape (bins,); raises InvalidRequestError if it is zero in all."""
        return wanted.on_bins(self.edges) if isinstance(wanted, PriorTable) else self._priors[wanted]


class Bundle:
    """A bundle whose files were all checked against its manifest.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    public_key : Path, optional
        Ed25519 public key in PEM; with it, a manifest that it did not sign is refused before it is parsed.

    Raises
    ------
    InvalidBundleError
        If a file is missing, unlisted or altered, the manifest does not fit this version, or its signature is not good.
    """

    def __init__(self, folder: Path, public_key: Path | None = None) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder, public_key)
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
            self.calibration.refuse_misfit(self.manifest.output, len(self.manifest.bin_edges or (0,)) - 1)
        except ValidationError as error:
            raise InvalidBundleError(f"{folder.name}/{CALIBRATION_FILE}: {_first(error)}") from error
        except ValueError as error:
            raise InvalidBundleError(f"{folder.name}/{CALIBRATION_FILE}: {error}") from error
        held = self.calibration
        self.intervals = Intervals(held)
        self.flux_low, self.flux_high = np.array([held.flux_min, held.flux_max], np.float32)
        self.flux_scale = 1 / np.maximum(self.flux_high - self.flux_low, np.finfo(np.float32).tiny)
        """What takes a flux above `flux_low` to 0 to 1 within the training range, shape (186,)."""
        self.grid = None if self.manifest.bin_edges is None else BinGrid(self.manifest.bin_edges, held)
        self.quality, self.flags = self._make_quality()

    @property
    def output_widths(self) -> dict[str, int]:
        """The network's outputs in the order of an engine's columns, and how many numbers each has per spectrum."""
        edges = self.manifest.bin_edges
        if edges is None:
            return {"redshift": 1}
        return {"density": len(edges) - 1, "kind": len(self.calibration.kinds or ())}

    def _make_quality(self) -> tuple[Quality, tuple[QualityFlag, ...]]:
        """Return what judges quality, and the flags that this model can have: those that one spectrum is judged by."""
        held, low, high = self.calibration, self.flux_low, self.flux_high
        output = [np.ones((1, width), np.float32) for width in self.output_widths.values()]
        try:
            quality = Quality(held.quality, (low, high), self.manifest.redshift_range, held.kinds or ())
            flags = quality.masks(np.ones((1, FLUX_COUNT), np.float32), np.zeros(1), *(output if self.grid else ()))
        except (ValueError, IndexError, np.linalg.LinAlgError) as error:
            raise InvalidBundleError(f"{self.folder.name}/{CALIBRATION_FILE}: quality: {error}") from error
        return quality, tuple(flags)

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
        if path.name not in {MANIFEST, SIGNATURE} and path.is_file():
            content = path.read_bytes()
            records[path.name] = FileRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    sealed = manifest.model_copy(update={"files": records})
    (folder / MANIFEST).write_text(sealed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return sealed


def discover(models: Path) -> list[Path]:
    """Return the bundle folders below `models`, by name: those that hold a manifest."""
    return sorted(path.parent for path in models.glob(f"*/{MANIFEST}"))


def _verify(folder: Path, content: bytes, public_key: Path) -> None:
    """Raise InvalidBundleError unless the key signed these bytes."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise MissingDependencyError("signed bundles need cryptography: pip install 'gaia-redshift[signed]'") from error
    try:
        key = load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidBundleError(f"the public key {public_key.name} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidBundleError(f"the public key {public_key.name} is not an Ed25519 key")
    try:
        key.verify((folder / SIGNATURE).read_bytes()[:65], content)
    except OSError as error:
        raise InvalidBundleError(f"{folder.name} is not signed: it has no readable {SIGNATURE}") from error
    except InvalidSignature as error:
        raise InvalidBundleError(
            f"{folder.name}/{SIGNATURE} is not a signature of its {MANIFEST} by this key"
        ) from error


def _read_manifest(folder: Path, public_key: Path | None) -> Manifest:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidBundleError(f"{folder.name} has no readable {MANIFEST}: {error.strerror}") from error
    if len(content) > _MANIFEST_BYTES:
        raise InvalidBundleError(f"{folder.name}/{MANIFEST} is larger than {_MANIFEST_BYTES} bytes")
    if public_key is not None:
        _verify(folder, content, public_key)
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
