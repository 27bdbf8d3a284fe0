"""From a trained density network to a bundle. Imports `training.export` and everything that training made."""

from pathlib import Path

import numpy as np

from gaia_redshift.bundle import ONNX_FILE, Manifest, TrainingRecord
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.spectra import FloatArray
from training.card import origin
from training.density.batches import bin_edges
from training.density.calibrate import calibrate, estimate
from training.density.card import write_card
from training.density.data import Material
from training.density.fit import FittedDensity
from training.density.tested import Tested, examine
from training.export import AGREEMENT, Contents, Release, assemble, check_ready, draft, run_onnx

RARE = 1e-3
"""Fraction of medians that may lie between two modes."""


def export(fitted: FittedDensity, material: Material, run: Path, release: Release) -> Manifest:
    """Calibrate, measure on the test parts, and write a bundle.

    Parameters
    ----------
    fitted : FittedDensity
    material : Material
    run : Path
        The run folder.
    release : Release

    Returns
    -------
    Manifest
        As sealed.

    Raises
    ------
    InvalidBundleError
        If the medians of the ONNX and the Keras network differ by more than `AGREEMENT`.
    InvalidInputError
        As `training.export.check_ready`.
    """
    check_ready(run, release)
    calibration = calibrate(fitted, material)

    def finish(staged: Path) -> tuple[Manifest, str]:
        flux = material.survey.flux[material.parts.test]
        differences = _differences(fitted, flux, (staged / ONNX_FILE).read_bytes())
        tested = examine(fitted, material, calibration, differences)
        manifest = _manifest(fitted, material, tested, release)
        return manifest, write_card(manifest, fitted, material, tested)

    return assemble(Contents(fitted.network, fitted.scaler, fitted.recipe, calibration), run, release, finish)


def _differences(fitted: FittedDensity, flux: FloatArray, graph: bytes) -> tuple[float, float]:
    """Return how far the ONNX and the Keras network are apart, in nearly all medians and at most in a probability.

    One median in a thousand may lie where its density has next to nothing, between two modes: there rounding the
    probabilities in the seventh digit moves it further.
    """
    keras_density, keras_kind = fitted.output(flux)
    density, kind = run_onnx(graph, flux, ("density", "kind"))
    nowhere = np.zeros(len(flux), np.float32)
    difference = 0.0
    for prior in ("survey", "flat"):
        onnx, source = (estimate(fitted, each, nowhere, prior).point for each in (density, keras_density))
        difference = max(difference, float(np.quantile(np.abs(onnx - source), 1 - RARE)))
    if not difference <= AGREEMENT:
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {difference:.2g} in z, more than {AGREEMENT:g}"
        )
    return difference, max(float(np.abs(density - keras_density).max()), float(np.abs(kind - keras_kind).max()))


def _manifest(fitted: FittedDensity, material: Material, tested: Tested, release: Release) -> Manifest:
    trained = material.trained_redshift()
    counts = {
        "train": len(trained),
        "validation": len(material.parts.validation) + len(material.balance_parts.validation),
        "test": len(material.parts.test) + len(material.balance_parts.test),
    }
    description = f"Redshift densities by the {fitted.recipe.name} recipe. {origin(material.survey)}"
    training = TrainingRecord(
        simulated=material.survey.simulated,
        dataset=material.name,
        dataset_sha256=material.sha256,
        spectra=counts,
        recipe=fitted.recipe.name,
        seed=fitted.recipe.seed,
    )
    edges = bin_edges(fitted.recipe.bins).tolist()
    return draft(release, description, training, trained, tested.metrics(), bin_edges=edges)
