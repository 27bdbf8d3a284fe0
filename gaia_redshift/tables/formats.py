"""The formats of tables. A file's format is found by its content, then its name, then its media type.

Imports its neighbours; a format's reader and writer are loaded when they are first used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import IO, Any, cast

from gaia_redshift.errors import InvalidInputError, InvalidTableError
from gaia_redshift.tables.foreign import BEGIN_BYTES, refuse_foreign
from gaia_redshift.tables.members import opened_zip
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.single import named_by_file
from gaia_redshift.tables.stream import archive_stream
from gaia_redshift.tables.table import Table
from gaia_redshift.tables.unpack import is_zip_of_tables, spooled, unpacked
from gaia_redshift.tables.writers import Writer


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes
    ----------
    name : str
    title : str
        For messages.
    extensions : tuple of str
        The first is the usual one.
    media_types : tuple of str
        The first is the one that answers carry.
    reads, writes : str
        Module and name of what opens a file, and of what writes one; empty for none.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    media_types: tuple[str, ...]
    reads: str = ""
    writes: str = ""

    def open(self, file: IO[bytes]) -> Table:
        """Open a file of this format."""
        return cast("Table", _find(self.reads)(file))

    def writer(self, file: IO[bytes], about: Mapping[str, str]) -> Writer:
        """Return what writes a file of this format."""
        return cast("Writer", _find(self.writes)(file, about))


def _find(place: str) -> Callable[..., object]:
    module, _, name = place.partition(":")
    return cast("Callable[..., Any]", getattr(import_module(f"gaia_redshift.tables.{module}"), name))


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            "csv", "CSV", (".csv", ".tsv", ".txt", ".dat"), ("text/csv", "text/tab-separated-values", "text/plain"),
            "readers.csv:open_csv", "writers.csv:open_writer",
        ),
        Format(
            "ecsv", "ECSV", (".ecsv",), ("text/ecsv", "text/x-ecsv"),
            "readers.ecsv:open_ecsv", "writers.ecsv:EcsvWriter",
        ),
        Format(
            "fits", "FITS", (".fits", ".fit", ".fts"), ("application/fits", "image/fits"),
            "readers.fits:open_fits", "writers.fits:FitsWriter",
        ),
        Format(
            "votable", "VOTable", (".vot", ".votable", ".xml"),
            ("application/x-votable+xml", "text/xml", "application/xml"),
            "readers.votable:open_votable", "writers.votable:VotableWriter",
        ),
        Format(
            "parquet", "Parquet", (".parquet", ".pq"), ("application/vnd.apache.parquet", "application/parquet"),
            "readers.arrow:open_parquet", "writers.arrow:ParquetWriter",
        ),
        Format(
            "arrow", "Arrow", (".arrow", ".feather", ".ipc", ".arrows"),
            ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"),
            "readers.arrow:open_arrow", "writers.arrow:ArrowWriter",
        ),
        Format(
            "jsonl", "JSON lines", (".jsonl", ".ndjson"),
            ("application/jsonl", "application/x-ndjson", "application/x-jsonlines"),
            "readers.jsonl:JsonTable", "writers.jsonl:JsonWriter",
        ),
        Format("npy", "NumPy", (".npy",), ("application/x-npy",), "readers.npy:open_npy"),
        Format("npz", "NumPy", (".npz",), ("application/x-npz",), "readers.npy:open_npz"),
    )
}  # fmt: skip
"""Every format, by name."""

QP = Format("qp", "FITS of qp", (".qp.fits",), ("application/fits",), writes="writers.qp:QpWriter")
"""Densities as an ensemble of the package qp (qp-prob): written only, and only with densities."""

WRITTEN = tuple(extension for one in FORMATS.values() if one.writes for extension in one.extensions[:1])
"""The usual extensions of the formats that can be written."""

PACKED = (".gz", ".gzip", ".zst", ".zstd", ".zip")


def format_of_content(start: bytes) -> Format | None:
    """Return the format that a file's first bytes show; None for text, which may be CSV."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    marks = {
        b"SIMPLE  =": "fits", b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow",
        b"\x93NUMPY": "npy", b"PK\x03\x04": "npz",
    }  # fmt: skip
    for mark, name in marks.items():
        if start.startswith(mark):
            return FORMATS[name]
    if text.startswith((b"<?xml", b"<VOTABLE", b"<vot:VOTABLE", b"<!--")) and b"<html" not in text.lower():
        return FORMATS["votable"]
    if text.startswith(b"# %ECSV") or b"\n# %ECSV" in start[:4096]:
        return FORMATS["ecsv"]
    return FORMATS["jsonl"] if text.startswith(b"{") else None


def format_of_name(name: str) -> Format | None:
    """Return the format of a file's name, such as ``spectra.csv.gz``."""
    path = PurePath(name.lower())
    suffix = PurePath(path.stem).suffix if path.suffix in PACKED else path.suffix
    return next((one for one in FORMATS.values() if suffix in one.extensions), None)


def format_of_media_type(media_type: str) -> Format | None:
    """Return the format of a media type without parameters."""
    return next((one for one in FORMATS.values() if media_type.lower() in one.media_types), None)


def format_to_write(name: str) -> Format:
    """Return the format that a file to be written has by its name; raises InvalidInputError if there is none."""
    if name.lower().endswith(QP.extensions):
        return QP
    found = format_of_name(name)
    suffix = PurePath(name.lower()).suffix
    if (
        found is None
        or not found.writes
        or (suffix not in found.extensions if found.name != "csv" else suffix != ".csv")
    ):
        raise InvalidInputError(f"{name}: tables are written as {', '.join(WRITTEN)}")
    return found


def check_densities(written: Format, pdf: bool) -> None:
    """Raise InvalidInputError if a qp file was asked for without densities."""
    if written is QP and not pdf:
        raise InvalidInputError("a qp file holds densities: ask for them too (--pdf, or pdf=true)")


def settle(table: Table, found: Recognised, written: Format) -> None:
    """Find the types of the carried columns if the output's format needs them.

    From CSV to CSV every cell is copied as text.
    """
    if written.name != "csv" or not table.format.startswith("csv"):
        table.settle(found.others)


@contextmanager
def opened(file: IO[bytes], name: str = "", media_type: str = "") -> Iterator[Table]:
    """Open a table of any format that is read, compressed or not.

    Parameters
    ----------
    file : binary file that can seek
    name : str
        Of the file, if it has one.
    media_type : str
        If one was given with it.

    Raises
    ------
    InvalidTableError, MalformedBodyError
        If it is empty, damaged or of another format.
    """
    source = file if file.seekable() else spooled(file)
    content: IO[bytes] = source
    try:
        if is_zip_of_tables(source):
            with opened_zip(source, _opened, _format_name) as table:
                yield table
            return
        stream = archive_stream(source)
        content, packing = unpacked(source) if stream is None else (cast("IO[bytes]", stream), "gzip")
        table = _opened(content, name, media_type)
        if packing:
            table.format = f"{table.format} in {packing}"
        yield table
    finally:
        for one in (content, source):
            if one is not file:
                one.close()


def _format_name(name: str) -> str:
    found = format_of_name(name)
    return "" if found is None else found.name


def _opened(content: IO[bytes], name: str, media_type: str = "") -> Table:
    """Open a table that is not compressed."""
    start = content.read(BEGIN_BYTES)
    content.seek(0)
    if not start:
        raise InvalidTableError("the file is empty: a table starts with a header, a CSV one with a header line")
    found = format_of_content(start)
    if found is None:
        refuse_foreign(start)
        found = FORMATS["csv"]  # with any name: no other format begins like this
    table = found.open(content)
    said = format_of_name(name) or format_of_media_type(media_type)
    if found.name == "csv" and said is not None and said.name not in ("csv", "ecsv"):
        table.format = f"csv (and not {said.title}, as its name says)"
    return named_by_file(table, name)
