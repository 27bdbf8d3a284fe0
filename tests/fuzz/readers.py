"""Coverage-guided fuzzing of every reader of what strangers send: ``python -m tests.fuzz.readers csv`` (``make fuzz``).

Each target may raise what a client is told of, and nothing else; what it reads must keep its promises. The other
arguments are libFuzzer's.
"""

import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import atheris
import numpy as np
import pyarrow

with atheris.instrument_imports(include=["app", "gaia_redshift"]):
    from app.serving.http.body import body_of
    from app.serving.http.head import Head, find_head
    from app.wire import json as reading
    from app.wire.arrow import read_arrow
    from app.wire.json import read_request
    from app.wire.npy import read_npy
    from app.wire.schemas import PredictRequest
    from gaia_redshift.bundle import MANIFEST, ONNX_FILE, Bundle
    from gaia_redshift.bundle.external import has_external_data
    from gaia_redshift.errors import RedshiftError
    from gaia_redshift.tables import csv as tables_csv
    from gaia_redshift.tables.columns import find_layout
    from gaia_redshift.tables.csv import read_csv, write_csv
    from gaia_redshift.tables.formats import FORMATS, opened
    from gaia_redshift.tables.readers import arrow, ecsv, fits, jsonl, npy, votable  # noqa: F401 - to be followed
    from gaia_redshift.tables.recognise import recognise
    from gaia_redshift.tables.spectra import read_spectra

from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import DR3, SpectrumBatch
from tests.security.corpus import NAMES, ROW, arrays, documents, streams, tables
from tests.tiny import write_tiny_bundle

_LONGEST_SEED = 20_000
_NEXT_FILE = b"\nNEXT\n"
"""Separator of an archive's files in the fuzzer's bytes."""


def read_json(data: bytes) -> None:
    """The schema accepts everything that the fast reader accepts."""
    with suppress(RedshiftError):
        batch, _ = read_request(data, 50)
        assert batch.flux.shape[1] == DR3.samples
        assert len(PredictRequest.model_validate_json(data).spectra) == len(batch)
    with suppress(RedshiftError):
        reading._refuse_bomb(data, 1)


def read_table(data: bytes) -> None:
    """Both readers of CSV give the same rows, and what is written can be read again."""
    found = []
    for arrow_from in (0, 1 << 30):
        tables_csv._ARROW_FROM_BYTES = arrow_from
        try:
            found.append([check_batch(batch) for batch in read_csv(io.BytesIO(NAMES.encode() + b"\n" + data))])
        except RedshiftError as error:
            found.append([error.code])
    assert found[0] == found[1], found


def check_batch(batch: SpectrumBatch) -> tuple[int, list[int]]:
    """Write a batch as a table and return its size and its bad rows."""
    values = batch.flux[:, 0].astype(float)
    redshifts = Redshifts(np.tile(values[:, None], (1, 5)), np.zeros(len(batch), np.int32))
    text = write_csv(Predictions(redshifts, batch.source_id, dict(batch.problems)), header=True)
    assert text.count("\n") >= len(batch) + 1
    return len(batch), sorted(batch.problems)


def read_array(data: bytes) -> None:
    """Any bytes give finite spectra or an error."""
    with suppress(RedshiftError):
        check_strict(read_npy(data, 50))


def read_stream(data: bytes) -> None:
    """Any bytes give spectra or an error; Arrow must not crash on accepted bytes."""
    with suppress(RedshiftError):
        check_strict(read_arrow(data, 50))


def read_format(name: str) -> Callable[[bytes], None]:
    """Return a target: any bytes at all are a table of this format, or of another by their content, or an error."""
    return lambda data: read_whole(data, f"a{FORMATS[name].extensions[0]}")


def read_whole(data: bytes, name: str) -> None:
    """Read a table to its end, with its other columns."""
    with suppress(RedshiftError), opened(io.BytesIO(data), name) as table:
        table.settle(range(len(table.schema)))
        rows = 0
        for batch in read_spectra(table, recognise(table), carry=True):
            assert batch.flux.shape == (len(batch), batch.grid.samples)
            assert batch.carried is None or len(batch.carried) == len(batch)
            assert all(0 <= row < len(batch) for row in batch.problems)
            rows += len(batch)
            if rows > _MOST_ROWS:
                break


def read_zip(data: bytes) -> None:
    """Any bytes at all are a zip archive, or the files of one, which checksums keep from being changed in it."""
    read_whole(data, "a.zip")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, content in enumerate(data.split(_NEXT_FILE)[:20]):
            archive.writestr(f"XP_CONTINUOUS-Gaia DR3 {number}.csv", content)
    read_whole(file.getvalue(), "a.zip")


def format_seeds(name: str) -> Iterator[bytes]:
    """Yield small tables: arrays, a column for each sample, and the archive's coefficients; of `zip`, several files."""
    flux = np.random.default_rng(1).uniform(0.1, 1, (3, DR3.samples)).astype(np.float32)
    spectra = [
        {"flux": list(flux)},
        {"bp": list(flux[:, :80]), "rp": list(flux[:, 80:])},
        {f"{band}_coefficients": list(flux[:, :55]) for band in ("bp", "rp")},
    ]
    for columns in spectra:
        file = io.BytesIO()
        if name == "npy":
            np.save(file, flux)
        elif name == "zip":
            yield from (
                _NEXT_FILE.join([content] * 3) for form in ("csv", "ecsv", "fits") for content in format_seeds(form)
            )
            return
        elif name == "npz":
            np.savez(file, **{key: np.stack(value) for key, value in columns.items()})
        else:
            writer = FORMATS[name].writer(file, {})
            more = {"source_id": [1, 2, 3], "name": ["a", None, "b"]}
            writer.write(pyarrow.RecordBatch.from_pydict({**more, **columns}))
            writer.close()
        yield file.getvalue()


def check_strict(batch: SpectrumBatch) -> None:
    """Touch every number and name of a batch that was read strictly."""
    assert 0 < len(batch) <= 50
    assert batch.flux.shape[1] == DR3.samples
    assert not np.isnan(batch.flux).any()
    assert batch.source_id is None or len(batch.source_id) == len(batch)


def read_connection(data: bytes) -> None:
    """The requests of a connection, or the errors, do not depend on how the bytes are cut."""
    cut = data[0] * 7 if data else 0
    assert requests_of(data, len(data)) == requests_of(data, 1) == requests_of(data, cut % 97 + 1)


def requests_of(data: bytes, step: int) -> list[object]:
    """Return method, path and body of each request, and at last whether what followed was refused."""
    found: list[object] = []
    buffer, body, text, head = b"", None, b"", None
    try:
        for start in range(0, len(data), max(1, step)):
            buffer += data[start : start + step]
            while buffer:
                if body is None:
                    buffer = buffer.lstrip(b"\r\n")  # as the connection does between requests
                    end = find_head(buffer, 2000)
                    if not end:
                        break
                    head, buffer, text = Head(buffer[:end]), buffer[end:], b""
                    body = body_of(head, 2000, 1_000_000)
                if not body.complete:
                    piece, buffer = body.read(buffer)
                    text += piece
                if not body.complete:
                    break
                found.append((head and head.method, head and head.path, text))
                body = None
    except RedshiftError:
        found.append("refused")
    return found


def read_graph(data: bytes) -> None:
    """Any bytes are a graph, whole or not, or an error."""
    with suppress(ValueError):
        has_external_data(data)


def read_columns(data: bytes) -> None:
    """Any names give a layout or an error."""
    with suppress(RedshiftError):
        layout = find_layout(data.decode("utf-8", "replace").split(","))
        assert len(layout.samples) >= DR3.samples


def read_manifest(data: bytes) -> None:
    """Any bytes give a bundle or an error."""
    (_BUNDLE / MANIFEST).write_bytes(data)
    with suppress(RedshiftError):
        Bundle(_BUNDLE)


_BUNDLE = write_tiny_bundle(Path(tempfile.mkdtemp(prefix="gaia-redshift-fuzz-")) / "tiny")
_GOOD_MANIFEST = (_BUNDLE / MANIFEST).read_bytes()
_HEAD = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\n"
_CONNECTIONS = [
    _HEAD + b"Content-Length: 2\r\n\r\n{}" + _HEAD + b"\r\n",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\n" + _HEAD + b"\r\n",
    _HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    _HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
]
_MOST_ROWS = 100_000
_TARGETS: dict[str, Callable[[bytes], None]] = {
    "json": read_json,
    "csv": read_table,
    "npy": read_array,
    "arrow": read_stream,
    "connection": read_connection,
    "columns": read_columns,
    "graph": read_graph,
    "manifest": read_manifest,
    **{f"table-{name}": read_format(name) for name in FORMATS},
    "table-zip": read_zip,
}


def main() -> None:
    """Fuzz the reader that the first argument names, from the corpus of hostile inputs."""
    name = sys.argv.pop(1)
    seeds = Path(tempfile.mkdtemp(prefix=f"gaia-redshift-fuzz-{name}-"))
    known = [content for _, content in (*documents(), *tables(), *arrays(), *streams())] + [
        ROW.encode(),
        NAMES.encode(),
        _GOOD_MANIFEST,
        (_BUNDLE / ONNX_FILE).read_bytes(),
        *_CONNECTIONS,
    ]
    if name.startswith("table-"):
        known = list(format_seeds(name.removeprefix("table-")))
    for number, content in enumerate(known):
        if len(content) <= _LONGEST_SEED:
            (seeds / str(number)).write_bytes(content)
    atheris.Setup([*sys.argv, str(seeds)], _TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
