"""Small files of Parquet and Arrow that would fill memory, each in another way."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from gaia_redshift.spectra import DR3
from tests.security.messages import V4, V5, bomb

_LIST = pyarrow.list_(pyarrow.float32())
_ONE = pyarrow.array([[0.5] * DR3.samples], _LIST)


def _parquet(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def _rows(flux: pyarrow.Array, rows: int) -> pyarrow.Array:
    return pyarrow.concat_arrays([flux] * rows)


def parquet_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield Parquet files of less than a megabyte."""
    long = pyarrow.array([np.zeros(20_000_000, np.float32)], _LIST)
    plain: dict[str, Any] = {"write_statistics": False}  # they take longer than the rest
    for codec in ("none", "zstd"):
        yield (
            f"one array of 20 million zeros, {codec}",
            _parquet(pyarrow.table({"flux": long}), compression=codec, **plain),
        )
    pages = {**plain, "compression": "zstd", "data_page_version": "2.0"}
    yield "one array of 20 million zeros, pages of version 2", _parquet(pyarrow.table({"flux": long}), **pages)
    plain |= {"compression": "zstd", "use_dictionary": False}
    yield "a page of one array that unpacks", _parquet(pyarrow.table({"flux": long}), **plain)
    text = pyarrow.array(["a" * (200 << 20)])
    yield "a page of text that unpacks", _parquet(pyarrow.table({"flux": _ONE, "name": text}), **plain)
    flux = _rows(_ONE, 4000)
    same = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 4000, pyarrow.int32()), ["a" * 1_000_000])
    yield "one long text in every row", _parquet(pyarrow.table({"flux": flux, "name": same}), compression="zstd")
    lists = pyarrow.array([["a" * 90_000]] * 1000, pyarrow.list_(pyarrow.string()))
    yield (
        "one long text in every list",
        _parquet(pyarrow.table({"flux": flux.slice(0, 1000), "name": lists}), compression="zstd"),
    )
    for name, cell, kind in (
        ("text in lists", ["a" * 2000] * 10, None),
        ("text in a structure", {"a": "a" * 20_000}, None),
        ("text in maps", [("k", "a" * 2000)] * 10, pyarrow.map_(pyarrow.string(), pyarrow.string())),
        ("bytes of one length", b"a" * 20_000, pyarrow.binary(20_000)),
        ("bytes of one length in lists", [b"a" * 2000] * 10, pyarrow.list_(pyarrow.binary(2000))),
    ):
        value = pyarrow.array([cell], kind)
        yield f"equal {name}", _parquet(pyarrow.table({"flux": flux, "name": _rows(value, 4000)}), compression="zstd")
    words = {f"name{number}": ["a" * 1500] * 500 for number in range(100)}
    few = pyarrow.table({"flux": flux.slice(0, 500), **words})
    yield "equal text in every one of 100 columns", _parquet(few, compression="zstd")
    many = pyarrow.table({"flux": _rows(_ONE, 100), "name": ["a" * 2_000_000] * 100})
    yield "many pages of text that unpack", _parquet(many, data_page_size=1, **plain)


def many_rows(rows: int) -> bytes:
    """Return Parquet of empty rows: some bytes for any number of rows."""
    return _parquet(pyarrow.table({"flux": pyarrow.nulls(rows, _LIST)}), row_group_size=rows)


def arrow_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield Arrow streams and files of less than a megabyte."""
    for version in (V4, V5):
        for stated in (False, True):
            content = bomb(1 << 30, schema_version=version, version=version, hidden=not stated, stated=stated)
            yield f"metadata {version}, {'stated' if stated else 'hidden'}", content
            yield f"metadata {version}, {'stated' if stated else 'hidden'}, as a file", b"ARROW1\0\0" + content
    flux = _rows(_ONE, 4000)
    text = pyarrow.array(["a" * 1_000_000])
    indices = pyarrow.array([0] * 4000, pyarrow.int32())
    view = text.cast(pyarrow.string_view()).buffers()
    views = pyarrow.Array.from_buffers(
        pyarrow.string_view(), 4000, [None, pyarrow.py_buffer(view[1].to_pybytes()[:16] * 4000), *view[2:]]
    )
    ends = pyarrow.array([20_000_000], pyarrow.int32())
    for name, column in (
        ("one long text in every row", pyarrow.DictionaryArray.from_arrays(indices, text)),
        ("one view of a long text in every row", views),
        ("one run", pyarrow.RunEndEncodedArray.from_arrays(ends, pyarrow.array(["a"])).slice(0, 4000)),
        ("long lists of nothing", pyarrow.ListArray.from_arrays([0, *[2**31 - 1] * 4000], pyarrow.nulls(2**31 - 1))),
    ):
        table = pyarrow.table({"flux": flux, "name": column})
        for file in (False, True):
            sink = pyarrow.BufferOutputStream()
            options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
            make = pyarrow.ipc.new_file if file else pyarrow.ipc.new_stream
            with make(sink, table.schema, options=options) as stream:
                stream.write_table(table)
            yield f"{name}, {'file' if file else 'stream'}", sink.getvalue().to_pybytes()
