"""FITS columns: their description in the header, and their values in Arrow. Imports its neighbours.

FITS Standard 4.0, section 7.3.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.readers.typed import column
from gaia_redshift.tables.table import described

Header: TypeAlias = Any
"""An astropy.io.fits.Header; astropy has no types."""

CODES = {"L": "S1", "X": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "A": "S1", "E": ">f4", "D": ">f8"}
CODES |= {"C": ">f4", "M": ">f8"}
COMPLEX = "CM"
_FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(?:([LXBIJKAEDCM])?\(?(\d*)\)?)?")


@dataclass(frozen=True, slots=True)
class FitsColumn:
    """One column, as the header describes it."""

    name: str
    code: str
    repeat: int
    variable: str
    """Type of the elements of an array of any length; else empty."""
    null: int | None
    scale: float
    zero: float
    kind: pyarrow.DataType

    @property
    def dtype(self) -> tuple[object, ...]:
        """NumPy's type and shape of the column's part of a row."""
        if self.variable:
            return (">i4" if self.code == "P" else ">i8", (2,))
        if self.code == "A":
            return (f"S{self.repeat}",) if self.repeat else ("V0",)
        count = (self.repeat + 7) // 8 if self.code == "X" else self.repeat * (2 if self.code in COMPLEX else 1)
        return (CODES[self.code],) if count == 1 else (CODES[self.code], (count,))


def read_column(header: Header, number: int) -> FitsColumn:
    """Read a column's description in the header; raises MalformedBodyError if it is inconsistent."""
    name, form = (str(header.get(f"{key}{number}", "")) for key in ("TTYPE", "TFORM"))
    found = _FORM.match(form.upper())
    if found is None:
        raise MalformedBodyError(f"the FITS file is damaged: column {name[:40]} has the form {form[:40]!r}")
    repeat, code = int(found[1] or 1), found[2]
    variable = (found[3] or "") if code in "PQ" else ""
    if code in "PQ" and (not variable or repeat > 1):
        raise MalformedBodyError(f"the FITS file is damaged: column {name[:40]} has the form {form[:40]!r}")
    if repeat > 1 << 24:
        raise MalformedBodyError(f"the FITS file is damaged: column {name[:40]} claims {repeat} elements a row")
    scale, zero = (float(header.get(f"{key}{number}", default)) for key, default in (("TSCAL", 1), ("TZERO", 0)))
    null = header.get(f"TNULL{number}")
    null = null if isinstance(null, int) and (variable or code) in "BIJK" else None
    element = _element(variable or code, scale, zero)
    if (variable or code) == "A":
        kind = pyarrow.string()
    elif variable:
        kind = pyarrow.list_(element)
    else:
        count = (repeat + 7) // 8 if code == "X" else repeat * (2 if code in COMPLEX else 1)
        kind = element if count == 1 else pyarrow.list_(element, count)
    return FitsColumn(name, code, repeat, variable, null, scale, zero, kind)


def _element(code: str, scale: float, zero: float) -> pyarrow.DataType:
    if code == "L":
        return pyarrow.bool_()
    if code in "BIJK" and scale == 1 and zero in _UNSIGNED.get(code, {}):
        return pyarrow.from_numpy_dtype(_UNSIGNED[code][zero])
    if code in "BIJK" and (scale, zero) != (1, 0):
        return pyarrow.float64()
    return pyarrow.string() if code == "A" else pyarrow.from_numpy_dtype(np.dtype(CODES[code]).newbyteorder("="))


def describe(header: Header, number: int, one: FitsColumn) -> pyarrow.Field:
    """Return a column as Arrow describes it, with unit, description and UCD."""
    texts = [str(header.get(f"{key}{number}", "")) for key in ("TUNIT", "TCOMM", "TUCD")]
    if not texts[1]:
        texts[1] = str(header.comments[f"TTYPE{number}"]) if f"TTYPE{number}" in header else ""
        texts[1] = "" if texts[1].startswith("label for") else texts[1]
    return described(one.name, one.kind, *(text.strip() for text in texts))


_UNSIGNED: dict[str, dict[float, Any]] = {
    "B": {-128.0: np.int8},
    "I": {2.0**15: np.uint16},
    "J": {2.0**31: np.uint32},
    "K": {2.0**63: np.uint64},
}


def typed(values: NDArray[Any], one: FitsColumn) -> pyarrow.Array:
    """Return values of a column, shape (n,) or (n, m), scaled, with nulls for missing values."""
    code = one.variable or one.code
    if code == "L":
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        made = pyarrow.array(flat == ord("T"), mask=(flat != ord("T")) & (flat != ord("F")))
        return made if values.ndim == 1 else pyarrow.FixedSizeListArray.from_arrays(made, values.shape[1])
    if code in "BIJK" and (one.scale, one.zero) != (1, 0):
        null = values == one.null if one.null is not None else np.zeros(values.shape, np.bool_)
        shifted = one.scale == 1 and one.zero in _UNSIGNED.get(code, {})
        if shifted:
            target = np.dtype(_UNSIGNED[code][one.zero])
            same = values.astype(values.dtype.newbyteorder("="))
            flipped = (
                same.view(target) ^ target.type(1 << (8 * target.itemsize - 1))
                if target.kind == "u"
                else ((same ^ np.uint8(128)).view(np.int8))
            )
            plain: NDArray[Any] = flipped
        else:
            plain = values * one.scale + one.zero
        made = pyarrow.array(plain.reshape(-1), mask=null.reshape(-1))
        return made if values.ndim == 1 else pyarrow.FixedSizeListArray.from_arrays(made, values.shape[1])
    return column(values, one.null)
