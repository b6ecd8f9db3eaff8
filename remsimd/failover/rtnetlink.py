"""Reading the kernel's link, address and route messages (rtnetlink(7), netlink(7)); no I/O here.

Only what failover needs is decoded: devices, their addresses, and default routes.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_ROUTE = 0
RTMGRP_LINK = 0x1
RTMGRP_IPV4_IFADDR = 0x10
RTMGRP_IPV4_ROUTE = 0x40
RTMGRP_IPV6_IFADDR = 0x100
RTMGRP_IPV6_ROUTE = 0x400
GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE

_NLMSG_ERROR, _NLMSG_DONE, _NLMSG_OVERRUN = 2, 3, 4
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_NLM_F_REQUEST, _NLM_F_DUMP_INTR, _NLM_F_REPLACE, _NLM_F_DUMP = 0x1, 0x10, 0x100, 0x300

_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_DADFAILED, _IFA_F_TENTATIVE = 0x08, 0x40
_RT_SCOPE_LINK = 253
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 4, 5, 6, 9, 15
_RTN_UNICAST = 1

_HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=8BI")
_NEXTHOP = struct.Struct("=HBBi")
_ATTRIBUTE = struct.Struct("=HH")
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")

_ADDRESS_LEN: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


@dataclass(frozen=True, slots=True)
class Link:
    """A network device appeared, changed or (`gone`) disappeared."""

    index: int
    name: str
    up: bool
    carrier: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a device; link-local and not yet usable IPv6 addresses are not `usable`."""

    index: int
    address: str
    usable: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A default route through a device; `gateway` is None on a point-to-point device.

    `replaces`: it takes the place of the one with the same family, table and metric, whichever
    device that went through; the kernel reports no removal then.
    """

    index: int
    ipv6: bool
    gateway: str | None
    metric: int
    table: int
    gone: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class DumpDone:
    """The answer to one dump request is complete; `torn` when the kernel's tables changed under it."""

    torn: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The kernel refused a request; `code` is the errno, 0 for an acknowledgement."""

    code: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """Messages were lost."""


Message = Link | Address | DefaultRoute | DumpDone | Refused | Overrun


def dump_requests() -> tuple[bytes, ...]:
    """The four requests for all devices, addresses, IPv4 and IPv6 routes; one may be under way at a time."""
    requests = (
        (_RTM_GETLINK, socket.AF_UNSPEC, _IFINFO.size),
        (_RTM_GETADDR, socket.AF_UNSPEC, _IFADDR.size),
        (_RTM_GETROUTE, socket.AF_INET, _ROUTE.size),
        (_RTM_GETROUTE, socket.AF_INET6, _ROUTE.size),
    )
    return tuple(
        _HEADER.pack(_HEADER.size + size, kind, _NLM_F_REQUEST | _NLM_F_DUMP, number, 0)
        + bytes([family]).ljust(size, b"\0")
        for number, (kind, family, size) in enumerate(requests, 1)
    )


def decode(datagram: bytes) -> Iterator[Message]:
    """The messages of one datagram that matter here; what is cut off or unknown is passed over."""
    torn = False
    position = 0
    while position + _HEADER.size <= len(datagram):
        length, kind, flags, _, _ = _HEADER.unpack_from(datagram, position)
        if length < _HEADER.size or position + length > len(datagram):
            return
        torn = torn or bool(flags & _NLM_F_DUMP_INTR)
        body = datagram[position + _HEADER.size : position + length]
        yield from _message(kind, body, torn=torn, replaces=bool(flags & _NLM_F_REPLACE))
        position += _aligned(length)


def _message(kind: int, body: bytes, *, torn: bool, replaces: bool) -> Iterator[Message]:
    if kind == _NLMSG_DONE:
        yield DumpDone(torn)
    elif kind == _NLMSG_OVERRUN:
        yield Overrun()
    elif kind == _NLMSG_ERROR and len(body) >= _I32.size:
        yield Refused(-_I32.unpack_from(body)[0])
    elif kind in {_RTM_NEWLINK, _RTM_DELLINK} and len(body) >= _IFINFO.size:
        yield from _link(body, gone=kind == _RTM_DELLINK)
    elif kind in {_RTM_NEWADDR, _RTM_DELADDR} and len(body) >= _IFADDR.size:
        yield from _address(body, gone=kind == _RTM_DELADDR)
    elif kind in {_RTM_NEWROUTE, _RTM_DELROUTE} and len(body) >= _ROUTE.size:
        yield from _default_routes(body, gone=kind == _RTM_DELROUTE, replaces=replaces)


def _link(body: bytes, *, gone: bool) -> Iterator[Link]:
    family, _, index, flags, _ = _IFINFO.unpack_from(body)
    # A bridge reports a port leaving it with the same message in its own family: the device stays.
    if family != socket.AF_UNSPEC:
        return
    name = _attributes(body, _IFINFO.size).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    if name:
        yield Link(index, name, bool(flags & _IFF_UP), bool(flags & _IFF_LOWER_UP), gone)


def _address(body: bytes, *, gone: bool) -> Iterator[Address]:
    family, _, flags, scope, index = _IFADDR.unpack_from(body)
    attributes = _attributes(body, _IFADDR.size)
    if len(attributes.get(_IFA_FLAGS, b"")) == _U32.size:
        flags = _U32.unpack(attributes[_IFA_FLAGS])[0]
    # On a point-to-point device ADDRESS is the peer's and LOCAL our own.
    address = _text(family, attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b"")))
    if address is not None:
        usable = scope < _RT_SCOPE_LINK and not flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED)
        yield Address(index, address, usable, gone)


def _default_routes(body: bytes, *, gone: bool, replaces: bool) -> Iterator[DefaultRoute]:
    family, dst_len, src_len, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
    if dst_len != 0 or src_len != 0 or kind != _RTN_UNICAST or family not in _ADDRESS_LEN:
        return
    attributes = _attributes(body, _ROUTE.size)
    table = _number(attributes, _RTA_TABLE, table)
    metric = _number(attributes, _RTA_PRIORITY, 0)
    for index, gateway in _hops(family, attributes):
        yield DefaultRoute(index, family == socket.AF_INET6, gateway, metric, table, gone, replaces)
        replaces = False  # the first of several hops has made room for the others


def _hops(family: int, attributes: dict[int, bytes]) -> Iterator[tuple[int, str | None]]:
    if _RTA_OIF in attributes:
        yield _number(attributes, _RTA_OIF, 0), _text(family, attributes.get(_RTA_GATEWAY, b""))
    hops = attributes.get(_RTA_MULTIPATH, b"")
    while len(hops) >= _NEXTHOP.size:
        length, _, _, index = _NEXTHOP.unpack_from(hops)
        if length < _NEXTHOP.size:
            return
        yield index, _text(family, _attributes(hops[:length], _NEXTHOP.size).get(_RTA_GATEWAY, b""))
        hops = hops[_aligned(length) :]


def _attributes(body: bytes, position: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while position + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, position)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = body[position + _ATTRIBUTE.size : position + length]
        position += _aligned(length)
    return found


def _text(family: int, packed: bytes) -> str | None:
    return socket.inet_ntop(family, packed) if _ADDRESS_LEN.get(family) == len(packed) else None


def _number(attributes: dict[int, bytes], kind: int, otherwise: int) -> int:
    value = attributes.get(kind, b"")
    return int(_U32.unpack(value)[0]) if len(value) == _U32.size else otherwise


def _aligned(length: int) -> int:
    return (length + 3) & ~3
