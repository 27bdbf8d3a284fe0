"""From a trained network to a bundle. Imports `gaia_redshift.bundle` and everything that training made.

The bundle is made in a hidden folder beside its place and moved there when every check has passed, so that a server
finds no incomplete one, not even after a crash.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib

from gaia_redshift.bundle import (
    CALIBRATION_FILE,
    CARD_FILE,
    KERAS_FILE,
    SCALER_FILE,
    Bundle,
    Manifest,
    seal,
)
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.predictor import Predictor
from training.data.material import Material
from training.recipes import HISTORY_FILE, RECIPE_FILE
from training.release.agreement import check_agreement
from training.release.card import write_card
from training.release.convert import complete
from training.release.draft import draft
from training.release.tested import examine
from training.trainer.fit import Fitted

REDUCED_PRECISION = "ONEDNN_DEFAULT_FPMATH_MODE"
"""Environment variable that lets TensorFlow multiply in bfloat16: fast in training, wrong in a comparison."""


@dataclass(frozen=True, slots=True)
class Release:
    """Where a bundle goes and what it is called."""

    folder: Path
    name: str
    version: str
    replace: bool = False

    def check_free(self) -> None:
        """Raise InvalidInputError if the folder is taken and may not be replaced."""
        if self.folder.exists() and not self.replace:
            raise InvalidInputError(f"{self.folder} exists already: name another folder, or add --replace")

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Give a folder beside the bundle's place, and move it there if nothing is raised."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self.name}-", dir=self.folder.parent) as beside:
            staged = Path(beside) / self.name
            staged.mkdir()
            yield staged
            if self.folder.exists():
                self.folder.rename(Path(beside) / "replaced")
            staged.rename(self.folder)


def export(fitted: Fitted, material: Material, run: Path, release: Release) -> Manifest:
    """Calibrate, convert, measure on the test parts, and write a bundle; return its manifest as sealed.

    The history comes from the run folder. Raises InvalidBundleError if the ONNX network does not agree with the Keras
    network, as `check_agreement` says; InvalidInputError if the folder exists and may not be replaced, or the networks
    would be compared in less than single precision.
    """
    release.check_free()
    if os.environ.get(REDUCED_PRECISION, "STRICT").upper() != "STRICT":
        raise InvalidInputError(
            f"the training in {run} is done; give the command again without {REDUCED_PRECISION}: "
            "a bundle is calibrated and tested in single precision"
        )
    calibration = fitted.recipe.calibrate(fitted.output, material, fitted.scaler)
    manifest = draft(release.name, release.version, fitted.recipe, material)
    with release.staged() as staged:
        fitted.network.save(staged / KERAS_FILE)
        joblib.dump(fitted.scaler, staged / SCALER_FILE)
        (staged / RECIPE_FILE).write_text(fitted.recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (staged / CALIBRATION_FILE).write_text(calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (staged / HISTORY_FILE).write_bytes((run / HISTORY_FILE).read_bytes())
        # The bundle itself is measured, so it must be whole before its card is written.
        (staged / CARD_FILE).touch()
        bundle = complete(staged, manifest)
        flux = material.survey.flux("test")
        agreement = check_agreement(bundle, flux, fitted.output(flux))
        tested = examine(Predictor(bundle, engine="onnx"), material)
        metrics = {name: round(value, 6) for name, value in tested.priors["survey"].metrics.items()}
        manifest = manifest.model_copy(update={"metrics": metrics})
        card = write_card(manifest, fitted, material, tested, agreement)
        (staged / CARD_FILE).write_text(card, encoding="utf-8")
        manifest = seal(staged, manifest)
        Bundle(staged)
    return manifest
