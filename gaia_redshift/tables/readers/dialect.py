"""The dialect of a file of delimited text: its comments, header and separator. Imports `errors` and `spectra`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from gaia_redshift.errors import Detail, InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import is_flux_unit
from gaia_redshift.tables.readers.headless import COMMA_NUMBER, is_number, made_up_names, named_by_comment
from gaia_redshift.tables.readers.lines import Rows, split
from gaia_redshift.tables.table import MOST_COLUMNS

HEAD_BYTES = 1 << 20
"""Longest header line, and most bytes of comments before it."""

_BEGIN_BYTES = 1 << 16
"""How much a head keeps of its file, for messages."""
_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16",
    b"+/v": "UTF-7",
}  # fmt: skip
_SEPARATOR = re.compile(rb'"?sep=(.|\\t)"?[ ,;\t]*(?:\r\n|\n|\r)', re.IGNORECASE)
"""Excel's first line, which gives the separator."""
_QUOTED = re.compile(r'"(?:[^"]++|"")*+(?:"|\Z)')
_FLUX = re.compile(r"\s*(flux|bp|rp)_?\d{1,4}\s*", re.IGNORECASE)
_WHOLE = re.compile(r"\s*[-+]?\d+([eEdD][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Head:
    """What was read of a file to find its dialect.

    Attributes
    ----------
    names : list of str
        Of the columns; made up from their number where there is no header line.
    delimiter : bytes
    comments : list of str
        Lines before the header that start with ``#``, without it.
    start : int
        Where in the file the rows begin.
    text : bytes
        What the file begins with.
    units : dict
        By the position of the column, where a row below the header has the units of fluxes.
    """

    names: list[str]
    delimiter: bytes
    comments: list[str]
    start: int
    text: bytes = b""
    units: Mapping[int, str] = field(default_factory=dict)


def read_head(file: IO[bytes], delimiter: bytes = b"") -> Head:
    """Read everything before the rows.

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
    if said := _SEPARATOR.match(text, place):
        place, delimiter = said.end(), delimiter or said[1].replace(b"\\t", b"\t")
    line = _line(text, place)
    if not line:
        raise InvalidTableError(
            f"the file is empty{' but for its comments' if comments else ''}: a CSV table starts with a header line"
        )
    if len(line) > HEAD_BYTES:
        raise MalformedBodyError(f"the file is not CSV: its header line is longer than {HEAD_BYTES} bytes")
    delimiter = delimiter or _delimiter(_decoded(line))
    rows, _ = split(text[place:], delimiter, last=len(text) < 2 * HEAD_BYTES)
    if not len(rows):
        raise MalformedBodyError("the file is not CSV: its header line has an open quote")
    if rows.cells[0] > MOST_COLUMNS:
        raise InvalidTableError(f"the table has {rows.cells[0]} columns: at most {MOST_COLUMNS} are read")
    names = cells(rows.row(0), delimiter)
    if delimiter == b" " and "" in [name.strip() for name in names[1:-1]]:
        raise _aligned(names)
    begin = text[:_BEGIN_BYTES]
    if not _is_header(names) or _names_fluxes(named_by_comment(len(names), comments[-1:]), names):
        return Head(made_up_names(names, delimiter, rows, comments), delimiter, comments, place, begin)
    below = cells(rows.row(1), delimiter) if len(rows) > 1 else []
    units = {position: cell.strip(" []()") for position, cell in enumerate(below) if is_flux_unit(cell)}
    names, start = _rows_below(names, delimiter, rows, text[place:])
    return Head(names, delimiter, comments, place + start, begin, units if len(below) == len(names) else {})


def _rows_below(names: list[str], delimiter: bytes, rows: Rows, text: bytes) -> tuple[list[str], int]:
    """Return the columns' names, and the position where the rows below the header begin."""
    skipped = _units_and_rules(rows, delimiter)
    following = rows.part(1 + skipped, 3 + skipped)
    if not len(following):  # or the first row is longer than any: found later
        return names, int(rows.ends[0]) if len(text) >= HEAD_BYTES else len(text)
    if len(following) > 1 and (following.cells == len(names) + 1).all():
        trailing = all(following.row(row).endswith(delimiter) for row in range(2))
        names = [*names, ""] if trailing else ["", *names]  # as R writes the names of rows: without a header
    if delimiter == b" " and following.cells[0] != len(names) and b"  " in following.row(0):
        raise _aligned(names)
    _refuse_split_numbers(names, delimiter, following)
    return names, int(following.starts[0])


def _aligned(names: Sequence[str]) -> InvalidTableError:
    """Return the error of cells aligned by runs of blanks."""
    return InvalidTableError(
        "the cells are aligned by runs of blanks, which are not read: save the table with commas between cells (in "
        "pandas, to_csv; in astropy, Table.read(FILE, format='ascii').write('spectra.ecsv'))",
        [Detail("header", " ".join(" ".join(names).split()[:4])[:120])],
    )


def _skip_comments(text: bytes) -> tuple[int, list[str]]:
    """Return where the header is, and the comments before it."""
    _refuse_encodings(text)
    place = 3 if text.startswith(b"\xef\xbb\xbf") else 0
    comments: list[str] = []
    while line := _line(text, place):
        if line.strip() and not line.startswith(b"#"):
            break
        if line.strip():
            comments.append(_decoded(line[1:]).strip("\r\n"))
        place += len(line)
    if place > HEAD_BYTES:
        raise MalformedBodyError(f"the file is not CSV: more than {HEAD_BYTES} bytes come before its header")
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


def _refuse_encodings(text: bytes) -> None:
    """Refuse text of two or four bytes a character, by its mark or by its NUL characters."""
    found = next((name for mark, name in _ENCODINGS.items() if text.startswith(mark)), "")
    start = text[:400]
    if not found and b"\0" in start and all(byte < 128 for byte in start):  # without a mark, and of ASCII
        used = [bool(start[place::4].strip(b"\0")) for place in range(4)]
        found = "UTF-16" if used in ([True, False] * 2, [False, True] * 2) else "UTF-32" if sum(used) == 1 else ""
    if found:
        raise MalformedBodyError(
            f"the file is not CSV: it is {found} text; save it as UTF-8 (iconv -f {found} -t UTF-8 FILE > NEW)"
        )


def _decoded(text: bytes) -> str:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBodyError(_no_text(text, error.start)) from error
    if "\0" in decoded:
        raise MalformedBodyError("the file is not CSV: it holds NUL characters, as no text does")
    return decoded


def _no_text(text: bytes, place: int) -> str:
    """Return what bytes are that are not UTF-8: Latin-1 text, or not text."""
    around = text[max(0, place - 200) : place + 200]
    if all((byte >= 32 and byte != 127) or byte in b"\t\r\n" for byte in around):
        return (
            f"the file is not CSV: it is not UTF-8 text (byte {text[place]:#04x}; perhaps Latin-1); save it as UTF-8 "
            "(iconv -f LATIN1 -t UTF-8 FILE > NEW)"
        )
    return "the file is not CSV: it is not UTF-8 text, and of no format that is read"


def _line(text: bytes, place: int) -> bytes:
    """Return the line at a place with its line end: LF, CR or both."""
    end = _END.search(text, place)
    return text[place : end.end() if end else len(text)]


_END = re.compile(rb"\r\n|\r|\n")


def _delimiter(line: str) -> bytes:
    """Return the separator of the cells of a first line."""
    bare = _QUOTED.sub("", line.strip("\r\n"))
    counts = {mark: bare.count(mark) for mark in "\t;,| "}
    if counts["\t"] or (counts[";"] and all(COMMA_NUMBER.fullmatch(part.strip()) for part in bare.split(";")[1:])):
        return b"\t" if counts["\t"] else b";"
    del counts["\t"]
    blanks = counts.pop(" ")
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best]:
        return best.encode() if counts[best] > counts[","] else b","
    return b" " if blanks > 1 else b","


def _is_header(names: Sequence[str]) -> bool:
    """Return whether the first row names columns; a row of numbers does only if they count from zero."""
    if not all(map(is_number, names)):
        return True
    counted = [name.strip() for name in names if name.strip()]
    return len(names) > 1 and counted == [str(number) for number in range(len(counted))]


def _names_fluxes(commented: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether a comment names columns of fluxes and the row below it does not."""
    return any(map(_FLUX.fullmatch, commented)) and not any(map(_FLUX.fullmatch, row))


def _units_and_rules(rows: Rows, delimiter: bytes) -> int:
    """Return how many rows below the header are VizieR's units and rule of dashes."""
    for number in range(1, min(3, len(rows))):
        if b"----" not in rows.row(number):
            continue
        below = [cell.strip() for cell in cells(rows.row(number), delimiter)]
        if all(not cell.strip("-") for cell in below):
            return number
    return 0


def _refuse_split_numbers(names: Sequence[str], delimiter: bytes, rows: Rows) -> None:
    """Refuse rows with decimal commas where commas also separate the cells: each number takes two cells.

    Raises
    ------
    InvalidTableError
    """
    fluxes = sum(bool(_FLUX.fullmatch(name)) for name in names)
    for row in range(len(rows)):
        extra = int(rows.cells[row]) - len(names)
        # Whole numbers take one cell: most must have taken two for it to be this, and all cells are of digits.
        if delimiter != b"," or fluxes < 2 or not fluxes / 2 < extra <= len(names):
            return
        found = cells(rows.row(row), delimiter)
        if sum(bool(_WHOLE.fullmatch(cell)) for cell in found) < len(found) - 2 * (len(names) - fluxes):
            return
    raise InvalidTableError(
        f"the header has {len(names)} cells and the first row {int(rows.cells[0])}: its numbers have a comma for the "
        "point, and commas separate the cells too; save it with semicolons between cells, or with decimal points",
        [Detail("row 0", f"{int(rows.cells[0])} cells for {len(names)} columns")],
    )
