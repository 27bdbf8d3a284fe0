"""Reading a job's finished rows, sorted, filtered and by page. Imports its neighbours.

Sorting and filtering read only the columns needed, part by part; only the rows of the page are read completely.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute, types

from app.jobs.files import Files
from app.jobs.job import Part
from gaia_redshift.errors import Detail, InvalidRequestError, suggestion
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.identifiers import SOURCE_ID
from gaia_redshift.tables.table import DESCRIPTION, UCD, UNIT, about

ROW = "row"
"""Name for the number of a row in its table, from zero, which can be used like a column to sort and filter."""
BRIGHTNESS = "brightness"
"""Name for log10 of the summed flux of all samples, in e-/s; not shown, but used like a column to sort and filter."""

_CONDITION = re.compile(r"\s*([^<>=!~]+?)\s*(<=|>=|!=|=|<|>|~)(.*)", re.DOTALL)
_COMPARE = {
    "<": compute.less,
    "<=": compute.less_equal,
    ">": compute.greater,
    ">=": compute.greater_equal,
    "=": compute.equal,
    "!=": compute.not_equal,
}

_EXACT = 2**53
"""Larger integers are rounded by JavaScript."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows."""

    done: int
    """Number of finished rows."""
    matched: int
    """Number of these that match the filters."""
    columns: list[dict[str, str]]
    rows: list[dict[str, Any]]


class Rows:
    """The finished rows of a job.

    Parameters
    ----------
    files : Files
    job : str
    parts : sequence of Part
        In order.
    """

    def __init__(self, files: Files, job: str, parts: Sequence[Part]) -> None:
        self._files, self._job, self._parts = files, job, parts
        self._done = parts[-1].first_row + parts[-1].rows if parts else 0

    def page(self, offset: int, limit: int, sort: str | None = None, filters: Sequence[str] = ()) -> Page:
        """Return a page of rows.

        Parameters
        ----------
        offset, limit : int
            Among the matching rows, in the requested order.
        sort : str, optional
            A column, with ``-`` before it for descending order; rows without a value come last.
        filters : sequence of str
            ``column<value``, and ``<=``, ``>``, ``>=``, ``=``, ``!=``, and ``~`` for text that contains the value; all
            must hold.

        Raises
        ------
        InvalidRequestError
            If there is no such column, or a value is not of its type.
        """
        if not self._parts:
            return Page(0, 0, [], [])
        schema = self._schema()
        conditions = [_Condition(text, schema) for text in filters]
        falling = sort is not None and sort.startswith("-")
        key = None if sort is None else _known((sort[1:] if falling else sort).strip(), schema)
        if conditions or key is not None:
            found = self._found(conditions, key, falling=falling)
            matched, chosen = len(found), found[offset : offset + limit]
        else:
            matched, chosen = self._done, np.arange(offset, max(offset, min(self._done, offset + limit)))
        return Page(self._done, matched, [_column(field) for field in schema if _shown(field)], self.rows(chosen))

    def rows(self, numbers: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return rows by their numbers, in their order, without arrays."""
        rows: dict[int, dict[str, Any]] = {}
        firsts = np.array([part.first_row for part in self._parts])
        places = np.searchsorted(firsts, numbers, side="right") - 1
        for place in np.unique(places).tolist():
            own = numbers[places == place]
            with self._open(self._parts[place], None) as table:
                names = [field.name for field in table.schema if _shown(field)]
                taken = table.select(names).take(pyarrow.array(own - firsts[place]))
            for number, values in zip(own.tolist(), taken.to_pylist(), strict=True):
                rows[number] = {**_told(values), ROW: number}
        return [rows[number] for number in numbers.tolist()]

    def spectra(self, numbers: NDArray[np.int64]) -> SpectrumBatch:
        """Return the spectra of rows, ascending or descending, without their names; NaN for unreadable spectra."""
        firsts = np.array([part.first_row for part in self._parts])
        places = np.searchsorted(firsts, numbers, side="right") - 1
        found = []
        for place in dict.fromkeys(places.tolist()):
            own, part = numbers[places == place] - firsts[place], self._parts[place]
            with self._files.open(self._job, part.flux) as file:
                flux = np.load(file, allow_pickle=False)[own]
                found.append(SpectrumBatch(flux, ebv=None if (ebv := _rest(file)) is None else ebv[own]))
        return SpectrumBatch.join(found)

    def _schema(self) -> pyarrow.Schema:
        with self._files.open(self._job, self._parts[0].table) as file, pyarrow.ipc.open_file(file) as stored:
            return stored.schema

    @contextmanager
    def _open(self, part: Part, columns: Sequence[str] | None) -> Iterator[pyarrow.Table]:
        """Open a part, reading only some columns."""
        path = self._files.local(self._job, part.table)
        source = pyarrow.memory_map(str(path)) if path is not None else self._files.open(self._job, part.table)
        with source:
            options = None
            if columns is not None:
                names = self._schema().names
                options = pyarrow.ipc.IpcReadOptions(included_fields=sorted(names.index(name) for name in columns))
            with pyarrow.ipc.open_file(source, options=options) as stored:
                yield stored.read_all()

    def matching(self, columns: Sequence[str], filters: Sequence[str] = ()) -> pyarrow.Table:
        """Return some columns of all rows that match the filters; `ROW` and `BRIGHTNESS` are allowed too.

        Raises
        ------
        InvalidRequestError
            As in `page`.
        """
        schema = self._schema()
        conditions = [_Condition(text, schema) for text in filters]
        wanted = {condition.column for condition in conditions}.union(columns)
        found = []
        for part in self._parts:
            table = self._columns(part, wanted)
            found.append(table.filter(pyarrow.array(_good(table, conditions))).select(columns))
        return pyarrow.concat_tables(found)

    def _columns(self, part: Part, wanted: set[str]) -> pyarrow.Table:
        """Return some columns of a part, including the computed ones."""
        own = sorted(wanted - {ROW, BRIGHTNESS})
        with self._open(part, own or [self._schema().names[0]]) as stored:
            table = stored.select(own)
        if ROW in wanted or not own:
            table = table.append_column(ROW, pyarrow.array(np.arange(part.first_row, part.first_row + part.rows)))
        if BRIGHTNESS in wanted:
            table = table.append_column(BRIGHTNESS, brightness(self._files, self._job, part.flux))
        return table

    def _found(self, conditions: Sequence["_Condition"], key: str | None, *, falling: bool) -> NDArray[np.int64]:
        """Return the numbers of all rows that match, in order."""
        wanted = {condition.column for condition in conditions} | ({key} if key is not None else set())
        numbers, keys = [], []
        for part in self._parts:
            table = self._columns(part, wanted)
            good = _good(table, conditions)
            numbers.append(part.first_row + np.flatnonzero(good))
            if key is not None:
                keys.extend(table[key].filter(pyarrow.array(good)).chunks)
        found = np.concatenate(numbers)
        if key is None:
            return found
        order = "descending" if falling else "ascending"
        together = pyarrow.chunked_array(keys) if keys else pyarrow.chunked_array([pyarrow.array([], pyarrow.int64())])
        places = compute.array_sort_indices(together, order=order, null_placement="at_end").to_numpy()
        ordered: NDArray[np.int64] = found[places]
        return ordered


def _rest(file: IO[bytes]) -> NDArray[np.float64] | None:
    """Return the E(B-V) behind the fluxes of a part; None if there are none."""
    try:
        return np.asarray(np.load(file, allow_pickle=False), np.float64)
    except EOFError:
        return None


@lru_cache(maxsize=1024)
def brightness(files: Files, job: str, name: str) -> pyarrow.Array:
    """Return the `BRIGHTNESS` of a part's rows, null without a flux; cached (16 kB), since a part never changes."""
    with files.open(job, name) as file:
        total = np.load(file, allow_pickle=False).sum(axis=1, dtype=np.float64)
    bright = total > 0  # not where it is NaN
    return pyarrow.array(np.log10(np.where(bright, total, 1)), mask=~bright)


def _good(table: pyarrow.Table, conditions: Sequence["_Condition"]) -> NDArray[np.bool_]:
    """Return a mask of the rows that match all conditions."""
    good = np.ones(len(table), np.bool_)
    for condition in conditions:
        good &= condition.holds(table[condition.column])
    return good


class _Condition:
    """One filter."""

    def __init__(self, text: str, schema: pyarrow.Schema) -> None:
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise InvalidRequestError(
                f"the filter {text[:80]!r} cannot be read: give a column, one of < <= > >= = != ~, and a value",
                [Detail("filter", text[:80])],
            )
        name, self._operator, value = found[1], found[2], found[3].strip()
        self.column = _known(name, schema)
        virtual = {ROW: pyarrow.int64(), BRIGHTNESS: pyarrow.float64()}
        kind = virtual.get(self.column) or schema.field(self.column).type
        if types.is_dictionary(kind):
            kind = kind.value_type
        if self._operator == "~":
            self._value: Any = value
            return
        try:
            self._value = pyarrow.scalar(value).cast(kind)
        except (pyarrow.ArrowException, NotImplementedError):
            raise InvalidRequestError(
                f"the filter {text[:80]!r} compares {self.column[:40]}, which holds {kind}, with {value[:40]!r}",
                [Detail("filter", f"needs a value of {kind}")],
            ) from None

    def holds(self, column: pyarrow.ChunkedArray) -> NDArray[np.bool_]:
        """Return a mask of the rows where it holds; false for rows without a value."""
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if self._operator == "~":
            found = compute.match_substring(column.cast(pyarrow.string()), self._value, ignore_case=True)
        else:
            found = _COMPARE[self._operator](column, self._value)
        values: NDArray[np.bool_] = compute.fill_null(found, False).to_numpy()
        return values


def _known(name: str, schema: pyarrow.Schema) -> str:
    """Return a column's name, ignoring case; raises InvalidRequestError if there is none."""
    names: list[str] = [ROW, BRIGHTNESS, *(field.name for field in schema if _shown(field))]
    if name in names:
        return name
    found: str | None = next((one for one in names if one.lower() == name.lower()), None)
    if found is None:
        raise InvalidRequestError(
            f"the rows have no column {name[:80]!r}: {suggestion(name[:80], names)}", [Detail(name[:80], "unknown")]
        )
    return found


def _shown(field: pyarrow.Field) -> bool:
    """Return whether a column has one value per row."""
    return not (types.is_nested(field.type) or types.is_binary(field.type))


def _column(field: pyarrow.Field) -> dict[str, str]:
    known = {"unit": about(field, UNIT), "description": about(field, DESCRIPTION), "ucd": about(field, UCD)}
    return {"name": field.name, "type": _kind(field.type), **{name: text for name, text in known.items() if text}}


def _kind(kind: pyarrow.DataType) -> str:
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "integer"
    return "number" if types.is_floating(kind) or types.is_decimal(kind) else "text"


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row for JSON: flags as a list, and large integers as text, since other programs would round them."""
    told = dict(values)
    for name, value in values.items():
        if name.strip().lower() == SOURCE_ID and value is not None:
            told[name] = str(value)
        elif name == "quality":
            told[name] = value.split("|") if value else []
        elif not isinstance(value, int | float | str | None) or (isinstance(value, int) and abs(value) > _EXACT):
            told[name] = str(value)
    return told
