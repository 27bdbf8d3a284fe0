"""The redshift distribution of a whole sample, from its galaxies' densities. Imports `prior`, `quality`, `errors`.

A density under a known prior is a likelihood times that prior. The distribution that maximises the likelihood of the
whole sample is found by expectation maximisation (Dempster, Laird & Rubin 1977; in astronomy Richardson 1972 and Lucy
1974), which is stopped early because further iterations amplify noise. The sum of the densities would be the sample's
distribution blurred and biased towards the prior. Measured in docs/validation.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidRequestError
from gaia_redshift.interpretation.prior import SamplePrior
from gaia_redshift.interpretation.quality import FLAGS

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]

FEWEST = 200
"""Fewest galaxies that constrain a distribution: compared with the survey prior, redshifts under the sample's own
distribution were 5% worse with 100 galaxies of the survey, 2% worse with 200, and equal with 2000."""

REPLICAS = 50
"""Bootstrap samples, for the errors."""

_MOST_ITERATIONS, _FULL_ROWS, _LEAST_ITERATIONS = 20, 2000, 5
"""From 2,000 galaxies on, 20 iterations suit narrow and wide samples; with fewer galaxies, fewer must be done."""

_REPLICA_ROWS = 50_000
"""Most galaxies of a bootstrap sample; its scatter is rescaled by the square root of the number."""

_LEAST = 1e-12
NO_GALAXY = sum(1 << FLAGS.index(flag) for flag in ("out_of_distribution", "stellar_like"))
"""Bits of the flags whose rows are left out."""
_STEEP = 0.1
"""Scale in redshift of the second start of the iterations, an exponential; the first start is flat."""
_DEPENDENCE = 0.02
"""Largest share of the sample that may depend on the start of the iterations."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Galaxies per redshift interval."""

    edges: FloatArray
    """Edges of the intervals, shape (k + 1,)."""
    n: FloatArray
    """Galaxies in each interval, shape (k,); NaN where the sample does not constrain it."""
    error: FloatArray
    """Standard errors, at least one galaxy, shape (k,)."""


@dataclass(frozen=True, slots=True)
class SampleDistribution:
    """The inferred redshift distribution of a sample."""

    edges: FloatArray
    """Edges of the model's bins, shape (bins + 1,)."""
    rows: int
    """Galaxies whose densities were used."""
    probability: FloatArray
    """Probability per bin, shape (bins,), summing to one."""
    replicas: FloatArray
    """The same for k bootstrap samples, shape (k, bins); k may be 0."""
    from_steep: FloatArray
    """The same from the second start of the iterations, shape (bins,)."""
    replica_rows: int
    """Galaxies in each bootstrap sample."""

    @property
    def mean(self) -> float:
        """Mean redshift."""
        return float(self.probability @ self._centres)

    @property
    def mean_error(self) -> float:
        """Standard error of the mean from the sample's size; systematic errors are not included."""
        return float(self._scatter(self.replicas @ self._centres))

    @property
    def constrained(self) -> bool:
        """Whether the sample constrains its distribution: both starts of the iterations give the same."""
        moved = np.abs(np.cumsum(self.probability - self.from_steep)).max()
        return bool(moved <= 5 * _DEPENDENCE)

    @property
    def _centres(self) -> FloatArray:
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    def _scatter(self, values: FloatArray) -> FloatArray:
        """Return the standard deviation over the bootstrap samples, rescaled to the full sample size."""
        if len(values) < 2:
            return np.full(values.shape[1:], np.nan)
        return np.asarray(values.std(axis=0, ddof=1) * np.sqrt(self.replica_rows / self.rows))

    def histogram(self, step: float) -> Histogram:
        """Return the number of galaxies per redshift interval.

        Parameters
        ----------
        step : float
            Width of the intervals; rounded to whole bins of the model. The last may be narrower.

        Raises
        ------
        InvalidRequestError
            If it is narrower than a bin.
        """
        width = float(np.diff(self.edges).mean())
        if not step > 0 or round(step / width) < 1:
            raise InvalidRequestError(f"the width of the intervals must be at least that of the bins, {width:g}")
        starts = np.arange(0, len(self.probability), round(step / width))

        def gathered(values: FloatArray) -> FloatArray:
            return np.asarray(np.add.reduceat(values, starts, axis=-1))

        share, depends = gathered(self.probability), gathered(self.from_steep - self.probability)
        error = np.hypot(self._scatter(gathered(self.replicas)), depends)
        n = np.where(np.abs(depends) <= np.maximum(error / 2, _DEPENDENCE), share * self.rows, np.nan)
        if not self.constrained:
            n[:] = np.nan
        # If no galaxy was found, the bootstrap samples have none either: the error is at least one galaxy.
        return Histogram(np.append(self.edges[starts], self.edges[-1]), n, np.hypot(error * self.rows, 1))

    def prior(self) -> SamplePrior:
        """Return the distribution as a prior for each of its galaxies.

        The weight of one galaxy is spread over all redshifts, so that no redshift is excluded.

        Raises
        ------
        InvalidRequestError
            If the sample does not constrain it.
        """
        if not self.constrained:
            raise InvalidRequestError(
                "these spectra do not constrain the redshift distribution of their sample: use the prior survey or flat"
            )
        widths = np.diff(self.edges)
        probability = (self.rows * self.probability + widths / widths.sum()) / (self.rows + 1)
        density = np.maximum(probability / widths, 0)
        below = np.nextafter(self.edges[1:], 0)
        below[-1] = self.edges[-1]
        nodes = np.column_stack([self.edges[:-1], below]).ravel()
        return SamplePrior(redshift=nodes.tolist(), density=np.repeat(density, 2).tolist())


class Likelihoods:
    """The likelihoods of a sample's galaxies, added part by part; 480 bytes each with 120 bins.

    Parameters
    ----------
    edges : ndarray, shape (bins + 1,)
        Edges of the bins of the densities.
    prior : ndarray, shape (bins,)
        The prior of the densities, as probability per bin.
    """

    def __init__(self, edges: FloatArray, prior: FloatArray) -> None:
        self.edges = np.asarray(edges, np.float64)
        self._factor = np.diff(self.edges) / np.maximum(prior, _LEAST)
        self._parts: list[SingleArray] = []
        self.rows = self.without = self.no_galaxies = 0
        """Numbers of rows: all; without a density; flagged as not a galaxy. The last two are left out."""

    def add(self, pdf: NDArray[np.floating], flags: NDArray[np.int32]) -> Self:
        """Add galaxies.

        Parameters
        ----------
        pdf : ndarray, shape (n, bins)
            Probability density per bin; NaN in a row without one.
        flags : ndarray of int32, shape (n,)
            Rows flagged ``out_of_distribution`` or ``stellar_like`` are left out, since they are likely not galaxies.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            likelihood = pdf * self._factor
            total = likelihood.sum(axis=1, keepdims=True)
        there = np.isfinite(total[:, 0]) & (total[:, 0] > 0)
        galaxy = (flags & NO_GALAXY) == 0
        self.rows += len(pdf)
        self.without += int((~there).sum())
        self.no_galaxies += int((there & ~galaxy).sum())
        kept = there & galaxy
        self._parts.append((likelihood[kept] / total[kept]).astype(np.float32))
        return self

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def infer(self, *, replicas: int = REPLICAS, seed: int = 1) -> SampleDistribution:
        """Infer the distribution of the sample.

        Parameters
        ----------
        replicas : int
            Number of bootstrap samples for the errors; 0 if only the distribution is needed.
        seed : int
            Seed of the random numbers.

        Raises
        ------
        InvalidRequestError
            If there are fewer than `FEWEST` galaxies.
        """
        if len(self) < FEWEST:
            raise InvalidRequestError(
                f"the redshift distribution of a sample needs at least {FEWEST} galaxies with a density, and there are "
                f"{len(self)}{self._left_out()}: give more spectra; the priors survey and flat need no sample"
            )
        likelihood = self._joined()
        widths = np.diff(self.edges)
        flat = widths / widths.sum()
        steep = widths * np.exp(-self.edges[:-1] / _STEEP)
        both = _maximise(likelihood, np.stack([flat, steep / steep.sum()]))
        drawn, rng = likelihood, np.random.default_rng(seed)
        if replicas and len(likelihood) > _REPLICA_ROWS:
            drawn = likelihood[rng.choice(len(likelihood), _REPLICA_ROWS, replace=False)]
        again: FloatArray = np.empty((0, len(flat)))
        if replicas:
            counts = rng.multinomial(len(drawn), np.full(len(drawn), 1 / len(drawn)), size=replicas)
            again = _maximise(drawn, np.tile(flat, (replicas, 1)), counts.astype(np.float32))
        return SampleDistribution(self.edges, len(likelihood), both[0], again, both[1], len(drawn))

    def _joined(self) -> SingleArray:
        """Make one part of all, without holding them twice."""
        joined = np.empty((len(self), len(self._factor)), np.float32)
        end = len(joined)
        while self._parts:
            part = self._parts.pop()
            joined[end - len(part) : end] = part
            end -= len(part)
        self._parts = [joined]
        return joined

    def _left_out(self) -> str:
        parts: Sequence[tuple[int, str]] = ((self.without, "have none"), (self.no_galaxies, "look like no galaxy"))
        named = [f"{count} {why}" for count, why in parts if count]
        return f" ({', '.join(named)})" if named else ""


def _maximise(likelihood: SingleArray, start: FloatArray, counts: SingleArray | None = None) -> FloatArray:
    """Return the distributions after the iterations from each start, shape (k, bins).

    Parameters
    ----------
    likelihood : ndarray of float32, shape (n, bins)
    start : ndarray, shape (k, bins)
    counts : ndarray of float32, shape (k, n), optional
        How often each galaxy is in each sample; once if absent.
    """
    iterations = round(_MOST_ITERATIONS * np.sqrt(len(likelihood) / _FULL_ROWS))
    found = start
    for _ in range(min(max(iterations, _LEAST_ITERATIONS), _MOST_ITERATIONS)):
        total = np.maximum(likelihood @ found.T.astype(np.float32), np.float32(_LEAST))
        weight = np.float32(1) / total if counts is None else counts.T / total
        found = found * (weight.T @ likelihood).astype(np.float64)
        found /= found.sum(axis=1, keepdims=True)
    return found
