"""Refusing externally calibrated spectra, in W m-2 nm-1. Imports its neighbours."""

import re
from collections.abc import Mapping, Sequence

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import RELEASES
from gaia_redshift.tables.samples import lengths_of
from gaia_redshift.tables.table import UNIT, Table, about

CALIBRATED_SAMPLES = 343
"""Samples of ``XP_SAMPLED`` and of ``gaiaxpy.calibrate``: 336 to 1020 nm in steps of 2 nm."""

_CALIBRATED_UNIT = re.compile(r"\bW\b.*nm|erg", re.IGNORECASE)
_WAVELENGTH = ("wavelength", "lambda", "wl")


def refuse_calibrated_columns(schema: pyarrow.Schema, names: Sequence[str]) -> None:
    """Refuse calibrated spectra with one wavelength per row, or one column per wavelength."""
    numbered = sum(name.startswith("flux_") and name[5:].isdecimal() for name in names)
    if numbered == CALIBRATED_SAMPLES or ("flux" in names and any(name in names for name in _WAVELENGTH)):
        raise _calibrated()
    fluxes = [place for place, name in enumerate(names) if name.startswith(("flux", "bp", "rp"))]
    if any(_CALIBRATED_UNIT.search(about(schema.field(place), UNIT)) for place in fluxes):
        raise _calibrated()


def refuse_calibrated_arrays(table: Table, bands: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse calibrated spectra by their unit, or by the lengths of the first arrays."""
    positions = [position for (position,) in bands.values()]
    if any(_CALIBRATED_UNIT.search(about(table.schema.field(position), UNIT)) for position in positions):
        raise _calibrated()
    for block in table.blocks(positions, positions):
        if any(CALIBRATED_SAMPLES in lengths_of(column) for column in block.columns.columns):
            raise _calibrated()
        return


def _calibrated() -> InvalidTableError:
    wanted = next(iter(RELEASES.values())).retrieval_types[0]
    return InvalidTableError(
        "these are externally calibrated spectra (XP_SAMPLED, or gaiaxpy.calibrate), in W m-2 nm-1: the model reads "
        f"internally calibrated ones in e-/s; download {wanted} with DATA_STRUCTURE=RAW of the same sources instead",
        [Detail("flux", f"{CALIBRATED_SAMPLES} wavelengths, or a unit of W or erg")],
    )
