"""TCP connections that leave through a given network device."""

import asyncio
import errno
import socket

from remsimd import clock

SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)
"""25 on every Linux architecture but parisc (asm-generic/socket.h)."""

DEVICE_NAME_OCTETS = 15
"""IFNAMSIZ of linux/if.h less the NUL."""


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
