"""Writing densities in the FITS format of the package qp, without it. Imports its neighbours.

An ensemble of histograms (``qp.hist``) is three tables: META with the edges of the bins, DATA with one density per row,
and ANCIL with the other columns. Layout of qp-prob 1.1; read by ``qp.read``.
"""

import tempfile
from collections.abc import Mapping
from typing import IO

import numpy as np
import orjson
import pyarrow

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.tables.writers.fits import FitsWriter

_BLOCK = 2880
_IN_MEMORY_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20


class QpWriter:
    """Writes rows with densities to a FITS file; the file itself is written when it is closed.

    Parameters
    ----------
    file : binary file
    about : mapping
        Has ``bin_edges``; the rest goes into the header of ANCIL.

    Raises
    ------
    InvalidInputError
        If there are no densities.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        if "bin_edges" not in about:
            raise InvalidInputError("a qp file holds densities: ask for them too (--pdf, or pdf=true)")
        self._file = file
        self._edges = np.array(orjson.loads(about["bin_edges"]), ">f8")
        kept = {key: text for key, text in about.items() if key != "bin_edges"}
        self._ancil = FitsWriter(file, {"extname": "ANCIL", **kept})
        self._densities: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._rows = 0

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows; the density of a row without a redshift is NaN."""
        pdf = rows.column("pdf")
        bins = len(self._edges) - 1
        density = pdf.values.slice(pdf.offset * bins, len(pdf) * bins).to_numpy(zero_copy_only=False).reshape(-1, bins)
        missing = pdf.is_null().to_numpy(zero_copy_only=False)
        self._densities.write(np.where(missing[:, None], np.nan, density).astype(">f8").tobytes())
        self._ancil.write(rows.drop_columns(["pdf"]))
        self._rows += len(rows)

    def close(self) -> None:
        """Write the file."""
        self._ancil.close()
        meta = b"hist" + np.array([0], ">i8").tobytes() + self._edges.tobytes()
        columns = [("pdf_name", "4A"), ("pdf_version", "K"), ("bins", f"{len(self._edges)}D")]
        self._file.write(_header("META", columns, len(meta), 1))
        self._file.write(meta + b"\0" * (-len(meta) % _BLOCK))
        width = 8 * (len(self._edges) - 1)
        self._file.write(_header("DATA", [("pdfs", f"{len(self._edges) - 1}D")], width, self._rows))
        with self._densities as densities:
            densities.seek(0)
            while piece := densities.read(_PIECE_BYTES):
                self._file.write(piece)
        self._file.write(b"\0" * (-self._rows * width % _BLOCK))


def _header(name: str, columns: list[tuple[str, str]], width: int, rows: int) -> bytes:
    from astropy.io import fits

    cards: dict[str, object] = {
        "XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": rows, "PCOUNT": 0, "GCOUNT": 1,
        "TFIELDS": len(columns),
    }  # fmt: skip
    for number, (column, form) in enumerate(columns, start=1):
        cards |= {f"TTYPE{number}": column, f"TFORM{number}": form}
    return str(fits.Header({**cards, "EXTNAME": name}).tostring()).encode("ascii")
