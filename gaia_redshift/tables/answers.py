"""Predictions in Arrow's columns, the same as a CSV answer has. Imports `redshift` of the project."""

from collections.abc import Mapping

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import COLUMNS, Predictions
from gaia_redshift.tables.columns import SOURCE_ID


def answer_schema(*, named: bool, bins: int = 0, about: Mapping[str, str] | None = None) -> pyarrow.Schema:
    """Return an answer's columns: with identifiers where the input had them, with densities where they were asked for.

    `about` goes into the metadata: which model answered, with which prior.
    """
    columns = [(SOURCE_ID, pyarrow.string())] if named else []
    columns += [(name, pyarrow.float64()) for name in COLUMNS]
    columns += [(name, pyarrow.string()) for name in ("quality", "status", "error")]
    columns += [("pdf", pyarrow.list_(pyarrow.float64(), bins))] if bins else []
    return pyarrow.schema(columns, metadata=dict(about) if about else None)


def to_arrow(predictions: Predictions, about: Mapping[str, str] | None = None) -> pyarrow.RecordBatch:
    """Return the predictions, a row per spectrum: null for what a row without a redshift has not."""
    redshifts, problems = predictions.redshifts, predictions.problems
    bins = 0 if redshifts.pdf is None else redshifts.pdf.shape[1]
    schema = answer_schema(named=predictions.source_id is not None, bins=bins, about=about)
    columns = [pyarrow.array(predictions.source_id, pyarrow.string())] if predictions.source_id is not None else []
    columns += [pyarrow.array(column, from_pandas=True) for column in np.ascontiguousarray(redshifts.values.T)]
    rows = range(len(predictions))
    errors = [f"{problems[row].code}: {problems[row].message}" if row in problems else None for row in rows]
    columns += [
        _words(redshifts.flags),
        pyarrow.array(["error" if row in problems else "ok" for row in rows], pyarrow.string()),
        pyarrow.array(errors, pyarrow.string()),
    ]
    if redshifts.pdf is not None:
        missing = pyarrow.array([row in problems for row in rows])
        columns.append(pyarrow.FixedSizeListArray.from_arrays(redshifts.pdf.ravel(), bins, mask=missing))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def _words(flags: NDArray[np.int32]) -> pyarrow.StringArray:
    """Return each row's flags joined by ``|``: there are few combinations, so each is written once."""
    kinds, rows = np.unique(flags, return_inverse=True)
    return pyarrow.array(["|".join(flag_names(kind)) for kind in kinds.tolist()], pyarrow.string()).take(rows)


def write_arrow(predictions: Predictions, about: Mapping[str, str]) -> bytes:
    """Return an Arrow IPC stream of one batch."""
    batch = to_arrow(predictions, about)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
