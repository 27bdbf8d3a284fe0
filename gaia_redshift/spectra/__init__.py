"""Spectra: named sample grids, batches, checks. Imports numpy alone."""

from gaia_redshift.spectra.basis import Basis
from gaia_redshift.spectra.batch import SpectrumBatch
from gaia_redshift.spectra.checks import PLAUSIBLE_PEAK, Problem, Unusable, describe, validate
from gaia_redshift.spectra.grid import DR3, GRIDS, Band, FloatArray, Grid, Positions, narrow
from gaia_redshift.spectra.releases import RELEASES, Release

__all__ = [
    "DR3",
    "GRIDS",
    "PLAUSIBLE_PEAK",
    "RELEASES",
    "Band",
    "Basis",
    "FloatArray",
    "Grid",
    "Positions",
    "Problem",
    "Release",
    "SpectrumBatch",
    "Unusable",
    "describe",
    "narrow",
    "validate",
]
