"""How a client writes spectra for ``POST /predict``: as JSON, and in binary where they are many. Imports `limits`.

JSON is written and read at some 30,000 spectra a second and binary at millions; for a few spectra neither matters, and
JSON says most about what is wrong.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import DR3

_BINARY_FROM_ROWS = 16
_LENGTHS = {"flux": (DR3.samples,), "bp": DR3.bp.lengths, "rp": DR3.rp.lengths}


def write_request(
    given: Mapping[str, ArrayLike | None], source_id: Sequence[int | str] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what httpx needs to send spectra: content, headers and params.

    Parameters
    ----------
    given : mapping
        ``flux``, or ``bp`` and ``rp``: arrays of one or two dimensions; None is as good as absent.
    source_id : sequence of int or str, or None
    options : mapping
        What else the request says, without what has its default value.

    Raises
    ------
    ValueError
        If the arrays do not belong together.
    """
    arrays = {name: np.atleast_2d(_native(value)) for name, value in given.items() if value is not None}
    counts = {len(array) for array in arrays.values()} | ({len(source_id)} if source_id is not None else set())
    if not arrays or len(counts) != 1:
        raise ValueError("give flux, or bp and rp, with as many rows as source_id")
    rows = counts.pop()
    if rows < _BINARY_FROM_ROWS or not all(_plain(name, array) for name, array in arrays.items()) or not _flat(options):
        return _as_json(arrays, source_id, rows, options)
    params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
    if source_id is None and set(arrays) == {"flux"}:
        return {"content": _as_npy(arrays["flux"]), "headers": {"Content-Type": NPY}, "params": params}
    return {"content": _as_arrow(arrays, source_id), "headers": {"Content-Type": ARROW}, "params": params}


def _native(value: ArrayLike) -> NDArray[Any]:
    """Return an array as this machine keeps it: those from FITS files have their bytes the other way round."""
    array = np.ascontiguousarray(value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _plain(name: str, array: NDArray[Any]) -> bool:
    """Say whether an array is what the service takes; any other goes as JSON, for the exact place in its error."""
    return array.ndim == 2 and array.shape[1] in _LENGTHS[name] and array.dtype.kind in "iuf"


def _flat(options: Mapping[str, Any]) -> bool:
    """Say whether all options fit into a query."""
    return all(isinstance(value, str | bool) for value in options.values())


def _as_json(
    arrays: Mapping[str, NDArray[Any]], source_id: Sequence[int | str] | None, rows: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    spectra: list[dict[str, Any]] = [{name: array[row] for name, array in arrays.items()} for row in range(rows)]
    if source_id is not None:
        for spectrum, identifier in zip(spectra, source_id, strict=True):
            spectrum["source_id"] = identifier if isinstance(identifier, str) else int(identifier)
    content = orjson.dumps({"spectra": spectra, **options}, option=orjson.OPT_SERIALIZE_NUMPY)
    return {"content": content, "headers": {"Content-Type": JSON}}


def _float(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _as_npy(flux: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, _float(flux))
    return file.getvalue()


def _as_arrow(arrays: Mapping[str, NDArray[Any]], source_id: Sequence[int | str] | None) -> bytes:
    import pyarrow

    columns = {}
    for name, array in arrays.items():
        values = pyarrow.array(_float(array).ravel())
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(values, array.shape[1])
    if source_id is not None:
        columns["source_id"] = pyarrow.array([str(one) for one in source_id], pyarrow.string())
    batch = pyarrow.RecordBatch.from_pydict(columns)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
