"""TCP connections that leave through a given network device, and what they cost."""

import asyncio
import contextlib
import errno
import socket
import struct
from dataclasses import dataclass

from remsimd import clock

SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)
"""25 on every Linux architecture but parisc (asm-generic/socket.h)."""

DEVICE_NAME_OCTETS = 15
"""IFNAMSIZ of linux/if.h less the NUL."""


_TCP_INFO_BYTES = 216
_OPTIONS, _TIMESTAMPS = 5, 1
_RECEIVED, _SEGMENTS, _SENT = 128, 136, 200
"""Offsets in struct tcp_info (linux/tcp.h, since Linux 4.19) of the fields used here."""
_IP_TCP_BYTES = {socket.AF_INET: 20 + 20, socket.AF_INET6: 40 + 20}
_TIMESTAMP_BYTES = 12
_SYN_OPTION_BYTES = 8
"""MSS, window scale and SACK-permitted, beyond the timestamps, in each direction's first packet."""
_CLOSING_PACKETS = 2
"""FIN and its acknowledgement, each way."""


@dataclass(frozen=True, slots=True)
class TrafficBytes:
    """Bytes on the wire from the IP header up; the link layer's own are not in it."""

    sent: int = 0
    received: int = 0

    def __add__(self, other: "TrafficBytes") -> "TrafficBytes":
        return TrafficBytes(self.sent + other.sent, self.received + other.received)

    def __sub__(self, other: "TrafficBytes") -> "TrafficBytes":
        return TrafficBytes(self.sent - other.sent, self.received - other.received)


def tcp_wire_bytes(connected: socket.socket) -> TrafficBytes | None:
    """What a TCP connection has cost so far; None where the kernel does not tell.

    Payload (retransmissions included where they are ours) and segments are the kernel's
    figures (TCP_INFO); the headers are counted with the options that the connection agreed on.
    """
    try:
        info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return None
    if len(info) < _TCP_INFO_BYTES:
        return None
    header = _IP_TCP_BYTES.get(connected.family, 40)
    if info[_OPTIONS] & _TIMESTAMPS:
        header += _TIMESTAMP_BYTES
    (received,) = struct.unpack_from("=Q", info, _RECEIVED)
    segments_out, segments_in = struct.unpack_from("=II", info, _SEGMENTS)
    (sent,) = struct.unpack_from("=Q", info, _SENT)
    return TrafficBytes(
        sent + segments_out * header + _SYN_OPTION_BYTES,
        received + segments_in * header + _SYN_OPTION_BYTES,
    )


def closing_bytes(abort: bool) -> TrafficBytes:
    """What closing costs after the last figure: one RST, or a FIN each way."""
    packet = _IP_TCP_BYTES[socket.AF_INET]
    if abort:
        return TrafficBytes(packet, 0)
    packet += _TIMESTAMP_BYTES
    return TrafficBytes(_CLOSING_PACKETS * packet, _CLOSING_PACKETS * packet)


def forget_route(connected: socket.socket) -> None:
    """Have the kernel look the route of a connected socket up anew with the next packet.

    A route that was replaced since the last packet counts as one of 68 octets, and what is written
    next would leave in pieces of 36, which deployed bankds take for the end. Setting SO_DONTROUTE to
    what it is already forgets the route and needs no rights. A socket that is gone is left alone.
    """
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 0)


def device_option(device: str) -> tuple[int, int, bytes]:
    """The setsockopt arguments that bind a socket to a network device.

    Raises OSError (ENODEV) for a name that no device can have.
    """
    name = device.encode()
    if not 0 < len(name) <= DEVICE_NAME_OCTETS or b"\0" in name or b"/" in name:
        raise OSError(errno.ENODEV, f"{device!r} cannot be the name of a network device")
    return socket.SOL_SOCKET, SO_BINDTODEVICE, name + b"\0"


async def open_tcp(
    host: str, port: int, interface: str | None, timeout_s: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to `host`:`port`, without Nagle's delay, through the network device `interface`.

    None is normal routing. Names are looked up in a thread and by normal routing, and their
    addresses tried one after the other, each with its share of `timeout_s`. Raises OSError:
    TimeoutError when the time ran out, PermissionError where binding is not allowed, ENODEV
    where there is no such device, socket.gaierror for a name that is unknown.
    """
    async with asyncio.timeout(timeout_s):
        deadline_s = clock.monotonic() + timeout_s
        connected = await _connect(host, port, interface, deadline_s)
        try:
            return await asyncio.open_connection(sock=connected)
        except BaseException:
            connected.close()
            raise


async def _connect(host: str, port: int, interface: str | None, deadline_s: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    for index, (family, kind, proto, _, address) in enumerate(found):
        share_s = (deadline_s - clock.monotonic()) / (len(found) - index)
        candidate = socket.socket(family, kind, proto)
        try:
            _prepare(candidate, interface)
            async with asyncio.timeout(share_s):
                await loop.sock_connect(candidate, address)
        except TimeoutError:
            candidate.close()
            failure = TimeoutError(errno.ETIMEDOUT, f"{host} port {port} did not answer")
        except OSError as error:
            candidate.close()
            failure = error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise failure


def _prepare(candidate: socket.socket, interface: str | None) -> None:
    candidate.setblocking(False)
    candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if interface is None:
        return
    try:
        candidate.setsockopt(*device_option(interface))
    except OSError as error:
        raise bind_error(error, interface) from error


def bind_error(error: OSError, interface: str) -> OSError:
    """The same failure of binding to a device, of the same class, in words for a person."""
    match error.errno:
        case errno.EPERM | errno.EACCES:
            return PermissionError(error.errno, f"binding to {interface} needs root or CAP_NET_RAW")
        case errno.ENODEV:
            return OSError(error.errno, f"there is no network device {interface}")
        case _:
            return OSError(error.errno, f"cannot bind to {interface}: {error.strerror}")


def root_reason(error: BaseException, interface: str | None) -> str:
    """The operating system's words at the root of a failure, without the libraries' wrappings."""
    root: BaseException = error
    while (below := root.__cause__ or root.__context__) is not None:
        root = below
    if not isinstance(root, OSError) or not root.strerror:
        return str(root)
    if interface is not None and root.errno in (errno.EPERM, errno.EACCES, errno.ENODEV):
        root = bind_error(root, interface)
    return str(root.strerror)
