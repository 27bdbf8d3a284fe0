"""Reading spectra from an Arrow IPC stream. Imports `errors`, `spectra`, `tables` and its neighbours.

The stream comes from untrusted clients: its size is limited before it is decompressed, and Arrow validates it before
use.
"""

import io
import struct
from collections.abc import Iterator

import pyarrow

from app.wire.arrays import broken, refuse_not_finite, too_many
from gaia_redshift.errors import MAX_DETAILS, Detail, InvalidRequestError, InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import FLOAT_IDS, SpectrumBatch, is_float_text
from gaia_redshift.tables.arrow import bands_of, choose_columns, identifiers_of, join, read_batch
from gaia_redshift.tables.extinction import find_ebv, with_ebv
from gaia_redshift.tables.identifiers import SOURCE_ID
from gaia_redshift.tables.readers.claims import claims

_MOST_BYTES = 4096
"""Most decompressed bytes per spectrum: 240 numbers of eight bytes, an identifier, and a margin."""
_IDENTIFIER_LENGTH = 256


def read_arrow(body: bytes, max_spectra: int, *, lenient: bool = False) -> SpectrumBatch:
    """Read the body of a request, an Arrow IPC stream.

    Parameters
    ----------
    body : bytes
        With the columns of `choose_columns`; fluxes in e-/s per sample.
    max_spectra : int
        Most spectra allowed.
    lenient : bool
        Whether a spectrum that is not complete and finite gives an error in its row instead of refusing the request.

    Raises
    ------
    MalformedBodyError
        If the body is not an Arrow stream, or would take too much memory when decompressed.
    InvalidTableError
        If columns are missing or wrong.
    InvalidRequestError
        If there are no spectra or too many, or, unless `lenient`, one is not complete and finite; details name the
        positions.
    """
    try:
        batches = list(_record_batches(body, max_spectra))
    except (pyarrow.ArrowException, OSError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"the body is not an Arrow stream: {str(error).splitlines()[0][:200]}") from error
    if not batches:
        raise InvalidRequestError("the stream holds no spectrum", [Detail("spectra", "at least 1 item")])
    parts, row = [], 0
    for batch in batches:
        _check_names(batch, row)
        parts.append(read_batch(batch) if lenient else _read_strictly(batch, row))
        row += len(batch)
    return SpectrumBatch.join(parts)


def _read_strictly(batch: pyarrow.RecordBatch, first_row: int) -> SpectrumBatch:
    bands = bands_of(batch)
    wrong = [
        Detail(f"spectra[{first_row + row}].{at}", problem.message)
        for samples in bands.values()
        for row, (at, problem) in sorted(samples.problems.items())
    ]
    if wrong:
        raise broken(len(wrong), wrong[:MAX_DETAILS])
    refuse_not_finite({band: samples.values for band, samples in bands.items()}, first_row)
    read = SpectrumBatch(join(bands), identifiers_of(batch))
    dust = find_ebv(batch.schema)
    if dust is None:
        return read
    read = with_ebv(read, batch.column(dust))
    wrong = [Detail(f"spectra[{first_row + row}].ebv", one.message) for row, one in sorted(read.problems.items())]
    if wrong:
        raise broken(len(wrong), wrong[:MAX_DETAILS])
    return read


def _check_names(batch: pyarrow.RecordBatch, first_row: int) -> None:
    """Raise for an identifier that is too long, or a float written as text."""
    for row, name in enumerate(identifiers_of(batch) or ()):
        if not isinstance(name, str):
            continue
        at = f"spectra[{first_row + row}].{SOURCE_ID}"
        if len(name) > _IDENTIFIER_LENGTH:
            raise broken(1, [Detail(at, f"at most {_IDENTIFIER_LENGTH} characters")])
        if is_float_text(name):
            raise InvalidTableError(FLOAT_IDS, [Detail(at, f"{name[:40]} is a float")])


def _record_batches(body: bytes, max_spectra: int) -> Iterator[pyarrow.RecordBatch]:
    """Yield the chosen columns of the stream's batches that have rows, each validated in full."""
    _bound(body, max_spectra)
    with pyarrow.ipc.open_stream(body) as stream:
        schema = stream.schema
    chosen = [schema.names.index(name) for name in choose_columns(schema)]
    for place in chosen:
        if pyarrow.types.is_string_view(schema.field(place).type):
            raise InvalidTableError(
                f"column {schema.names[place][:40]} has the type string_view",
                [Detail(schema.names[place][:80], "send it as string")],
            )
    options = pyarrow.ipc.IpcReadOptions(included_fields=chosen, use_threads=False)
    with pyarrow.ipc.open_stream(body, options=options) as stream:
        for batch in stream:
            batch.validate(full=True)
            if len(batch):
                yield batch


def _bound(body: bytes, max_spectra: int) -> None:
    """Raise if a stream has too many rows or too large buffers, before any is decompressed."""
    rows, size = 0, 0
    source = io.BytesIO(body)
    for claim in claims(source):
        if claim.kind == "dictionary":
            raise pyarrow.ArrowInvalid("dictionary columns are not read here: send plain columns")
        rows, size = rows + claim.rows, size + claim.unpacked
        if rows > max_spectra:
            raise too_many(rows, max_spectra)
        if size > max_spectra * _MOST_BYTES:
            raise pyarrow.ArrowInvalid(f"its buffers take {size} bytes, more than {max_spectra} spectra can need")
    if source.tell() < len(body):
        raise pyarrow.ArrowInvalid(f"{len(body) - source.tell()} bytes follow its end: send one stream")
