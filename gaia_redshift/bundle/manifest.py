"""The contents of ``manifest.json``. Imports `interpretation` for the base class of JSON files, and `spectra`."""

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from gaia_redshift.interpretation.calibration import Strict, increase
from gaia_redshift.spectra import LARGEST_EBV, TRAINING_EBV

MANIFEST = "manifest.json"

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+$"

_FILE_BYTES = 1 << 30


class FileRecord(Strict):
    """One file of a bundle."""

    size: int = Field(ge=0, le=_FILE_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TrainingRecord(Strict):
    """What a model was trained on, and how."""

    simulated: bool | None
    """None where the training set does not record it."""
    dataset: str
    dataset_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    spectra: dict[str, int]
    """Number of spectra in each part: train, validation, test."""
    recipe: str
    seed: int


class Manifest(Strict):
    """The contents of ``manifest.json``."""

    schema_version: Literal[2] = 2
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=VERSION_PATTERN)
    description: str
    grid: str
    output: Literal["point", "density"]
    """The network's output: one redshift per spectrum, or a probability for each redshift bin."""
    bin_edges: tuple[float, ...] | None = None
    """Edges of a density's bins; None for a point model."""
    redshift_range: tuple[float, float]
    """Range of the training redshifts; the model can predict no others."""
    ebv: float = Field(TRAINING_EBV, ge=0, le=LARGEST_EBV)
    """Mean E(B-V) in front of the training galaxies, mag; a spectrum with an E(B-V) is corrected to it."""
    training: TrainingRecord
    metrics: dict[str, float]
    """Measured on the test part; details are in the model card."""
    libraries: dict[str, str]
    created: datetime
    licence: str
    citations: list[str]
    files: dict[str, FileRecord]

    @model_validator(mode="after")
    def _bins_with_a_density(self) -> "Manifest":
        if (self.output == "density") != (self.bin_edges is not None):
            raise ValueError("bin_edges are needed for a density model, and not allowed for a point model")
        if self.bin_edges is not None and (len(self.bin_edges) < 3 or not increase(self.bin_edges)):
            raise ValueError("bin_edges must increase and bound at least two bins")
        return self

    @property
    def id(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def order(self) -> tuple[str, tuple[int, ...]]:
        """Sort key of bundles: name, then version as numbers."""
        return self.name, tuple(map(int, self.version.split(".")))
