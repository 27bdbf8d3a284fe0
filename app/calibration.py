"""What turns a network's output into numbers with a promise: ``calibration.json``. Imports `prior` and `spectra`.

Interval ends come from tables over predicted redshift, one table per class of brightness: a faint galaxy's redshift is
less certain than a bright one's at the same z. What a table holds depends on the model's output. For a point model it
is offsets in z, added to the prediction. For a density it is cumulative probabilities: the ends are the redshifts below
which the density holds that much.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.prior import PriorName
from app.spectra import BP_COUNT, FLUX_COUNT, FloatArray

ENDS = ("lower95", "lower68", "upper68", "upper95")
"""Interval ends, in ascending order."""

_SUM_ERROR = 1e-6


def brightness(flux: FloatArray) -> NDArray[np.float32]:
    """Return the mean of the 106 RP fluxes in e-/s per sample, shape (n,), of spectra of shape (n, 186)."""
    mean: NDArray[np.float32] = flux[:, BP_COUNT:].mean(axis=1)
    return mean


class Strict(BaseModel):
    """Base of what a bundle's JSON files hold."""

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
            raise ValueError("every interval end needs one value per redshift node, and there must be a node")
        if not increase(self.redshift):
            raise ValueError("redshift nodes must increase")
        if not np.isfinite(columns).all() or (np.diff(columns, axis=0) < 0).any():
            raise ValueError(f"at every node the ends must be finite and ascend: {', '.join(ENDS)}")
        return self


class Calibration(Strict):
    """The contents of ``calibration.json``."""

    flux_min: list[float] = Field(min_length=FLUX_COUNT, max_length=FLUX_COUNT)
    flux_max: list[float] = Field(min_length=FLUX_COUNT, max_length=FLUX_COUNT)
    """Per-sample range of the training part, e-/s per sample."""
    brightness_edges: list[float]
    """Where the classes of `brightness` meet, e-/s per sample; n edges part n + 1 classes."""
    intervals: dict[PriorName, list[IntervalTable]]
    """For each prior, a table per class of brightness, faintest first. A prior of the user's takes ``survey``."""
    kinds: list[str] | None = None
    """What a density network tells apart, galaxy first."""
    prior_train: list[float] | None = None
    """Probability per bin of the redshifts that a density network was trained on."""
    prior_survey: list[float] | None = None
    """Probability per bin of the redshifts of the survey."""

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, content: Any) -> Any:
        if isinstance(content, dict) and "redshift" in content:
            raise ValueError("it has the form of an earlier version: export the model again")
        return content

    @model_validator(mode="after")
    def _a_table_per_class(self) -> Self:
        if self.brightness_edges and not increase(self.brightness_edges):
            raise ValueError("brightness_edges must increase")
        classes = len(self.brightness_edges) + 1
        if "survey" not in self.intervals or any(len(tables) != classes for tables in self.intervals.values()):
            raise ValueError(f"intervals need the prior survey, and {classes} tables for each prior")
        return self

    def misfit(self, output: Literal["point", "density"], bins: int) -> str | None:
        """Say why the calibration does not belong to a model of this output, or return None."""
        tables = [table for tables in self.intervals.values() for table in tables]
        below = [end for table in tables for end in (*table.lower95, *table.lower68)]
        above = [end for table in tables for end in (*table.upper95, *table.upper68)]
        if output == "point":
            if set(self.intervals) != {"survey"} or self.kinds or self.prior_train or self.prior_survey:
                return "a point model has intervals for the prior survey alone, no kinds and no other priors"
            return None if max(below) <= 0 <= min(above) else "an interval does not hold its own prediction"
        if set(self.intervals) != {"survey", "flat"}:
            return "a density needs intervals for the priors survey and flat"
        if not self.kinds or self.kinds[0] != "galaxy":
            return "a density needs kinds, galaxy first"
        for name, prior in (("prior_train", self.prior_train), ("prior_survey", self.prior_survey)):
            if prior is None or len(prior) != bins or abs(sum(prior) - 1) > _SUM_ERROR or min(prior) < 0:
                return f"{name} needs a probability for each of the {bins} bins, summing to one"
        if min(self.prior_train or [0]) <= 0:
            return "prior_train must be positive in every bin"
        if not 0 <= min(below) <= max(below) <= 0.5 <= min(above) <= max(above) <= 1:
            return "the ends of a density's intervals are cumulative probabilities on either side of 0.5"
        return None


class Intervals:
    """The interval tables as arrays, made once: turning lists into them for every request would cost more than both.

    Parameters
    ----------
    calibration : Calibration
    """

    def __init__(self, calibration: Calibration) -> None:
        self._edges = np.array(calibration.brightness_edges)
        self._tables = {
            prior: [(np.array(table.redshift), [np.array(getattr(table, end)) for end in ENDS]) for table in tables]
            for prior, tables in calibration.intervals.items()
        }

    def at(self, prior: PriorName, flux: FloatArray, redshift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the tables hold for predicted redshifts.

        Parameters
        ----------
        prior : {"survey", "flat"}
        flux : ndarray, shape (n, 186)
            e-/s per sample: it decides the class of brightness.
        redshift : ndarray, shape (n,)

        Returns
        -------
        ndarray, shape (4, n)
            In the order of `ENDS`.
        """
        tables = self._tables[prior]
        found = np.empty((len(ENDS), len(redshift)))
        classes = np.searchsorted(self._edges, brightness(flux), side="right") if len(tables) > 1 else None
        for number, (nodes, columns) in enumerate(tables):
            rows = slice(None) if classes is None else np.flatnonzero(classes == number)
            for end, column in enumerate(columns):
                found[end, rows] = np.interp(redshift[rows], nodes, column)
        return found


def increase(values: Sequence[float]) -> bool:
    """Say whether all values are finite and each is greater than the one before."""
    return bool(np.isfinite(values).all()) and all(low < high for low, high in pairwise(values))
