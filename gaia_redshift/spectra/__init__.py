"""Spectra: named sample grids, batches, checks. Imports numpy alone."""

from gaia_redshift.spectra.basis import Basis
from gaia_redshift.spectra.batch import SpectrumBatch
from gaia_redshift.spectra.checks import PLAUSIBLE_PEAK, Problem, Unusable, describe, validate
from gaia_redshift.spectra.extinction import EBV, LARGEST_EBV, TRAINING_EBV, deredden, ebv_problem, wrong_ebv
from gaia_redshift.spectra.grid import DR3, GRIDS, Band, FloatArray, Grid, Positions, narrow
from gaia_redshift.spectra.identifiers import FLOAT_IDS, Identifier, is_float_text, read_identifiers, whole_numbers
from gaia_redshift.spectra.releases import RELEASES, Release, find_release
from gaia_redshift.spectra.units import (
    FLUX_UNIT,
    FROM_CALIBRATED,
    UNITS,
    Unit,
    declared_unit,
    find_unit,
    is_flux_unit,
    per_sample,
)

__all__ = [
    "DR3",
    "EBV",
    "FLOAT_IDS",
    "FLUX_UNIT",
    "FROM_CALIBRATED",
    "GRIDS",
    "LARGEST_EBV",
    "PLAUSIBLE_PEAK",
    "RELEASES",
    "TRAINING_EBV",
    "UNITS",
    "Band",
    "Basis",
    "FloatArray",
    "Grid",
    "Identifier",
    "Positions",
    "Problem",
    "Release",
    "SpectrumBatch",
    "Unit",
    "Unusable",
    "declared_unit",
    "deredden",
    "describe",
    "ebv_problem",
    "find_release",
    "find_unit",
    "is_float_text",
    "is_flux_unit",
    "narrow",
    "per_sample",
    "read_identifiers",
    "validate",
    "whole_numbers",
    "wrong_ebv",
]
