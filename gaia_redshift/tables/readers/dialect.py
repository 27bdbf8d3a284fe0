"""How a file of delimited text is written: what stands before its rows, what parts its cells. Imports `errors`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.readers.lines import Rows, split
from gaia_redshift.tables.table import MOST_COLUMNS
from gaia_redshift.tables.text import MISSING, NUMBER

HEAD_BYTES = 1 << 20
"""Longest header line, and most bytes of comments before it."""

_MARKS = (b"\xff\xfe", b"\xfe\xff")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_COMMA_NUMBER = re.compile(r"[-+]?\d+,\d*([eEdD][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Head:
    """What was read of a file to know how it is written.

    Attributes
    ----------
    names : list of str
        Of the columns; made up from their number where there is no header line.
    delimiter : bytes
    comments : list of str
        Lines before the header that start with ``#``, without it.
    start : int
        Where in the file the rows begin.
    """

    names: list[str]
    delimiter: bytes
    comments: list[str]
    start: int


def read_head(file: IO[bytes], delimiter: bytes = b"") -> Head:
    """Read what stands before the rows.

    Parameters
    ----------
    file : binary file that can seek
        UTF-8 text; a byte order mark, blank lines and lines that start with ``#`` may come first.
    delimiter : bytes, optional
        If it is known.

    Raises
    ------
    InvalidTableError
        If the file is empty.
    MalformedBodyError
        If it is not such text.
    """
    file.seek(0)
    text = file.read(2 * HEAD_BYTES + 3)
    place, comments = _skip_comments(text)
    line = _line(text, place)
    if not line:
        raise InvalidTableError("the file is empty: a CSV table starts with a header line")
    if len(line) > HEAD_BYTES:
        raise MalformedBodyError(f"the file is not CSV: its header line is longer than {HEAD_BYTES} bytes")
    delimiter = delimiter or _delimiter(_decoded(line))
    rows, _ = split(text[place:], delimiter, last=len(text) < 2 * HEAD_BYTES)
    if not len(rows):
        raise MalformedBodyError("the file is not CSV: its header line has an open quote")
    if rows.cells[0] > MOST_COLUMNS:
        raise InvalidTableError(f"the table has {rows.cells[0]} columns: at most {MOST_COLUMNS} are read")
    names = cells(rows.row(0), delimiter)
    if _is_header(names):
        skipped = _units_and_rules(rows, delimiter)
        following = rows.part(1 + skipped, 3 + skipped)
        start = place + (int(following.starts[0]) if len(following) else len(text) - place)
        if len(following) > 1 and (following.cells == len(names) + 1).all():
            trailing = all(following.row(row).endswith(delimiter) for row in range(2))
            names = [*names, ""] if trailing else ["", *names]  # as R writes the names of rows: without a header
        if not len(following) and len(text) >= 2 * HEAD_BYTES:  # the first row is longer than any: found later
            start = place + int(rows.ends[0])
        return Head(names, delimiter, comments, start)
    return Head(_made_up(len(names), comments), delimiter, comments, place)


def _skip_comments(text: bytes) -> tuple[int, list[str]]:
    """Return where the header is, and the comments before it."""
    if text.startswith(_MARKS):
        raise MalformedBodyError("the file is not CSV: it is UTF-16 text; save it as UTF-8")
    place = 3 if text.startswith(b"\xef\xbb\xbf") else 0
    comments: list[str] = []
    while line := _line(text, place):
        if line.strip() and not line.startswith(b"#"):
            break
        if line.strip():
            comments.append(_decoded(line[1:]).strip("\r\n"))
        place += len(line)
    if place > HEAD_BYTES:
        raise MalformedBodyError(f"the file is not CSV: more than {HEAD_BYTES} bytes stand before its header")
    return place, comments


def cells(row: bytes, delimiter: bytes) -> list[str]:
    """Return the cells of one row."""
    import csv

    try:
        return next(csv.reader([_decoded(row)], delimiter=delimiter.decode()), [])
    except csv.Error as error:
        raise MalformedBodyError(f"the file is not CSV: {error}") from error


def check_text(text: bytes) -> None:
    """Raise MalformedBodyError if this is no UTF-8 text."""
    _decoded(text)


def _decoded(text: bytes) -> str:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBodyError("the file is not CSV: it is not UTF-8 text") from error
    if "\0" in decoded:
        raise MalformedBodyError("the file is not CSV: it holds NUL characters")
    return decoded


def _line(text: bytes, place: int) -> bytes:
    """Return the line at a place with its line end: LF, CR or both."""
    ends = [end for end in (text.find(b"\n", place), text.find(b"\r", place)) if end >= 0]
    stop = min(ends) + 1 if ends else len(text)
    if text[stop - 1 : stop + 1] == b"\r\n":
        stop += 1
    return text[place:stop]


def _delimiter(line: str) -> bytes:
    """Return what parts the cells of a first line."""
    bare = _QUOTED.sub("", line.strip("\r\n"))
    counts = {mark: bare.count(mark) for mark in "\t;,| "}
    if counts["\t"] or (counts[";"] and all(_COMMA_NUMBER.fullmatch(part.strip()) for part in bare.split(";")[1:])):
        return b"\t" if counts["\t"] else b";"
    del counts["\t"]
    blanks = counts.pop(" ")
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best]:
        return best.encode() if counts[best] > counts[","] else b","
    return b" " if blanks > 1 else b","


def _is_number(cell: str) -> bool:
    text = cell.strip()
    return bool(NUMBER.match(text) or _COMMA_NUMBER.fullmatch(text)) or text in MISSING


def _is_header(names: Sequence[str]) -> bool:
    """Say whether the first row names columns; one of numbers does only if they count from zero."""
    if not all(map(_is_number, names)):
        return True
    counted = [name.strip() for name in names if name.strip()]
    return len(names) > 1 and counted == [str(number) for number in range(len(counted))]


def _units_and_rules(rows: Rows, delimiter: bytes) -> int:
    """Return how many rows below the header are VizieR's: perhaps units, and a rule of dashes."""
    for number in range(1, min(3, len(rows))):
        if b"----" not in rows.row(number):
            continue
        below = [cell.strip() for cell in cells(rows.row(number), delimiter)]
        if all(not cell.strip("-") for cell in below):
            return number
    return 0


def _made_up(count: int, comments: Sequence[str]) -> list[str]:
    """Return names for columns without any: those of a comment, as NumPy writes them, or by their number."""
    for comment in reversed(comments):
        for mark in (",", ";", "\t", None):
            names = [name.strip() for name in comment.split(mark)]
            if len(names) == count and count > 1 and not any(map(_is_number, names)):
                return names
    flux = {DR3.samples: [f"flux_{number}" for number in range(DR3.samples)]}
    flux[DR3.untruncated] = [
        f"{band.name.lower()}_{number}" for band in (DR3.bp, DR3.rp) for number in range(band.samples)
    ]
    for length, names in list(flux.items()):
        flux[length + 1] = ["source_id", *names]
    if count not in flux:
        raise InvalidTableError(
            f"the table has no header line and {count} columns: without names they must be the "
            f"{DR3.samples} or {DR3.untruncated} fluxes of a spectrum, with or without source_id before them"
        )
    return flux[count]
