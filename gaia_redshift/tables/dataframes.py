"""Tables that a user holds in memory: spectra out of them, redshifts into them. Imports `spectra` and its neighbours.

Known by what they are, not by import: pyarrow RecordBatch and Table, pandas and polars DataFrame, a Series of arrays,
astropy Table, and NumPy arrays. Masks and units are honoured. Nothing here makes a user install any of them.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow

from gaia_redshift.errors import Detail, InvalidInputError, InvalidTableError
from gaia_redshift.spectra import FLOAT_IDS, FloatArray, Grid, Problem, SpectrumBatch, Unit, declared_unit, narrow
from gaia_redshift.tables.arrow import choose_columns, read_batch
from gaia_redshift.tables.columns import SOURCE_ID
from gaia_redshift.tables.memory import UNIT, split_mask, to_arrow_column, unit_of

_BLOCK_ROWS = 1 << 16
_WANTED = re.compile(r"\s*((flux|bp|rp)(_\d+)?|source_id)\s*", re.IGNORECASE)


def read_blocks(table: Any, grid: Grid, unit: Unit | None = None) -> Iterator[SpectrumBatch]:
    """Read spectra from a table in memory, some ten thousand at a time; a table without rows gives one empty batch.

    Parameters
    ----------
    table : array, Series, RecordBatch, Table or DataFrame
        An array has shape (n, samples) or (n, untruncated), or is one spectrum; blue to red. A Series holds an array in
        each row. A table has the columns ``flux``, or ``bp`` and ``rp``, of arrays, or a column for each sample. What
        is masked is missing.
    grid : Grid
    unit : {"per_sample", "per_pixel"}, optional
        Of the fluxes, in e-/s; what the table's columns declare if absent, else per sample.

    Yields
    ------
    SpectrumBatch
        In e-/s per sample.

    Raises
    ------
    InvalidInputError
        If it is none of these, an array has the wrong shape, or the unit is none that is read.
    InvalidTableError
        If the columns do not make spectra, or its identifiers are floats.
    """
    kind = _kind(table)
    if kind == "series":
        table, kind = pyarrow.table({"flux": to_arrow_column(_values(table))}), "pyarrow"
    if kind == "numpy":
        unit = _agreed(unit, [unit_of(table)])
        values, mask = _whole(table, grid)
    rows = len(values) if kind == "numpy" else len(table)
    for start in range(0, max(rows, 1), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, rows)
        if kind == "numpy":
            hidden = None if mask is None else mask[start:stop]
            yield _from_array(values[start:stop], hidden, grid).in_samples(unit)
        else:
            yield _from_arrow(_to_arrow(table, start, stop), grid, unit)


def add_columns(table: Any, answers: pyarrow.Table) -> Any:
    """Return a table of the same kind with the columns of `answers` added, or in place of those of their names.

    Of an array it is a structured array of the answers alone, of a Series a DataFrame of them with its index.
    """
    return _ADD[_kind(table)](table, answers)


def is_table(table: Any) -> bool:
    """Say whether this is a table or a Series of another library, and not an array."""
    try:
        return _kind(table) != "numpy"
    except InvalidInputError:
        return False


def _kind(table: Any) -> str:
    """Return the library that a table belongs to."""
    if isinstance(table, np.ndarray | list | tuple) or hasattr(table, "unmasked"):
        return "numpy"
    if type(table).__name__ == "Series":
        return "series"
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


def _agreed(unit: Unit | None, declared: list[str]) -> Unit | None:
    """Return the unit of the fluxes from what the caller says and what the columns declare."""
    try:
        said = {found for text in declared if (found := declared_unit(text)) is not None}
    except ValueError as error:
        raise InvalidInputError(str(error)) from None
    wanted = said if unit is None else said | {unit}
    if len(wanted) > 1:
        raise InvalidInputError(
            f"the fluxes are said to be {' and '.join(sorted(wanted))}: convert one band, or take the wrong unit off"
        )
    return next(iter(said), unit)


def _values(series: Any) -> Any:
    return list(series)


def _whole(array: Any, grid: Grid) -> tuple[Any, Any]:
    """Return an array's numbers, shape (n, length), and which are masked; None where none is."""
    try:
        values, mask = split_mask(array)
        values = np.atleast_2d(values.astype(np.float64))
    except (ValueError, TypeError):
        raise InvalidInputError(
            "the array's rows are not numbers of one length: give an array of shape (n, "
            f"{grid.samples}), or a table with a column of arrays"
        ) from None
    if values.ndim != 2 or (values.shape[1] not in grid.lengths["flux"] and values.size):
        wanted = " or ".join(f"(n, {length})" for length in grid.lengths["flux"])
        raise InvalidInputError(f"the array has shape {np.shape(array)}: {grid.release} spectra have {wanted}")
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
    """Return the fluxes with zero for what is masked: whatever lies below a mask, nobody shall compute with it."""
    return np.where(hidden, np.float32(0), flux)


def _from_arrow(table: pyarrow.Table, grid: Grid, unit: Unit | None) -> SpectrumBatch:
    for field in table.schema:
        if field.name.strip().lower() == SOURCE_ID and pyarrow.types.is_floating(field.type):
            raise InvalidTableError(FLOAT_IDS, [Detail(field.name, "floats")])
    chosen = table.select(choose_columns(table.schema, grid)).combine_chunks()
    declared = [(field.metadata or {}).get(UNIT, b"").decode() for field in chosen.schema]
    unit = _agreed(unit, declared)
    chosen = chosen.cast(pyarrow.schema([field.remove_metadata() for field in chosen.schema]))
    batches = chosen.to_batches()
    batch = batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema=chosen.schema)
    return read_batch(batch, grid).in_samples(unit)


def _to_arrow(table: Any, start: int, stop: int) -> pyarrow.Table:
    """Return some rows of the columns that may hold spectra, or name them."""
    if _kind(table) == "pyarrow":
        part = table.slice(start, stop - start)
        return part if isinstance(part, pyarrow.Table) else pyarrow.Table.from_batches([part])
    names = list(table.colnames if _kind(table) == "astropy" else table.columns)
    wanted = [name for name in names if isinstance(name, str) and _WANTED.fullmatch(name)]
    if _kind(table) == "polars":
        return table.select(wanted).slice(start, stop - start).to_arrow()
    if _kind(table) == "pandas":
        return _from_pandas(table, wanted, start, stop)
    columns = {name: to_arrow_column(table[name][start:stop]) for name in wanted}
    units = {name: unit_of(table[name]) for name in wanted}
    fields = [
        pyarrow.field(name, column.type, metadata={UNIT: units[name]} if units[name] else None)
        for name, column in columns.items()
    ]
    return pyarrow.table(columns, pyarrow.schema(fields))


def _from_pandas(table: Any, wanted: list[str], start: int, stop: int) -> pyarrow.Table:
    """Return some rows; an index that is called source_id is what names them."""
    part = table[wanted].iloc[start:stop]
    columns = {
        name: to_arrow_column(list(part[name])) if part[name].dtype.kind == "O" else pyarrow.array(part[name])
        for name in wanted
    }
    if SOURCE_ID not in (name.strip().lower() for name in wanted) and _lower(table.index.name) == SOURCE_ID:
        columns[SOURCE_ID] = pyarrow.array(part.index)
    return pyarrow.table(columns)


def _lower(name: Any) -> str:
    return name.strip().lower() if isinstance(name, str) else ""


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


def _to_frame(series: Any, answers: pyarrow.Table) -> Any:
    library = sys.modules[type(series).__module__.partition(".")[0]]
    if library.__name__ == "polars":
        return library.from_arrow(answers)
    return library.DataFrame(
        {name: list(values) if values.ndim > 1 else values for name, values in _plain(answers).items()}, series.index
    )


def _to_polars(table: Any, answers: pyarrow.Table) -> Any:
    return table.with_columns(sys.modules["polars"].from_arrow(answers).get_columns())


def _to_astropy(table: Any, answers: pyarrow.Table) -> Any:
    made = table.copy(copy_data=False)
    for name, values in _plain(answers).items():
        made[name] = [text or "" for text in values] if values.dtype == "O" else values
    return made


_ADD = {
    "numpy": _to_structured,
    "series": _to_frame,
    "pyarrow": _to_pyarrow,
    "pandas": _to_pandas,
    "polars": _to_polars,
    "astropy": _to_astropy,
}
