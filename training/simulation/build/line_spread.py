"""Fit the line-spread functions of ``constants.LINE_SPREADS`` for one release and print them; a minute on one core.

Run ``python -m training.simulation.build.line_spread STARS.csv --release dr3`` after ``instrument_tables``.

gaiaxpy gives Gaia's instrument as pairs: an inverse basis (light) and an internal basis (what the detector records
of it). Gaussians whose width and place vary with wavelength, two in BP and three in RP, are fitted so that they turn
the former into the latter, each pair weighted by how much stars use it: orders above about 20 carry below a
hundredth of their light.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from gaia_redshift.errors import RedshiftError
from gaia_redshift.spectra import RELEASES
from training.simulation import constants, instrument
from training.simulation.build.options import add_release
from training.simulation.instrument import BANDS, Band, FloatArray

RANGE_NM: dict[Band, tuple[float, float]] = {"BP": (316.0, 720.0), "RP": (596.0, 1100.0)}
RANGE_PX: dict[Band, tuple[float, float]] = {"BP": (8.0, 56.0), "RP": (2.0, 56.0)}
FIRST_GUESS: dict[Band, tuple[float, ...]] = {
    "BP": (-0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.6, 0.0, 1.7, 0.0, 0.0, 0.0, 0.0),
    "RP": (-0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.6, 0.0, 1.2, 0.0, 0.0, 0.0, 0.0, 0.05, 2.3, 0.0),
}
"""RP alone has a halo: in BP a third Gaussian runs off the detector and gains nothing (rms 1.56 against 1.72%)."""
NO_HALO = (0.0, 0.0, 0.0)
SMALLEST_WEIGHT = 1e-3


def stellar_weight(band: Band, coefficients: FloatArray, release: str) -> FloatArray:
    """Return the rms share of each order in real stars' coefficients, shape (n, m) -> (m,), one for order 0."""
    spectra = coefficients @ instrument.bases(band, np.arange(*RANGE_PX[band], 0.25), release)
    light = np.abs(spectra).sum(axis=1, keepdims=True)
    weight = np.sqrt(((coefficients / light) ** 2).mean(axis=0))
    return np.asarray(np.maximum(weight / weight[0], SMALLEST_WEIGHT))


def fit(band: Band, weight: FloatArray, release: str) -> tuple[FloatArray, float]:
    """Return the parameters and the rms misfit relative to the rms of the weighted bases."""
    table_nm, table = instrument.inverse_bases(band, release)
    inside = (table_nm >= RANGE_NM[band][0]) & (table_nm < RANGE_NM[band][1])
    wavelength_nm = table_nm[inside]
    light = table[:, inside] * (instrument.response(band, wavelength_nm, release) > 0) * np.gradient(wavelength_nm)
    pseudo = np.arange(*RANGE_PX[band], 0.5)
    wanted = instrument.bases(band, pseudo, release) * weight[:, None]
    arrival = instrument.pseudo_wavelength(band, wavelength_nm, release)
    middle, scale = constants.LINE_SPREAD_SCALE_NM.value[band]

    def misfit(parameters: FloatArray) -> FloatArray:
        complete = tuple(parameters) if band == "RP" else (*parameters, *NO_HALO)
        spread = instrument.LineSpread(complete, middle, scale)(pseudo, wavelength_nm, arrival)
        return np.asarray((light @ spread.T * weight[:, None] - wanted).ravel())

    found = least_squares(misfit, FIRST_GUESS[band])
    return found.x, float(np.sqrt((found.fun**2).mean() / (wanted**2).mean()))


def read_coefficients(path: Path, band: Band, release: str) -> FloatArray:
    """Read one band's coefficients of all sources of a CSV file of the archive's mean spectra, shape (n, m).

    Raises ValueError if the column is missing, or a source has another number of coefficients than the release.
    """
    csv.field_size_limit(sys.maxsize)
    name, count = RELEASES[release].coefficient_columns[BANDS.index(band)], instrument.coefficient_count(band, release)
    with path.open(encoding="ascii", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        if name not in (rows.fieldnames or ()):
            raise ValueError(
                f"{path.name} lacks the column {name}: give the archive's mean spectra of {release} as CSV"
            )
        cells = [row[name].strip("()[]") for row in rows]
    found = [[float(word) for word in cell.split(",")] for cell in cells if cell]
    if wrong := next((len(values) for values in found if len(values) != count), None):
        raise ValueError(f"{path.name}: {name} holds {wrong} numbers, those of {release} are {count}")
    return np.array(found).reshape(-1, count)


def main() -> None:
    """Fit both bands and print the parameters beside those in use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stars", type=Path, nargs="?", help="archive CSV file of real stars' mean spectra, for weights")
    add_release(parser)
    options = parser.parse_args()
    release, known = options.release.name, constants.LINE_SPREADS.get(options.release.name)

    def shown(parameters: Iterable[float]) -> str:
        return " ".join(f"{parameter:.4f}" for parameter in parameters)

    try:
        for band in BANDS:
            # Without stars the weights fall steeply to the smallest.
            weight = np.maximum(np.exp(-np.arange(instrument.coefficient_count(band, release)) / 3.0), SMALLEST_WEIGHT)
            if options.stars:
                weight = stellar_weight(band, read_coefficients(options.stars, band, release), release)
            parameters, misfit = fit(band, weight, release)
            sys.stdout.write(f"{band} fitted {shown(parameters)}; misfit {100 * misfit:.2f}%\n")
            sys.stdout.write(f"{band} in use {shown(known.value[band]) if known else f'none for {release}'}\n")
    except (ValueError, OSError, RedshiftError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
