"""How a client writes spectra for ``POST /predict``: as JSON, or in binary if there are many. Imports `spectra`.

JSON is written and read at about 30,000 spectra per second and binary at millions. For a few spectra the speed does not
matter, and JSON gives the most precise errors. Identifiers are not sent: answers come in the order of the spectra.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import DR3, Identifier

_BINARY_FROM_ROWS = 16


@dataclass(frozen=True, slots=True)
class Spectra:
    """Arrays of n spectra, as the user gave them."""

    arrays: Mapping[str, NDArray[np.generic]]
    """``flux``, or ``bp`` and ``rp``, each with n rows."""
    masks: Mapping[str, NDArray[np.bool_] | None]
    """Which numbers are masked, in the same shapes; None where none is."""
    ebv: NDArray[np.float64] | None = None
    """E(B-V) to correct for, shape (n,), NaN for none; the service refuses the rows where it is wrong."""

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def part(self, rows: slice) -> "Spectra":
        """Return some of the spectra."""
        masks = {name: None if mask is None else mask[rows] for name, mask in self.masks.items()}
        ebv = None if self.ebv is None else self.ebv[rows]
        return Spectra({name: array[rows] for name, array in self.arrays.items()}, masks, ebv)

    @property
    def plain(self) -> bool:
        """Whether the arrays have shapes and types that the service takes."""
        return all(
            array.ndim == 2 and array.shape[1] in DR3.lengths[name] and array.dtype.kind in "iuf"
            for name, array in self.arrays.items()
        )


def write_request(spectra: Spectra, options: Mapping[str, object]) -> dict[str, Any]:
    """Return httpx's arguments for a request with spectra: content, headers and params.

    Parameters
    ----------
    spectra : Spectra
        Spectra that are not `plain` are sent as JSON, since its errors name the exact place.
    options : mapping
        The request's other fields, without those at their defaults.
    """
    whole = spectra.plain and not any(mask is not None for mask in spectra.masks.values())
    finite = whole and all(np.isfinite(array).all() for array in spectra.arrays.values())
    if not spectra.plain or not _flat(options) or (len(spectra) < _BINARY_FROM_ROWS and finite):
        return _as_json(spectra, options)
    params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
    if whole and set(spectra.arrays) == {"flux"} and spectra.ebv is None:
        return {"content": _as_npy(spectra.arrays["flux"]), "headers": {"Content-Type": NPY}, "params": params}
    return {"content": as_arrow(spectra), "headers": {"Content-Type": ARROW}, "params": params}


def _flat(options: Mapping[str, object]) -> bool:
    """Return whether all options fit into a query."""
    return all(isinstance(value, str | bool) for value in options.values())


def _as_json(spectra: Spectra, options: Mapping[str, object]) -> dict[str, object]:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, array in spectra.arrays.items():
        mask = spectra.masks.get(name)
        values = array if mask is None else np.where(mask, np.nan, array)  # NaN is written as null
        if name == "flux" and array.shape[1:] == (DR3.untruncated,):
            arrays["bp"] = np.ascontiguousarray(values[:, : DR3.bp.samples])
            arrays["rp"] = np.ascontiguousarray(values[:, DR3.bp.samples :])
        else:
            arrays[name] = values
    rows: list[dict[str, object]] = [
        {name: array[row] for name, array in arrays.items()} for row in range(len(spectra))
    ]
    for row, value in enumerate(() if spectra.ebv is None else spectra.ebv.tolist()):
        rows[row]["ebv"] = str(value) if np.isinf(value) else value  # NaN is written as null
    if not spectra.plain:  # wrong for the array as a whole, so strict whatever `rows` says
        options = {name: value for name, value in options.items() if name != "rows"}
    content = orjson.dumps({"spectra": rows, **options}, option=orjson.OPT_SERIALIZE_NUMPY, default=_as_text)
    return {"content": content, "headers": {"Content-Type": JSON}}


def _as_text(value: object) -> object:
    """Write a value that JSON cannot hold as text, so that the service's error says where it is."""
    return value.tolist() if isinstance(value, np.ndarray) else str(value)[:40]


def _float(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _as_npy(flux: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, _float(flux))
    return file.getvalue()


def as_arrow(spectra: Spectra, source_id: Sequence[Identifier] | None = None) -> bytes:
    """Return spectra as an Arrow stream, with their identifiers if given."""
    import pyarrow

    columns = {} if source_id is None else {"source_id": pyarrow.array(source_id)}
    for name, array in spectra.arrays.items():
        mask = spectra.masks.get(name)
        values = pyarrow.array(_float(array).ravel(), mask=None if mask is None else mask.ravel())
        columns[name] = pyarrow.FixedSizeListArray.from_arrays(values, array.shape[1])
    if spectra.ebv is not None:
        columns["ebv"] = pyarrow.array(spectra.ebv, from_pandas=True)
    batch = pyarrow.RecordBatch.from_pydict(columns)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
