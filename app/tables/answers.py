"""Predictions in Arrow's columns, the same as a CSV answer has. Imports `redshift` of the project."""

import pyarrow

from app.redshift import Predictions, Redshifts
from app.tables.columns import SOURCE_ID


def answer_schema(*, named: bool, model: str = "") -> pyarrow.Schema:
    """Return an answer's columns: with identifiers where the input had them, and the model in the metadata."""
    columns = [(SOURCE_ID, pyarrow.string())] if named else []
    columns += [(name, pyarrow.float64()) for name in Redshifts.INTERVALS]
    columns += [(name, pyarrow.string()) for name in ("quality", "status", "error")]
    return pyarrow.schema(columns, metadata={"model": model} if model else None)


def to_arrow(predictions: Predictions, model: str = "") -> pyarrow.RecordBatch:
    """Return the predictions, a row per spectrum: null for what a row without a redshift has not."""
    redshifts, problems = predictions.redshifts, predictions.problems
    schema = answer_schema(named=predictions.source_id is not None, model=model)
    columns = [pyarrow.array(predictions.source_id, pyarrow.string())] if predictions.source_id is not None else []
    columns += [pyarrow.array(getattr(redshifts, name), from_pandas=True) for name in Redshifts.INTERVALS]
    rows = range(len(predictions))
    errors = [f"{problems[row].code}: {problems[row].message}" if row in problems else None for row in rows]
    columns += [
        pyarrow.array(["|".join(flags) for flags in redshifts.quality], pyarrow.string()),
        pyarrow.array(["error" if row in problems else "ok" for row in rows], pyarrow.string()),
        pyarrow.array(errors, pyarrow.string()),
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def write_arrow(predictions: Predictions, model: str) -> bytes:
    """Return an Arrow IPC stream of one batch; the schema's metadata names the `model`."""
    batch = to_arrow(predictions, model)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
