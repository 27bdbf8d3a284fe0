"""VOTable: the header by expat, the rows by NumPy, in all its serialisations but FITS. Imports its neighbours.

IVOA VOTable 1.5. Entities of a document's own are refused: nothing in a table needs one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

import pyarrow
import pyarrow.compute as pc

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.binary2 import RowReader, VotableField
from gaia_redshift.tables.readers.delimited import Delimited
from gaia_redshift.tables.readers.dialect import check_text
from gaia_redshift.tables.readers.lines import split
from gaia_redshift.tables.table import BLOCK_ROWS, MOST_COLUMNS, Block, PlainTable, described

_HEADER_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_DEEPEST = 100
_TAG = re.compile(rb"""<[^>"']*(?:"[^"]*"|'[^']*'|[^>"'])*>""")
_CELL, _ROW, _LF, _CR = b"\x1f", b"\x1e", b"\x1d", b"\x1c"
"""Control characters, which XML does not allow: they part cells and rows, and stand for line ends in them."""


@dataclass(slots=True)
class _Header:
    fields: list[VotableField] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    data: str = ""
    start: int = 0
    encoding: str = "utf-8"
    root: str = ""
    failure: str = ""
    """What a service says that has no table to give."""


class _DataFoundError(Exception):
    """The parser has reached the rows."""


def open_votable(file: IO[bytes]) -> PlainTable:
    """Open the first table of a VOTable.

    Parameters
    ----------
    file : binary file that can seek

    Raises
    ------
    InvalidTableError
        If the document holds no rows.
    MalformedBodyError
        If it is not a VOTable, is damaged, or declares entities.
    """
    header = _read_header(file)
    if len(header.fields) > MOST_COLUMNS:
        raise InvalidTableError(f"the table has {len(header.fields)} columns: at most {MOST_COLUMNS} are read")
    fields = [described(one.name, one.kind, one.unit, one.description, one.ucd) for one in header.fields]
    readers: dict[str, Callable[[Sequence[int], Sequence[int]], Iterator[Block]]] = {
        "TABLEDATA": lambda columns, numbers: _tabledata(file, header, fields, columns, numbers),
        "BINARY": lambda columns, _: _binary(file, header, columns),
        "BINARY2": lambda columns, _: _binary(file, header, columns),
    }
    if header.data not in readers:
        raise InvalidTableError(
            "the VOTable holds its rows as FITS: give the FITS file" if header.data else "the VOTable holds no rows"
        )
    return PlainTable("votable", pyarrow.schema(fields), readers[header.data], header.said)


def _read_header(file: IO[bytes]) -> _Header:
    file.seek(0)
    parser = _HeaderParser()
    try:
        while piece := file.read(64 << 10):
            parser.feed(piece)
        parser.feed(b"", last=True)
    except _DataFoundError:
        pass
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MalformedBodyError(f"the document is not a VOTable: {error}") from error
    header = parser.header
    if header.encoding not in {"utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1"}:
        raise MalformedBodyError(f"the VOTable is encoded as {header.encoding[:40]}: write it as UTF-8")
    if not header.fields:
        raise InvalidTableError(_why_no_table(header))
    return header


def _why_no_table(header: _Header) -> str:
    if header.root != "VOTABLE":
        return (
            f"the document is XML and no VOTable, it begins with <{header.root[:40]}>: download or write the table as "
            "VOTable, FITS or CSV"
        )
    if header.said.get("query_status", "").upper() == "ERROR":
        return f"the VOTable holds no table, but an error of the service that wrote it: {header.failure[:300]}"
    return "the VOTable holds no table"


class _HeaderParser:
    """Takes what it needs of a document, and raises _DataFoundError where the rows begin or the table ends."""

    def __init__(self) -> None:
        self.header = _Header()
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity
        self._parser.XmlDeclHandler = self._declaration

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Take in more of the document."""
        if self._parser.CurrentByteIndex > _HEADER_BYTES:
            raise MalformedBodyError("the document is not a VOTable: no rows in its first 16 MB")
        self._parser.Parse(piece, last)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self._path.append(name)
        self.header.root = self._path[0]
        if len(self._path) > _DEEPEST:
            raise MalformedBodyError("the document is not a VOTable: its elements are too deep")
        if name in {"TABLEDATA", "STREAM", "FITS"} and "TABLE" in self._path:
            self._rows(name, attributes)
        elif name == "FIELD":
            self.header.fields.append(VotableField.from_attributes(attributes))
        elif name == "VALUES" and "FIELD" in self._path and attributes.get("null"):
            self.header.fields[-1].set_null(attributes["null"])
        elif name in {"PARAM", "INFO"} and attributes.get("name"):
            self.header.said[attributes["name"].lower()] = attributes.get("value", "")
            if attributes["name"].upper() == "QUERY_STATUS":
                self._text = []
        elif name == "DESCRIPTION":
            self._text = []

    def _rows(self, name: str, attributes: dict[str, str]) -> None:
        self.header.data = self._path[-2] if name == "STREAM" else name
        if name == "STREAM" and attributes.get("encoding", "").lower() != "base64":
            raise InvalidTableError("the VOTable's rows are not in it as base64: write it as BINARY2 or TABLEDATA")
        self.header.start = self._parser.CurrentByteIndex
        raise _DataFoundError

    def _end(self, _tag: str) -> None:
        name = self._path.pop()
        if name == "DESCRIPTION" and self._text is not None:
            if self._path and self._path[-1] == "FIELD":
                self.header.fields[-1].description = " ".join("".join(self._text).split())
            self._text = None
        if name == "INFO" and self._text is not None:
            self.header.failure = " ".join("".join(self._text).split())
            self._text = None
        if name == "TABLE" and self.header.fields:
            raise _DataFoundError

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    @staticmethod
    def _entity(*_: object) -> None:
        raise MalformedBodyError("the VOTable declares entities, which are not read")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.header.encoding = (encoding or "utf-8").lower()


def _contents(file: IO[bytes], header: _Header) -> Iterator[bytes]:
    """Yield what follows the start tag of the rows."""
    file.seek(header.start)
    text = file.read(_PIECE_BYTES)
    tag = _TAG.match(text)
    if tag is None:
        raise MalformedBodyError("the VOTable is damaged where its rows begin")
    if tag[0].rstrip(b">").endswith(b"/"):
        return
    yield text[tag.end() :]
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _binary(file: IO[bytes], header: _Header, columns: Sequence[int]) -> Iterator[Block]:
    import binascii

    reader = RowReader(header.fields, columns, flags=header.data == "BINARY2")
    rest = b""
    ended = False
    for piece in _contents(file, header):
        stop = piece.find(b"<")
        ended = stop >= 0
        text = rest + (piece[:stop] if ended else piece).translate(None, b" \t\r\n")
        whole = len(text) if ended else len(text) // 4 * 4
        rest = text[whole:]
        try:
            content = binascii.a2b_base64(text[:whole], strict_mode=True) if whole else b""
        except binascii.Error as error:
            raise MalformedBodyError(f"the VOTable is damaged: its rows are not base64: {error}") from error
        yield from reader.feed(content)
        if ended:
            break
    if not ended:
        raise MalformedBodyError("the VOTable is cut short: its rows have no end")
    yield from reader.finish()


def _tabledata(
    file: IO[bytes],
    header: _Header,
    fields: Sequence[pyarrow.Field],
    columns: Sequence[int],
    numbers: Sequence[int],
) -> Iterator[Block]:
    rows = _TextRows(header, fields, columns, numbers)
    rest, begun = b"", False
    for piece in _contents(file, header):
        rest, begun = rest + piece, True
        stop = _END.search(rest)
        last = stop.start() if stop else max((found.end() for found in _ROW_STOP.finditer(rest)), default=0)
        if not last and len(rest) > _HEADER_BYTES:
            raise MalformedBodyError("the VOTable is damaged: a row is longer than 16 MB")
        yield from rows.read(rest[:last])
        rest = rest[last:]
        if stop:
            return
    if begun:
        raise MalformedBodyError("the VOTable is cut short: its rows have no end")


_END = re.compile(rb"</(?:[\w.-]+:)?TABLEDATA\s*>")
_EMPTY = re.compile(rb"<(?:[\w.-]+:)?TD(?:\s[^>]*)?/>")
_ROW_START = re.compile(rb"\s*<(?:[\w.-]+:)?TR(?:\s[^>]*)?>\s*<(?:[\w.-]+:)?TD(?:\s[^>]*)?>")
_BETWEEN = re.compile(rb"</(?:[\w.-]+:)?TD\s*>\s*<(?:[\w.-]+:)?TD(?:\s[^>]*)?>")
_ROW_STOP = re.compile(rb"</(?:[\w.-]+:)?TD\s*>\s*</(?:[\w.-]+:)?TR\s*>\s*")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


class _TextRows:
    """Reads rows of TABLEDATA as delimited text; every row begins with a cell of its own, so that none is blank."""

    def __init__(
        self, header: _Header, fields: Sequence[pyarrow.Field], columns: Sequence[int], numbers: Sequence[int]
    ) -> None:
        self._latin = header.encoding in {"iso-8859-1", "latin-1"}
        self._fields = [pyarrow.field("", pyarrow.string()), *fields]
        self._reader = Delimited([field.name for field in self._fields], _CELL, quoting=False)
        self._columns, self._numbers = [place + 1 for place in columns], [place + 1 for place in numbers]
        self._nulls = [header.fields[place].null for place in columns]

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
    """Let the whole numbers be missing that stand for what is."""
    made = [
        column
        if null is None or not pyarrow.types.is_integer(column.type)
        else pc.if_else(pc.equal(column, pyarrow.scalar(null, pyarrow.int64())), None, column)
        for column, null in zip(batch.columns, nulls, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(made, batch.schema.names)


def _restored(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Put the characters back that XML, and `_TextRows`, write otherwise."""
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
