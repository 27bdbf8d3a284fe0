"""Calibrated intervals: split-conformal tables. Imports `gaia_redshift.interpretation.calibration`.

Conformal prediction (Vovk et al. 2005; Lei et al. 2018, JASA 113, 1094) needs no assumption on the network: the
finite-sample quantiles of a score on galaxies that it was not trained on bound the score of the next one. The score of
a point network is its error; that of a density is the probability it gives to all redshifts below the true one
(distributional conformal prediction, Chernozhukov et al. 2021, PNAS 118, e2107794118). Quantiles by brightness and
predicted redshift (Mondrian conformal prediction) give the stated coverage in each class, not only on average.

MAPIE and crepes have Mondrian categories, but know neither levels of a density nor interpolation between categories.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import Calibration, IntervalTable
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.quality import QualityParameters
from gaia_redshift.spectra import DR3, FloatArray
from training.calibration.reference import brightness, brightness_class

NODE_WIDTH = 0.02
"""Least range of predicted redshift behind one node: Gaia's UGC calibrates in the same steps."""
NODE_GALAXIES = 200
"""Least number of galaxies behind one node: their 2.5% tail holds five."""

CLASSES = 4
"""Number of classes of brightness, equally full."""
CLASS_GALAXIES = 2000
"""Least number of galaxies in one: with fewer, brightness is not told apart."""

_ROUNDING = 1e-9
"""A rank that is a whole number must not be rounded up because 1.68 is not exact in binary."""

Column = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Held:
    """Galaxies of a validation part, predicted under one prior; arrays of n rows."""

    flux: FloatArray
    """Shape (n, 186), e-/s per sample."""
    predicted: Column
    """The point estimate, shape (n,)."""
    score: Column
    """Shape (n,): the error of a point estimate, or the probability that a density gives to redshifts below the true
    one."""


def calibrate(
    held: Mapping[PriorName, Held],
    centre: float,
    flux_range: tuple[Column, Column],
    quality: QualityParameters | None = None,
    **of_density: Sequence[str] | Sequence[float],
) -> Calibration:
    """Learn the 68 and 95% intervals from galaxies that the network was not trained on, by prior.

    The survey's set the classes of brightness. Every interval must hold `centre`, the score of the prediction itself: 0
    for an error, 0.5 for a probability. The flux range is the least and the largest of each flux in the training part,
    e-/s per sample, each of shape (186,). `of_density` are ``kinds``, ``prior_train`` and ``prior_survey``.
    """
    flux_min, flux_max = flux_range
    if flux_min.shape != (DR3.samples,) or flux_max.shape != (DR3.samples,):
        raise ValueError(f"expected ranges of {DR3.samples} fluxes")
    edges = brightness_edges(held["survey"].flux)
    return Calibration(
        flux_min=flux_min.tolist(),
        flux_max=flux_max.tolist(),
        brightness_edges=edges,
        intervals={prior: tables(edges, each.flux, each.predicted, each.score, centre) for prior, each in held.items()},
        quality=quality,
        **of_density,
    )


def brightness_edges(flux: FloatArray) -> list[float]:
    """Return the inner edges of classes of brightness that are equally full in `flux`; none if it holds too few."""
    if len(flux) < CLASSES * CLASS_GALAXIES:
        return []
    return [float(edge) for edge in np.quantile(brightness(flux), np.arange(1, CLASSES) / CLASSES)]


def tables(
    edges: Sequence[float], flux: FloatArray, predicted: Column, score: Column, centre: float
) -> list[IntervalTable]:
    """Return a table of quantiles of `score` over predicted redshift for each class of brightness.

    The edges are the inner ones of the classes, in e-/s per sample. Fluxes have shape (n, 186), predictions and scores
    (n,); every interval holds `centre`, the score of the prediction itself.
    """
    number = brightness_class(flux, edges)
    of_class = [number == each for each in range(len(edges) + 1)]
    return [_table(predicted[rows], score[rows], centre) for rows in of_class]


def _table(predicted: Column, score: Column, centre: float) -> IntervalTable:
    order = np.argsort(predicted, kind="stable")
    predicted, score = predicted[order].astype(np.float64), score[order].astype(np.float64)
    groups = node_groups(predicted)
    nodes = [float(np.median(predicted[group])) for group in groups]
    low95, high95 = zip(*(_interval(score[group], 0.95, centre) for group in groups), strict=True)
    low68, high68 = zip(*(_interval(score[group], 0.68, centre) for group in groups), strict=True)
    return IntervalTable(
        redshift=nodes, lower95=list(low95), lower68=list(low68), upper68=list(high68), upper95=list(high95)
    )


def node_groups(predicted: Column) -> list[slice]:
    """Cut ascending predictions into runs that are wide and full enough.

    Equal steps resolve the redshifts with many galaxies, and the least count makes the steps wider where there are few;
    equal counts would put all of z > 0.37, where the bias is steepest, behind a single node. The runs contain all
    predictions, shape (n,), and no value is in two of them.
    """
    starts = [0]
    while True:
        wide = int(np.searchsorted(predicted, predicted[starts[-1]] + NODE_WIDTH))
        stop = max(wide, starts[-1] + NODE_GALAXIES)
        if stop >= len(predicted):
            break
        # Equal predictions stay together, so that the medians of the groups increase.
        stop = int(np.searchsorted(predicted, predicted[stop - 1], side="right"))
        if len(predicted) - stop < NODE_GALAXIES:
            break
        starts.append(stop)
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(predicted)], strict=True)]


def _interval(score: Column, level: float, centre: float) -> tuple[float, float]:
    """Return the finite-sample quantiles that leave at most (1 - level) / 2 of the scores beyond each end."""
    ascending = np.sort(score)
    beyond = len(score) - conformal_rank(len(score), level)
    return min(float(ascending[beyond]), centre), max(float(ascending[len(score) - 1 - beyond]), centre)


def conformal_rank(count: int, level: float) -> int:
    """Return which of `count` ascending scores, from one, has at most (1 - level) / 2 of the next ones above it.

    The rank ceil((n + 1)(1 - a/2)), not the plain quantile, is what guarantees the level; of too few the last.
    """
    return min(math.ceil((count + 1) * (1 + level) / 2 - _ROUNDING), count)
