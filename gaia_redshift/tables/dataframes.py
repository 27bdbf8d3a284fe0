"""Spectra from tables in memory. Imports `spectra` and its neighbours.

These are pyarrow RecordBatch and Table, pandas and polars DataFrame, a Series of arrays, astropy Table, and NumPy
arrays, with their masks and units. They are recognised by their type: pandas, polars and astropy are not imported.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow

from gaia_redshift.errors import Detail, InvalidInputError, InvalidTableError
from gaia_redshift.spectra import (
    FLOAT_IDS,
    FloatArray,
    Grid,
    Problem,
    SpectrumBatch,
    Unit,
    narrow,
)
from gaia_redshift.spectra.shapes import wrong_shape, wrong_type
from gaia_redshift.tables.arrow import choose_columns, read_batch
from gaia_redshift.tables.extinction import behind, ebv_name
from gaia_redshift.tables.identifiers import SOURCE_ID
from gaia_redshift.tables.kinds import Table, column_names, kind_of, named_by, products
from gaia_redshift.tables.memory import UNIT, agreed, split_mask, to_arrow_column, unit_of
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from gaia_redshift.tables.table import Block, PlainTable
from gaia_redshift.tables.unrecognised import FIRST_COLUMNS, FIRST_ROWS, Sight, refusal

_BLOCK_ROWS = 1 << 16
_SAMPLES = re.compile(r"\s*(flux|bp|rp)(_\d+|_coefficients)?\s*", re.IGNORECASE)


def read_blocks(table: Table, grid: Grid, unit: Unit | None = None, ebv: object = None) -> Iterator[SpectrumBatch]:
    """Read spectra from a table in memory, some ten thousand at a time; a table without rows gives one empty batch.

    Parameters
    ----------
    table : array, Series, RecordBatch, Table, DataFrame or dict
        An array has shape (n, samples) or (n, untruncated), or is one spectrum; blue to red. A Series holds an array in
        each row. A dict holds columns, or the tables of astroquery's DataLink. A table has the columns ``flux``, or
        ``bp`` and ``rp``, of arrays, or a column for each sample. Masked values are missing.
    grid : Grid
    unit : {"per_sample", "per_pixel"}, optional
        Of the fluxes, in e-/s. Default: the unit of the table's columns, or per sample if they have none.
    ebv : float or array_like, shape (n,), optional
        E(B-V) in front of the sources, mag, NaN where it is not known. Default: the table's column ``ebv``, if any.

    Yields
    ------
    SpectrumBatch
        In e-/s per sample.

    Raises
    ------
    InvalidInputError
        If the table is of another kind, an array has the wrong shape, the unit cannot be read, or `ebv` does not fit.
    InvalidTableError
        If the columns of spectra are incomplete, or the identifiers are floats.
    """
    if ebv is not None:
        yield from behind(read_blocks(table, grid, unit), ebv)
        return
    kind = kind_of(table)
    if kind == "products":
        for product in products(table):
            yield from read_blocks(product, grid, unit)
        return
    if kind == "series":
        table, kind = pyarrow.table({"flux": to_arrow_column(list(table))}), "pyarrow"
    if kind == "dict":
        table, kind = _to_arrow(table, 0, sys.maxsize, grid), "pyarrow"
    if kind == "numpy":
        unit = agreed(unit, [unit_of(table)])
        values, mask = _whole(table, grid)
    if kind == "pandas":
        table = _named_samples(table, grid)
    rows = len(values) if kind == "numpy" else len(table)
    for start in range(0, max(rows, 1), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, rows)
        if kind == "numpy":
            hidden = None if mask is None else mask[start:stop]
            yield _from_array(values[start:stop], hidden, grid).in_samples(unit)
        else:
            yield _from_arrow(_to_arrow(table, start, stop, grid), grid, unit)


def _whole(array: Any, grid: Grid) -> tuple[Any, Any]:
    """Return an array's numbers, shape (n, length), and its mask of that shape or None."""
    try:
        values, mask = split_mask(array)
        if values.dtype.kind in "cbMmV":
            raise InvalidInputError(wrong_type(values.dtype.kind, str(values.dtype)))
        values = np.atleast_2d(values.astype(np.float64))
    except (ValueError, TypeError):
        raise InvalidInputError(
            "the array's rows are not numbers of one length: give an array of shape (n, "
            f"{grid.samples}), or a table with a column of arrays"
        ) from None
    if values.ndim != 2 or (values.shape[1] not in grid.lengths["flux"] and values.size):
        wanted = " or ".join(f"(n, {length})" for length in grid.lengths["flux"])
        advice = wrong_shape(np.shape(array), grid)
        raise InvalidInputError(
            f"the array has shape {np.shape(array)}: {grid.release} spectra have {wanted}"
            f"{'; ' if advice else ''}{advice}"
        )
    return values if values.size else np.empty((0, grid.samples)), None if mask is None else np.atleast_2d(mask)


def _from_array(values: Any, mask: Any, grid: Grid) -> SpectrumBatch:
    flux = grid.whole(narrow(values))
    if mask is None:
        return SpectrumBatch(flux, grid=grid)
    hidden = grid.whole(mask.astype(np.float32)) > 0
    problems = {
        int(row): Problem("missing_value", f"flux[{int(np.argmax(hidden[row]))}] is masked")
        for row in np.flatnonzero(hidden.any(axis=1))
    }
    return SpectrumBatch(_without(flux, hidden), problems=problems, grid=grid)


def _without(flux: FloatArray, hidden: Any) -> FloatArray:
    """Return the fluxes with zero for masked values: the numbers below a mask have no meaning."""
    return np.where(hidden, np.float32(0), flux)


def _from_arrow(table: pyarrow.Table, grid: Grid, unit: Unit | None) -> SpectrumBatch:
    for field in table.schema:
        if field.name.strip().lower() == SOURCE_ID and pyarrow.types.is_floating(field.type):
            raise InvalidTableError(FLOAT_IDS, [Detail(field.name, "floats")])
        if _SAMPLES.fullmatch(field.name):  # before the columns: XP_SAMPLED has another shape
            agreed(None, [(field.metadata or {}).get(UNIT, b"").decode()])
    if any(name.strip().lower().endswith("_coefficients") for name in table.schema.names):
        return _from_coefficients(table, grid)
    try:
        chosen = table.select(choose_columns(table.schema, grid, as_text=True)).combine_chunks()
    except InvalidTableError:
        if any(_SAMPLES.fullmatch(name) for name in table.schema.names):
            raise
        raise refusal(_sight(table, list(table.schema.names), grid)) from None
    dust = ebv_name(chosen.schema.names)
    declared = [(field.metadata or {}).get(UNIT, b"").decode() for field in chosen.schema if field.name != dust]
    unit = agreed(unit, declared)
    chosen = chosen.cast(pyarrow.schema([field.remove_metadata() for field in chosen.schema]))
    batches = chosen.to_batches()
    batch = batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema=chosen.schema)
    return read_batch(batch, grid).in_samples(unit)


def _from_coefficients(table: pyarrow.Table, grid: Grid) -> SpectrumBatch:
    """Read the archive's coefficients as from a file."""

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        for batch in table.select(columns).combine_chunks().to_batches():
            yield Block(batch)

    whole = PlainTable("table", table.schema, blocks)
    found = replace(recognise(whole, grid), source_id=None)
    if not len(table):
        return SpectrumBatch(np.empty((0, found.grid.samples), np.float32), grid=found.grid)
    return SpectrumBatch.join(list(read_spectra(whole, found)))


def _named_samples(table: Table, grid: Grid) -> Table:
    """Name the columns of a DataFrame that was made from an array: they are numbers."""
    numbers = [name for name in table.columns if isinstance(name, int)]
    if numbers == list(range(grid.samples)):
        return table.rename(columns={number: f"flux_{number}" for number in numbers})
    if numbers == list(range(grid.untruncated)):
        bands = [f"{band.name.lower()}_{number}" for band in (grid.bp, grid.rp) for number in range(band.samples)]
        return table.rename(columns=dict(enumerate(bands)))
    return table


def _sight(table: Table, names: list[object], grid: Grid) -> Sight:
    """Look at a table without columns of spectra, for the message."""
    fields: list[pyarrow.Field] = []
    columns: list[pyarrow.Array] = []
    for name in names:
        try:
            column = _first_rows(table[name]) if len(columns) < FIRST_COLUMNS else pyarrow.nulls(0)
        except (ValueError, TypeError, KeyError, pyarrow.ArrowException):
            column = pyarrow.nulls(0)
        fields.append(pyarrow.field(str(name), column.type))
        columns.append(column)
    rows = len(table[names[0]]) if names else 0
    return Sight(f"{kind_of(table)} table", "", fields, columns[:FIRST_COLUMNS], rows, b"", grid)


def _first_rows(column: Table) -> pyarrow.Array:
    """Return the first rows of a column of any library."""
    first = column[:FIRST_ROWS]
    if hasattr(first, "to_arrow"):  # of polars
        first = first.to_arrow()
    if isinstance(first, pyarrow.ChunkedArray):
        return first.combine_chunks()
    return first if isinstance(first, pyarrow.Array) else to_arrow_column(list(first))


def _to_arrow(table: Table, start: int, stop: int, grid: Grid) -> pyarrow.Table:
    """Return some rows of the columns that may hold spectra or identifiers."""
    if kind_of(table) == "pyarrow":
        part = table.slice(start, stop - start)
        return part if isinstance(part, pyarrow.Table) else pyarrow.Table.from_batches([part])
    names = column_names(table)
    wanted = [name for name in names if isinstance(name, str) and _SAMPLES.fullmatch(name)]
    if not wanted:
        raise refusal(_sight(table, names, grid))
    naming = named_by(table)
    if naming is not None and naming in names and naming.strip().lower() == SOURCE_ID:
        wanted.append(naming)
    if (dust := ebv_name(names)) is not None:
        wanted.append(dust)
    if kind_of(table) == "polars":
        return table.select(wanted).slice(start, stop - start).to_arrow()
    if kind_of(table) == "pandas":
        return _from_pandas(table, wanted, start, stop)
    columns = {name: to_arrow_column(table[name][start:stop]) for name in wanted}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in list(columns.items())[:4])
        raise InvalidTableError(f"the columns have different lengths: {lengths}")
    units = {name: unit_of(table[name]) for name in wanted}
    fields = [
        pyarrow.field(name, column.type, metadata={UNIT: units[name]} if units[name] else None)
        for name, column in columns.items()
    ]
    return pyarrow.table(columns, pyarrow.schema(fields))


def _from_pandas(table: Table, wanted: list[str], start: int, stop: int) -> pyarrow.Table:
    part = table[wanted].iloc[start:stop]
    columns = {
        name: to_arrow_column(list(part[name])) if part[name].dtype.kind == "O" else pyarrow.array(part[name])
        for name in wanted
    }
    return pyarrow.table(columns)
