"""Model bundles: reading and verifying the files of a model's folder."""

from gaia_redshift.bundle.bundle import (
    CALIBRATION_FILE,
    CARD_FILE,
    KERAS_FILE,
    ONNX_FILE,
    REQUIRED_FILES,
    SCALER_FILE,
    Bundle,
    discover,
    seal,
)
from gaia_redshift.bundle.manifest import (
    MANIFEST,
    NAME_PATTERN,
    VERSION_PATTERN,
    FileRecord,
    Manifest,
    TrainingRecord,
)
from gaia_redshift.bundle.shipped import SHIPPED_MODELS, find_bundle
from gaia_redshift.bundle.signature import SIGNATURE

__all__ = [
    "CALIBRATION_FILE",
    "CARD_FILE",
    "KERAS_FILE",
    "MANIFEST",
    "NAME_PATTERN",
    "ONNX_FILE",
    "REQUIRED_FILES",
    "SCALER_FILE",
    "SHIPPED_MODELS",
    "SIGNATURE",
    "VERSION_PATTERN",
    "Bundle",
    "FileRecord",
    "Manifest",
    "TrainingRecord",
    "discover",
    "find_bundle",
    "seal",
]
