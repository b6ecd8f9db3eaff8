"""blobmsg against bytes worked out from libubox's rules by hand, and against everything generated."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.control.blobmsg import attribute, attributes, decode, encode
from remsimd.control.ubus_message import HEAD_BYTES, Attribute, Kind, Message, body_bytes, number, text
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


@given(st.binary(max_size=200))
def test_nonsense_is_refused_with_a_reason_or_read(data: bytes) -> None:
    with contextlib.suppress(ControlError):
        decode(data)


def test_nesting_without_end_is_refused() -> None:
    data = b""
    for _ in range(100):
        data = attribute(2, struct.pack(">H", 1) + b"t\0" + data, named=True)
    with pytest.raises(ControlError, match="nested too deep"):
        decode(data)


def test_numbers_no_field_holds_are_refused() -> None:
    with pytest.raises(ControlError, match="64 bits"):
        encode({"n": 1 << 64})


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
