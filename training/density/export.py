"""From a trained density network to a bundle. Imports `training.export` and everything that training made."""

from pathlib import Path
from typing import get_args

import numpy as np

from gaia_redshift.bundle import ONNX_FILE, Manifest, TrainingRecord
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.spectra import FloatArray
from training.card import origin
from training.density.batches import bin_edges
from training.density.calibrate import calibrate, estimate, priors
from training.density.card import write_card
from training.density.data import Material
from training.density.fit import FittedDensity
from training.density.tested import examine
from training.export import AGREEMENT, Contents, Release, assemble, check_ready, draft, with_metrics
from training.exported import run_onnx
from training.reference.density import posterior

PRIORS: tuple[PriorName, ...] = get_args(PriorName)
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
    manifest = _draft(fitted, material, release)

    def finish(staged: Path) -> tuple[Manifest, str]:
        flux = material.survey.flux[material.parts.test]
        differences = _differences(fitted, flux, (staged / ONNX_FILE).read_bytes())
        tested = examine(fitted, material, calibration, differences)
        measured = with_metrics(manifest, tested.metrics())
        return measured, write_card(measured, fitted, material, tested)

    contents = Contents(fitted.network, fitted.scaler, fitted.recipe, calibration, manifest)
    return assemble(contents, run, release, finish)


def _differences(fitted: FittedDensity, flux: FloatArray, graph: bytes) -> tuple[float, float]:
    """Return how far the graph and the Keras network are apart, in nearly all medians and at most in a probability.

    One median in a thousand may lie where its density has next to nothing, between two modes: there rounding the
    probabilities in the seventh digit moves it further.
    """
    density, _ = fitted.output(flux)
    edges, nowhere = bin_edges(fitted.recipe.bins), np.zeros(len(flux), np.float32)
    difference = of_probability = 0.0
    for number, prior in enumerate(PRIORS):
        answers, pdf = run_onnx(graph, flux, ("redshift", "pdf"), number)
        point = estimate(fitted, density, nowhere, prior).point
        difference = max(difference, float(np.quantile(np.abs(answers[:, 0] - point), 1 - RARE)))
        densities = posterior(density, priors(fitted)[prior], fitted.prior_train)
        of_probability = max(of_probability, float(np.abs(pdf * np.diff(edges) - densities).max()))
    if not difference <= AGREEMENT:
        raise InvalidBundleError(
            f"the ONNX network differs from the Keras network by {difference:.2g} in z, more than {AGREEMENT:g}"
        )
    return difference, of_probability


def _draft(fitted: FittedDensity, material: Material, release: Release) -> Manifest:
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
    return draft(release, description, training, trained, bin_edges=edges)
