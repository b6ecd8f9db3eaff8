"""blobmsg against bytes worked out from libubox's rules by hand, and against everything generated."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.control.blobmsg import DEPTH_MAX, attribute, attributes, decode, encode
from remsimd.control.ubus_message import (
    BODY_MAX_BYTES,
    HEAD_BYTES,
    Attribute,
    Kind,
    Message,
    body_bytes,
    number,
    text,
)
from remsimd.control.ubus_message import decode as decode_message
from remsimd.control.ubus_message import encode as encode_message
from remsimd.errors import ControlError

KNOWN = [
    ({"foo": "bar"}, "83000010 0003 666f6f00 0000 62617200"),
    ({"n": 1}, "8500000c 0001 6e00 00000001"),
    ({"n": -2}, "8500000c 0001 6e00 fffffffe"),
    ({"big": 1 << 32}, "84000014 0003 62696700 0000 0000000100000000"),
    ({"yes": True}, "8700000d 0003 79657300 0000 01 000000"),
    ({"no": None}, "8000000c 0002 6e6f00 000000"),
    ({"x": 0.5}, "88000010 0001 7800 3fe0000000000000"),
    ({"t": {"a": 1}}, "82000014 0001 7400 8500000c 0001 6100 00000001"),
    ({}, ""),
]


@pytest.mark.parametrize(("table", "hexadecimal"), KNOWN)
def test_tables_are_the_bytes_libubox_writes(table: dict[str, Any], hexadecimal: str) -> None:
    assert encode(table).hex() == hexadecimal.replace(" ", "")
    assert decode(encode(table)) == table


def test_what_stands_in_an_array_has_an_empty_name_and_is_padded() -> None:
    inner = "8300000a 0000 0000 6100 0000".replace(" ", "")
    assert encode({"l": ["a"]}).hex() == ("81000014 0001 6c00".replace(" ", "") + inner)


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(names, values, max_size=6))
def test_every_json_value_comes_back(table: dict[str, Any]) -> None:
    assert decode(encode(table)) == table


@given(st.lists(st.floats(allow_nan=False), max_size=30))
def test_the_short_way_of_numbers_in_an_array_is_the_long_one(numbers: list[float]) -> None:
    long = b"".join(attribute(8, bytes(4) + struct.pack(">d", number), named=True) for number in numbers)
    (name,) = attributes(encode({"l": numbers}))
    assert name == (1, b"\0\1l\0" + long)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a table with some cut off, put in, or changed: also its lengths."""
    data = bytearray(encode(draw(st.dictionaries(names, values, min_size=1, max_size=4))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["cut", "change", "insert", "length"])):
            case "cut":
                del data[at:]
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case "length":
                data[1:4] = draw(st.binary(min_size=3, max_size=3))
    return bytes(data)


@given(damaged())
def test_what_is_damaged_is_refused_or_read_as_something_that_can_be_said_again(data: bytes) -> None:
    with contextlib.suppress(ControlError):
        encode(decode(data))


@given(st.integers(0, 127), st.integers(0, 0xFFFFFF), st.binary(max_size=64), st.booleans())
def test_a_length_is_believed_only_where_the_bytes_are_there(
    kind: int, length: int, payload: bytes, named: bool
) -> None:
    data = struct.pack(">I", named << 31 | kind << 24 | length) + payload
    if 4 <= length <= len(data):
        assert next(attributes(data)) == (kind, data[4:length])
    else:
        with pytest.raises(ControlError, match="longer than its message"):
            next(attributes(data))


@given(st.binary(max_size=200))
def test_nonsense_is_refused_with_a_reason_or_read(data: bytes) -> None:
    with contextlib.suppress(ControlError):
        decode(data)


@pytest.mark.parametrize("kind", [1, 2])
@given(st.integers(0, 3 * DEPTH_MAX))
def test_nesting_is_followed_so_far_and_no_further(kind: int, depth: int) -> None:
    data = b""
    for _ in range(depth):
        data = attribute(kind, struct.pack(">H", 1) + b"t\0" + data, named=True)
    if depth <= DEPTH_MAX:
        decode(data)
    else:
        with pytest.raises(ControlError, match="nested too deep"):
            decode(data)


def test_numbers_no_field_holds_are_refused() -> None:
    with pytest.raises(ControlError, match="64 bits"):
        encode({"n": 1 << 64})


def test_names_and_values_no_length_tells_are_refused() -> None:
    assert decode(encode({"n" * 0xFFFF: 1})) == {"n" * 0xFFFF: 1}
    with pytest.raises(ControlError, match="a name of 65537 bytes"):
        encode({"n" * (1 << 16): 1})
    with pytest.raises(ControlError, match="ask for less"):
        encode({"text": "x" * (1 << 24)})


@given(st.binary(min_size=HEAD_BYTES, max_size=HEAD_BYTES), st.binary(max_size=100))
def test_any_head_and_body_are_refused_or_a_message(head: bytes, body: bytes) -> None:
    with contextlib.suppress(ControlError):
        assert 0 <= body_bytes(head) < BODY_MAX_BYTES
    with contextlib.suppress(ControlError):
        message = decode_message(head, body)
        assert message.attributes.keys() <= set(range(128))
        for wanted in Attribute:
            message.number(wanted)
            message.text(wanted)


def test_a_message_is_what_libubus_writes() -> None:
    parts = [(Attribute.OBJPATH, text("remsim")), (Attribute.OBJID, number(7))]
    raw = encode_message(Kind.ADD_OBJECT, 0x0102, 0x03040506, parts)
    assert raw.hex() == (
        "00060102 03040506"  # version, type, number and peer, as cpu_to_be16 and cpu_to_be32 leave them
        "00000018"  # the whole: id 0
        "0200000b 72656d73696d00 00"
        "03000008 00000007"
    ).replace(" ", "")
    head, body = raw[:HEAD_BYTES], raw[HEAD_BYTES:]
    assert body_bytes(head) == len(body)
    message = decode_message(head, body)
    assert message == Message(Kind.ADD_OBJECT, 0x0102, 0x03040506, dict(attributes(body)))
    assert (message.text(Attribute.OBJPATH), message.number(Attribute.OBJID)) == ("remsim", 7)


@pytest.mark.parametrize("head", ["01000000 00000000 00000004", "00000000 00000000 00ffffff", "00" * 12])
def test_what_is_not_ubus_is_refused_at_its_head(head: str) -> None:
    with pytest.raises(ControlError, match="not ubus"):
        body_bytes(bytes.fromhex(head))


def test_a_message_too_large_for_ubusd_is_not_sent() -> None:
    with pytest.raises(ControlError, match="1024 KiB"):
        encode_message(Kind.DATA, 1, 1, [(Attribute.DATA, bytes(1 << 20))])
