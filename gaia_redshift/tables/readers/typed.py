"""NumPy columns as Arrow columns, in native byte order, with nulls for missing values. Imports nothing of ours."""

import numpy as np
import pyarrow
from numpy.typing import NDArray


def column(values: NDArray[np.generic], null: int | None = None) -> pyarrow.Array:
    """Return numbers, or arrays of one length, as an Arrow column.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
        In any byte order; of truth values, numbers or bytes.
    null : int, optional
        Whole number that means a missing value.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    flat = flat if flat.dtype.isnative else flat.astype(flat.dtype.newbyteorder("="))
    mask = flat == null if null is not None else None
    if flat.dtype.kind == "S":
        made = text(flat)
    else:
        made = pyarrow.array(flat, mask=mask if mask is not None and mask.any() else None)
    if values.ndim == 1:
        return made
    return pyarrow.FixedSizeListArray.from_arrays(made, int(np.prod(values.shape[1:])))


def text(values: NDArray[np.generic]) -> pyarrow.Array:
    """Return bytes of fixed length as text, without the blanks and zeros at their ends."""
    import pyarrow.compute as pc

    width = values.dtype.itemsize
    raw = pyarrow.Array.from_buffers(
        pyarrow.binary(width), len(values), [None, pyarrow.py_buffer(np.ascontiguousarray(values))]
    ).cast(pyarrow.binary())
    try:
        found = raw.cast(pyarrow.string())
    except pyarrow.ArrowInvalid:
        found = pyarrow.array([one.decode("utf-8", "replace") for one in raw.to_pylist()], pyarrow.string())
    # FITS ends a text at its first zero; what follows has no meaning.
    found = pc.replace_substring_regex(found, "\x00(?s:.*)$", "") if b"\0" in raw.buffers()[2].to_pybytes() else found
    return pc.utf8_rtrim(found, characters=" ")
