"""The kernel's messages, recorded from Linux 6.18, and the table kept from them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.failover.links import Hop, LinkTable
from remsimd.failover.rtnetlink import (
    Address,
    DefaultRoute,
    DumpDone,
    Link,
    Overrun,
    Refused,
    decode,
    dump_requests,
)

ADDRESS_DUMP = bytes.fromhex(
    "4c00000014000200020000002c3c0000020880fe01000000080001007f000001080002007f000001070003006c6f00000800"
    "08008000000014000600ffffffffffffffffe64b0300e64b03005000000014000200020000002c3c0000021e800065000000"
    "080001000a400002080002000a4000020a0003007777616e30000000080008008000000014000600ffffffffffffffffea4b"
    "0300ea4b03005000000014000200020000002c3c00000a8080fe010000001400010000000000000000000000000000000001"
    "14000600ffffffffffffffffe64b0300e64b0300080008008000000005000b00010000005000000014000200020000002c3c"
    "00000a40c0fd6500000014000100fe80000000000000c86f70fffe53205b14000600ffffffffffffffffea4b0300ea4b0300"
    "08000800c000000005000b0003000000"
)
POINT_TO_POINT = bytes.fromhex(
    "50000000140000004a3d056b4d3c00000220800065000000080001000a090001080002000a0900020a0003007777616e3000"
    "0000080008008000000014000600ffffffffffffffff634c0300634c0300"
)
ADDRESS_GONE = bytes.fromhex(
    "50000000150000004c3d056b693c0000021e800065000000080001000a400002080002000a4000020a0003007777616e3000"
    "0000080008008000000014000600ffffffffffffffffea4b0300ea4b0300"
)
DEFAULT_ON_DEVICE = bytes.fromhex(
    "34000000180000064b3d056b563c000002000000fe03fd010000000008000f00fe00000008000600050000000800040065000000"
)
DEFAULT_GONE = bytes.fromhex(
    "34000000190000004c3d056b643c000002000000fe03fd010000000008000f00fe00000008000600050000000800040065000000"
)
DEFAULT_IPV6 = bytes.fromhex(
    "74000000180000064b3d056b623c00000a000000fe0300010000000008000f00fe0000000800060000040000140005"
    "00fe800000000000000000000000000001080004006500000024000c00000000000000000000000000000000000000"
    "00000000000000000000000000000005001400000000"
    "00"
)
DEFAULT_MULTIPATH = bytes.fromhex(
    "40000000180000064b3d056b633c000002000000070300010000000008000f00070000001c00090010000000650000000800"
    "05000a4000010800000065000000"
)
CONNECTED_ROUTE = bytes.fromhex(
    "3c00000018000006000000000000000002200000fe02fd010000000008000f00fe000000080001000a090001080007000a09"
    "00020800040065000000"
)
DUMP_DONE = bytes.fromhex("1400000003000200010000002c3c000000000000")
RECORDED = [
    ADDRESS_DUMP,
    POINT_TO_POINT,
    DEFAULT_ON_DEVICE,
    DEFAULT_IPV6,
    DEFAULT_MULTIPATH,
    CONNECTED_ROUTE,
    DUMP_DONE,
]


def link_message(
    kind: int, index: int, name: bytes, flags: int, *, family: int = 0, header_flags: int = 0
) -> bytes:
    attribute = struct.pack("=HH", 4 + len(name) + 1, 3) + name + b"\0"
    body = struct.pack("=BxHiII", family, 1, index, flags, 0) + attribute.ljust(
        -(-len(attribute) // 4) * 4, b"\0"
    )
    return struct.pack("=IHHII", 16 + len(body), kind, header_flags, 0, 0) + body


def test_an_address_dump() -> None:
    assert list(decode(ADDRESS_DUMP)) == [
        Address(1, "127.0.0.1", usable=False, gone=False),
        Address(101, "10.64.0.2", usable=True, gone=False),
        Address(1, "::1", usable=False, gone=False),
        # Link-local and still tentative.
        Address(101, "fe80::c86f:70ff:fe53:205b", usable=False, gone=False),
    ]


@pytest.mark.parametrize(
    ("datagram", "message"),
    [
        (POINT_TO_POINT, Address(101, "10.9.0.2", usable=True, gone=False)),
        (ADDRESS_GONE, Address(101, "10.64.0.2", usable=True, gone=True)),
        (DEFAULT_ON_DEVICE, DefaultRoute(101, False, None, 5, 254)),
        (DEFAULT_GONE, DefaultRoute(101, False, None, 5, 254, gone=True)),
        (DEFAULT_IPV6, DefaultRoute(101, True, "fe80::1", 1024, 254)),
        (DUMP_DONE, DumpDone(torn=False)),
        (link_message(16, 7, b"wwan0", 0x11043), Link(7, "wwan0", True, True, False)),
        (link_message(16, 7, b"wwan0", 0x1003), Link(7, "wwan0", True, False, False)),
        (link_message(17, 7, b"wwan0", 0x1002), Link(7, "wwan0", False, False, True)),
        (struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -16), Refused(16)),
        (struct.pack("=IHHII", 16, 4, 0, 0, 0), Overrun()),
    ],
)
def test_one_message(datagram: bytes, message: object) -> None:
    assert list(decode(datagram)) == [message]


def test_what_does_not_matter_is_passed_over() -> None:
    assert list(decode(CONNECTED_ROUTE)) == []
    port_left_a_bridge = link_message(17, 7, b"lan1", 0x1003, family=7)
    assert list(decode(port_left_a_bridge)) == []


def test_both_hops_of_a_multipath_route() -> None:
    assert list(decode(DEFAULT_MULTIPATH)) == [
        DefaultRoute(101, False, "10.64.0.1", 0, 7),
        DefaultRoute(101, False, None, 0, 7),
    ]


def test_a_dump_that_changed_under_the_reader_is_torn() -> None:
    torn = link_message(16, 7, b"wwan0", 0x1, header_flags=0x12) + DUMP_DONE
    assert list(decode(torn))[-1] == DumpDone(torn=True)


@given(st.sampled_from(RECORDED), st.data())
def test_cut_or_damaged_datagrams_end_quietly(datagram: bytes, data: st.DataObject) -> None:
    whole = list(decode(datagram))
    cut = list(decode(datagram[: data.draw(st.integers(0, len(datagram)))]))
    assert cut == whole[: len(cut)]
    position = data.draw(st.integers(0, len(datagram) - 1))
    damaged = bytearray(datagram)
    damaged[position] = data.draw(st.integers(0, 255))
    list(decode(bytes(damaged)))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_quietly(datagram: bytes) -> None:
    list(decode(datagram))


def test_the_requests_are_dumps_of_the_size_they_say() -> None:
    for request in dump_requests():
        length, _, flags = struct.unpack_from("=IHH", request)
        assert length == len(request)
        assert flags == 0x301


# The table


def table(*messages: object) -> LinkTable:
    kept = LinkTable(frozenset({981}))
    kept.apply(Link(7, "wwan0", True, True, False))
    kept.apply(Link(8, "wwan1", True, True, False))
    for message in messages:
        kept.apply(message)  # type: ignore[arg-type] # object in the signature keeps the tests short
    return kept


def test_facts_of_a_device() -> None:
    facts = table(
        Address(7, "2001:db8::2", True, False),
        Address(7, "10.0.0.2", True, False),
        DefaultRoute(7, False, "10.0.0.1", 5, 254),
    ).facts()["wwan0"]
    assert facts.addresses == ("10.0.0.2", "2001:db8::2")
    assert facts.ipv4 == Hop("10.0.0.1")
    assert facts.ipv6 is None
    assert facts.objection is None


@pytest.mark.parametrize(
    ("message", "objection"),
    [
        (Link(7, "wwan0", False, False, False), "interface down"),
        (Link(7, "wwan0", True, False, False), "carrier lost"),
        (Address(7, "10.0.0.2", True, True), "no address"),
    ],
)
def test_objections(message: object, objection: str) -> None:
    assert table(Address(7, "10.0.0.2", True, False), message).facts()["wwan0"].objection == objection


def test_a_gone_device_takes_everything_along() -> None:
    kept = table(Address(7, "10.0.0.2", True, False), Link(7, "wwan0", False, False, True))
    assert "wwan0" not in kept.facts()
    kept.apply(Link(9, "wwan0", True, True, False))
    assert kept.facts()["wwan0"].addresses == ()


def test_a_renamed_device_has_one_name() -> None:
    assert set(table(Link(7, "wwan9", True, True, False)).facts()) == {"wwan1", "wwan9"}


def test_the_best_default_route_of_main_counts() -> None:
    routes = [
        DefaultRoute(7, False, "10.0.0.3", 1, 20),
        DefaultRoute(7, False, "10.0.0.2", 9, 254),
        DefaultRoute(7, False, "10.0.0.1", 5, 254),
        DefaultRoute(7, False, "10.0.0.9", 0, 981),
    ]
    assert table(*routes).facts()["wwan0"].ipv4 == Hop("10.0.0.1")
    assert table(routes[0]).facts()["wwan0"].ipv4 == Hop("10.0.0.3")
    assert table(routes[3]).facts()["wwan0"].ipv4 is None


def test_a_replaced_route_is_gone_wherever_it_was() -> None:
    old = DefaultRoute(7, False, "10.0.0.1", 5, 254)
    other_metric = DefaultRoute(7, False, "10.0.0.4", 6, 254)
    facts = table(old, other_metric, DefaultRoute(8, False, "10.0.1.1", 5, 254, replaces=True)).facts()
    assert facts["wwan0"].ipv4 == Hop("10.0.0.4")
    assert facts["wwan1"].ipv4 == Hop("10.0.1.1")


def test_routes_the_kernel_drops_without_a_word() -> None:
    routes = (DefaultRoute(7, False, "10.0.0.1", 5, 254), DefaultRoute(7, True, "fe80::1", 5, 254))
    address = Address(7, "10.0.0.2", True, False)
    facts = table(address, *routes, Address(7, "10.0.0.2", True, True)).facts()["wwan0"]
    assert (facts.ipv4, facts.ipv6) == (None, Hop("fe80::1"))
    facts = table(address, *routes, Link(7, "wwan0", False, False, False)).facts()["wwan0"]
    assert (facts.ipv4, facts.ipv6) == (None, None)
