"""USB descriptors (USB 2.0, 9.6; for serial ports and networks the class definition CDC 1.2, 5.2). Pure."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

DEVICE, CONFIGURATION, INTERFACE, ENDPOINT, CS_INTERFACE = 1, 2, 4, 5, 0x24
IN = 0x80
"""In an endpoint's address: to the host."""
USB_2_0, CDC_1_2 = 0x0200, 0x0120
CONTROL_OCTETS, BULK_OCTETS, INTERRUPT_OCTETS = 64, 512, 64
INTERRUPT_INTERVAL = 7
"""2 to the power of 6 times 125 us: 8 ms."""
BUS_POWERED = 0x80
MILLIAMPERES_2 = 250
VENDOR_CLASS, COMMUNICATIONS, CDC_DATA = 0xFF, 0x02, 0x0A


class Transfer(IntEnum):
    """How an endpoint transfers."""

    BULK = 2
    INTERRUPT = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`address` with its direction, unique in the device."""

    address: int
    transfer: Transfer = Transfer.BULK


@dataclass(frozen=True, slots=True)
class Interface:
    """`triple` is class, subclass and protocol, `functional` what the class wants said besides."""

    number: int
    triple: tuple[int, int, int]
    endpoints: tuple[Endpoint, ...] = ()
    functional: bytes = b""


@dataclass(frozen=True, slots=True)
class Description:
    """What a device says of itself; it has one configuration and no strings."""

    vid: int
    pid: int
    interfaces: tuple[Interface, ...]


def device(of: Description) -> bytes:
    """The device descriptor; the classes are those of the interfaces."""
    return struct.pack(
        "<BBHBBBBHHHBBBB", 18, DEVICE, USB_2_0, 0, 0, 0, CONTROL_OCTETS, of.vid, of.pid, 0x0100, 0, 0, 0, 1
    )


def configuration(of: Description) -> bytes:
    """The configuration descriptor with everything below it."""
    body = b"".join(_interface(each) for each in of.interfaces)
    count = len(of.interfaces)
    head = struct.pack("<BBHBBBBB", 9, CONFIGURATION, 9 + len(body), count, 1, 0, BUS_POWERED, MILLIAMPERES_2)
    return head + body


def _interface(each: Interface) -> bytes:
    head = struct.pack("<9B", 9, INTERFACE, each.number, 0, len(each.endpoints), *each.triple, 0)
    return head + each.functional + b"".join(_endpoint(endpoint) for endpoint in each.endpoints)


def _endpoint(each: Endpoint) -> bytes:
    bulk = each.transfer is Transfer.BULK
    octets, interval = (BULK_OCTETS, 0) if bulk else (INTERRUPT_OCTETS, INTERRUPT_INTERVAL)
    return struct.pack("<BBBBHB", 7, ENDPOINT, each.address, each.transfer, octets, interval)


def communications(control: int, data: int) -> bytes:
    """The functional descriptors of a pair of interfaces: header, call management, ACM, union."""
    parts: Sequence[bytes] = (
        struct.pack("<BH", 0, CDC_1_2),
        bytes((1, 0, data)),
        bytes((2, 2)),
        bytes((6, control, data)),
    )
    return b"".join(bytes((2 + len(part), CS_INTERFACE)) + part for part in parts)
