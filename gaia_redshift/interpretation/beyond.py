"""Redshifts far outside a point model's training range, which are refused. Imports `result` and `spectra`; numpy."""

import numpy as np

from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import Problem, SpectrumBatch

_MARGIN = 0.1
"""A redshift may be outside the training range by this fraction of the range. For spectra unlike any it was trained on,
a point model can return anything: -55,000 has occurred."""


def without_beyond(found: Redshifts, training_range: tuple[float, float]) -> Redshifts:
    """Return redshifts with NaN in the rows that are far outside the training range.

    Parameters
    ----------
    found : Redshifts
    training_range : tuple of float
        Lowest and highest training redshift.

    Returns
    -------
    Redshifts
    """
    low, high = training_range
    margin = _MARGIN * (high - low)
    beyond = ~((found.redshift >= low - margin) & (found.redshift <= high + margin))
    return found.without(beyond) if beyond.any() else found


def name_problems(batch: SpectrumBatch, found: Redshifts, training_range: tuple[float, float]) -> Predictions:
    """Return the redshifts of a batch, with the reason for each row without one.

    Parameters
    ----------
    batch : SpectrumBatch
    found : Redshifts
        The answers for its rows.
    training_range : tuple of float
        As for `without_beyond`.

    Returns
    -------
    Predictions
    """
    missing = np.isnan(found.redshift)
    if not missing.any():
        return Predictions(found, batch.source_id, dict(batch.problems), batch.ebv is not None)
    batch = batch.checked()
    problems = dict(batch.problems)
    low, high = training_range
    beyond = Problem(
        "beyond_model",
        f"the model's redshift is far outside its training range, {low:g} to {high:g}: the spectrum is unlike any "
        "that it was trained on",
    )
    for row in np.flatnonzero(missing).tolist():
        problems.setdefault(row, beyond)
    return Predictions(found, batch.source_id, problems, batch.ebv is not None)
