"""Columns of NumPy, pandas, astropy and polars as Arrow's: masked values become null, units go into the metadata.

They are recognised by their attributes: pandas, astropy and polars are not imported. Imports `spectra` and `errors` of
the project.
"""

from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import Unit, declared_unit

UNIT = b"unit"
"""Key of a column's unit in the metadata of its field."""


def unit_of(values: object) -> str:
    """Return the unit of a column or an array as text; empty if it has none."""
    unit = getattr(values, "unit", None)
    return "" if unit is None else str(unit)


def agreed(unit: Unit | None, declared: list[str]) -> Unit | None:
    """Return the unit of the fluxes from the caller's option and the units of the columns."""
    try:
        said = {found for text in declared if (found := declared_unit(text)) is not None}
    except ValueError as error:
        raise InvalidInputError(str(error)) from None
    wanted = said if unit is None else said | {unit}
    if len(wanted) > 1:
        raise InvalidInputError(
            f"the fluxes have the units {' and '.join(sorted(wanted))}: convert one band, or remove the wrong unit"
        )
    return next(iter(said), unit)


def split_mask(values: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the numbers of an array or column without unit, and their mask or None.

    Parameters
    ----------
    values : array_like, of NumPy or astropy: a masked array, MaskedColumn, Quantity, masked Quantity
    """
    mask = None
    if hasattr(values, "unmasked"):  # astropy's own masked arrays, which NumPy strips of their mask
        values, mask = values.unmasked, np.asarray(values.mask)
    elif isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), np.ma.getdata(values)
    elif isinstance(values, list | tuple) and any(_is_masked(value) for value in values):
        parts = [split_mask(value) for value in values]
        mask = np.stack([np.zeros(np.shape(data), np.bool_) if hidden is None else hidden for data, hidden in parts])
        values = [data for data, _ in parts]
    array = np.asarray(getattr(values, "value", values))
    array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    return array, mask if mask is not None and mask.any() else None


def _is_masked(value: object) -> bool:
    return value is np.ma.masked or isinstance(value, np.ma.MaskedArray) or hasattr(value, "unmasked")


def to_arrow_column(values: object) -> pyarrow.Array:
    """Return a column of numbers, text, or arrays; a row that is an array may have its own mask.

    A list is a column of objects.

    Raises
    ------
    ValueError
        If Arrow has no type for what it holds.
    """
    if isinstance(values, list):
        return _objects(values)
    data, mask = split_mask(values)
    if data.dtype.kind == "S":
        data = np.char.decode(data, "ascii", "replace")
    if data.dtype.kind == "O" or data.ndim > 2:
        hidden = np.flatnonzero(_mask(data, mask).reshape(len(data), -1).all(axis=1))
        rows: list[object] = list(data)
        for row in hidden:
            rows[row] = None
        return _objects(rows)
    if data.dtype.kind == "U":
        return pyarrow.array([None if gone else text for text, gone in zip(data, _mask(data, mask), strict=True)])
    data = np.ascontiguousarray(data)
    flat = pyarrow.array(data.ravel(), mask=None if mask is None else np.ascontiguousarray(mask).ravel())
    return flat if data.ndim == 1 else pyarrow.FixedSizeListArray.from_arrays(flat, data.shape[1])


def _mask(data: NDArray[np.generic], mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return np.zeros(data.shape, np.bool_) if mask is None else mask


def _objects(rows: list[object]) -> pyarrow.Array:
    """Return a column of objects: arrays of any lengths, numbers or text."""
    cells = [_object(row) for row in rows]
    try:
        return pyarrow.array(cells, from_pandas=True)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        if all(cell is None or isinstance(cell, str | int | float | np.number) for cell in cells):
            return pyarrow.array([cell if cell is None else str(cell) for cell in cells])  # as pandas reads a bad cell
        kinds = sorted({type(row).__name__ for row in rows if row is not None})
        raise ValueError(f"a column holds {', '.join(kinds[:4])}, which cannot be read as one type") from error


def _object(row: object) -> Any:
    """Return one cell: an array's masked numbers are missing ones, and so is what pandas calls NA."""
    if type(row).__name__ in {"NAType", "NaTType", "MaskedConstant"}:
        return None
    if not isinstance(row, np.ndarray | list | tuple) and not hasattr(row, "unmasked"):
        return row
    data, mask = split_mask(row)
    if mask is None:
        return data.tolist() if data.dtype.kind == "O" else data
    return [None if hidden else value for value, hidden in zip(data.tolist(), mask.tolist(), strict=True)]
