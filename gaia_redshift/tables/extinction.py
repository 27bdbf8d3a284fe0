"""The column with the E(B-V) of the Milky Way's dust in front of each source. Imports `spectra` and its neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import Detail, InvalidInputError, InvalidTableError
from gaia_redshift.spectra import Problem, SpectrumBatch, ebv_problem
from gaia_redshift.tables import text
from gaia_redshift.tables.memory import split_mask
from gaia_redshift.tables.samples import as_text, is_number, is_text

EBV_COLUMN = "ebv"
"""Its name, in any case."""


def find_ebv(schema: pyarrow.Schema) -> int | None:
    """Return the position of the column; None if there is none.

    Raises
    ------
    InvalidTableError
        If there are two, or it holds neither numbers nor text.
    """
    name = ebv_name(schema.names)
    if name is None:
        return None
    place = int(schema.get_field_index(name))
    kind = schema.field(place).type
    if not is_number(kind) and not is_text(kind):
        raise InvalidTableError(
            f"column {EBV_COLUMN} has the type {str(kind)[:40]}", [Detail(EBV_COLUMN, "needs numbers")]
        )
    return place


def _is_ebv(name: object) -> bool:
    return isinstance(name, str) and name.strip().lower() == EBV_COLUMN


def ebv_name(names: Sequence[object]) -> str | None:
    """Return the name of the column; None if there is none.

    Raises
    ------
    InvalidTableError
        If there are two.
    """
    found = [name for name in names if isinstance(name, str) and _is_ebv(name)]
    if len(found) > 1:
        raise InvalidTableError(f"duplicate column {EBV_COLUMN}", [Detail(EBV_COLUMN, "duplicate")])
    return found[0] if found else None


def with_ebv(batch: SpectrumBatch, column: pyarrow.Array) -> SpectrumBatch:
    """Return a batch with the values of a column; null and NaN are none, a wrong value is a problem of its row.

    Parameters
    ----------
    batch : SpectrumBatch
    column : pyarrow array
        Of numbers, or of text.
    """
    problems: dict[int, Problem] = {}
    if is_text(column.type):
        words = as_text(column)
        read = text.numbers(words, decimal_comma=True)
        values = np.where(read.wrong, np.inf, np.where(read.missing, np.nan, read.values))
        problems = {int(row): ebv_problem(words[int(row)].as_py()) for row in np.flatnonzero(read.wrong)}
    else:
        values = np.asarray(column.cast(pyarrow.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
    known = batch.behind(values)
    return replace(known, problems={**known.problems, **problems, **batch.problems}) if problems else known


def behind(batches: Iterator[SpectrumBatch], ebv: Any) -> Iterator[SpectrumBatch]:
    """Yield the batches of a whole table with the E(B-V) of their rows.

    Parameters
    ----------
    batches : iterator of SpectrumBatch
    ebv : float or array_like, shape (n,), optional
        In mag; NaN or masked where it is not known. None leaves the batches as they are.

    Raises
    ------
    InvalidInputError
        If it is neither one number nor one for each row.
    """
    if ebv is None:
        yield from batches
        return
    try:
        values = _numbers(ebv)
    except (ValueError, TypeError):
        raise InvalidInputError("ebv does not hold numbers: give one E(B-V), or one for each spectrum") from None
    first = 0
    for batch in batches:
        own = np.full(len(batch), values) if values.ndim == 0 else values[first : first + len(batch)]
        first += len(batch)
        if values.ndim > 1 or len(own) < len(batch):
            raise InvalidInputError(f"ebv has the shape {values.shape}: give one E(B-V), or one for each spectrum")
        yield batch.behind(own)
    if values.ndim and first != len(values):
        raise InvalidInputError(f"ebv has {len(values)} values for {first} spectra: give one for each")


def _numbers(ebv: Any) -> NDArray[np.float64]:
    """Return values with NaN for masked ones; raises TypeError or ValueError if they are not numbers."""
    values, mask = split_mask(ebv)
    if values.dtype.kind in "bcmMV":
        raise TypeError(f"E(B-V) cannot be of the type {values.dtype}")
    values = np.asarray(values, np.float64)
    return values if mask is None else np.where(mask, np.nan, values)


def told(place: int | None) -> str:
    """Return the end of a sentence about what a table holds."""
    return "" if place is None else f"; corrected for the Milky Way's extinction by {EBV_COLUMN}"
