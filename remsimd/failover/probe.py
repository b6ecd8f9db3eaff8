"""Does something come back through this very interface? ICMP echo, a DNS query, a TCP connection."""

import asyncio
import errno
import ipaddress
import logging
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from remsimd import clock
from remsimd.config.model import ProbeKind, ProbeTarget
from remsimd.failover import icmp
from remsimd.net import device_option

_log = logging.getLogger(__name__)

_PAYLOAD_BYTES = 8
_DNS_PORT = 53
_DATAGRAM_BYTES = 2048
# A reset is an answer: it came back through the interface.
_REFUSALS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})


_WIRE_BYTES = {
    ProbeKind.ICMP: (36, 36),
    ProbeKind.DNS: (45, 540),
    ProbeKind.TCP: (216, 164),
}
"""What one probe sends, and receives when it is answered, with IPv4 and transport headers; where
the other side chooses the size, the largest (512 octets without EDNS, RFC 1035 4.2.1)."""
_IPV6_MORE_BYTES = 20


def wire_bytes(target: ProbeTarget, *, answered: bool) -> int:
    """The most that a probe of this target costs, both directions together."""
    sent, received = _WIRE_BYTES[target.kind]
    more = _IPV6_MORE_BYTES if ":" in target.host else 0
    return sent + more + (received + more if answered else 0)


class Prober(Protocol):
    """Sends probes through a device."""

    async def round(
        self,
        device: str,
        targets: Sequence[ProbeTarget],
        timeout_s: float,
        answered: Callable[[ProbeTarget, float], None],
    ) -> tuple[float | None, ...]:
        """Ask all targets at once; see `NetworkProber`."""
        ...


class NetworkProber:
    """Probes over real sockets bound to the device (SO_BINDTODEVICE, which needs CAP_NET_RAW)."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._denied = False

    async def round(
        self,
        device: str,
        targets: Sequence[ProbeTarget],
        timeout_s: float,
        answered: Callable[[ProbeTarget, float], None],
    ) -> tuple[float | None, ...]:
        """Ask all targets at once; the round-trip times in seconds, None where nothing came back in time.

        `answered` is called with each answer as it arrives.
        """

        async def one(target: ProbeTarget) -> float | None:
            rtt_s = await self.probe(device, target, timeout_s)
            if rtt_s is not None:
                answered(target, rtt_s)
            return rtt_s

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(target)) for target in targets]
        return tuple(task.result() for task in tasks)

    async def probe(self, device: str, target: ProbeTarget, timeout_s: float) -> float | None:
        """Seconds until `target` answered through `device`; None when it did not within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                address = await self._address(target.host)
                started = clock.monotonic()
                await _ASK[target.kind](device, address, target.port)
                return clock.monotonic() - started
        except TimeoutError:
            return None
        except OSError as error:
            self._note(device, target, error)
            return None

    async def _address(self, host: str) -> str:
        """The host's address; a name is resolved over normal routing and remembered for good."""
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
        if host not in self._addresses:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            self._addresses[host] = str(found[0][4][0])
        return self._addresses[host]

    def _note(self, device: str, target: ProbeTarget, error: OSError) -> None:
        denied = error.errno in {errno.EPERM, errno.EACCES}
        level = logging.WARNING if denied and not self._denied else logging.DEBUG
        self._denied = self._denied or denied
        _log.log(level, "%s: cannot probe %s: %s", device, target, error.strerror or error)


async def _ping(device: str, address: str, _port: int | None) -> None:
    ipv6 = ":" in address
    loop = asyncio.get_running_loop()
    sock, raw = _ping_socket(ipv6)
    with sock:
        _bind(sock, device)
        sock.connect((address, 0))  # fixes the peer; nothing is sent
        payload = secrets.token_bytes(_PAYLOAD_BYTES)
        ident, sequence = secrets.randbelow(1 << 16), 1
        await loop.sock_sendall(
            sock, icmp.request(ipv6=ipv6, ident=ident, sequence=sequence, payload=payload)
        )
        while True:
            datagram = await loop.sock_recv(sock, _DATAGRAM_BYTES)
            if icmp.answers(datagram, ipv6=ipv6, raw=raw, sequence=sequence, payload=payload):
                return


async def _dns(device: str, address: str, port: int | None) -> None:
    """Ask for the root's name servers: the shortest query there is. Any answer counts, a refusal too."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sock:
        _bind(sock, device)
        sock.connect((address, port or _DNS_PORT))
        ident = secrets.token_bytes(2)
        recursion_desired, one_question, root, type_ns, class_in = 0x0100, 1, 0, 2, 1
        await loop.sock_sendall(
            sock,
            ident
            + struct.pack("!HHHHHBHH", recursion_desired, one_question, 0, 0, 0, root, type_ns, class_in),
        )
        while True:
            try:
                datagram = await loop.sock_recv(sock, _DATAGRAM_BYTES)
            except ConnectionRefusedError:
                return
            if datagram[:2] == ident and len(datagram) > 2 and datagram[2] & 0x80:
                return


async def _tcp(device: str, address: str, port: int | None) -> None:
    with socket.socket(_family(address), socket.SOCK_STREAM) as sock:
        _bind(sock, device)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (address, port or 0))
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise


_ASK = {ProbeKind.ICMP: _ping, ProbeKind.DNS: _dns, ProbeKind.TCP: _tcp}


def _ping_socket(ipv6: bool) -> tuple[socket.socket, bool]:
    """A socket for echo requests and whether it is a raw one.

    The unprivileged kind needs a group within net.ipv4.ping_group_range, which is empty by
    default; the raw kind needs CAP_NET_RAW.
    """
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if ipv6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, protocol), True


def _bind(sock: socket.socket, device: str) -> None:
    sock.setblocking(False)
    sock.setsockopt(*device_option(device))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
