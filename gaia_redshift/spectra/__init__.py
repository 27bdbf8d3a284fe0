"""Spectra: named sample grids, batches, checks. Imports numpy alone."""

from gaia_redshift.spectra.batch import SpectrumBatch
from gaia_redshift.spectra.checks import PLAUSIBLE_PEAK, Problem, Unusable, describe, validate
from gaia_redshift.spectra.grid import DR3, GRIDS, Band, FloatArray, Grid, Positions, narrow

__all__ = [
    "DR3",
    "GRIDS",
    "PLAUSIBLE_PEAK",
    "Band",
    "FloatArray",
    "Grid",
    "Positions",
    "Problem",
    "SpectrumBatch",
    "Unusable",
    "describe",
    "narrow",
    "validate",
]
