"""CSV in and out, a block at a time. Imports `spectra`, `errors`, `redshift` and `tables.columns` of the project.

A block is read by Arrow where it is large and clean. A small one, or one with anything unusual, is read row by row
with the standard library, which finds the cell that is wrong; both give the same spectra.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import IO

import numpy as np
import orjson
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import COLUMNS, Predictions
from gaia_redshift.spectra import FloatArray, Problem, SpectrumBatch
from gaia_redshift.tables.columns import Layout, find_layout

BLOCK_BYTES = 4 << 20
_ARROW_FROM_BYTES = 64 << 10
_HEADER_BYTES = 1 << 20
_ROW_BYTES = 1 << 20
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE)
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What makes a cell a formula; the last four are full-width forms that some spreadsheets take for the first four."""


def read_csv(file: IO[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[SpectrumBatch]:
    """Read spectra from CSV, in blocks.

    Parameters
    ----------
    file : binary file
        UTF-8, comma-separated, a header line first (see `find_layout` for the columns).
    block_bytes : int
        About how much is read and yielded at a time.

    Yields
    ------
    SpectrumBatch
        Consecutive rows; a row that cannot be read has its reason in `problems`.

    Raises
    ------
    InvalidTableError
        If the file is empty, has no rows, or lacks columns.
    MalformedBodyError
        If it is not UTF-8 text.
    """
    header = _strip_mark(file.readline(_HEADER_BYTES))
    while header and not header.strip():  # blank lines before the header
        header = file.readline(_HEADER_BYTES)
    if not header:
        raise InvalidTableError("the file is empty: a CSV table starts with a header line")
    names = _rows(header)[0]
    layout = find_layout(names)
    found = False
    for block in _blocks(file, block_bytes):
        batch = _read_block(block, names, layout)
        if len(batch):
            found = True
            yield batch
    if not found:
        raise InvalidTableError("the table has a header but no rows")


def _strip_mark(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf")


def _blocks(file: IO[bytes], block_bytes: int) -> Iterator[bytes]:
    """Cut the file at ends of lines; a quoted line end does not count."""
    rest = b""
    while piece := file.read(block_bytes):
        rest += piece
        if cut := _last_line_end(rest):
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > _ROW_BYTES + block_bytes:
            raise MalformedBodyError(f"the file is not CSV: a row is longer than {_ROW_BYTES} bytes (an open quote?)")
    if rest:
        yield rest


def _last_line_end(text: bytes) -> int:
    """Return the position after the last line end that is not quoted; 0 if there is none."""
    cut = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, cut)
    while cut and quotes % 2:
        before = text.rfind(b"\n", 0, cut - 1) + 1
        quotes -= text.count(b'"', before, cut)
        cut = before
    return cut


def _read_block(block: bytes, names: list[str], layout: Layout) -> SpectrumBatch:
    batch = _read_with_arrow(block, len(names), layout) if len(block) >= _ARROW_FROM_BYTES else None
    return batch if batch is not None else _read_by_row(_rows(block), len(names), layout)


def _read_with_arrow(block: bytes, width: int, layout: Layout) -> SpectrumBatch | None:
    """Read a clean block fast; None where a row is ragged, a cell is empty or no number."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    names = [str(position) for position in range(width)]
    wanted = [names[position] for position in layout.samples]
    types = dict.fromkeys(wanted, pyarrow.float64())
    if layout.source_id is not None:
        types[names[layout.source_id]] = pyarrow.string()
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(block),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    if any(table[name].null_count for name in wanted):
        return None
    values = np.empty((len(table), len(wanted)), np.float32)
    with np.errstate(over="ignore"):
        for index, name in enumerate(wanted):
            values[:, index] = table[name].to_numpy()
    ids = None
    if layout.source_id is not None:
        ids = [_identifier(text) for text in table[names[layout.source_id]].to_pylist()]
    return SpectrumBatch(layout.arrange(values), ids)


def _identifier(text: str) -> str | None:
    return text.strip() or None


def _rows(block: bytes) -> list[list[str]]:
    """Split text into rows of cells, blank lines left out."""
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBodyError("the file is not CSV: it is not UTF-8 text") from error
    if "\0" in text:
        raise MalformedBodyError("the file is not CSV: it holds NUL characters")
    try:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise MalformedBodyError(f"the file is not CSV: {error}") from error


def _read_by_row(rows: list[list[str]], width: int, layout: Layout) -> SpectrumBatch:
    values = np.zeros((len(rows), len(layout.samples)), np.float32)
    ids: list[str | None] = []
    problems: dict[int, Problem] = {}
    for number, row in enumerate(rows):
        has_id = layout.source_id is not None and layout.source_id < len(row)
        ids.append(_identifier(row[layout.source_id]) if has_id and layout.source_id is not None else None)
        if len(row) != width:
            problems[number] = Problem("ragged_row", f"the row has {len(row)} cells, the header {width}")
            continue
        problem = _read_row([row[position] for position in layout.samples], values[number], layout)
        if problem is not None:
            problems[number] = problem
    flux = layout.arrange(values) if len(rows) else np.empty((0, layout.grid.samples), np.float32)
    return SpectrumBatch(flux, ids if layout.source_id is not None else None, problems)


def _read_row(cells: list[str], out: FloatArray, layout: Layout) -> Problem | None:
    """Read one row's samples into `out`; say which cell is wrong, if one is."""
    for index, cell in enumerate(cells):
        text = cell.strip()
        if not _NUMBER.fullmatch(text):
            name = _sample_name(index, layout)
            if not text:
                return Problem("missing_value", f"{name} is empty")
            return Problem("not_a_number", f"{name} is {text[:40]!r}, which is not a number")
        with np.errstate(over="ignore"):
            out[index] = np.float64(text)
    return None


def _sample_name(index: int, layout: Layout) -> str:
    if layout.flux:
        return f"flux_{index}"
    blue = len(layout.bp)
    return f"bp_{index}" if index < blue else f"rp_{index - blue}"


def write_csv(predictions: Predictions, *, header: bool) -> str:
    """Write predictions as CSV text, one row per spectrum.

    Columns: ``source_id`` where the input had one, ``redshift`` and its interval ends, ``quality`` (flags joined by
    ``|``), ``status`` (``ok`` or ``error``), ``error`` (``code: message``), and ``pdf_0..`` where it was asked for. A
    ``source_id`` that a spreadsheet would run as a formula gets an apostrophe in front; a plain number, negative or
    not, stays as it is.
    """
    named = predictions.source_id is not None
    text = io.StringIO()
    # The writer leaves a lone carriage return unquoted, and readers would take it for the end of the row.
    broken = named and any("\r" in name for name in predictions.source_id or () if name)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL)
    pdf = predictions.redshifts.pdf
    cells = [[]] * len(predictions) if pdf is None else _pdf_cells(pdf)
    if header:
        bins = 0 if pdf is None else pdf.shape[1]
        densities = [f"pdf_{number}" for number in range(bins)]
        writer.writerow([*(["source_id"] if named else []), *COLUMNS, "quality", "status", "error", *densities])
    flags = predictions.redshifts.flags.tolist()
    for row, values in enumerate(predictions.redshifts.values.tolist()):
        name = [_inert(predictions.source_id[row] or "")] if predictions.source_id is not None else []
        problem = predictions.problems.get(row)
        if problem is None:
            words = "|".join(flag_names(flags[row]))
            writer.writerow([*name, *(f"{value:.6f}" for value in values), words, "ok", "", *cells[row]])
        else:
            empty = [""] * len(COLUMNS)
            reason = f"{problem.code}: {problem.message}"
            writer.writerow([*name, *empty, "", "error", reason, *([""] * len(cells[row]))])
    return text.getvalue()


class CsvWriter:
    """Writes predictions to a CSV file as they come."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = False

    def write(self, predictions: Predictions) -> None:
        """Add rows, below a header if they are the first."""
        self._file.write(write_csv(predictions, header=not self._begun).encode())
        self._begun = True

    def close(self) -> None:
        """Do nothing: every row is written."""


def _pdf_cells(pdf: NDArray[np.float64]) -> list[list[str]]:
    """Write each number of an array as text; a JSON encoder is the fastest there is."""
    rows = orjson.dumps(pdf, option=orjson.OPT_SERIALIZE_NUMPY).decode()[2:-2].split("],[")
    return [row.split(",") for row in rows]


def _inert(text: str) -> str:
    """Disarm text that spreadsheets take for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text
