"""How good redshifts are, in the terms of the photometric-redshift community. Imports numpy alone.

Errors are of two kinds. `dz` = (predicted - true) / (1 + true) is what surveys quote: its bias, its robust scatter
NMAD and its outlier fractions. The plain error predicted - true is what the dissertation tabulated (its table 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

BIN_EDGES = np.round(np.arange(0.0, 0.601, 0.05), 2)
"""The dissertation's twelve redshift bins; the last includes its upper edge."""

PUBLISHED = (
    (0.0216, 0.0236, 6.62),
    (0.0117, 0.0208, 27.77),
    (0.0013, 0.0243, 28.99),
    (-0.0081, 0.0296, 16.61),
    (-0.0110, 0.0346, 8.80),
    (-0.0122, 0.0333, 6.00),
    (-0.0248, 0.0351, 3.55),
    (-0.0458, 0.0416, 1.15),
    (-0.0793, 0.0593, 0.30),
    (-0.1327, 0.0806, 0.11),
    (-0.1804, 0.1128, 0.06),
    (-0.2100, 0.0978, 0.04),
)
"""Mean error, sigma and percent of the data per bin of 0.05 in z: Kiraleos 2023, table 3."""

PUBLISHED_IN_WORDS = [(f"{mean:+.4f}", f"{sigma:.4f}", f"{percent:.2f}") for mean, sigma, percent in PUBLISHED]

METRICS: Mapping[str, tuple[str, str]] = {
    "mae": ("mean absolute error", ".4f"),
    "rms": ("root mean square error", ".4f"),
    "bias_mean": ("bias: mean dz", "+.4f"),
    "bias_median": ("bias: median dz", "+.4f"),
    "nmad": ("NMAD of dz", ".4f"),
    "outliers_15": ("outliers, abs(dz) > 0.15", ".2%"),
    "outliers_05": ("outliers, abs(dz) > 0.05", ".2%"),
    "coverage_68": ("true redshifts in the 68% interval", ".1%"),
    "coverage_95": ("true redshifts in the 95% interval", ".1%"),
    "width_68": ("mean width of the 68% interval", ".4f"),
    "pit_ks": ("PIT, Kolmogorov-Smirnov distance", ".4f"),
    "crps": ("CRPS of the density", ".4f"),
    "cde_loss": ("CDE loss of the density", ".3f"),
}
"""Every metric of cards, reports and benchmarks, in words, and its format. The last three need a density."""

RELEASED = tuple(name for name in METRICS if name not in {"width_68", "cde_loss"})
"""Those that a manifest holds and a card shows."""


def plus_minus(error: float | None, how: str) -> str:
    """Return an error in the format of its metric, empty where it is not known."""
    return "" if error is None else f"± {error:{how.removeprefix('+')}}"


def measure(true: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return the metrics of predicted against true redshifts, each of shape (n,): those of `METRICS` without intervals.

    `mae` and `rms` are of predicted - true, all others of dz. Raises ValueError if a redshift is not finite.
    """
    truth, guess = _pair(true, predicted)
    error = guess - truth
    dz = error / (1.0 + truth)
    median = float(np.median(dz))
    return {
        "mae": float(np.abs(error).mean()),
        "rms": float(np.sqrt(np.square(error).mean())),
        "bias_mean": float(dz.mean()),
        "bias_median": median,
        # The standard deviation of a normal distribution is 1.4826 times its median absolute deviation.
        "nmad": float(1.4826 * np.median(np.abs(dz - median))),
        "outliers_15": float((np.abs(dz) > 0.15).mean()),
        "outliers_05": float((np.abs(dz) > 0.05).mean()),
    }


@dataclass(frozen=True, slots=True)
class Bin:
    """One redshift bin; `mean_error` and `sigma` are of predicted - true and NaN where the bin is empty."""

    low: float
    high: float
    count: int
    percent: float
    mean_error: float
    sigma: float

    def errors_in_words(self) -> tuple[str, str]:
        """Return mean error and sigma, a dash for what so few galaxies do not have."""
        return f"{self.mean_error:+.4f}" if self.count else "-", f"{self.sigma:.4f}" if self.count > 1 else "-"


def by_redshift(true: ArrayLike, predicted: ArrayLike, binned_by: ArrayLike | None = None) -> list[Bin]:
    """Tabulate errors per 0.05 of redshift, as table 3 of Kiraleos 2023 does.

    What falls below 0 or above 0.6 goes into the first or the last of the twelve bins. `sigma` is the population
    standard deviation (ddof 0), as in the dissertation.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
    binned_by : array_like, shape (n,), optional
        The redshifts that choose the bins, by default the true ones.

    Raises
    ------
    ValueError
        If a redshift is not finite.
    """
    truth, guess = _pair(true, predicted)
    _, chosen = _pair(truth, truth if binned_by is None else binned_by)
    error = guess - truth
    index = np.digitize(chosen, BIN_EDGES[1:-1])
    bins = []
    for number, (low, high) in enumerate(pairwise(BIN_EDGES.tolist())):
        here = error[index == number]
        mean, sigma = (float(here.mean()), float(here.std())) if len(here) else (float("nan"), float("nan"))
        bins.append(Bin(low, high, len(here), 100.0 * len(here) / len(error), mean, sigma))
    return bins


def _pair(true: ArrayLike, predicted: ArrayLike) -> Sequence[NDArray[np.float64]]:
    truth, guess = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != guess.shape or not len(truth):
        raise ValueError(f"expected two columns of one length, not shapes {truth.shape} and {guess.shape}")
    if not (np.isfinite(truth).all() and np.isfinite(guess).all()):
        raise ValueError("a redshift is not finite")
    return truth, guess
