"""Spectra and named columns of a table in any format. Imports `spectra`, `tables`, `errors`.

Spectra are read as for a prediction, in every layout, coefficients of Gaia's archive included. Other columns are found
by name, in any order and any case; unknown columns are ignored.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError, RedshiftError
from gaia_redshift.spectra import DR3, FloatArray, SpectrumBatch
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.samples import as_text, is_number, is_text
from gaia_redshift.tables.spectra import read_spectra, unit_of_columns
from gaia_redshift.tables.table import Table
from gaia_redshift.tables.text import numbers

Column: TypeAlias = NDArray[Any]
"""Numbers or text, shape (n,)."""

_ALIASES = {"magnitude": ("magnitude", "phot_g_mean_mag")}
"""Columns that a name may mean, of which the first counts; else the column of that name."""
_TEXT = {"source_id", "part", "kind"}
"""Read as str, "" for null; `parent_id` as int64, -1 for null; all others as float32, NaN for null."""


def read_table(path: Path, wanted: Sequence[str]) -> tuple[FloatArray, dict[str, Column], Mapping[str, str]]:
    """Read the spectra of a file and the columns beside them that it has.

    Returns spectra, shape (n, 186), NaN where one is missing; columns by name; and what the file says of itself, keys
    in lower case, with ``grid_id``. Raises InvalidInputError if the file cannot be read, lacks the redshift ``z`` that
    is wanted, has a column more than once, or a row with something that is not a spectrum.
    """
    with _open(path) as table:
        names = table.schema.names
        places = {name: place for name in wanted if (place := _place(path, name, names)) is not None}
        if "z" in wanted and "z" not in places:
            raise InvalidInputError(f"{path.name} lacks the column z, the redshift")
        found = recognise(table)
        if found.grid.samples != DR3.samples:
            raise InvalidInputError(
                f"the grid {found.grid.name} has {found.grid.samples} samples, the recipes read {DR3.samples}"
            )
        identifiers = set() if found.source_id is None else {found.source_id}
        others = tuple(sorted(identifiers | set(places.values())))
        unit = unit_of_columns(table, found, "per_sample")
        flux: list[FloatArray] = []
        pieces: dict[str, list[Column]] = {name: [] for name in places}
        row = 0
        for batch in read_spectra(table, replace(found, others=others, ebv=None), carry=True):
            _refuse_problems(path, batch, row)
            flux.append(batch.in_samples(unit).usable_flux())
            for name, place in places.items():
                column = batch.carried.column(others.index(place))
                pieces[name].append(_values(column, name, f"{path.name}: column {names[place]}", row))
            row += len(batch)
        said = {**table.said, "grid_id": found.grid.name}
        return _joined(flux), {name: np.concatenate(parts) for name, parts in pieces.items()}, said


@contextmanager
def _open(path: Path) -> Iterator[Table]:
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file")
    try:
        with path.open("rb") as file, opened(file, path.name) as table:
            yield table
    except OSError as error:
        raise InvalidInputError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except RedshiftError as error:
        if isinstance(error, InvalidInputError) and error.message.startswith(path.name):
            raise
        raise InvalidInputError(f"{path.name}: {error.message}", error.details) from error


def _place(path: Path, name: str, names: Sequence[str]) -> int | None:
    """Return the position of the column that a name means, None if there is none."""
    for wanted in _ALIASES.get(name, (name,)):
        found = [place for place, each in enumerate(names) if each.strip().lower() == wanted]
        if len(found) > 1:
            raise InvalidInputError(f"{path.name} has the column {wanted} more than once")
        if found:
            return found[0]
    return None


def _refuse_problems(path: Path, batch: SpectrumBatch, first: int) -> None:
    """Raise InvalidInputError if a row holds something that is not a spectrum; it may be empty."""
    for row, problem in sorted(batch.problems.items()):
        if problem.code != "missing_value":
            raise InvalidInputError(f"{path.name}: row {first + row}: {problem.message}")


def _values(column: pa.Array, name: str, what: str, first: int) -> Column:
    """Return a column as `_TEXT` says, whatever type the file gave it."""
    if name in _TEXT:
        words = (as_text(column) if is_text(column.type) else column.cast(pa.string())).fill_null("")
        return np.char.strip(np.asarray(words.to_numpy(zero_copy_only=False), dtype=np.str_))
    if is_text(column.type):
        found = numbers(as_text(column))
        if found.wrong.any():
            row = int(np.argmax(found.wrong))
            raise InvalidInputError(f"{what} does not hold numbers: row {first + row} is {str(column[row])[:40]!r}")
        column = pa.array(found.values, mask=found.missing)
    if not is_number(column.type):
        holds = "arrays, not single values" if pa.types.is_nested(column.type) else f"{column.type}, not numbers"
        raise InvalidInputError(f"{what} holds {holds}")
    if name == "parent_id":
        return np.asarray(column.cast(pa.int64(), safe=False).fill_null(-1).to_numpy(zero_copy_only=False))
    return np.asarray(column.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False), np.float32)


def _joined(blocks: list[FloatArray]) -> FloatArray:
    """Concatenate and empty a list, so that the spectra are never in memory twice."""
    if len(blocks) == 1:
        return blocks.pop()
    whole = np.empty((sum(map(len, blocks)), DR3.samples), np.float32)
    stop = len(whole)
    while blocks:
        block = blocks.pop()
        whole[stop - len(block) : stop] = block
        stop -= len(block)
    return whole
