"""Spectra in Arrow columns, from any file or stream. Imports `spectra`, `errors` and its neighbours.

A column of lists (`flux`, or `bp` and `rp`) holds one spectrum a row; a table with a column for each sample is read as
CSV is.
"""

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import DR3, FloatArray, Grid, Problem, SpectrumBatch, narrow
from gaia_redshift.tables.columns import find_layout
from gaia_redshift.tables.extinction import find_ebv, with_ebv
from gaia_redshift.tables.identifiers import find_identifier, identifier_column
from gaia_redshift.tables.samples import Samples, from_arrays, from_columns, is_text


def choose_columns(schema: pyarrow.Schema, grid: Grid = DR3, *, as_text: bool = False) -> list[str]:
    """Return the names of the columns to read: those of the samples, and of identifiers and E(B-V) if there are any.

    Parameters
    ----------
    schema : pyarrow.Schema
    grid : Grid
    as_text : bool
        Whether numbers, or arrays of them, may also be text, as in a table that pandas read from CSV.

    Raises
    ------
    InvalidTableError
        If there are no spectra, or a column that matters is duplicate or holds no numbers.
    """
    names = [name.strip().lower() for name in schema.names]
    given = dict(zip(names, schema.names, strict=True))
    lists = [band for band in ("flux", "bp", "rp") if band in names]
    if not lists:
        layout = find_layout(schema.names, grid)
        samples = [schema.names[position] for position in layout.samples]
    elif lists in (["flux"], ["bp", "rp"]):
        samples = [given[band] for band in lists]
    else:
        raise InvalidTableError(
            "give either the column flux, or bp and rp", [Detail(lists[0], f"found {', '.join(lists)}")]
        )
    place = identifier_column(schema)
    identifier = None if place is None else schema.names[place]
    chosen = samples if identifier is None else [*samples, identifier]
    for name in chosen:
        if names.count(name.strip().lower()) > 1:
            raise InvalidTableError(f"duplicate column {name}", [Detail(name, "duplicate")])
        kind = schema.field(name).type
        if name != identifier and not _holds_numbers(kind, bool(lists)) and not (as_text and is_text(kind)):
            raise InvalidTableError(
                f"column {name[:40]} has the type {str(kind)[:40]}",
                [Detail(name[:80], "needs numbers, or lists of them")],
            )
    dust = find_ebv(schema)
    return chosen if dust is None else [*chosen, schema.names[dust]]


def _holds_numbers(kind: pyarrow.DataType, in_lists: bool) -> bool:
    types = pyarrow.types
    if in_lists:
        if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
            return False
        kind = kind.value_type
    return any(test(kind) for test in (types.is_floating, types.is_integer))


def read_batch(batch: pyarrow.RecordBatch, grid: Grid = DR3) -> SpectrumBatch:
    """Read a record batch of the columns that `choose_columns` chose; a bad row is kept, with its problem."""
    bands = bands_of(batch, grid)
    problems: dict[int, Problem] = {}
    for samples in bands.values():
        problems = {row: problem for row, (_, problem) in samples.problems.items()} | problems
    read = SpectrumBatch(join(bands, grid), identifiers_of(batch), problems, grid)
    dust = find_ebv(batch.schema)
    return read if dust is None else with_ebv(read, batch.column(dust))


def join(bands: dict[str, Samples], grid: Grid = DR3) -> FloatArray:
    """Return fluxes of shape (n, samples of the grid) from the samples of all bands."""
    if "flux" in bands:
        return grid.whole(narrow(bands["flux"].values))
    return grid.assemble(narrow(bands["bp"].values), narrow(bands["rp"].values))


def bands_of(batch: pyarrow.RecordBatch, grid: Grid = DR3) -> dict[str, Samples]:
    """Return the samples by band: `flux`, or `bp` and `rp`."""
    named = {name.strip().lower(): batch.column(name) for name in batch.schema.names}
    lists = {band: named[band] for band in ("flux", "bp", "rp") if band in named}
    if lists:
        return {band: from_arrays(band, column, grid.lengths[band]) for band, column in lists.items()}
    layout = find_layout(batch.schema.names, grid)
    columns = {"flux": layout.flux} if layout.flux else {"bp": layout.bp, "rp": layout.rp}
    return {
        band: from_columns(
            [f"{band}_{number}" for number in range(len(positions))], [batch.column(place) for place in positions]
        )
        for band, positions in columns.items()
    }


def identifiers_of(batch: pyarrow.RecordBatch) -> list[int | str | None] | None:
    """Return the identifiers in their own type, or None where there is no column of them."""
    place = find_identifier(batch.schema.names)
    if place is None:
        return None
    identifiers: list[int | str | None] = batch.column(place).to_pylist()
    return identifiers
