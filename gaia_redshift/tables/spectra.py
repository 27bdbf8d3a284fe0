"""Making spectra of the columns of a table of any format. Imports its neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import Detail, InvalidTableError, UnsupportedByModelError
from gaia_redshift.spectra import (
    FLOAT_IDS,
    RELEASES,
    Basis,
    FloatArray,
    Grid,
    Problem,
    SpectrumBatch,
    Unit,
    is_float_text,
    narrow,
)
from gaia_redshift.tables.bases import unknown_bases, with_basis_ids
from gaia_redshift.tables.extinction import with_ebv
from gaia_redshift.tables.memory import agreed
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.samples import Samples, as_text, from_arrays, from_columns, is_text
from gaia_redshift.tables.table import UNIT, Block, Table, about, described

_MATRIX: dict[str, Any] = {"bp": "BP", "rp": "RP"}
_RATIO = ("Median signal-to-noise ratio of the samples of the band", "stat.snr")


def read_spectra(
    table: Table,
    found: Recognised,
    *,
    carry: bool = False,
    errors: bool = False,
) -> Iterator[SpectrumBatch]:
    """Read the spectra of a table, block by block.

    Parameters
    ----------
    table : Table
    found : Recognised
        What `recognise` found in it.
    carry : bool
        Whether the batches carry the table's other columns.
    errors : bool
        Whether they also carry ``snr_bp`` and ``snr_rp``, the signal-to-noise ratio of each band: the median over its
        samples of flux over error, from the archive's errors and correlations.

    Yields
    ------
    SpectrumBatch
        Consecutive rows; a row that cannot be read has its reason in `problems`.

    Raises
    ------
    InvalidTableError
        If there are no rows, or the errors are asked for and not there.
    UnsupportedByModelError
        If the bases of the spectra's release are not part of this version.
    """
    basis = _basis(found)
    others = found.others if carry else ((found.source_id,) if found.source_id is not None else ())
    dust = () if found.ebv is None or found.ebv in others else (found.ebv,)
    parts = _error_columns(found) if errors else ()
    columns = with_basis_ids(found, [*found.columns, *others, *dust, *parts])
    total = 0
    for block in table.blocks(columns, [*found.columns, *parts]):
        total += len(block.columns)
        batch = _batch(block, found, basis, others=others, errors=errors)
        if found.ebv is not None:
            batch = with_ebv(batch, block.columns.column(columns.index(found.ebv)))
        if unknown := unknown_bases(found, columns, block):
            batch = replace(batch, problems={**unknown, **batch.problems})
        yield replace(batch, carried=_as_it_was(batch.carried, table, others)) if carry else batch
    if not total:
        raise InvalidTableError(f"the table has {'a header but ' if table.format.startswith('csv') else ''}no rows")


def read_errors(table: Table, found: Recognised, row: int) -> NDArray[np.float64] | None:
    """Read the errors of the samples of one spectrum.

    Parameters
    ----------
    table : Table
    found : Recognised
        What `recognise` found in it.
    row : int
        From zero; all rows before it are read too.

    Returns
    -------
    ndarray, shape (samples,), or None
        In e-/s per sample, from the archive's errors and correlations; None where the row has not all of them.

    Raises
    ------
    InvalidTableError
        If the table has no errors.
    """
    basis, columns = _basis(found), _error_columns(found)
    first = 0
    for block in table.blocks(columns, columns):
        if basis is not None and row < first + len(block.columns):
            own = block.columns.slice(row - first, 1)
            values = []
            for index, band in enumerate(found.bands):
                size = len(basis.matrix(_MATRIX[band]))
                error, correlation = (
                    from_arrays(own.schema.names[place], own.column(place), (length,)).values.astype(np.float64)
                    for place, length in ((2 * index, size), (2 * index + 1, size * (size - 1) // 2))
                )
                values.append(basis.errors(_MATRIX[band], error, correlation)[0])
            made = np.concatenate(values)
            return made if np.isfinite(made).all() else None
        first += len(block.columns)
    return None


def check_readable(found: Recognised, grid: Grid, reader: str) -> None:
    """Refuse spectra of another release than a model reads.

    Parameters
    ----------
    found : Recognised
    grid : Grid
        Of the model.
    reader : str
        The model's name and version.

    Raises
    ------
    UnsupportedByModelError
    """
    release = RELEASES.get(found.release)
    own = found.grid.name if release is None or release.grid is not None else None
    if own != grid.name:
        raise UnsupportedByModelError(
            f"these are {found.release} spectra, {reader} reads {grid.release} on the grid {grid.name}: use a model "
            f"for {found.release}, or spectra of {grid.release}"
        )


def unit_of_columns(table: Table, found: Recognised, said: Unit) -> Unit | None:
    """Return the unit of a table's fluxes, from what its user and its columns say.

    Parameters
    ----------
    table : Table
    found : Recognised
    said : {"per_sample", "per_pixel"}
        The first stands for nothing said.

    Raises
    ------
    InvalidInputError
        If the columns say another unit, or one that is not read.
    """
    if found.kind == "coefficients":
        return None
    declared = {about(table.schema.field(position), UNIT) for position in found.columns}
    return agreed(None if said == "per_sample" else said, sorted(declared))


def _basis(found: Recognised) -> Basis | None:
    if found.kind != "coefficients":
        return None
    basis = RELEASES[found.release].basis
    if basis is None:
        raise UnsupportedByModelError(
            f"these are {found.release} coefficients, whose bases are not part of this version: take a newer one"
        )
    return basis


def _error_columns(found: Recognised) -> tuple[int, ...]:
    if len(found.errors) < len(found.bands) or found.kind != "coefficients":
        raise InvalidTableError(
            "signal-to-noise ratios need the archive's coefficient errors and correlations of both bands, which this "
            "table has not: leave out --snr (snr=true), or download XP_CONTINUOUS with all its columns"
        )
    return tuple(position for pair in found.errors.values() for position in pair)


def _batch(
    block: Block, found: Recognised, basis: Basis | None, *, others: Sequence[int], errors: bool
) -> SpectrumBatch:
    columns, names = block.columns.columns, block.columns.schema.names
    readable = np.ones(len(block.columns), np.bool_)
    readable[[] if errors else list(block.problems)] = False
    there = np.flatnonzero(readable)
    read = columns if readable.all() else block.columns.filter(pyarrow.array(readable)).columns
    bands: dict[str, Samples] = {}
    first = 0
    for band, positions in found.bands.items():
        own = slice(first, first + len(positions))
        bands[band] = _samples(found, basis, band, names[own], read[own])
        first = own.stop
    problems: dict[int, Problem] = {}
    for samples in bands.values():
        problems = {int(there[row]): problem for row, (_, problem) in samples.problems.items()} | problems
    problems |= block.problems
    flux, snr = _flux(bands, found.grid, basis), {}
    if len(there) < len(readable):
        spread = np.zeros((len(readable), flux.shape[1]), np.float32)
        spread[there] = flux
        flux = spread
    after = first + len(others)
    if errors and basis is not None:
        parts = slice(after + (found.ebv is not None and found.ebv not in others), None)
        snr = _signal_to_noise(bands, basis, columns[parts], names[parts], problems)
    identifiers = None
    if found.source_id is not None:
        identifiers = _identifiers(columns[first + list(others).index(found.source_id)])
    carried = None
    if others or snr:
        made = [*columns[first:after], *(pyarrow.array(values, from_pandas=True) for values in snr.values())]
        carried = pyarrow.RecordBatch.from_arrays(made, [*names[first:after], *snr])
    return SpectrumBatch(flux, identifiers, problems, found.grid, carried)


def _as_it_was(carried: pyarrow.RecordBatch | None, table: Table, others: Sequence[int]) -> pyarrow.RecordBatch | None:
    """Return carried columns with their units, descriptions and UCDs."""
    if carried is None:
        return None
    known = [table.schema.field(place) for place in others]
    known += [described(name, pyarrow.float64(), "", *_RATIO) for name in carried.schema.names[len(others) :]]
    fields = [field.with_type(column.type) for field, column in zip(known, carried.columns, strict=True)]
    return pyarrow.RecordBatch.from_arrays(carried.columns, schema=pyarrow.schema(fields))


def _samples(
    found: Recognised, basis: Basis | None, band: str, names: Sequence[str], columns: Sequence[pyarrow.Array]
) -> Samples:
    if found.kind == "samples":
        return from_columns(names, columns, decimal_comma=True, units=found.units)
    allowed = found.grid.lengths[band] if basis is None else (len(basis.matrix(_MATRIX[band])),)
    return from_arrays(names[0].strip(), columns[0], allowed)


def _flux(bands: dict[str, Samples], grid: Grid, basis: Basis | None) -> FloatArray:
    """Return fluxes of shape (n, samples of the grid) from the values of all bands."""
    if "flux" in bands:
        return grid.whole(narrow(bands["flux"].values))
    if basis is None:
        return grid.assemble(narrow(bands["bp"].values), narrow(bands["rp"].values))
    with np.errstate(over="ignore", invalid="ignore"):
        values = [basis.samples(_MATRIX[band], samples.values.astype(np.float64)) for band, samples in bands.items()]
    return np.concatenate([narrow(each) for each in values], axis=1)


def _signal_to_noise(
    bands: dict[str, Samples],
    basis: Basis,
    columns: Sequence[pyarrow.Array],
    names: Sequence[str],
    problems: dict[int, Problem],
) -> dict[str, NDArray[np.float64]]:
    found = {}
    for index, (band, samples) in enumerate(bands.items()):
        size = samples.values.shape[1]
        error = from_arrays(names[2 * index], columns[2 * index], (size,))
        correlation = from_arrays(names[2 * index + 1], columns[2 * index + 1], (size * (size - 1) // 2,))
        for part in (error, correlation):
            for row, (_, problem) in part.problems.items():
                problems.setdefault(row, problem)
        flux = basis.samples(_MATRIX[band], samples.values.astype(np.float64))
        usable = np.ones(len(flux), np.bool_)
        usable[list(problems)] = False
        ratio = np.full(len(flux), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            noise = basis.errors(
                _MATRIX[band], error.values[usable].astype(np.float64), correlation.values[usable].astype(np.float64)
            )
            ratio[usable] = np.median(flux[usable] / noise, axis=1)
        found[f"snr_{band}"] = ratio
    return found


def _unquoted(text: str) -> str:
    """Remove from an identifier what keeps spreadsheets from rounding it, as in ``="4295806720"``."""
    return text[2:-1] if text.startswith('="') and text.endswith('"') else text


def _identifiers(column: pyarrow.Array) -> list[object]:
    """Return the identifiers in their own type; of text without blanks around it, None where it is empty."""
    if pyarrow.types.is_floating(column.type):  # of text, whose type was found by reading it
        raise InvalidTableError(FLOAT_IDS, [Detail("source_id", "floats")])
    if not is_text(column.type):
        return list(column.to_pylist())
    found: list[object] = [(_unquoted(text.strip()) or None) if text else None for text in as_text(column).to_pylist()]
    if wrong := next((text for text in found if isinstance(text, str) and is_float_text(text)), None):
        raise InvalidTableError(FLOAT_IDS, [Detail("source_id", f"{wrong[:40]} is a float")])
    return found
