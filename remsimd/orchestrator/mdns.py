"""Finding an orchestrator on the local network: one DNS-SD question over multicast (RFC 6762, RFC 6763).

The question goes out from a port of our own, so responders answer to that port alone
(RFC 6762, 6.7) and nothing has to listen on 5353. Whoever answers is not trusted by that: the
certificate must be for the name it gives.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from remsimd.config.readers import MDNS
from remsimd.errors import OrchestratorError
from remsimd.net import bind_error, device_option

SERVICE = "_ionmesh._tcp.local"
GROUP = ("224.0.0.251", 5353)
ASK_AFTER_S = (0.0, 1.0, 2.0)
"""Packets get lost: the question is repeated (RFC 6762, 5.2)."""
WAIT_S = 3.0
_A, _PTR, _TXT, _SRV = 1, 12, 16, 33
_IN = 1
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", re.ASCII)
_JUMPS = 16


@dataclass(frozen=True, slots=True)
class Found:
    """An orchestrator: its name and address, its port, and whether it speaks TLS."""

    host: str
    address: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """Where it is; the host is known by this answer alone."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


async def find(url: str, device: str | None = None, *, group: tuple[str, int] = GROUP) -> Found:
    """The first orchestrator that answers; `url` is `mdns`, or `mdns:` and an interface.

    Without an interface the question leaves through `device`. Raises `OrchestratorError`
    (connect) when nobody answers within 3 s.
    """
    interface = url.removeprefix(MDNS).removeprefix(":") or device
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        try:
            if interface is not None:
                asking.setsockopt(*device_option(interface))
        except OSError as error:
            reason = bind_error(error, interface or "")
            raise OrchestratorError(f"looking for IonMesh: {reason.strerror}", code="connect") from error
        repeating = asyncio.create_task(_ask(asking, group))
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    packet = await loop.sock_recv(asking, 9000)
                    found = answer(packet)
                    if found is not None:
                        return found
        except (TimeoutError, OSError) as error:
            through = "" if interface is None else f" through {interface}"
            raise OrchestratorError(
                f"no IonMesh answered on the local network{through}", code="connect"
            ) from error
        finally:
            repeating.cancel()


async def _ask(asking: socket.socket, group: tuple[str, int]) -> None:
    waited_s = 0.0
    for after_s in ASK_AFTER_S:
        await asyncio.sleep(after_s - waited_s)
        waited_s = after_s
        # A network that is not there yet is asked again.
        try:
            await asyncio.get_running_loop().sock_sendto(asking, question(), group)
        except OSError:
            continue


def question() -> bytes:
    """The packet that asks for every orchestrator."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in SERVICE.split("."))
    return struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", _PTR, _IN)


def answer(packet: bytes) -> Found | None:
    """The orchestrator that an answer describes; None for any other packet, a broken one included."""
    try:
        return _found(packet)
    except (IndexError, struct.error, UnicodeDecodeError):
        return None


def _found(packet: bytes) -> Found | None:
    _, flags, questions, *counts = struct.unpack_from("!6H", packet)
    if not flags & 0x8000:
        return None
    at = 12
    for _ in range(questions):
        at = _name(packet, at)[1] + 4
    records = list(_records(packet, at, sum(counts)))
    for owner, kind, start, _ in records:
        if kind != _SRV or not owner.lower().endswith(f".{SERVICE}"):
            continue
        port = struct.unpack_from("!H", packet, start + 4)[0]
        host = _name(packet, start + 6)[0]
        addresses = [
            socket.inet_ntoa(packet[a:b])
            for name, other, a, b in records
            if other == _A and name.lower() == host.lower() and b - a == 4
        ]
        texts = [packet[a:b] for name, other, a, b in records if other == _TXT and name == owner]
        if addresses and port and _HOST.fullmatch(host):
            return Found(host, addresses[0], port, b"\x05tls=0" not in b"".join(texts))
    return None


def _records(packet: bytes, at: int, count: int) -> Iterator[tuple[str, int, int, int]]:
    """Owner, type, and where the data begins and ends, of each record."""
    for _ in range(count):
        owner, at = _name(packet, at)
        kind, _, _, length = struct.unpack_from("!HHIH", packet, at)
        at += 10
        if at + length > len(packet):
            raise IndexError("a record beyond the packet")
        yield owner, kind, at, at + length
        at += length


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """A name without its last dot, compressed or not (RFC 1035, 4.1.4), and where it ends."""
    labels: list[str] = []
    end: int | None = None
    for _ in range(_JUMPS * 8):
        length = packet[at]
        if length & 0xC0 == 0xC0:
            end = at + 2 if end is None else end
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels), at + 1 if end is None else end
        else:
            labels.append(packet[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
    raise IndexError("a name without end")
