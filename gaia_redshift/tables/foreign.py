"""Refusing files of other formats, recognised by their first bytes. Imports its neighbours."""

import re

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.readers.jsonl import HOW_TO_WRITE

BEGIN_BYTES = 1 << 16
_BYTES = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"\x89HDF": "HDF5: write the table as FITS, Parquet or CSV (in pandas, read_hdf and to_parquet)",
    b"CDF\x01": "NetCDF: write the table as FITS, Parquet or CSV",
    b"CDF\x02": "NetCDF: write the table as FITS, Parquet or CSV",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel (.xls): save the sheet as CSV",
    b"SQLite format 3": "a database (SQLite): write the table as CSV or Parquet",
    b"Obj\x01": "Avro: write the table as Parquet or CSV",
    b"ORC": "ORC: write the table as Parquet or CSV",
    b"FEA1": "Feather of version 1: write it again (pandas.read_feather and to_feather), or as Parquet",
    b"RDX": "data of R: write the table with write.csv",
    b"RDA": "data of R: write the table with write.csv",
    b"$FL": "data of SPSS: write the table as CSV",
    b"\x1f\x8b": "packed twice (gzip in gzip): unpack it once (gunzip)",
    b"\x28\xb5\x2f\xfd": "packed twice (zstd within): unpack it once",
    b"BZh": "packed twice (bzip2 within): unpack it",
    b"\xfd7zX": "packed twice (xz within): unpack it",
    b"\x80\x02": "a pickle, which is not read: write the table as Parquet, FITS or CSV (in pandas, to_parquet)",
    b"\x80\x03": "a pickle, which is not read: write the table as Parquet, FITS or CSV (in pandas, to_parquet)",
    b"\x80\x04": "a pickle, which is not read: write the table as Parquet, FITS or CSV (in pandas, to_parquet)",
    b"\x80\x05": "a pickle, which is not read: write the table as Parquet, FITS or CSV (in pandas, to_parquet)",
}  # fmt: skip
"""First bytes, what such a file is, and what to do with it."""

_TAR = (b"ustar\x0000", b"ustar  \x00")
_TAR_PLACE = 257

_TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)
_IPAC_TYPES = {"int", "long", "double", "float", "real", "char", "date", "i", "l", "d", "f", "r", "c"}
_RST_RULE = re.compile(r"=+( +=+)+|\+[-=]+(\+[-=]+)*\+")
_LATEX = (r"\begin", r"\documentclass", r"\hline", r"\startdata", r"\table")


def refuse_foreign(start: bytes) -> None:
    """Refuse a file of a known format that is not read.

    Parameters
    ----------
    start : bytes
        The first `BEGIN_BYTES` of a file that has no mark of a format that is read.

    Raises
    ------
    MalformedBodyError
        The message says what it is, and what to do with it.
    """
    # A mark made of letters may be the name of a column: the start must also hold bytes that text does not have.
    for mark, what in _BYTES.items():
        if start.startswith(mark) and (not mark[:1].isalpha() or b"\0" in start or b"1AY&SY" in start[:10]):
            raise MalformedBodyError(f"the file is not CSV or any other table that is read, it is {what}")
    if start[_TAR_PLACE : _TAR_PLACE + 8] in _TAR:
        raise MalformedBodyError("the file is a tar archive: unpack it (tar xf FILE), and give the table that is in it")
    text = start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    what = _text(text)
    if what:
        raise MalformedBodyError(f"the file is not CSV or any other table that is read, it is {what}")


def _text(text: str) -> str:
    """Return what a text is that is not a delimited table; empty if it may be one."""
    lowered = text[:4096].lower()
    lines = [line.rstrip() for line in text.splitlines()[:12] if line.strip()]
    first, second = (*lines, "", "")[:2]
    kinds = {
        _markup(text, lowered): text.startswith("<"),
        f"JSON, but not JSON lines: {HOW_TO_WRITE}": text.startswith(("[", "{")),
        _written("LaTeX", "latex"): text.startswith("\\") and any(mark in lowered for mark in _LATEX),
        _written("a table of IPAC", "ipac"): text.startswith("\\")
        or (second.startswith("|") and second.split("|")[1].strip().lower() in _IPAC_TYPES),
        _written("reStructuredText", "rst"): bool(_RST_RULE.fullmatch(first.strip())),
        _written("a machine-readable table (CDS, MRT)", "mrt"): "byte-by-byte" in lowered,
    }
    return next((what for what, is_so in kinds.items() if is_so), "")


def _written(what: str, form: str) -> str:
    astropy = f"Table.read(FILE, format='ascii.{form}').write('spectra.ecsv')"
    return f"{what}: write it in another format (in astropy, {astropy})"


def _markup(text: str, lowered: str) -> str:
    """Return what a text is that begins with ``<`` and is not a VOTable."""
    if "<html" in lowered or lowered.startswith(("<!doctype html", "<head", "<body", "<table", "<div", "<p>", "<h1")):
        title = _TITLE.search(text[:4096])
        named = f", {title[1][:60]!r}" if title else ""
        if "<table" in text.lower():
            return _written(f"a web page with a table (HTML{named})", "html")
        return (
            f"a web page (HTML{named}), such as a server sends when a download fails or needs a login: open it in a "
            "browser, and download the table again"
        )
    return "XML, but not a VOTable: download or write the table as VOTable, FITS or CSV"
