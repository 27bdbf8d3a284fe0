"""What is measured of a density network on the test parts. Imports `calibrate`, `evaluate`, `densities`, `quality`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.spectra import FloatArray
from training.calibrate import held
from training.dataset import Dataset
from training.densities import crps, kolmogorov_smirnov
from training.density.batches import bin_edges
from training.density.calibrate import Estimates, estimate, priors
from training.density.data import KINDS, Material
from training.density.fit import FittedDensity
from training.evaluate import Metrics, measure
from training.reference.density import posterior
from training.reference.intervals import Intervals
from training.reference.quality import Quality

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class UnderPrior:
    """Galaxies of a test part under one prior."""

    true: NDArray[np.float32]
    estimates: Estimates
    point: Metrics
    coverage: tuple[float, float]
    """Of the 68 and the 95% interval."""
    pit_ks: float
    """Largest distance of the distribution of the probability integral transform from the uniform one."""
    crps: float
    flagged: dict[QualityFlag, float]
    """Fraction with each flag."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What was measured on the test parts."""

    survey: UnderPrior
    flat: UnderPrior
    constant: Metrics
    """Of answering the median redshift of the survey always."""
    others_flagged: dict[str, dict[QualityFlag, float]]
    """By kind of source, the fraction of those the network was not trained on with each flag."""
    onnx_difference: float
    """Of the ONNX and the Keras network in 999 of 1,000 median redshifts, under either prior."""
    probability_difference: float
    """And in any probability."""

    def metrics(self) -> dict[str, float]:
        """Return the numbers of the survey's test part by name, for the manifest."""
        survey = self.survey
        return survey.point.as_dict() | {
            "coverage_68": survey.coverage[0],
            "coverage_95": survey.coverage[1],
            "pit_ks": survey.pit_ks,
            "crps": survey.crps,
        }


def examine(
    fitted: FittedDensity, material: Material, calibration: Calibration, differences: tuple[float, float]
) -> Tested:
    """Measure a calibrated network on the test parts.

    Parameters
    ----------
    fitted : FittedDensity
    material : Material
    calibration : Calibration
    differences : tuple of float
        Between the ONNX and the Keras network, in the median and in a probability.
    """
    survey, parts, others = material.survey, material.parts, material.others_validation
    constant = np.full(len(parts.test), np.median(survey.redshift[parts.train]))
    flagged = {}
    for number, name in enumerate(KINDS[1:], start=1):
        flux = others.flux[others.kind == number]
        flagged[name] = fractions(masks(fitted, material, calibration, flux, "survey"))
    return Tested(
        survey=_under(fitted, material, calibration, survey, "survey"),
        flat=_under(fitted, material, calibration, material.balance, "flat"),
        constant=measure(survey.redshift[parts.test], constant),
        others_flagged=flagged,
        onnx_difference=differences[0],
        probability_difference=differences[1],
    )


def _under(
    fitted: FittedDensity, material: Material, calibration: Calibration, dataset: Dataset, prior: PriorName
) -> UnderPrior:
    parts = material.parts if prior == "survey" else material.balance_parts
    flux, true = dataset.flux[parts.test], dataset.redshift[parts.test]
    density, _ = fitted.output(flux)
    found = estimate(fitted, density, true, prior)
    ends = Intervals(calibration).at(prior, flux, found.point)
    edges = bin_edges(fitted.recipe.bins)
    scores = [
        crps(posterior(density[rows], priors(fitted)[prior], fitted.prior_train), edges, true[rows].astype(np.float64))
        for rows in (slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(true), _ROWS_AT_ONCE))
    ]
    return UnderPrior(
        true=true,
        estimates=found,
        point=measure(true, found.point),
        coverage=held(ends, found.level),
        pit_ks=kolmogorov_smirnov(found.level),
        crps=float(np.concatenate(scores).mean()),
        flagged=fractions(masks(fitted, material, calibration, flux, prior)),
    )


def masks(
    fitted: FittedDensity, material: Material, calibration: Calibration, flux: FloatArray, prior: PriorName
) -> dict[QualityFlag, NDArray[np.bool_]]:
    """Return the flags of spectra as the service gives them."""
    trained = material.trained_redshift()
    quality = Quality(
        calibration.quality,
        (np.array(calibration.flux_min, np.float32), np.array(calibration.flux_max, np.float32)),
        (float(trained.min()), float(trained.max())),
        KINDS,
    )
    density, kind = fitted.output(flux)
    found: dict[QualityFlag, list[NDArray[np.bool_]]] = {flag: [] for flag in FLAGS}
    for start in range(0, len(flux), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        densities = posterior(density[rows], priors(fitted)[prior], fitted.prior_train)
        point = estimate(fitted, density[rows], np.zeros(len(densities), np.float32), prior).point
        for flag, mask in quality.masks(flux[rows], point, densities, kind[rows]).items():
            found[flag].append(mask)
    return {flag: np.concatenate(each) for flag, each in found.items()}


def fractions(found: dict[QualityFlag, NDArray[np.bool_]]) -> dict[QualityFlag, float]:
    """Return the fraction of spectra with each flag."""
    return {flag: float(mask.mean()) for flag, mask in found.items()}
