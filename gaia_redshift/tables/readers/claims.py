"""The sizes that an Arrow stream gives for its batches, read without unpacking them. Imports pyarrow alone.

Only metadata of version 5 are read, which Arrow has written since 2020: in older versions a message may be compressed
without its batch saying so (``ARROW:experimental_compression``), and 62 kB became 4.5 GB.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow

_CONTINUED = b"\xff\xff\xff\xff"
_VERSION_5 = 4
_KINDS = {1: "schema", 2: "dictionary", 3: "record batch"}


@dataclass(frozen=True, slots=True)
class Claim:
    """The sizes that one message gives.

    Attributes
    ----------
    kind : str
        ``schema``, ``dictionary`` or ``record batch``.
    rows : int
        Of a batch or a dictionary.
    packed, unpacked : int
        Bytes of its buffers as they are sent, and as they will be in memory.
    """

    kind: str
    rows: int = 0
    packed: int = 0
    unpacked: int = 0


def claims(file: IO[bytes]) -> Iterator[Claim]:
    """Yield the claim of each message of a stream; afterwards the file is at the stream's end.

    Parameters
    ----------
    file : binary file that can seek
        At the start of the stream; in an Arrow file (Feather) that is after its first eight bytes.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a message is cut short, of an old version or of an unknown kind, or a buffer lies outside its message.
    struct.error
        If the metadata are damaged.
    """
    start = file.tell()
    size = file.seek(0, 2)
    file.seek(start)
    while head := file.read(8):
        if not head.startswith(_CONTINUED):
            raise pyarrow.ArrowInvalid("its metadata are older than version 5: write it with Arrow 1.0 or later")
        length = _unpack("<i", head, 4) if len(head) == 8 else -1
        if length == 0:
            return
        if not 0 < length <= size - file.tell():
            raise pyarrow.ArrowInvalid("it is cut short: a message is longer than what follows")
        metadata = file.read(length)
        root = _unpack("<I", metadata, 0)
        version, kind, long = (_member(metadata, root, number) for number in (0, 1, 3))
        if not version or _unpack("<h", metadata, version) != _VERSION_5:
            raise pyarrow.ArrowInvalid("its metadata are older than version 5: write it with Arrow 1.0 or later")
        body = _unpack("<q", metadata, long) if long else 0
        here = file.tell()
        if not 0 <= body <= size - here:
            raise pyarrow.ArrowInvalid("it is cut short: a batch is longer than what follows")
        name = _KINDS.get(metadata[kind] if kind else 0)
        if name is None:
            raise pyarrow.ArrowInvalid("it holds something else than plain columns")
        header = _follow(metadata, _member(metadata, root, 2))
        if name == "dictionary":
            header = _follow(metadata, _member(metadata, header, 1))
        yield Claim(name) if name == "schema" else _batch(file, metadata, header, name, body)
        file.seek(here + body)


def _batch(file: IO[bytes], metadata: bytes, header: int, kind: str, body: int) -> Claim:
    """Return the claim of a record batch (Arrow's Message.fbs)."""
    start = file.tell()
    length = _member(metadata, header, 0)
    rows = _unpack("<q", metadata, length) if length else 0
    if not _member(metadata, header, 3):
        return Claim(kind, rows, body, body)
    buffers = _follow(metadata, _member(metadata, header, 2))
    unpacked = 0
    for index in range(_unpack("<I", metadata, buffers)):
        offset, packed = struct.unpack_from("<qq", metadata, buffers + 4 + 16 * index)
        if packed < 8:
            continue
        if not 0 <= offset <= body - 8:
            raise pyarrow.ArrowInvalid("a buffer lies outside its message")
        file.seek(start + offset)
        said = _unpack("<q", file.read(8), 0)
        unpacked += packed if said == -1 else max(0, said)
    return Claim(kind, rows, body, unpacked)


def _unpack(form: str, text: Any, position: int) -> int:
    value: int = struct.unpack_from(form, text, position)[0]
    return value


def _follow(text: bytes, position: int) -> int:
    """Return the position that a flatbuffer's reference points to."""
    return position + _unpack("<I", text, position)


def _member(text: bytes, table: int, number: int) -> int:
    """Return the position of a flatbuffer table's member, 0 if it is missing."""
    slots = table - _unpack("<i", text, table)
    slot = 4 + 2 * number
    offset = _unpack("<H", text, slots + slot) if slot < _unpack("<H", text, slots) else 0
    return table + offset if offset else 0
