"""Where the rows and cells of delimited text are, a block at a time. Imports `errors` of the project.

NumPy finds them in a few passes over the bytes, so the time depends on the bytes, not on the number of rows. Line ends
are LF, CR or both, mixed or not. A quote opens a cell only at its start, as in RFC 4180 and Python's `csv`; quoted text
may hold line ends and delimiters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import MalformedBodyError

ROW_BYTES = 1 << 20
CELL_BYTES = 131_072
_MOST_MARKS = 1 << 18
"""Line ends, delimiters and quotes that are handled at once: each takes some 60 bytes."""
_LF, _CR, _QUOTE = 10, 13, 34

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one block, without blank ones.

    Attributes
    ----------
    text : bytes
        The block.
    starts, ends : ndarray of int, shape (n,)
        Where each row begins, and where it ends without its line end.
    cells : ndarray of int, shape (n,)
        How many cells each has.
    quoted : bool
        Whether there is a quoted cell.
    """

    text: bytes
    starts: Places
    ends: Places
    cells: Places
    quoted: bool

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, start: int, stop: int) -> "Rows":
        """Return some of the rows."""
        rows = slice(start, stop)
        return Rows(self.text, self.starts[rows], self.ends[rows], self.cells[rows], self.quoted)

    def only(self, chosen: NDArray[np.bool_]) -> bytes:
        """Return the text of the chosen rows, each with a line end."""
        if not chosen.any():
            return b""
        if chosen.all():
            return self.text[self.starts[0] : self.ends[-1]] + b"\n"
        edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
        runs = zip(edges[::2], edges[1::2] - 1, strict=True)
        return b"".join(self.text[self.starts[first] : self.ends[last]] + b"\n" for first, last in runs)

    def row(self, number: int) -> bytes:
        """Return the text of one row."""
        return self.text[self.starts[number] : self.ends[number]]


def blocks(file: IO[bytes], rest: bytes, delimiter: bytes, block_bytes: int) -> Iterator[Rows]:
    """Cut what follows in a file into blocks of whole rows.

    Parameters
    ----------
    file : binary file
    rest : bytes
        What was read already; the start of a row.
    delimiter : bytes
    block_bytes : int
        Approximate size of the parts that are read.

    Raises
    ------
    MalformedBodyError
        If a row or a cell is too long.
    """
    for piece in _pieces(file, delimiter, block_bytes):
        rest += piece
        rows, used = split(rest, delimiter, last=not piece)
        if len(rows):
            yield rows
        rest = rest[used:]
        if len(rest) > ROW_BYTES + block_bytes:
            raise MalformedBodyError(f"the file is not CSV: a row is longer than {ROW_BYTES} bytes (an open quote?)")


def _pieces(file: IO[bytes], delimiter: bytes, block_bytes: int) -> Iterator[bytes]:
    """Read a file in pieces, smaller ones where they have many cells; the last is empty."""
    while piece := file.read(block_bytes):
        marks = sum(piece.count(mark) for mark in (b"\n", b"\r", b'"', delimiter))
        step = max(1, len(piece) * _MOST_MARKS // max(marks, _MOST_MARKS))
        for start in range(0, len(piece), step):
            yield piece[start : start + step]
    yield b""


def split(text: bytes, delimiter: bytes, *, last: bool, quoting: bool = True) -> tuple[Rows, int]:
    """Find the rows of a text that starts with a row.

    Parameters
    ----------
    text : bytes
    delimiter : bytes
        One byte.
    last : bool
        Whether the text ends the file: then the text after the last line end is a row too.
    quoting : bool
        Whether quotes enclose cells.

    Returns
    -------
    Rows
    int
        How many bytes they take; the rest is an unfinished row.
    """
    codes = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE) if quoting and b'"' in text else np.empty(0, np.int64)
    spans = _spans(text, codes, quotes, delimiter) if len(quotes) else quotes
    breaks = np.flatnonzero(codes == _LF)
    if b"\r" in text:
        returns = np.flatnonzero(codes == _CR)
        # A CR before an LF is part of its line end; so may be a CR at the end of the text.
        followed = np.append(codes, _LF if not last else 0)[returns + 1] == _LF
        breaks = np.union1d(breaks, returns[~followed])
    if len(spans):
        breaks = breaks[np.searchsorted(spans, breaks) % 2 == 0]
    used = int(breaks[-1]) + 1 if len(breaks) else 0
    if last and used < len(text):
        breaks = np.append(breaks, len(text))
        used = len(text)
    starts = np.concatenate([[0], breaks[:-1] + 1]).astype(np.int64) if len(breaks) else np.empty(0, np.int64)
    ends = breaks.astype(np.int64)
    crlf = (ends > starts) & (codes[np.maximum(ends - 1, 0)] == _CR) & (codes[np.minimum(ends, len(text) - 1)] == _LF)
    crlf &= ends < len(text)
    if last and used == len(text) and len(ends) and ends[-1] == len(text) and text.endswith(b"\r"):
        crlf[-1] = True
    ends = ends - crlf
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    commas = np.flatnonzero(codes[:used] == delimiter[0])
    if len(spans):
        commas = commas[np.searchsorted(spans, commas) % 2 == 0]
    before = np.searchsorted(commas, starts)
    cells = np.searchsorted(commas, ends) - before + 1
    _refuse_long_cells(starts, ends, commas, before)
    return Rows(text, starts, ends, cells, bool(len(spans))), used


def _refuse_long_cells(starts: Places, ends: Places, commas: Places, before: Places) -> None:
    for row in np.flatnonzero(ends - starts > CELL_BYTES):
        inside = commas[before[row] : np.searchsorted(commas, ends[row])]
        if np.diff(np.concatenate([[starts[row]], inside, [ends[row]]])).max() > CELL_BYTES + 1:
            raise MalformedBodyError(f"the file is not CSV: field larger than field limit ({CELL_BYTES})")


def _spans(text: bytes, codes: NDArray[np.uint8], quotes: Places, delimiter: bytes) -> Places:
    """Return where quoted cells open and close, alternately; an odd number if the last one does not close."""
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[np.maximum(opening - 1, 0)]
    edge = np.isin(before, (delimiter[0], _LF, _CR)) | (opening == 0)
    doubled = np.zeros(len(opening), np.bool_)
    doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
    if (edge | doubled).all():  # every quote opens, closes or is doubled, as most programs write them
        return quotes
    found = [place for match in _quoted(delimiter).finditer(text) for place in (match.start(), match.end() - 1)]
    spans = np.array(found, np.int64)
    if len(spans) and (spans[-1] == spans[-2] or codes[spans[-1]] != _QUOTE or _is_open(text, spans)):
        spans = spans[:-1]
    return spans


def _is_open(text: bytes, spans: Places) -> bool:
    """Say whether the last quoted cell reaches the text's end without closing."""
    inside = text[spans[-2] + 1 :]
    return spans[-1] == len(text) - 1 and inside.count(b'"') % 2 == 0


@cache
def _quoted(delimiter: bytes) -> re.Pattern[bytes]:
    # Possessive: no backtracking over a cell of a million doubled quotes.
    return re.compile(rb"(?<![^\r\n" + re.escape(delimiter) + rb'])"(?:[^"]++|"")*+(?:"|\Z)')
