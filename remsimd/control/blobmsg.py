"""blob and blobmsg, the binary form of values on OpenWrt's ubus (libubox: blob.h, blobmsg.h).

An attribute is a big-endian word (a bit that says a name follows, 7 bits of id, 24 bits of
length that count this word), its payload, and zeros up to a multiple of 4. A blobmsg attribute
is one with a name and a type for its id; tables and arrays hold further ones.
"""

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from remsimd.errors import ControlError

DEPTH_MAX = 32
"""Nesting that is followed; nothing on a router nests as deep."""
HEAD = struct.Struct(">I")

_NAMED = 0x80000000
_LENGTH = 0xFFFFFF
_NAME_BYTES = struct.Struct(">H")
_NAME_MAX_BYTES = 1 << 16


class Type(IntEnum):
    """The id of a blobmsg attribute."""

    UNSPEC = 0
    """Nothing, JSON's null."""
    ARRAY = 1
    TABLE = 2
    STRING = 3
    INT64 = 4
    INT32 = 5
    INT16 = 6
    INT8 = 7
    """A truth value; libubox has no other one."""
    DOUBLE = 8


NUMBERS = {
    Type.INT64: struct.Struct(">q"),
    Type.INT32: struct.Struct(">i"),
    Type.INT16: struct.Struct(">h"),
    Type.DOUBLE: struct.Struct(">d"),
}
_DOUBLE_ITEM = struct.Struct(">I4xd")
"""A whole attribute: its word, the empty name with its padding, the value."""
_DOUBLE_ITEM_WORD = _NAMED | Type.DOUBLE << 24 | _DOUBLE_ITEM.size


def attribute(number: int, payload: bytes, *, named: bool = False) -> bytes:
    """One attribute with its padding; raises `ControlError` when its length has more than 24 bits."""
    length = HEAD.size + len(payload)
    if length > _LENGTH:
        raise ControlError(f"an attribute of {length} bytes is larger than ubus carries: ask for less")
    word = (_NAMED if named else 0) | number << 24 | length
    return HEAD.pack(word) + payload + bytes(-len(payload) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and payload of each attribute; raises `ControlError` where a length cannot be true."""
    offset = 0
    while offset + HEAD.size <= len(data):
        (word,) = HEAD.unpack_from(data, offset)
        end = offset + (word & _LENGTH)
        if not offset + HEAD.size <= end <= len(data):
            raise ControlError("a ubus attribute is longer than its message")
        yield word >> 24 & 0x7F, data[offset + HEAD.size : end]
        offset = end + (-end % 4)


def encode(table: Mapping[str, Any]) -> bytes:
    """The attributes of a table of JSON values; raises `ControlError` for what ubus cannot hold."""
    return b"".join(_value(name, value) for name, value in table.items())


def decode(data: bytes, depth: int = DEPTH_MAX) -> dict[str, Any]:
    """The table that attributes hold; raises `ControlError` when they are not blobmsg."""
    return {name: _read(kind, value, depth) for kind, name, value in _named(data)}


def _value(name: str, value: Any) -> bytes:
    match value:
        case None:
            kind, data = Type.UNSPEC, b""
        case bool():
            kind, data = Type.INT8, bytes([value])
        case int():
            kind = Type.INT32 if -(1 << 31) <= value < 1 << 31 else Type.INT64
            if not -(1 << 63) <= value < 1 << 63:
                raise ControlError(f"{name} has more than 64 bits")
            data = NUMBERS[kind].pack(value)
        case float():
            kind, data = Type.DOUBLE, NUMBERS[Type.DOUBLE].pack(value)
        case str():
            kind, data = Type.STRING, _text(value)
        case Mapping():
            kind, data = Type.TABLE, encode(value)
        case list() | tuple():
            kind, data = Type.ARRAY, b"".join(map(_item, value))
        case _:
            raise TypeError(f"{name} is a {type(value).__name__}, not a JSON value")
    text = _text(name)
    if len(text) > _NAME_MAX_BYTES:
        raise ControlError(f"a name of {len(text)} bytes is longer than ubus carries")
    head = _NAME_BYTES.pack(len(text) - 1) + text
    return attribute(kind, head + bytes(-len(head) % 4) + data, named=True)


def _item(value: Any) -> bytes:
    """What stands in an array; recorded values are floats by the thousand, so these have a short way."""
    return _DOUBLE_ITEM.pack(_DOUBLE_ITEM_WORD, value) if type(value) is float else _value("", value)


def _text(value: str) -> bytes:
    """The C string; what stands behind a NUL would not be read."""
    return value.partition("\0")[0].encode("utf-8", "replace") + b"\0"


def _named(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    for kind, payload in attributes(data):
        if len(payload) < _NAME_BYTES.size:
            raise ControlError("a blobmsg attribute has no name")
        (length,) = _NAME_BYTES.unpack_from(payload)
        begin = _NAME_BYTES.size
        value = begin + length + 1
        if value > len(payload):
            raise ControlError("a blobmsg name is longer than its attribute")
        name = payload[begin : begin + length].decode("utf-8", "replace")
        yield kind, name, payload[value + (-value % 4) :]


def _read(kind: int, data: bytes, depth: int) -> Any:
    if kind in (Type.TABLE, Type.ARRAY):
        if depth == 0:
            raise ControlError("a ubus message is nested too deep")
        if kind == Type.TABLE:
            return decode(data, depth - 1)
        return [_read(item, value, depth - 1) for item, _, value in _named(data)]
    if kind == Type.STRING:
        return data.partition(b"\0")[0].decode("utf-8", "replace")
    if kind == Type.INT8 and data:
        return data[0] != 0
    if kind == Type.UNSPEC:
        return None
    number = NUMBERS.get(Type(kind)) if kind <= Type.DOUBLE else None
    if number is None or len(data) != number.size:
        raise ControlError(f"a blobmsg value of type {kind} has {len(data)} bytes")
    return number.unpack(data)[0]
