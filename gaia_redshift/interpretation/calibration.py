"""``calibration.json``: what turns a network's output into calibrated intervals and flags. Imports `prior`, `quality`.

Interval ends come from tables over predicted redshift, one table per brightness class, since a faint galaxy's redshift
is less certain than a bright one's at the same z. For a point model a table holds offsets in z, which are added to the
prediction. For a density model it holds cumulative probabilities: the ends are the density's quantiles at these levels.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.quality import QualityParameters

ENDS = ("lower95", "lower68", "upper68", "upper95")
"""Interval ends, in ascending order."""

_SUM_ERROR = 1e-6


class Strict(BaseModel):
    """Base class of the contents of a bundle's JSON files."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntervalTable(Strict):
    """Interval ends by predicted redshift, linear between nodes and constant beyond them."""

    redshift: list[float]
    lower95: list[float]
    lower68: list[float]
    upper68: list[float]
    upper95: list[float]

    @model_validator(mode="after")
    def _nodes_and_ends_in_order(self) -> Self:
        columns = [getattr(self, name) for name in ENDS]
        if not self.redshift or any(len(column) != len(self.redshift) for column in columns):
            raise ValueError("every interval end needs one value per redshift node, and at least one node")
        if not increase(self.redshift):
            raise ValueError("redshift nodes must increase")
        if not np.isfinite(columns).all() or (np.diff(columns, axis=0) < 0).any():
            raise ValueError(f"at every node the ends must be finite and ascend: {', '.join(ENDS)}")
        return self


class Calibration(Strict):
    """The contents of ``calibration.json``."""

    flux_min: list[float]
    flux_max: list[float]
    """Range of each sample in the training part, e-/s per sample."""
    brightness_edges: list[float]
    """Edges between brightness classes, in the mean of the RP fluxes, e-/s per sample; n edges make n + 1 classes."""
    intervals: dict[PriorName, list[IntervalTable]]
    """For each prior, a table per brightness class, faintest first. A prior from the user uses those of ``survey``."""
    kinds: list[str] | None = None
    """Kinds of source that a density network distinguishes, galaxy first."""
    prior_train: list[float] | None = None
    """Probability per bin of the training redshifts of a density network."""
    prior_survey: list[float] | None = None
    """Probability per bin of the survey's redshifts."""
    quality: QualityParameters | None = None
    """Parameters of the quality flags."""

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, content: object) -> Any:
        if isinstance(content, dict) and "redshift" in content:
            raise ValueError("it is of an earlier version: export the model again")
        return content

    @model_validator(mode="after")
    def _a_table_per_class(self) -> Self:
        if self.brightness_edges and not increase(self.brightness_edges):
            raise ValueError("brightness_edges must increase")
        classes = len(self.brightness_edges) + 1
        if "survey" not in self.intervals or any(len(tables) != classes for tables in self.intervals.values()):
            raise ValueError(f"intervals need the prior survey, and {classes} tables for each prior")
        return self

    def refuse_misfit(self, output: Literal["point", "density"], bins: int, samples: int) -> None:
        """Raise ValueError if the calibration does not fit a model with this output, number of bins and of samples."""
        _require(
            len(self.flux_min) == len(self.flux_max) == samples,
            f"flux_min and flux_max need {samples} values, one for each sample of the grid",
        )
        if self.quality is not None:
            try:
                self.quality.refuse_misfit(samples)
            except ValueError as error:
                raise ValueError(f"quality: {error}") from error
        low, high = self._range("lower95", "lower68"), self._range("upper68", "upper95")
        if output == "point":
            _require(
                set(self.intervals) == {"survey"} and not (self.kinds or self.prior_train or self.prior_survey),
                "a point model has intervals for the prior survey only, and no kinds or other priors",
            )
            _require(low[1] <= 0 <= high[0], "an interval does not contain its prediction")
            return
        _require(set(self.intervals) == {"survey", "flat"}, "a density needs intervals for the priors survey and flat")
        _require(bool(self.kinds) and (self.kinds or [""])[0] == "galaxy", "a density needs kinds, galaxy first")
        for name, prior in (("prior_train", self.prior_train), ("prior_survey", self.prior_survey)):
            _require(
                prior is not None and len(prior) == bins and min(prior) >= 0 and abs(sum(prior) - 1) < _SUM_ERROR,
                f"{name} needs a probability for each of the {bins} bins, summing to one",
            )
        _require(min(self.prior_train or [0]) > 0, "prior_train must be positive in every bin")
        _require(
            0 <= low[0] <= low[1] <= 0.5 <= high[0] <= high[1] <= 1,
            "the ends of a density's intervals are cumulative probabilities on either side of 0.5",
        )

    def _range(self, *ends: str) -> tuple[float, float]:
        """Return the least and the largest value of these interval ends in all tables."""
        values = [
            value
            for tables in self.intervals.values()
            for table in tables
            for end in ends
            for value in getattr(table, end)
        ]
        return min(values), max(values)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def increase(values: Sequence[float]) -> bool:
    """Return whether all values are finite and each is greater than the one before."""
    return bool(np.isfinite(values).all()) and all(low < high for low, high in pairwise(values))
