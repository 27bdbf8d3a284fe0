"""Reading spectra from a NumPy array in the ``.npy`` format. Imports `spectra`, `errors` and its neighbours.

The header is the text of a Python dictionary. NumPy evaluates it; here a regular expression reads it, and matches only
arrays of floats. The array is a view of the body.
"""

import re
import struct

import numpy as np

from app.wire.arrays import refuse_not_finite, too_many
from gaia_redshift.errors import Detail, InvalidRequestError, MalformedBodyError
from gaia_redshift.spectra import DR3, SpectrumBatch, narrow
from gaia_redshift.spectra.shapes import wrong_shape, wrong_type

_MAGIC = re.compile(rb"\x93NUMPY([\x01-\x03])\x00")
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'(?P<type>[^']{1,20})',\s*'fortran_order':\s*(?P<by_columns>True|False),"
    rb"\s*'shape':\s*\((?P<shape>[0-9, ]{0,80})\),?\s*\}\s*"
)
_RECORDS = re.compile(rb"\s*\{\s*'descr':\s*\[")
_HEADER_BYTES = 1000
"""Longest header in bytes; that of an array of floats takes about 120."""

_TYPES = {b"<f4", b">f4", b"<f8", b">f8"}


def read_npy(body: bytes, max_spectra: int, *, lenient: bool = False) -> SpectrumBatch:
    """Read the body of a request.

    Parameters
    ----------
    body : bytes
        float32 or float64 of shape (n, 186), or (n, 240), all 120 BP and then all 120 RP samples, which are truncated;
        e-/s per sample.
    max_spectra : int
        Most spectra allowed.
    lenient : bool
        Whether a number that is not finite gives an error in its row instead of refusing the request.

    Raises
    ------
    MalformedBodyError
        If the body is not a ``.npy`` file of these types, or is shorter or longer than its header says.
    InvalidRequestError
        If the shape is wrong, there are too many spectra, or, unless `lenient`, a number is not finite; details name
        its position.
    """
    header, start = _read_header(body)
    if header["type"] not in _TYPES:
        name = header["type"].decode("ascii", "replace")
        raise MalformedBodyError(wrong_type(name.lstrip("<>|=")[:1], name))
    dtype = np.dtype(header["type"].decode())
    shape = [int(length) for length in header["shape"].replace(b" ", b"").split(b",") if length]
    if len(shape) != 2 or shape[1] not in DR3.lengths["flux"] or shape[0] < 1:
        wanted = f"(n, {DR3.samples}) or (n, {DR3.untruncated})"
        found = f"{', '.join(map(str, shape))[:80]}{',' if len(shape) == 1 else ''}"
        advice = wrong_shape(shape)
        raise InvalidRequestError(
            f"the array has the wrong shape, ({found}): send {wanted}{'; ' if advice else ''}{advice}",
            [Detail("spectra", f"shape ({found}), not {wanted}")],
        )
    rows, length = shape
    if rows > max_spectra:
        raise too_many(rows, max_spectra)
    if len(body) - start != rows * length * dtype.itemsize:
        raise MalformedBodyError(
            f"the array's header announces {rows * length * dtype.itemsize} bytes, but {len(body) - start} follow"
        )
    flat = np.frombuffer(body, dtype, offset=start)
    values = flat.reshape(length, rows).T if header["by_columns"] == b"True" else flat.reshape(rows, length)
    if not lenient:
        refuse_not_finite({"flux": values})
    return SpectrumBatch(DR3.whole(narrow(values)))


def _read_header(body: bytes) -> tuple[re.Match[bytes], int]:
    """Return the parts of the header, and where the numbers start."""
    magic = _MAGIC.match(body)
    if magic is None:
        raise MalformedBodyError("the body is not an .npy array: it does not begin with the magic bytes")
    size, text = ("<H", 10) if magic[1] == b"\x01" else ("<I", 12)
    length = struct.unpack_from(size, body, 8)[0] if len(body) >= text else 0
    header = _HEADER.fullmatch(body, text, text + min(length, _HEADER_BYTES))
    if header is None and _RECORDS.match(body, text):
        raise MalformedBodyError(wrong_type("V", "a structured type"))
    if header is None:
        raise MalformedBodyError("the body is not an .npy array of floats: its header cannot be read")
    return header, text + length
