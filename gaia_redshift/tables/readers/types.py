"""The types of columns that stand as text: whole numbers, numbers, truth values, or text as it is. Imports `text`."""

import pyarrow
import pyarrow.compute as pc

from gaia_redshift.tables.text import MISSING, numbers

_WHOLE = r"^\s*-?(0|[1-9]\d{0,18})\s*$"
_TRUTH = pyarrow.array(["true", "false"])
_ABSENT = pyarrow.array(MISSING)


class Types:
    """What the columns of a table can be, block after block.

    Parameters
    ----------
    columns : int
        How many there are.
    """

    def __init__(self, columns: int) -> None:
        self._possible = [[pyarrow.int64(), pyarrow.float64(), pyarrow.bool_()] for _ in range(columns)]
        self._seen = [False] * columns

    def see(self, batch: pyarrow.RecordBatch) -> None:
        """Take in more rows, all columns as text."""
        for index, column in enumerate(batch.columns):
            if not self._possible[index]:
                continue
            there = column.filter(pc.invert(pc.or_kleene(pc.is_null(column), _absent(column))))
            if len(there):
                self._seen[index] = True
                self._possible[index] = [kind for kind in self._possible[index] if _fits(there, kind)]

    @property
    def kinds(self) -> list[pyarrow.DataType]:
        """The narrowest type that holds all that was seen; text where nothing was, or nothing else does."""
        return [
            possible[0] if possible and seen else pyarrow.string()
            for possible, seen in zip(self._possible, self._seen, strict=True)
        ]


def convert(column: pyarrow.Array, kind: pyarrow.DataType) -> pyarrow.Array:
    """Turn a column of text into one of a type that fits; what is missing becomes null."""
    if pyarrow.types.is_string(kind):
        return column
    text = pc.if_else(_absent(column), None, pc.utf8_trim_whitespace(column))
    if pyarrow.types.is_floating(kind):
        found = numbers(column)
        return pyarrow.array(found.values, kind, mask=found.missing)
    return pc.cast(pc.utf8_lower(text) if pyarrow.types.is_boolean(kind) else text, kind)


def _absent(column: pyarrow.Array) -> pyarrow.Array:
    return pc.fill_null(pc.is_in(pc.utf8_trim_whitespace(column), _ABSENT), fill_value=True)


def _fits(column: pyarrow.Array, kind: pyarrow.DataType) -> bool:
    if pyarrow.types.is_boolean(kind):
        return bool(pc.all(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), _TRUTH)).as_py())
    if pyarrow.types.is_floating(kind):
        found = numbers(column)
        # 007 and +5 are names or codes rather than numbers, and would lose what they are.
        coded = pc.any(pc.match_substring_regex(column, r"^\s*[-+]?0\d|^\s*\+")).as_py()
        return not found.wrong.any() and not coded
    if not pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
        return False
    try:
        pc.cast(pc.utf8_trim_whitespace(column), kind)
    except pyarrow.ArrowInvalid:
        return False
    return True
