"""Metrics of a model with their errors, for all galaxies and bin by bin. Imports `metrics`, `predicted`.

Errors are standard deviations over bootstrap samples. Galaxies simulated from one parent share its features, so whole
families are drawn: errors from single galaxies would be too small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import BIN_EDGES, measure
from training.evaluation.predicted import Predicted

BOOTSTRAPS = 200
SEED = 4
LEAST_GALAXIES = 10
"""Least number of galaxies that metrics are computed of."""

_WHOLE_MAGNITUDES = np.arange(0.0, 31.0)
_POWERS_OF_TWO = np.array([0.0, *2.0 ** np.arange(12)])


@dataclass(frozen=True, slots=True)
class Binning:
    """What galaxies are binned by."""

    title: str
    """As in "by true redshift"."""
    axis: str
    edges: NDArray[np.float64]
    logarithmic: bool = False


BINNINGS: Mapping[str, Binning] = {
    "true_redshift": Binning("true redshift", "true redshift", BIN_EDGES),
    "predicted_redshift": Binning("predicted redshift", "predicted redshift", BIN_EDGES),
    "magnitude": Binning("G magnitude", "G magnitude", _WHOLE_MAGNITUDES),
    "snr_bp": Binning("signal-to-noise in BP", "median signal-to-noise per BP sample", _POWERS_OF_TWO, True),
    "snr_rp": Binning("signal-to-noise in RP", "median signal-to-noise per RP sample", _POWERS_OF_TWO, True),
    "transits": Binning("number of transits", "transits", np.arange(0.0, 401.0, 20.0)),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its error; None where the galaxies are too few, or all bootstrap samples agree."""

    value: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """Some galaxies and their metrics, none where they are too few."""

    low: float
    high: float
    count: int
    metrics: Mapping[str, Estimate]


def metrics(galaxies: Predicted) -> dict[str, float]:
    """Return every metric of some galaxies: those of `measure`, the coverage, and of densities CRPS and CDE loss."""
    width = galaxies.upper68 - galaxies.lower68
    columns = {"coverage_68": galaxies.inside68, "coverage_95": galaxies.inside95, "width_68": width, **galaxies.scores}
    return measure(galaxies.true, galaxies.point) | {name: float(values.mean()) for name, values in columns.items()}


def overall(galaxies: Predicted) -> Group:
    """Return the metrics of all galaxies together."""
    return _group(galaxies, float(galaxies.true.min()), float(galaxies.true.max()))


def by(name: str, galaxies: Predicted) -> Sequence[Group] | None:
    """Return the metrics in the bins of one of `BINNINGS`; None where the file has no such values.

    What lies beyond the outer edges counts into the outer bins; empty outer bins are left out but for redshifts.
    """
    known = {"true_redshift": galaxies.true, "predicted_redshift": galaxies.point, **galaxies.properties}
    if name not in known:
        return None
    values, edges = known[name], BINNINGS[name].edges
    bins = np.where(np.isfinite(values), np.digitize(values, edges[1:-1]), -1)
    used = np.unique(bins[bins >= 0])
    if not len(used):
        return None
    shown = range(len(edges) - 1) if edges is BIN_EDGES else range(used[0], used[-1] + 1)
    return [_group(galaxies.rows(bins == one), float(edges[one]), float(edges[one + 1])) for one in shown]


def _group(galaxies: Predicted, low: float, high: float) -> Group:
    count = len(galaxies.true)
    if count < LEAST_GALAXIES:
        return Group(low, high, count, {})
    errors = _errors(galaxies)
    estimates = {name: Estimate(value, errors.get(name)) for name, value in metrics(galaxies).items()}
    return Group(low, high, count, estimates)


def _errors(galaxies: Predicted) -> dict[str, float]:
    """Return the bootstrap error of each metric; of none where all galaxies are one family."""
    random = np.random.default_rng(SEED)
    numbers, family = np.unique(galaxies.family, return_inverse=True)
    families = len(numbers)
    if families == 1:
        return {}
    drawn = []
    small = replace(galaxies, properties={})
    for _ in range(BOOTSTRAPS):
        times = np.bincount(random.integers(families, size=families), minlength=families)
        rows = np.repeat(np.arange(len(family)), times[family])
        if len(rows):
            drawn.append(metrics(small.rows(rows)))
    scatter = {name: float(np.std([one[name] for one in drawn], ddof=1)) for name in drawn[0]}
    # Where no sample differs, as in a fraction of none, the bootstrap cannot estimate the error, which is not zero.
    return {name: error for name, error in scatter.items() if error > 0}
