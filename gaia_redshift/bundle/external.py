"""Detects whether an ONNX graph keeps tensors in other files, without a runtime. Imports nothing of the project.

ONNX Runtime reads such files from the current folder, and they are not in the manifest. This module walks the protocol
buffers (onnx.proto) and finds every reference to another file, also in subgraphs and functions.
"""

from collections.abc import Iterator

_EXTERNAL_DATA, _DATA_LOCATION, _WITHIN = 13, 14, 0
"""Numbers in a TensorProto: fields `external_data` and `data_location`, and the latter's value for 'in this file'."""

_BELOW: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""For each message type, the numbers of the fields that hold messages with tensors, and the types of these."""

_DEEPEST = 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def has_external_data(model: bytes) -> bool:
    """Return whether a tensor of the model is stored in another file.

    Raises
    ------
    ValueError
        If the bytes are not protocol buffers, or nested too deeply.
    """
    waiting = [("model", memoryview(model), 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError("the graph is nested too deeply")
        for number, value in _fields(message):
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != _WITHIN):
                    return True
            elif number in _BELOW[kind] and isinstance(value, memoryview):
                waiting.append((_BELOW[kind][number], value, depth + 1))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number of each field, with its integer value or its bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("the graph is not protocol buffers")
        if length > len(message) - at:
            raise ValueError("the graph is cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("the graph is cut off")
