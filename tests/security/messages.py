"""Arrow messages as no library writes them any more, made of their flatbuffers by hand."""

import struct
from collections.abc import Sequence
from functools import cache

import flatbuffers
import numpy as np
import pyarrow

from gaia_redshift.spectra import DR3

V4, V5 = 3, 4
"""What Arrow's Message.fbs calls metadata versions 4 and 5."""
_END = b"\xff\xff\xff\xff\0\0\0\0"


def _schema(schema: pyarrow.Schema, version: int) -> bytes:
    versions = {V4: pyarrow.ipc.MetadataVersion.V4, V5: pyarrow.ipc.MetadataVersion.V5}
    sink = pyarrow.BufferOutputStream()
    pyarrow.ipc.new_stream(
        sink, schema, options=pyarrow.ipc.IpcWriteOptions(metadata_version=versions[version])
    ).close()
    text: bytes = sink.getvalue().to_pybytes()
    return text.removesuffix(_END)


def _record_batch(
    rows: int,
    nodes: Sequence[tuple[int, int]],
    buffers: Sequence[tuple[int, int]],
    length: int,
    version: int,
    codec: bytes,
    codec_number: int | None,
) -> bytes:
    """Return the metadata of a record batch, which names a codec in its custom metadata, its own field, or both."""
    builder = flatbuffers.Builder(1024)
    pairs = 0
    if codec:
        name, value = builder.CreateString("ARROW:experimental_compression"), builder.CreateString(codec)
        builder.StartObject(2)
        builder.PrependUOffsetTRelativeSlot(0, name, 0)
        builder.PrependUOffsetTRelativeSlot(1, value, 0)
        pair = builder.EndObject()
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(pair)
        pairs = builder.EndVector()
    compression = 0
    if codec_number is not None:
        builder.StartObject(2)
        builder.PrependInt8Slot(0, codec_number, -1)
        compression = builder.EndObject()
    vectors = []
    for items in (nodes, buffers):
        builder.StartVector(16, len(items), 8)
        for first, second in reversed(items):
            builder.Prep(8, 16)
            builder.PrependInt64(second)
            builder.PrependInt64(first)
        vectors.append(builder.EndVector())
    builder.StartObject(4)
    builder.PrependInt64Slot(0, rows, 0)
    builder.PrependUOffsetTRelativeSlot(1, vectors[0], 0)
    builder.PrependUOffsetTRelativeSlot(2, vectors[1], 0)
    if compression:
        builder.PrependUOffsetTRelativeSlot(3, compression, 0)
    batch = builder.EndObject()
    builder.StartObject(5)
    builder.PrependInt16Slot(0, version, 0)
    builder.PrependUint8Slot(1, 3, 0)
    builder.PrependUOffsetTRelativeSlot(2, batch, 0)
    builder.PrependInt64Slot(3, length, 0)
    if pairs:
        builder.PrependUOffsetTRelativeSlot(4, pairs, 0)
    builder.Finish(builder.EndObject())
    text = bytes(builder.Output())
    text += b"\0" * (-len(text) % 8)
    return b"\xff\xff\xff\xff" + struct.pack("<i", len(text)) + text


@cache
def _zeros(size: int, codec: str) -> bytes:
    """Return many zeros, packed; packing gigabytes takes a second."""
    return bytes(pyarrow.compress(np.zeros(size, np.uint8), codec=codec, asbytes=True))


def bomb(
    size: int,
    *,
    codec: str = "zstd",
    hidden: bool = True,
    stated: bool = False,
    schema_version: int = V4,
    version: int = V4,
) -> bytes:
    """Return a stream of one spectrum whose name unpacks to `size` bytes.

    Parameters
    ----------
    size : int
    codec : str
        ``zstd`` or ``lz4``.
    hidden, stated : bool
        Whether the codec is named in the custom metadata, as before version 5, and in the batch, as since.
    schema_version, version : int
        Metadata version of the schema's message and of the batch's.
    """
    schema = pyarrow.schema({"flux": pyarrow.list_(pyarrow.float32(), DR3.samples), "source_id": pyarrow.string()})
    flux = np.linspace(0.1, 0.9, DR3.samples, dtype=np.float32).tobytes()
    frame = _zeros(size, codec)
    plain = struct.pack("<q", -1)
    body, buffers = b"", []
    for part in (
        b"",
        b"",
        plain + flux,
        b"",
        plain + struct.pack("<ii", 0, size),
        struct.pack("<q", size) + frame,
    ):
        buffers.append((len(body), len(part)))
        body += part + b"\0" * (-len(part) % 8)
    numbers = {"lz4": 0, "zstd": 1}
    metadata = _record_batch(
        1,
        [(1, 0), (DR3.samples, 0), (1, 0)],
        buffers,
        len(body),
        version,
        codec.encode() if hidden else b"",
        numbers[codec] if stated else None,
    )
    return _schema(schema, schema_version) + metadata + body + _END
