"""What a table of any format says of galaxies: spectra, redshifts and the rest. Imports `spectra`, `tables`, `errors`.

The readers are those that predict: every format and layout of spectra, coefficients of Gaia's archive included. Beside
them stand the redshift ``z`` and what else is known of each source; columns are found by name, in any order and any
case, every other column is ignored.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

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

Kind = Literal["number", "whole", "text"]
"""What a column is read as: float32 with NaN for null, int64 with -1 for null, str with "" for null."""

PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "magnitude": ("magnitude", "phot_g_mean_mag"),
    "snr_bp": ("snr_bp",),
    "snr_rp": ("snr_rp",),
    "transits": ("transits",),
}
"""What an evaluation may be binned by, and the columns that may hold it."""

_KNOWN: Mapping[str, Kind] = {"z": "number", "source_id": "text", "parent_id": "whole", "part": "text"}


def read_columns(path: Path) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Read spectra, redshifts and what else is known of each galaxy, as `Dataset` has them, unusable rows included.

    Beside these columns by name, of n rows, returns what the file says of itself, keys in lower case.

    Raises
    ------
    InvalidInputError
        If the file cannot be read; if a column is missing or duplicate, or a row holds no spectrum but something else.
    """
    asked: dict[str, tuple[str, ...]] = {name: (name,) for name in _KNOWN} | dict(PROPERTIES)
    kinds: dict[str, Kind] = {name: _KNOWN.get(name, "number") for name in asked}
    flux, read, said = read_table(path, asked, kinds)
    columns = {
        "flux": flux,
        "redshift": read["z"],
        "parent": _orphans_apart(read.get("parent_id")),
        "part": read.get("part"),
        "source_id": read.get("source_id"),
        "properties": {name: read[name] for name in PROPERTIES if name in read},
    }
    return columns, said


def read_table(
    path: Path, asked: Mapping[str, Sequence[str]], kinds: Mapping[str, Kind]
) -> tuple[FloatArray, dict[str, NDArray[Any]], Mapping[str, str]]:
    """Read the spectra of a file and some columns beside them; raises as `read_columns`.

    Parameters
    ----------
    asked : mapping
        Names to the columns that may hold them; the first that is there does.
    kinds : mapping
        Names to what they are read as.

    Returns
    -------
    flux : ndarray, shape (n, 186)
        NaN where a spectrum is missing.
    read : dict
        Names that were found to arrays of shape (n,).
    said : mapping
        What the file says of itself, keys in lower case; and ``grid_id``, where its spectra are sampled.

    Raises
    ------
    InvalidInputError
        As `read_columns`.
    """
    with _open(path) as table:
        names = table.schema.names
        places = {name: place for name, among in asked.items() if (place := _one_of(path, among, names)) is not None}
        if "z" in asked and "z" not in places:
            raise InvalidInputError(f"{path.name} lacks the column z, the redshift")
        found = recognise(table)
        if found.grid.samples != DR3.samples:
            raise InvalidInputError(
                f"the grid {found.grid.name} has {found.grid.samples} samples, the recipes read {DR3.samples}"
            )
        identifiers = set() if found.source_id is None else {found.source_id}
        others = tuple(sorted(identifiers | set(places.values())))
        unit = unit_of_columns(table, found, "per_sample")
        said = {**table.said, "grid_id": found.grid.name}
        flux: list[FloatArray] = []
        pieces: dict[str, list[NDArray[np.generic]]] = {name: [] for name in places}
        row = 0
        for batch in read_spectra(table, replace(found, others=others, ebv=None), carry=True):
            flux.append(_whole(path, batch.in_samples(unit), row))
            for name, place in places.items():
                column = batch.carried.column(others.index(place)) if batch.carried is not None else None
                pieces[name].append(_values(column, kinds[name], f"{path.name}: column {names[place]}", row))
            row += len(batch)
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


def _one_of(path: Path, among: Sequence[str], names: Sequence[str]) -> int | None:
    """Return where the first of some columns is that the file has."""
    for wanted in among:
        found = [place for place, name in enumerate(names) if name.strip().lower() == wanted]
        if len(found) > 1:
            raise InvalidInputError(f"{path.name} has the column {wanted} more than once")
        if found:
            return found[0]
    return None


def _whole(path: Path, batch: SpectrumBatch, first: int) -> FloatArray:
    """Return the spectra of a batch, NaN where one is missing; refuse what is none."""
    for row, problem in sorted(batch.problems.items()):
        if problem.code != "missing_value":
            raise InvalidInputError(f"{path.name}: row {first + row}: {problem.message}")
    if not batch.problems:
        return batch.flux
    flux = batch.flux.copy()
    flux[list(batch.problems)] = np.nan
    return flux


def _values(column: Any, kind: Kind, what: str, first: int) -> NDArray[np.generic]:
    """Return a column of numbers or text, whatever type the file gave it."""
    if kind == "text":
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
    if kind == "whole":
        whole = column.cast(pa.int64(), safe=False).fill_null(-1)
        return np.asarray(whole.to_numpy(zero_copy_only=False))
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


def _orphans_apart(parent: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Give each spectrum without a parent galaxy a number of its own, so that it shares its part with no other."""
    if parent is None:
        return None
    orphans = parent < 0
    return np.where(orphans, -1 - np.arange(len(parent)), parent)
