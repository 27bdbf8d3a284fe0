"""Interval tables adjusted to a few hundred labelled galaxies. Imports `correction`, `intervals`, the reference.

So few galaxies cannot fill tables over redshift and brightness. They give the factor by which each of the four interval
ends of the model's tables is too near or too far, in each class of brightness that holds enough of them. The factors
are finite-sample conformal quantiles (Lei et al. 2018, JASA 113, 1094) of the error in units of the interval end; for a
density, whose tables hold levels, both are taken as normal deviates.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import ENDS, Calibration, IntervalTable
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.result import DECIMALS
from gaia_redshift.spectra import FloatArray
from training.calibration import correction as correcting
from training.calibration.correction import Column, Correction
from training.calibration.intervals import Held, conformal_rank
from training.calibration.reference import brightness_class, cumulative_at, interval_ends, posterior, quantile

FOLDS = 10
_SEED = 1

CLASS_GALAXIES = 200
"""Least number of labelled galaxies in a class of brightness with its own factors, for the reason of NODE_GALAXIES."""

_LEVELS = {"lower95": 0.95, "lower68": 0.68, "upper68": 0.68, "upper95": 0.95}
_CERTAIN = 1e-6
"""Levels are at least this far from 0 and 1, whose normal deviates are infinite."""
_NEAREST = {"point": 1e-4, "density": 1e-2}
"""Least distance of an end from the prediction, in redshift or as a normal deviate: a factor of zero moves nothing."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled galaxies and what a network says of them; arrays of n rows."""

    flux: FloatArray
    """Shape (n, samples), e-/s per sample."""
    true: Column
    family: NDArray[np.int64]
    """Galaxies with one number are never on both sides of a cross-validation."""
    output: Mapping[str, FloatArray]
    """The network's, by name."""

    def rows(self, chosen: NDArray[np.bool_]) -> "Labelled":
        """Return some of the galaxies."""
        output = {name: values[chosen] for name, values in self.output.items()}
        return Labelled(self.flux[chosen], self.true[chosen], self.family[chosen], output)


class Judged(NamedTuple):
    """Answers to labelled galaxies under one prior, each of shape (n,)."""

    predicted: Column
    inside68: NDArray[np.bool_]
    inside95: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What was learnt, and the answers before and after, to galaxies that it was not learnt from."""

    correction: Correction
    calibration: Calibration
    before: Mapping[PriorName, Judged]
    after: Mapping[PriorName, Judged]


class Recalibration:
    """A model's calibration, and what labelled galaxies change in it; a point model has no bins."""

    def __init__(self, calibration: Calibration, bins: Bins | None) -> None:
        self._calibration, self._bins = calibration, bins

    def learn(self, galaxies: Labelled) -> Recalibrated:
        """Learn a correction and intervals, and measure both by cross-validation.

        There is no correction if galaxies held back do not gain by it. Raises InvalidInputError if the labels are
        farther off than a recalibration can correct.
        """
        fold = _folds(galaxies.family)
        correction, corrections = self._correct(galaxies, fold)
        before = self.judge(galaxies, Correction(), self._calibration)
        after = deepcopy(before)  # all of it is overwritten
        for number, found in enumerate(corrections):
            calibration = self.rescaled(self.held(galaxies.rows(fold != number), found))
            for prior, judged in self.judge(galaxies.rows(fold == number), found, calibration).items():
                for whole, part in zip(after[prior], judged, strict=True):
                    whole[fold == number] = part
        return Recalibrated(correction, self.rescaled(self.held(galaxies, correction)), before, after)

    def _correct(self, galaxies: Labelled, fold: NDArray[np.intp]) -> tuple[Correction, list[Correction]]:
        """Return the correction for all galaxies, and those for all but each fold; none if held-back ones gain none."""
        corrections = [self.fit(galaxies.rows(fold != number)) for number in range(FOLDS)]
        prior = None if self._bins is None else correcting.smooth_prior(galaxies.true, self._bins.edges)
        gain = np.empty(len(galaxies.true))
        for number, found in enumerate(corrections):
            held_back = galaxies.rows(fold == number)
            gain[fold == number] = self._score(held_back, found, prior) - self._score(held_back, Correction(), prior)
        if not correcting.improves(gain):
            return Correction(), [Correction()] * FOLDS
        return self.fit(galaxies), corrections

    def fit(self, galaxies: Labelled) -> Correction:
        """Return the correction that labelled galaxies ask for."""
        if self._bins is None:
            return correcting.fit_point(_point(galaxies), galaxies.true)
        return correcting.fit_density(_likelihood(galaxies, self._bins), galaxies.true, self._bins.edges)

    def _score(self, galaxies: Labelled, correction: Correction, prior: Column | None) -> Column:
        """Return how well each galaxy is answered: log probability under a prior, or minus the absolute error."""
        if self._bins is None or prior is None:
            return np.asarray(-np.abs(correction.of_redshift(_point(galaxies)) - galaxies.true))
        likelihood = correction.of_likelihood(_likelihood(galaxies, self._bins), self._bins.edges)
        return correcting.ln_score(likelihood, galaxies.true, self._bins.edges, prior)

    def held(self, galaxies: Labelled, correction: Correction) -> dict[PriorName, Held]:
        """Return corrected predictions and their scores, by prior."""
        if self._bins is None:
            predicted = correction.of_redshift(_point(galaxies)).round(DECIMALS)
            return {"survey": Held(galaxies.flux, predicted, galaxies.true - predicted)}
        edges = self._bins.edges
        likelihood = correction.of_likelihood(_likelihood(galaxies, self._bins), edges)
        relative = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        found: dict[PriorName, Held] = {}
        for name in get_args(PriorName):
            prior = self._bins.prior(name)
            densities = posterior(relative, prior, np.ones_like(prior))
            predicted = quantile(densities, edges, 0.5).round(DECIMALS)
            found[name] = Held(galaxies.flux, predicted, cumulative_at(densities, edges, galaxies.true))
        return found

    def rescaled(self, held: Mapping[PriorName, Held]) -> Calibration:
        """Return the calibration with the ends of its intervals moved to hold their share of these galaxies."""
        intervals = {prior: self._tables(prior, each) for prior, each in held.items()}
        return self._calibration.model_copy(update={"intervals": intervals})

    def judge(self, galaxies: Labelled, correction: Correction, calibration: Calibration) -> dict[PriorName, Judged]:
        """Return what a corrected model with these intervals answers to labelled galaxies, by prior."""
        found = {}
        for prior, each in self.held(galaxies, correction).items():
            predicted, score = np.asarray(each.predicted, np.float64), each.score
            low95, low68, high68, high95 = interval_ends(calibration, prior, each.flux, predicted)
            inside = ((low <= score) & (score <= high) for low, high in ((low68, high68), (low95, high95)))
            found[prior] = Judged(predicted, *inside)
        return found

    def _tables(self, prior: PriorName, held: Held) -> list[IntervalTable]:
        ends = interval_ends(self._calibration, prior, held.flux, np.asarray(held.predicted, np.float64))
        score = self._deviate(np.asarray(held.score, np.float64))
        number = brightness_class(held.flux, self._calibration.brightness_edges)
        made = []
        for own, table in enumerate(self._calibration.intervals[prior]):
            rows = number == own
            if np.count_nonzero(rows) < CLASS_GALAXIES:
                rows = np.ones(len(score), np.bool_)
            columns = {}
            for end, level, values in zip(ENDS, _LEVELS.values(), ends, strict=True):
                ratio = np.sort(score[rows] / self._from_prediction(end, values[rows]))
                factor = max(float(ratio[conformal_rank(len(ratio), level) - 1]), 0.0)
                columns[end] = self._from_prediction(end, np.array(getattr(table, end))) * factor
            made.append(self._table(table, columns))
        return made

    def _table(self, table: IntervalTable, columns: dict[str, Column]) -> IntervalTable:
        """Return a table with new ends; the 95% interval holds the 68% interval."""
        columns["lower95"] = np.minimum(columns["lower95"], columns["lower68"])
        columns["upper95"] = np.maximum(columns["upper95"], columns["upper68"])
        if self._bins is not None:
            columns = {end: np.clip(ndtr(values), _CERTAIN, 1 - _CERTAIN) for end, values in columns.items()}
        return IntervalTable(redshift=table.redshift, **{end: values.tolist() for end, values in columns.items()})

    def _from_prediction(self, end: str, values: Column) -> Column:
        """Return the distance of interval ends from the prediction, at least `_NEAREST`; negative below it."""
        nearest = _NEAREST["point" if self._bins is None else "density"]
        sign = -1.0 if end.startswith("lower") else 1.0
        return np.asarray(sign * np.maximum(sign * self._deviate(values), nearest))

    def _deviate(self, score: Column) -> Column:
        """Return an error as it is, and a level as its normal deviate: zero is the prediction in both."""
        return score if self._bins is None else np.asarray(ndtri(np.clip(score, _CERTAIN, 1 - _CERTAIN)))


def _point(galaxies: Labelled) -> Column:
    return galaxies.output["redshift"].astype(np.float64).reshape(-1)


def _likelihood(galaxies: Labelled, bins: Bins) -> Column:
    return correcting.ln_likelihood(galaxies.output["density"], bins.prior_train)


def _folds(family: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the fold of each galaxy, shape (n,); those of one family share it."""
    _, member = np.unique(family, return_inverse=True)
    of_family = np.random.default_rng(_SEED).permutation(np.arange(member.max() + 1) % FOLDS)
    return np.asarray(of_family[member], np.intp)
