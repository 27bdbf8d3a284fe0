"""JSON lines: one object per row, read by orjson. Imports its neighbours.

The columns are the names in the first rows, in their order. A missing value is null; a line that is not an object is a
problem of its row.
"""

from collections.abc import Iterator, Sequence
from typing import IO

import orjson
import pyarrow

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import Problem
from gaia_redshift.tables.table import BLOCK_ROWS, MOST_COLUMNS, Block

HOW_TO_WRITE = (
    "write an object for each source on its own line (in pandas, to_json(FILE, orient='records', lines=True); of "
    "a list, jq -c '.[]' FILE), or send it to POST /predict if it is a body of it"
)
_LINE_BYTES = 1 << 20
_LINE_VALUES, _BLOCK_VALUES = 100_000, 400_000
"""Most values in a line, and about how many in a block: as objects they take up to 100 bytes each."""
_MOST_BROKEN = 100_000
"""So many lines that are not objects are reported one by one even if most lines are such."""
_FIRST_ROWS = 256


class JsonTable:
    """An open table of JSON lines.

    Parameters
    ----------
    file : binary file that can seek

    Raises
    ------
    InvalidTableError
        If there are no rows.
    MalformedBodyError
        If the first line is not a JSON object.
    """

    format = "jsonl"
    rows: int | None = None

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.said: dict[str, str] = {}
        rows, _ = next(self._rows(_FIRST_ROWS), ([], {}))
        if not rows:
            raise InvalidTableError("the table has no rows")
        names = list(dict.fromkeys(name for row in rows for name in row))
        if not names:
            raise MalformedBodyError(f"the file is not JSON lines, its first line is not an object: {HOW_TO_WRITE}")
        if len(rows) == 1 and (all(isinstance(one, dict) for one in rows[0].values()) or "data" in rows[0]):
            raise MalformedBodyError(f"the file is not JSON lines, it is one object for all rows: {HOW_TO_WRITE}")
        if len(names) > MOST_COLUMNS:
            raise InvalidTableError(f"the table has {len(names)} columns: at most {MOST_COLUMNS} are read")
        kinds = [_column([row.get(name) for row in rows], None).type for name in names]
        self._fields = [pyarrow.field(name, kind) for name, kind in zip(names, kinds, strict=True)]

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns."""
        return pyarrow.schema(self._fields)

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types that hold the columns in all rows: later rows may have decimals or text."""
        for block in self.blocks(columns):
            for position, column in zip(columns, block.columns.columns, strict=True):
                self._fields[position] = self._fields[position].with_type(
                    _wider(self._fields[position].type, column.type)
                )

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:  # noqa: ARG002
        """Read some columns from the start; see `Table`."""
        names = [self._fields[position].name for position in columns]
        for rows, problems in self._rows(BLOCK_ROWS):
            made = [
                _column([row.get(self._fields[place].name) for row in rows], self._fields[place].type)
                for place in columns
            ]
            yield Block(pyarrow.RecordBatch.from_arrays(made, names), problems)

    def _rows(self, most: int) -> Iterator[tuple[list[dict[str, object]], dict[int, Problem]]]:
        self._file.seek(0)
        rows: list[dict[str, object]] = []
        problems: dict[int, Problem] = {}
        values, count, broken = 0, 0, 0
        while line := self._file.readline(_LINE_BYTES + 1):
            if len(line) > _LINE_BYTES:
                raise MalformedBodyError(
                    f"the file is not JSON lines: a line is longer than {_LINE_BYTES} bytes; {HOW_TO_WRITE}"
                )
            text = line.strip().removeprefix(b"\xef\xbb\xbf")
            if not text:
                continue
            inside = text.count(b",") + text.count(b"[") + text.count(b"{")
            if inside > _LINE_VALUES:
                raise MalformedBodyError(
                    f"a line holds more than {_LINE_VALUES} values: it is not a spectrum; {HOW_TO_WRITE}"
                )
            try:
                row = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                row = None
                problems[len(rows)] = Problem("not_a_number", f"the line is not JSON: {error}")
            if not isinstance(row, dict):
                problems.setdefault(len(rows), Problem("not_a_number", "the line is not a JSON object"))
                row = {}
                broken += 1
            rows.append(row)
            values, count = values + inside, count + 1
            if broken > _MOST_BROKEN and 2 * broken > count:
                raise MalformedBodyError(f"{broken} of the first {count} lines are not JSON objects: {HOW_TO_WRITE}")
            if len(rows) == most or values > _BLOCK_VALUES:
                yield rows, problems
                rows, problems, values = [], {}, 0
        if rows:
            yield rows, problems


def _column(values: list[object], kind: pyarrow.DataType | None) -> pyarrow.Array:
    """Return values as a column of this type if they fit it, else of a wider type, at last text."""
    try:
        made = pyarrow.array(values)
        if kind is None or made.type == kind:
            if not pyarrow.types.is_nested(made.type) or pyarrow.types.is_list(made.type):
                return made
        elif _may_become(made.type, kind):
            # Arrow truncates 0.5 to 0 where whole numbers are wanted, so the types are compared first.
            return made.cast(kind, safe=not pyarrow.types.is_floating(kind))
        elif not pyarrow.types.is_string(kind):
            return made
    except (pyarrow.ArrowException, OverflowError):
        pass
    texts = [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return pyarrow.array(texts, pyarrow.string())


def _may_become(found: pyarrow.DataType, kind: pyarrow.DataType) -> bool:
    """Return whether all values of one type fit another."""
    types = pyarrow.types
    if types.is_list(found) and types.is_list(kind):
        return _may_become(found.value_type, kind.value_type) or found == kind
    whole = types.is_integer(found) and (types.is_integer(kind) or types.is_floating(kind))
    return bool(types.is_null(found) or whole or (types.is_floating(found) and types.is_floating(kind)))


def _wider(first: pyarrow.DataType, second: pyarrow.DataType) -> pyarrow.DataType:
    if first == second or pyarrow.types.is_null(second):
        return first
    if pyarrow.types.is_null(first):
        return second
    kinds = {str(first), str(second)}
    return pyarrow.float64() if kinds == {"int64", "double"} else pyarrow.string()
