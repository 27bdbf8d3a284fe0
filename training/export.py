"""From a trained network to a bundle. Imports `gaia_redshift.bundle` and everything that training made.

The bundle is put together in a hidden folder beside its place and renamed into it when every check has passed: a
crash leaves no half bundle, and a server never meets one.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from gaia_redshift.bundle import (
    CALIBRATION_FILE,
    CARD_FILE,
    KERAS_FILE,
    MANIFEST,
    ONNX_FILE,
    SCALER_FILE,
    Bundle,
    Manifest,
    TrainingRecord,
    seal,
)
from gaia_redshift.errors import InvalidBundleError, InvalidInputError
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import DR3, FloatArray
from training.calibrate import calibrate, coverage
from training.card import CITATIONS, Tested, origin, write_card
from training.dataset import Dataset
from training.evaluate import measure
from training.exported import run_onnx
from training.fit import Fitted, fit_scaler
from training.quality import LEARNING_ROWS, learn
from training.recipe import HISTORY_FILE, RECIPE_FILE
from training.split import Split

AGREEMENT = 5e-6
"""Largest difference in redshift allowed between the Keras and the ONNX network."""
REDUCED_PRECISION = "ONEDNN_DEFAULT_FPMATH_MODE"
"""Environment variable that lets TensorFlow multiply in bfloat16: fast in training, wrong in a comparison."""

_LIBRARIES = ("keras", "tensorflow", "numpy", "scikit-learn", "tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Release:
    """Where a bundle goes and what it is called."""

    folder: Path
    name: str
    version: str
    replace: bool = False
    """Whether a bundle that is there already may be replaced."""

    def check_free(self) -> None:
        """Raise InvalidInputError if the folder is taken and may not be replaced."""
        if self.folder.exists() and not self.replace:
            raise InvalidInputError(f"{self.folder} exists already: name another folder, or add --replace")


def export(fitted: Fitted, dataset: Dataset, parts: Split, run: Path, release: Release) -> Manifest:
    """Calibrate, measure on the test part, and write a bundle.

    Parameters
    ----------
    fitted : Fitted
    dataset : Dataset
    parts : Split
    run : Path
        The run folder, for ``history.csv``.
    release : Release

    Returns
    -------
    Manifest
        As sealed.

    Raises
    ------
    InvalidBundleError
        If the ONNX network differs from the Keras network by more than `AGREEMENT`.
    InvalidInputError
        As `check_ready`.
    """
    check_ready(run, release)
    calibration = _calibrate(fitted, dataset, parts)
    manifest = _draft(fitted, dataset, parts, release)
    contents = Contents(fitted.network, fitted.scaler, fitted.recipe, calibration, manifest)

    def finish(staged: Path) -> tuple[Manifest, str]:
        tested = _test(fitted, dataset, parts, calibration, staged)
        held68, held95 = tested.coverage
        measured = with_metrics(manifest, tested.metrics.as_dict() | {"coverage_68": held68, "coverage_95": held95})
        return measured, write_card(measured, fitted, dataset, parts, tested)

    return assemble(contents, run, release, finish)


def check_ready(run: Path, release: Release) -> None:
    """Refuse an export before any work is done for it.

    Raises
    ------
    InvalidInputError
        If the folder exists and may not be replaced, or the networks would be compared in less than single precision.
    """
    release.check_free()
    if os.environ.get(REDUCED_PRECISION, "STRICT").upper() != "STRICT":
        raise InvalidInputError(
            f"the training in {run} is done; give the command again without {REDUCED_PRECISION}: "
            "a bundle is calibrated and tested in single precision"
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """What training made of a bundle."""

    network: Any
    scaler: Any
    recipe: BaseModel
    calibration: Calibration
    draft: Manifest
    """Without metrics and files."""


def assemble(
    contents: Contents, run: Path, release: Release, finish: Callable[[Path], tuple[Manifest, str]]
) -> Manifest:
    """Put a bundle together beside its place, and move it there when every check has passed.

    Parameters
    ----------
    contents : Contents
    run : Path
        The run folder, for ``history.csv``.
    release : Release
    finish : callable
        Called with the folder that holds the converted network: tests it, and returns the manifest with what was
        measured, and the card.

    Returns
    -------
    Manifest
        As sealed.

    """
    release.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{release.name}-", dir=release.folder.parent) as beside:
        staged = Path(beside) / release.name
        staged.mkdir()
        contents.network.save(staged / KERAS_FILE)
        joblib.dump(contents.scaler, staged / SCALER_FILE)
        (staged / RECIPE_FILE).write_text(contents.recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (staged / CALIBRATION_FILE).write_text(contents.calibration.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (staged / HISTORY_FILE).write_bytes((run / HISTORY_FILE).read_bytes())
        (staged / MANIFEST).write_text(contents.draft.model_dump_json(), encoding="utf-8")
        _convert(staged)
        manifest, card = finish(staged)
        (staged / CARD_FILE).write_text(card, encoding="utf-8")
        manifest = seal(staged, manifest)
        Bundle(staged)
        if release.folder.exists():
            release.folder.rename(Path(beside) / "replaced")
        staged.rename(release.folder)
    return manifest


def _calibrate(fitted: Fitted, dataset: Dataset, parts: Split) -> Calibration:
    predicted = fitted.predict(dataset.flux[parts.validation])
    true = dataset.redshift[parts.validation]
    # A scaler that came with an earlier training has seen other spectra; the network has learnt from both.
    range_, scaler = fit_scaler(dataset.flux, parts.train), fitted.scaler
    low, high = np.minimum(scaler.data_min_, range_.data_min_), np.maximum(scaler.data_max_, range_.data_max_)
    flux = dataset.flux[parts.validation]
    seed = fitted.recipe.seed
    some = np.random.default_rng(seed).permutation(parts.train)[:LEARNING_ROWS]
    quality = learn(dataset.flux[some], flux, None, seed)
    return calibrate(predicted, true, flux, (low, high), quality)


def _convert(staged: Path) -> None:
    if keras.backend.backend() == "tensorflow":
        from training.convert import convert

        convert(staged)
        return
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-m", "training.convert", str(staged.resolve())]
    subprocess.run(command, check=True, env=environment)  # noqa: S603 - our own file on our own folder


def _test(fitted: Fitted, dataset: Dataset, parts: Split, calibration: Calibration, staged: Path) -> Tested:
    flux, true = dataset.flux[parts.test], dataset.redshift[parts.test]
    predicted = fitted.predict(flux)
    difference = float(np.abs(_predict_onnx((staged / ONNX_FILE).read_bytes(), flux) - predicted).max())
    if not difference <= AGREEMENT:
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {difference:.2g} in z, more than {AGREEMENT:g}"
        )
    constant = np.full_like(true, np.median(dataset.redshift[parts.train]))
    return Tested(
        true=true,
        predicted=predicted,
        metrics=measure(true, predicted),
        constant=measure(true, constant),
        coverage=coverage(calibration, flux, predicted, true),
        onnx_difference=difference,
    )


def _predict_onnx(graph: bytes, flux: FloatArray) -> NDArray[np.float64]:
    (answers,) = run_onnx(graph, flux, ("redshift",))
    return answers[:, 0]


def _draft(fitted: Fitted, dataset: Dataset, parts: Split, release: Release) -> Manifest:
    redshift = dataset.redshift[parts.train]
    description = f"Convolutional network of the {fitted.recipe.name} recipe. {origin(dataset, fitted.recipe.start)}"
    training = TrainingRecord(
        simulated=dataset.simulated,
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        spectra=parts.counts(),
        recipe=fitted.recipe.name,
        seed=fitted.recipe.seed,
    )
    return draft(release, description, training, redshift)


def draft(
    release: Release,
    description: str,
    training: TrainingRecord,
    redshift: FloatArray,
    *,
    bin_edges: Sequence[float] | None = None,
) -> Manifest:
    """Return a manifest that still lacks its metrics and its files.

    Parameters
    ----------
    release : Release
    description : str
    training : TrainingRecord
    redshift : ndarray, shape (n,)
        What the network was trained on.
    bin_edges : sequence of float, optional
        Of a density; a network without gives one redshift.
    """
    return Manifest(
        name=release.name,
        version=release.version,
        description=description,
        grid=DR3.name,
        output="point" if bin_edges is None else "density",
        bin_edges=None if bin_edges is None else tuple(bin_edges),
        redshift_range=(float(redshift.min()), float(redshift.max())),
        training=training,
        metrics={},
        libraries=_libraries(),
        created=datetime.now(UTC).replace(microsecond=0),
        licence="BSD-3-Clause",
        citations=list(CITATIONS),
        files={},
    )


def with_metrics(manifest: Manifest, metrics: Mapping[str, float]) -> Manifest:
    """Return a manifest with what was measured on the test part."""
    return manifest.model_copy(update={"metrics": {name: round(value, 6) for name, value in metrics.items()}})


def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version(), "keras_backend": keras.backend.backend()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
