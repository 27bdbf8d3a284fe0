"""The manifest of a new bundle before anything is measured, and its citations. Imports `data`, `recipes`."""

import importlib.metadata
import platform
from datetime import UTC, datetime

import keras

from gaia_redshift.bundle import Manifest, TrainingRecord
from training.data.dataset import Dataset
from training.data.material import Material
from training.recipes.recipe import Recipe

CITATIONS = (
    "Gaia Collaboration, Prusti et al. 2016, A&A 595, A1 (the Gaia mission)",
    "Gaia Collaboration, Vallenari et al. 2023, A&A 674, A1 (Gaia DR3)",
    "Delchambre et al. 2023, A&A 674, A31 (Apsis III: the Unresolved Galaxy Classifier)",
    "Gaia Collaboration, Bailer-Jones et al. 2023, A&A 674, A41 (extragalactic content)",
    "De Angeli et al. 2023, A&A 674, A2; Montegriffo et al. 2023, A&A 674, A3; Carrasco et al. 2021, A&A 652, A86 "
    "(BP/RP spectra); GaiaXPy",
    "Ahumada et al. 2020, ApJS 249, 3 (SDSS DR16)",
    "Blanton & Roweis 2007, AJ 133, 734 (kcorrect)",
    "Kiraleos 2023, Application of Machine Learning Methods on Astronomical Databases (the network and its recipe)",
)

_LIBRARIES = ("keras", "tensorflow", "numpy", "scikit-learn", "tf2onnx", "onnx", "onnxruntime")

_SPECTRA = {
    None: "Trained on spectra of undeclared origin: the training set does not say whether they were simulated.",
    True: "Trained on SIMULATED spectra: its numbers were measured on simulations, not on the sky.",
    False: "Trained on observed spectra.",
}
"""By `Dataset.simulated`."""


def origin(dataset: Dataset, start: str | None) -> str:
    """Return the sentences that say what the training spectra are, and what the training started from."""
    further = f" Fine-tuned from {start.split(' ')[0]}: see there for what that learnt from." if start else ""
    return _SPECTRA[dataset.simulated] + further


def draft(name: str, version: str, recipe: Recipe, material: Material) -> Manifest:
    """Return a manifest that still lacks its metrics and its files."""
    survey, trained, edges = material.survey.dataset, material.redshift("train"), recipe.bin_edges
    return Manifest(
        name=name,
        version=version,
        description=f"{recipe.describe().title}. {origin(survey, recipe.start)}",
        grid=survey.grid.name,
        output="point" if edges is None else "density",
        bin_edges=None if edges is None else tuple(edges.tolist()),
        redshift_range=(float(trained.min()), float(trained.max())),
        ebv=survey.ebv,
        training=TrainingRecord(
            simulated=survey.simulated,
            dataset=material.name,
            dataset_sha256=material.sha256,
            spectra=material.counts(),
            recipe=recipe.name,
            seed=recipe.seed,
        ),
        metrics={},
        libraries=_libraries(),
        created=datetime.now(UTC).replace(microsecond=0),
        licence="BSD-3-Clause",
        citations=list(CITATIONS),
        files={},
    )


def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version(), "keras_backend": keras.backend.backend()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
