"""The calibration of a density network: levels of its densities, under each prior. Imports `training.calibrate`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import Calibration, IntervalTable
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.spectra import FloatArray
from training.calibrate import brightness_edges, tables
from training.density.batches import bin_edges
from training.density.data import KINDS, Material
from training.density.fit import FittedDensity
from training.quality import LEARNING_ROWS, learn
from training.reference.density import cumulative_at, posterior, quantile

Column = NDArray[np.float64]

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Estimates:
    """What a density network says of galaxies under one prior; arrays of shape (n,)."""

    point: Column
    """The median."""
    level: Column
    """The density's probability below the true redshift: the probability integral transform."""


def priors(fitted: FittedDensity) -> dict[PriorName, Column]:
    """Return the probability per bin of each prior by name."""
    bins = fitted.recipe.bins
    return {"survey": fitted.prior_survey, "flat": np.full(bins, 1 / bins)}


def estimate(fitted: FittedDensity, density: FloatArray, true: FloatArray, prior: PriorName) -> Estimates:
    """Return estimates of galaxies of known redshift from the network's output.

    Parameters
    ----------
    fitted : FittedDensity
    density : ndarray, shape (n, bins)
    true : ndarray, shape (n,)
    prior : {"survey", "flat"}
    """
    edges = bin_edges(fitted.recipe.bins)
    point, level = np.empty(len(true)), np.empty(len(true))
    for start in range(0, len(true), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        densities = posterior(density[rows], priors(fitted)[prior], fitted.prior_train)
        point[rows] = quantile(densities, edges, 0.5)
        level[rows] = cumulative_at(densities, edges, true[rows])
    return Estimates(point, level)


def calibrate(fitted: FittedDensity, material: Material) -> Calibration:
    """Learn interval levels and quality flags from the validation parts.

    The survey's galaxies serve its own prior, the balanced ones the flat prior.

    Returns
    -------
    Calibration
    """
    survey, balance = material.survey, material.balance
    held = {"survey": material.parts.validation, "flat": material.balance_parts.validation}
    flux: dict[PriorName, FloatArray] = {"survey": survey.flux[held["survey"]], "flat": balance.flux[held["flat"]]}
    true = {"survey": survey.redshift[held["survey"]], "flat": balance.redshift[held["flat"]]}
    edges, seed = brightness_edges(flux["survey"]), fitted.recipe.seed
    intervals: dict[PriorName, list[IntervalTable]] = {}
    kind = np.empty((0, len(KINDS)), np.float32)
    for prior, spectra in flux.items():
        density, probabilities = fitted.output(spectra)
        found = estimate(fitted, density, true[prior], prior)
        intervals[prior] = tables(edges, spectra, found.point, found.level, centre=0.5)
        kind = probabilities if prior == "survey" else kind
    return Calibration(
        flux_min=_listed(fitted.scaler.data_min_),
        flux_max=_listed(fitted.scaler.data_max_),
        brightness_edges=edges,
        intervals=intervals,
        kinds=list(KINDS),
        prior_train=_listed(fitted.prior_train),
        prior_survey=_listed(fitted.prior_survey),
        quality=learn(material.trained_flux(LEARNING_ROWS, seed), flux["survey"], kind, seed, flux["flat"]),
    )


def _listed(values: Sequence[float] | NDArray[np.floating]) -> list[float]:
    return [float(value) for value in values]
