"""Tables that a user holds in memory: spectra out of them, redshifts into them. Imports `spectra` and its neighbours.

Known by what they are, not by import: pyarrow RecordBatch and Table, pandas and polars DataFrame, astropy Table, and
NumPy arrays. Nothing here makes a user install any of them.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import Grid, SpectrumBatch, narrow
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from gaia_redshift.tables.table import Block, PlainTable

_BLOCK_ROWS = 1 << 16
_OF_SPECTRA = re.compile(
    r"\s*((flux|bp|rp)(_\d+)?|(bp|rp)_coefficients|wavelength|lambda|wl|\d{1,3})\s*", re.IGNORECASE
)


def read_blocks(table: Any, grid: Grid) -> Iterator[SpectrumBatch]:
    """Read spectra from a table in memory, some ten thousand at a time; a table without rows gives one empty batch.

    Parameters
    ----------
    table : array, RecordBatch, Table or DataFrame
        An array has shape (n, samples) or (n, untruncated), or is one spectrum; e-/s per sample, blue to red. A table
        has the columns that `recognise` knows: ``flux``, or ``bp`` and ``rp``, of arrays, a column for each sample, or
        the archive's coefficients.
    grid : Grid

    Raises
    ------
    InvalidInputError
        If it is none of these, or an array has the wrong shape.
    InvalidTableError
        If the columns do not make spectra.
    """
    rows = _rows(table)
    if _kind(table) == "numpy":
        for start in range(0, max(rows, 1), _BLOCK_ROWS):
            yield _from_array(np.atleast_2d(table)[start : start + _BLOCK_ROWS], grid)
        return
    read = _in_memory(table, rows)
    found = recognise(read, grid)
    if rows:
        yield from read_spectra(read, replace(found, source_id=None))
    else:
        yield SpectrumBatch(np.empty((0, found.grid.samples), np.float32), grid=found.grid)


def add_columns(table: Any, answers: pyarrow.Table) -> Any:
    """Return a table of the same kind with the columns of `answers` added, or in place of those of their names.

    Of an array it is a structured array of the answers alone.
    """
    return _ADD[_kind(table)](table, answers)


def _kind(table: Any) -> str:
    """Return the library that a table belongs to."""
    if isinstance(table, np.ndarray | list | tuple):
        return "numpy"
    library = type(table).__module__.partition(".")[0]
    kind = next((base.__module__.partition(".")[0] for base in type(table).__mro__ if _is_table(base)), library)
    if kind not in _ADD:
        raise InvalidInputError(
            f"{type(table).__name__} is no table: give an array of spectra, or a table of pyarrow, pandas, polars or "
            "astropy"
        )
    return kind


def _is_table(base: type) -> bool:
    return base.__name__ in {"RecordBatch", "Table", "DataFrame"} and base.__module__.partition(".")[0] in _ADD


def _rows(table: Any) -> int:
    return len(np.atleast_2d(table)) if _kind(table) == "numpy" else len(table)


def _from_array(values: Any, grid: Grid) -> SpectrumBatch:
    array = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    if array.ndim != 2 or array.shape[1] not in grid.lengths["flux"]:
        wanted = " or ".join(f"(n, {length})" for length in grid.lengths["flux"])
        raise InvalidInputError(f"the array has shape {np.shape(values)}: {grid.release} spectra have {wanted}")
    return SpectrumBatch(grid.whole(narrow(array)), grid=grid)


def _in_memory(table: Any, rows: int) -> PlainTable:
    """Return a table in memory as a reader would open it."""

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        for start in range(0, rows, _BLOCK_ROWS):
            part = _to_arrow(table, start, min(start + _BLOCK_ROWS, rows)).select(columns)
            yield Block(part.combine_chunks().to_batches()[0])

    return PlainTable("table", _to_arrow(table, 0, min(rows, 1)).schema, blocks)


def _to_arrow(table: Any, start: int, stop: int) -> pyarrow.Table:
    """Return some rows of the columns that may hold spectra."""
    if _kind(table) == "pyarrow":
        part = table.slice(start, stop - start)
        return part if isinstance(part, pyarrow.Table) else pyarrow.Table.from_batches([part])
    names = list(table.colnames if _kind(table) == "astropy" else table.columns)
    wanted = [name for name in names if isinstance(name, str) and _OF_SPECTRA.fullmatch(name)]
    if _kind(table) == "polars":
        return table.select(wanted).slice(start, stop - start).to_arrow()
    if _kind(table) == "pandas":
        return pyarrow.Table.from_pandas(table[wanted].iloc[start:stop], preserve_index=False)
    return pyarrow.table({name: _from_astropy(table[name][start:stop]) for name in wanted})


def _from_astropy(column: Any) -> Any:
    """Return a column of numbers, or of arrays of one length, with what is masked as null."""
    values = np.ma.asarray(getattr(column, "value", column))
    if values.dtype.kind == "O":
        return pyarrow.array([None if row is None else np.asarray(row) for row in values])
    data = np.ascontiguousarray(values.data)
    data = data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))
    flat = pyarrow.array(data.ravel(), mask=np.ma.getmaskarray(values).ravel())
    return flat if data.ndim == 1 else pyarrow.FixedSizeListArray.from_arrays(flat, data.shape[1])


def _plain(answers: pyarrow.Table) -> dict[str, Any]:
    """Return the columns as NumPy arrays: text as objects, densities with a second axis."""
    columns = {}
    for name in answers.column_names:
        column = answers[name].combine_chunks()
        if pyarrow.types.is_fixed_size_list(column.type):
            columns[name] = column.values.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def _to_structured(_table: Any, answers: pyarrow.Table) -> Any:
    columns = _plain(answers)
    texts = {name: np.array([text or "" for text in values]) for name, values in columns.items() if values.dtype == "O"}
    columns |= texts
    types = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    filled = np.empty(len(answers), types)
    for name, values in columns.items():
        filled[name] = values
    return filled


def _to_pyarrow(table: Any, answers: pyarrow.Table) -> Any:
    made = table if isinstance(table, pyarrow.Table) else pyarrow.Table.from_batches([table])
    made = made.drop_columns([name for name in answers.column_names if name in made.column_names])
    for name in answers.column_names:
        made = made.append_column(answers.schema.field(name), answers[name])
    if isinstance(table, pyarrow.Table):
        return made
    return made.combine_chunks().to_batches()[0] if len(made) else pyarrow.RecordBatch.from_pylist([], made.schema)


def _to_pandas(table: Any, answers: pyarrow.Table) -> Any:
    columns = _plain(answers)
    return table.assign(**{name: list(values) if values.ndim > 1 else values for name, values in columns.items()})


def _to_polars(table: Any, answers: pyarrow.Table) -> Any:
    return table.with_columns(sys.modules["polars"].from_arrow(answers).get_columns())


def _to_astropy(table: Any, answers: pyarrow.Table) -> Any:
    made = table.copy(copy_data=False)
    for name, values in _plain(answers).items():
        made[name] = [text or "" for text in values] if values.dtype == "O" else values
    return made


_ADD = {
    "numpy": _to_structured,
    "pyarrow": _to_pyarrow,
    "pandas": _to_pandas,
    "polars": _to_polars,
    "astropy": _to_astropy,
}
