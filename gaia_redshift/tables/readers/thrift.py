"""Structures in Thrift's compact protocol, as Parquet's footer and page headers are. Imports nothing of the project.

Used because pyarrow's view of a footer ends the process if its statistics are damaged. A field is found by its number
and its type, as in Parquet's readers.
"""

from typing import Any

Struct = dict[tuple[int, int], Any]
"""Fields by number and type: numbers, structures and lists of structures; others are skipped."""

I32, I64, LIST, STRUCT = 5, 6, 9, 12
_DEEPEST = 16
_BITS = {4: 16, I32: 32, I64: 64}


def read_struct(text: bytes, position: int = 0, depth: int = 0) -> tuple[Struct, int]:
    """Read a structure.

    Returns
    -------
    found : dict
    end : int
        Position after it.

    Raises
    ------
    IndexError
        If it is cut short.
    ValueError
        If it is not a structure.
    """
    if depth > _DEEPEST:
        raise ValueError("too deep")
    found: Struct = {}
    field = 0
    while head := text[position]:
        position += 1
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, position = _whole(text, position, 16)
        if kind not in {1, 2}:  # a truth value is in the type itself
            value, position = _value(text, position, kind, depth)
            if value is not None:
                found[field, kind] = value
    return found, position + 1


def _value(text: bytes, position: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _BITS:
        return _whole(text, position, _BITS[kind])
    if kind in {1, 2, 3}:
        return None, position + 1
    if kind == 7:
        return None, position + 8
    if kind == 8:
        size, position = read_varint(text, position)
        if size > len(text) - position:
            raise IndexError("cut short")
        return None, position + size
    if kind in {LIST, 10}:
        return _list(text, position, depth)
    if kind == STRUCT:
        return read_struct(text, position, depth + 1)
    raise ValueError(f"type {kind}")


def _list(text: bytes, position: int, depth: int) -> tuple[list[Any], int]:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    head = text[position]
    count, position = (head >> 4, position + 1) if head >> 4 < 15 else read_varint(text, position + 1)
    if count > len(text) - position:
        raise IndexError("cut short")
    found = []
    for _ in range(count):
        value, position = _value(text, position, head & 15, depth + 1)
        found.append(value)
    return found, position


def _whole(text: bytes, position: int, bits: int) -> tuple[int, int]:
    value, position = read_varint(text, position)
    value &= (1 << bits) - 1
    return (value >> 1) ^ -(value & 1), position


def read_varint(text: bytes, position: int) -> tuple[int, int]:
    """Return a whole number that is not negative, and the position after it; raises IndexError if it is cut short."""
    value = shift = 0
    while True:
        byte = text[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, position
