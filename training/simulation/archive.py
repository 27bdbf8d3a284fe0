"""Write simulated spectra as Gaia's archive would: ``XP_CONTINUOUS`` rows that gaiaxpy reads.

The columns are those of the archive's ``RAW`` CSV files. Identifiers count from one, unlike real ones. Such files have
no redshifts; the same seed gives them with ``-o FILE.parquet``, in the same order.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

import numpy as np

from training.simulation import noise
from training.simulation.dataset import Block
from training.simulation.instrument import BANDS, RELEASE, Band, FloatArray, basis_id, coefficient_count

SAMPLES_PER_TRANSIT = 60
"""A transit's window is 60 pixels long, so that many measurements."""

BAND_COLUMNS = (
    "basis_function_id", "degrees_of_freedom", "n_parameters", "n_measurements", "n_rejected_measurements",
    "standard_deviation", "chi_squared", "coefficients", "coefficient_errors", "coefficient_correlations",
    "n_relevant_bases", "relative_shrinking",
)  # fmt: skip
HEADER = ("source_id", "solution_id", *(f"{band.lower()}_{column}" for band in BANDS for column in BAND_COLUMNS))


def write_rows(blocks: Iterable[Block], file: TextIO, progress: Callable[[int], None], release: str = RELEASE) -> None:
    """Write a header and a row per source of blocks with their coefficients; tell the rows after each block."""
    file.write(",".join(HEADER) + "\n")
    identity = 0
    for block in blocks:
        for row in range(len(block)):
            identity += 1
            bands = [cell for band in BANDS for cell in _band_cells(block, band, row, release)]
            file.write(",".join([str(identity), "0", *bands]) + "\n")
        progress(len(block))


def _band_cells(block: Block, band: Band, row: int, release: str) -> list[str]:
    covariance = noise.coefficient_covariance(band, block.variance[band][row : row + 1], release)[0]
    error = np.sqrt(np.diagonal(covariance))
    count = coefficient_count(band, release)
    # The archive holds the correlations above the diagonal column by column: below it, row by row.
    correlation = (covariance / np.outer(error, error))[np.tril_indices(count, k=-1)]
    measurements = int(block.transits[row]) * SAMPLES_PER_TRANSIT
    freedom = max(measurements - count, 1)
    # The errors are final: a standard deviation of one makes gaiaxpy not scale them again.
    return [
        str(basis_id(band, release)), str(freedom), str(count), str(measurements), "0", "1.0", f"{float(freedom)}",
        _array(block.coefficients[band][row].astype(np.float64)), _array(error), _array(correlation),
        str(count), "1.0",
    ]  # fmt: skip


def _array(values: FloatArray) -> str:
    return '"(' + ", ".join(f"{value:.8g}" for value in values) + ')"'


def is_archive(path: Path) -> bool:
    """Return whether a file's name asks for archive-like rows: ``*.xp_continuous.csv``, in any case."""
    return path.name.lower().endswith("xp_continuous.csv")
