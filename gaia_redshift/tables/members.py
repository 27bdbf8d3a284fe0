"""The tables in a zip archive as one table: Gaia's archive gives a file for each source. Imports its neighbours.

DataLink's ``DATA_STRUCTURE=INDIVIDUAL`` names its files ``XP_CONTINUOUS-Gaia DR3 5937083312263887616.fits``, other
products beside them; each has the columns of ``RAW`` and one row. One member at a time is unpacked.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError, MalformedBodyError, counted
from gaia_redshift.spectra import RELEASES, Problem
from gaia_redshift.tables.readers.types import Types, convert
from gaia_redshift.tables.table import BLOCK_ROWS, Block, Table
from gaia_redshift.tables.unpack import unpacked_member, zip_archive

MOST_MEMBERS = 10_000
"""Twice as many sources as the archive gives at once."""

Open = Callable[[IO[bytes], str], Table]
_PRODUCT = re.compile(r"([A-Z][A-Z_]*?)(?:_RAW|_COMBINED)?(?:[-. ]|_Gaia|$)")
"""What DataLink calls the product, at the start of a file's name."""
_SHOWN = 60
_BLOCK_BYTES = 16 << 20


@contextmanager
def opened_zip(file: IO[bytes], open_table: Open, format_of: Callable[[str], str]) -> Iterator[Table]:
    """Open the tables of a zip archive as one.

    Parameters
    ----------
    file : binary file that can seek
    open_table : callable
        From a member's content and name to its table.
    format_of : callable
        From a member's name to the format that it tells of, empty if it tells of none.

    Raises
    ------
    InvalidTableError, MalformedBodyError
        If it is damaged, its tables differ in format or columns, or it unpacks to far more than its size.
    """
    try:
        with zip_archive(file) as archive:
            chosen, others = _chosen(archive.infolist(), format_of)
            table = ZipTable(archive, chosen, open_table, file.seek(0, 2))
            with table.opened_first() as first:
                # A single member is read as if it had come alone: it is unpacked once.
                found: Table = first if len(chosen) == 1 else table
                files = "" if len(chosen) == 1 else f", {len(chosen)} files"
                left = f" ({counted(others, 'other file', 'other files')} left out)" if others else ""
                found.format = f"{first.format} in zip{files}{left}"
                yield found
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise MalformedBodyError(f"the file cannot be unpacked, it is damaged or cut short: {error}") from error


def _chosen(infos: Sequence[zipfile.ZipInfo], format_of: Callable[[str], str]) -> tuple[list[zipfile.ZipInfo], int]:
    """Return the members that hold spectra, and how many others there are."""
    # Python's is_dir fails where a member has no name.
    files = [one for one in infos if not one.filename.endswith("/") and not one.filename.startswith("__MACOSX/")]
    names = {one.filename for one in files}
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise MalformedBodyError("the file is a workbook (.xlsx, .ods) or another document: save its sheet as CSV")
    files = [one for one in files if not _base(one).startswith(".")]
    if not files:
        raise MalformedBodyError("the zip archive holds no file: give one with the table in it")
    kinds = {kind for release in RELEASES.values() for kind in release.retrieval_types}
    spectra = [one for one in files if (found := _PRODUCT.match(_base(one))) is not None and found[1] in kinds]
    chosen = spectra or files
    if len(chosen) > MOST_MEMBERS:
        raise MalformedBodyError(
            f"the zip archive holds {len(chosen)} tables, at most {MOST_MEMBERS} are read: split it, or download the "
            "spectra with DATA_STRUCTURE=RAW, all in one table"
        )
    formats = {format_of(one.filename): _named(one) for one in reversed(chosen)}
    if len(formats) > 1:
        examples = " and ".join(sorted(formats.values()))
        raise MalformedBodyError(
            f"the zip archive's files are of several formats, such as {examples}: give those of one format, or the one "
            "that holds the table",
            [Detail(name, form or "of no format that is known") for form, name in sorted(formats.items())],
        )
    return chosen, len(files) - len(chosen)


def _base(member: zipfile.ZipInfo) -> str:
    return member.filename.rpartition("/")[2]


def _named(member: zipfile.ZipInfo) -> str:
    return "".join(mark if mark.isprintable() else "?" for mark in _base(member))[:_SHOWN]


class ZipTable:
    """The members of an archive as one table, with the columns of the first.

    Parameters
    ----------
    archive : ZipFile
        It stays open.
    members : list of ZipInfo
    open_table : callable
        From a member's content and name to its table.
    size : int
        Of the archive, in bytes.
    """

    rows: int | None = None

    def __init__(self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], open_table: Open, size: int) -> None:
        self._archive, self._members, self._open, self._size = archive, members, open_table, size
        self.format = ""
        self.said: Mapping[str, str] = {}
        self._fields: list[pyarrow.Field] = []
        self._as_text = False

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns: those of the first member, text of CSV in the types that were settled."""
        return pyarrow.schema(self._fields)

    @contextmanager
    def opened_first(self) -> Iterator[Table]:
        """Open the first member, whose columns all must have."""
        with self._opened(self._members[0]) as first:
            self._fields, self.said = list(first.schema), first.said
            self._as_text = first.format.startswith("csv")
            yield first

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types of some columns, of CSV by reading them all."""
        if self._as_text:
            found = Types(len(columns))
            for block in self.blocks(columns):
                found.see(block.columns)
            kinds = found.kinds
        else:
            with self._opened(self._members[0]) as first:
                first.settle(columns)
                kinds = [first.schema.field(place).type for place in columns]
        for place, kind in zip(columns, kinds, strict=True):
            self._fields[place] = self._fields[place].with_type(kind)

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start, those of many members in one block; see `Table`."""
        return _joined(self._blocks(columns, numbers))

    def _blocks(self, columns: Sequence[int], numbers: Sequence[int]) -> Iterator[Block]:
        for member in self._members:
            with self._opened(member) as table:
                if table.schema.names != [field.name for field in self._fields]:
                    raise _other_columns(table.schema.names, [field.name for field in self._fields])
                for block in table.blocks(columns, numbers):
                    yield Block(self._typed(block.columns, columns, numbers), block.problems)

    def _typed(self, batch: pyarrow.RecordBatch, columns: Sequence[int], numbers: Sequence[int]) -> pyarrow.RecordBatch:
        """Return a block of one member in the types of the whole."""
        made = []
        for place, column in zip(columns, batch.columns, strict=True):
            field = self._fields[place]
            if place in numbers or column.type == field.type:
                made.append(column)
            elif self._as_text and pyarrow.types.is_string(column.type):
                made.append(convert(column, field))
            else:
                try:
                    made.append(column.cast(field.type))
                except pyarrow.ArrowException as error:
                    raise InvalidTableError(
                        f"column {field.name[:40]} is {column.type}, in the files before {field.type}",
                        [Detail(field.name[:80], "has another type")],
                    ) from error
        return pyarrow.RecordBatch.from_arrays(made, batch.schema.names)

    @contextmanager
    def _opened(self, member: zipfile.ZipInfo) -> Iterator[Table]:
        """Open a member; errors name it."""
        try:
            with unpacked_member(self._archive, member, self._members, self._size) as content:
                yield self._open(content, _base(member))
        except (InvalidTableError, MalformedBodyError) as error:
            if len(self._members) == 1 or error.message.startswith(_named(member)):
                raise
            raise type(error)(f"{_named(member)}: {error.message}", error.details) from error


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Join blocks of few rows: a block costs more than a row."""
    kept: list[Block] = []
    rows = size = 0
    for block in blocks:
        full = rows + len(block.columns) > BLOCK_ROWS or size > _BLOCK_BYTES
        if kept and (full or block.columns.schema != kept[0].columns.schema):
            yield _one(kept)
            kept, rows, size = [], 0, 0
        kept.append(block)
        rows, size = rows + len(block.columns), size + block.columns.nbytes
    if kept:
        yield _one(kept)


def _one(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    problems: dict[int, Problem] = {}
    first = 0
    for block in blocks:
        problems |= {first + row: problem for row, problem in block.problems.items()}
        first += len(block.columns)
    whole = pyarrow.Table.from_batches([block.columns for block in blocks]).combine_chunks()
    return Block(whole.to_batches()[0], problems)


def _other_columns(names: Sequence[str], wanted: Sequence[str]) -> InvalidTableError:
    missing = [Detail(name[:80], "missing") for name in wanted if name not in names]
    more = [Detail(name[:80], "unexpected") for name in names if name not in wanted]
    return InvalidTableError(
        "its columns are not those of the files before it: one table needs the same columns in the same order",
        [*missing, *more] or [Detail(names[0][:80] if names else "header", "in another order")],
    )
