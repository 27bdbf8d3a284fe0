"""Priors on redshift: the two built into every density model, and tables supplied by the user. Imports `errors`."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gaia_redshift.errors import Detail, InvalidRequestError

PriorName = Literal["survey", "flat"]

MOST_NODES = 2_000
"""Most nodes of a prior; the models' bins are a few thousandths wide."""

_Redshift = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Density = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriorTable(BaseModel):
    """A user's prior: densities at redshift nodes, linear between them and zero outside, in any normalisation."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"redshift": [0.0, 0.1, 0.3, 0.6], "density": [0.0, 4.0, 2.0, 0.0]}]},
    )

    redshift: list[_Redshift] = Field(
        min_length=2, max_length=MOST_NODES, fail_fast=True, description="Nodes, increasing"
    )
    density: list[_Density] = Field(
        min_length=2, max_length=MOST_NODES, fail_fast=True, description="Density at each node, not all zero"
    )

    @model_validator(mode="after")
    def _one_density_per_increasing_node(self) -> "PriorTable":
        if len(self.redshift) != len(self.density):
            raise ValueError(f"{len(self.redshift)} redshifts but {len(self.density)} densities: give one for each")
        for node, (before, after) in enumerate(pairwise(self.redshift), start=1):
            if not before < after:
                raise ValueError(f"redshift must increase, but redshift[{node}] = {after:g} follows {before:g}")
        return self

    def on_bins(self, bin_edges: ArrayLike) -> NDArray[np.float64]:
        """Return the probability in each bin, summing to one: the integral of the density over it.

        Parameters
        ----------
        bin_edges : array_like, shape (bins + 1,)

        Raises
        ------
        InvalidRequestError
            If the prior is zero in all of them.
        """
        edges, nodes = np.asarray(bin_edges, np.float64), np.array(self.redshift)
        largest = max(self.density)
        # Between consecutive nodes and edges the density is linear, so the trapezium rule is exact.
        corners = np.union1d(nodes, edges)
        corners = corners[(corners >= max(nodes[0], edges[0])) & (corners <= min(nodes[-1], edges[-1]))]
        density = np.interp(corners, nodes, np.array(self.density) / (largest or 1.0))
        areas = (density[1:] + density[:-1]) / 2 * np.diff(corners)
        total = float(areas.sum())
        if not total > 0:
            raise InvalidRequestError(
                f"the prior is zero at every redshift from {edges[0]:g} to {edges[-1]:g}, where the model looks",
                [Detail("prior.density", "zero in all bins")],
            )
        below = np.concatenate([[0.0], np.cumsum(areas)])
        return np.asarray(np.diff(np.interp(edges, corners, below)) / total)


class SamplePrior(PriorTable):
    """The redshift distribution inferred from the sample itself, one step per bin (see `sample`)."""


Prior = PriorName | PriorTable
"""A prior that a density can be multiplied with."""

PriorChoice = Literal["survey", "flat", "sample"]
"""A prior that a request may name; `sample` is inferred from all its spectra before any is predicted."""

WantedPrior = PriorChoice | PriorTable
"""A prior that a request may ask for."""


def name_of(prior: WantedPrior) -> Literal["survey", "flat", "table", "sample"]:
    """Return the name of a prior as it is written in an answer."""
    if isinstance(prior, SamplePrior):
        return "sample"
    return "table" if isinstance(prior, PriorTable) else prior


def prior_of(wanted: Any) -> WantedPrior:
    """Return the prior that a caller means by a name, or by a mapping or table of ``redshift`` and ``density``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(wanted, PriorTable):
        return wanted
    if isinstance(wanted, str) and wanted in get_args(PriorChoice):
        return cast("PriorChoice", wanted)
    try:
        nodes = {name: np.asarray(wanted[name], np.float64).tolist() for name in ("redshift", "density")}
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError(
            "prior: give survey, flat, sample, or a table with the columns redshift and density, both of numbers"
        ) from None
    unknown = [str(name) for name in wanted if name not in nodes] if isinstance(wanted, Mapping) else []
    if unknown:
        raise ValueError(f"prior: unknown column {unknown[0]}; a prior has redshift and density")
    try:
        return PriorTable(**nodes)
    except ValidationError as error:
        raise ValueError(first_problem(error, "prior")) from None


def first_problem(error: ValidationError, *at: str) -> str:
    """Return the place of the first problem, from `at` on, without pydantic's tags of the priors, and its message."""
    problem = error.errors(include_url=False, include_input=False)[0]
    place = [str(part) for part in problem["loc"] if not str(part).startswith("prior-")]
    return ": ".join([*at, *place, problem["msg"].removeprefix("Value error, ")])
