"""TABLEDATA, the rows of a VOTable as XML, converted to delimited text and read as such. Imports its neighbours."""

import re
from collections.abc import Iterator, Sequence

import pyarrow
import pyarrow.compute as pc

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.readers.binary2 import VotableField
from gaia_redshift.tables.readers.delimited import Delimited
from gaia_redshift.tables.readers.dialect import check_text
from gaia_redshift.tables.readers.lines import split
from gaia_redshift.tables.table import BLOCK_ROWS, Block

_ROW_BYTES = 2 << 20
_CELL, _ROW, _LF, _CR = b"\x1f", b"\x1e", b"\x1d", b"\x1c"
"""Control characters, which XML does not allow: separators of cells and rows, and line ends within cells."""


def read_rows(contents: Iterator[bytes], rows: "TextRows") -> Iterator[Block]:
    """Read rows of TABLEDATA.

    Parameters
    ----------
    contents : iterator of bytes
        The document after the start tag of the rows.
    rows : TextRows

    Raises
    ------
    MalformedBodyError
        If they are damaged or cut short.
    """
    rest, begun = b"", False
    for piece in contents:
        rest, begun = rest + piece, True
        stop = _END.search(rest)
        last = stop.start() if stop else max((found.end() for found in _ROW_STOP.finditer(rest)), default=0)
        if not last and len(rest) > _ROW_BYTES:
            raise MalformedBodyError("the VOTable is damaged: a row is longer than 2 MB")
        yield from rows.read(rest[:last])
        rest = rest[last:]
        if stop:
            return
    if begun:
        raise MalformedBodyError("the VOTable is cut short: its rows have no end")


_END = re.compile(rb"</(?:[\w.-]+:)?TABLEDATA\s*>")
# Each of these looks no further than the next tag, and none begins with a repetition: a cell of blanks took hours.
_EMPTY = re.compile(rb"<(?:[\w.-]+:)?TD(?:\s[^<>]*)?/>")
_ROW_START = re.compile(rb"<(?:[\w.-]+:)?TR(?:\s[^<>]*)?>\s*<(?:[\w.-]+:)?TD(?:\s[^<>]*)?>")
_BETWEEN = re.compile(rb"</(?:[\w.-]+:)?TD\s*>\s*<(?:[\w.-]+:)?TD(?:\s[^<>]*)?>")
_ROW_STOP = re.compile(rb"</(?:[\w.-]+:)?TD\s*>\s*</(?:[\w.-]+:)?TR\s*>\s*")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


class TextRows:
    """Reads rows of TABLEDATA as delimited text; each row gets an additional first cell, so that none is blank.

    Parameters
    ----------
    about : sequence of VotableField
        All columns.
    fields : sequence of pyarrow.Field
        The same.
    encoding : str
        Of the document.
    columns, numbers : sequence of int
        What is wanted; see `Table`.
    """

    def __init__(
        self,
        about: Sequence[VotableField],
        fields: Sequence[pyarrow.Field],
        encoding: str,
        columns: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        self._latin = encoding in {"iso-8859-1", "latin-1"}
        self._fields = [pyarrow.field("", pyarrow.string()), *fields]
        self._reader = Delimited([field.name for field in self._fields], _CELL, quoting=False)
        self._columns, self._numbers = [place + 1 for place in columns], [place + 1 for place in numbers]
        self._nulls = [about[place].null for place in columns]

    def read(self, text: bytes) -> Iterator[Block]:
        """Read some whole rows."""
        if not text.strip():
            return
        if b"<!" in text or b"<?" in text or any(mark in text for mark in (_CELL, _LF, _CR, _ROW)):
            raise MalformedBodyError("the VOTable's rows hold comments, CDATA or control characters: they are not read")
        text = _BETWEEN.sub(_CELL, _EMPTY.sub(b"<TD></TD>", text))
        text = _ROW_STOP.sub(b"", _ROW_START.sub(_ROW, text)).strip()
        if b"<" in text:
            raise MalformedBodyError("the VOTable is damaged: its rows hold other elements than TR and TD")
        references = b"&" in text or b"\n" in text or b"\r" in text
        text = text.replace(b"\n", _LF).replace(b"\r", _CR).replace(_ROW, b"\n" + _CELL)
        text = text.decode("latin-1").encode() if self._latin else text
        check_text(text)
        rows, _ = split(text, _CELL, last=True, quoting=False)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = self._reader.block(rows.part(start, start + BLOCK_ROWS), self._columns, self._numbers, self._fields)
            made = _restored(block.columns) if references else block.columns
            yield Block(_without_nulls(made, self._nulls), block.problems)


def _without_nulls(batch: pyarrow.RecordBatch, nulls: Sequence[int | None]) -> pyarrow.RecordBatch:
    """Replace the whole numbers that mean missing values by nulls."""
    made = [
        column
        if null is None or not pyarrow.types.is_integer(column.type)
        else pc.if_else(pc.equal(column, pyarrow.scalar(null, pyarrow.int64())), None, column)
        for column, null in zip(batch.columns, nulls, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(made, batch.schema.names)


def _restored(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Restore the characters that XML and `TextRows` escape."""
    import html

    made = []
    for column in batch.columns:
        text = column
        if pyarrow.types.is_string(column.type):
            text = pc.replace_substring(pc.replace_substring(column, _LF.decode(), "\n"), _CR.decode(), "\r")
            numbered = pc.fill_null(pc.match_substring(text, "&#"), fill_value=False)
            if pc.any(numbered).as_py():
                plain = [html.unescape(one) for one in text.filter(numbered).to_pylist()]
                text = pc.replace_with_mask(text, numbered, pyarrow.array(plain, pyarrow.string()))
            for reference, character in _ENTITIES:
                text = pc.replace_substring(text, reference, character)
        made.append(text)
    return pyarrow.RecordBatch.from_arrays(made, batch.schema.names)
