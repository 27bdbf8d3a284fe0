"""VOTable in all serialisations but FITS: the header is read by expat, the rows by NumPy. Imports its neighbours.

IVOA VOTable 1.5. Documents that declare entities are refused: a table needs none.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

import pyarrow

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.binary2 import RowReader, VotableField
from gaia_redshift.tables.readers.tabledata import TextRows, read_rows
from gaia_redshift.tables.table import MOST_COLUMNS, Block, PlainTable, described

_HEADER_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_DEEPEST = 100
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*+>""")
_TAG_BYTES = 1 << 20


@dataclass(slots=True)
class _Header:
    fields: list[VotableField] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    data: str = ""
    start: int = 0
    encoding: str = "utf-8"
    root: str = ""
    failure: str = ""
    """The error message of a service, instead of a table."""


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
        "TABLEDATA": lambda columns, numbers: read_rows(
            _contents(file, header), TextRows(header.fields, fields, header.encoding, columns, numbers)
        ),
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
            f"the document is XML but not a VOTable, it begins with <{header.root[:40]}>: download or write the table "
            "as VOTable, FITS or CSV"
        )
    if header.said.get("query_status", "").upper() == "ERROR":
        return f"the VOTable holds no table, but an error of the service that wrote it: {header.failure[:300]}"
    return "the VOTable holds no table"


class _HeaderParser:
    """Reads the header of a document, and raises _DataFoundError where the rows begin or the table ends."""

    def __init__(self) -> None:
        self.header = _Header()
        self._fed = 0
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity
        self._parser.XmlDeclHandler = self._declaration

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Parse more of the document."""
        if self._fed > _HEADER_BYTES:
            raise MalformedBodyError("the document is not a VOTable: no rows in its first 16 MB")
        if self._fed - self._parser.CurrentByteIndex > _TAG_BYTES:
            raise MalformedBodyError("the document is not a VOTable: a tag or comment is longer than 1 MB")
        self._parser.Parse(piece, last)
        self._fed += len(piece)

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
    """Yield the document after the start tag of the rows."""
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
