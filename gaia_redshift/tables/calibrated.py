"""Refusing externally calibrated spectra, in W m-2 nm-1. Imports its neighbours."""

import re
from collections.abc import Sequence

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import RELEASES
from gaia_redshift.tables.table import UNIT, about

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
    refuse_calibrated_unit(schema, fluxes)


def refuse_calibrated_unit(schema: pyarrow.Schema, places: Sequence[int]) -> None:
    """Refuse calibrated spectra by the unit of their arrays."""
    if any(_CALIBRATED_UNIT.search(about(schema.field(place), UNIT)) for place in places):
        raise _calibrated()


def refuse_calibrated_length(lengths: set[int]) -> None:
    """Refuse calibrated spectra by the lengths of some arrays."""
    if CALIBRATED_SAMPLES in lengths:
        raise _calibrated()


def _calibrated() -> InvalidTableError:
    wanted = next(iter(RELEASES.values())).retrieval_types[0]
    return InvalidTableError(
        "these are externally calibrated spectra (XP_SAMPLED, or gaiaxpy.calibrate), in W m-2 nm-1: the model reads "
        f"internally calibrated ones in e-/s; download {wanted} with DATA_STRUCTURE=RAW of the same sources instead",
        [Detail("flux", f"{CALIBRATED_SAMPLES} wavelengths, or a unit of W or erg")],
    )
