"""A point-to-point link as a cellular modem gives it: raw IP, no neighbours, faults on demand.

Each end is a TUN device in a network namespace (Linux, Documentation/networking/tuntap.rst); the
wire between them is this process, on its event loop.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

_TUNSETIFF = 0x400454CA
_TUNSETCARRIER = 0x400454E2
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_TUN = "/dev/net/tun"
_PACKET_BYTES = 65536
_PER_WAKE_UP = 64
"""Packets taken in one go, so that a flood in one direction lets the other one speak."""

BUFFER_S = 1.0
"""What waits longer than this for a slow link is dropped: the network's own buffer."""

Packet = Callable[[bytes], bool]
"""Whether a packet (from its IP header on) is meant."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a link is at the moment; both directions alike unless said otherwise.

    `delay_s` one way, each packet up to `jitter_s` more, never out of order. `loss` is the share
    (0..1) of the packets towards the router that is lost. `rate_bytes_s` None is no limit.
    `swallows` drops what it is true of.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    rate_bytes_s: float | None = None
    blackhole: bool = False
    swallows: Packet | None = None


def to_host(address: str) -> Packet:
    """IPv4 packets to or from this address."""
    packed = ipaddress.IPv4Address(address).packed
    return lambda packet: packed in (packet[12:16], packet[16:20])


def to_port(protocol: int, port: int) -> Packet:
    """IPv4 packets of this protocol (6 TCP, 17 UDP) to this port."""

    def meant(packet: bytes) -> bool:
        start = (packet[0] & 0x0F) * 4
        ports = packet[start : start + 4]
        return packet[9] == protocol and len(ports) == 4 and struct.unpack("!HH", ports)[1] == port

    return meant


class TunDevice:
    """One TUN device, in the network namespace of the thread that makes it; it lives until `close`."""

    def __init__(self, name: str) -> None:
        self.fd = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        except OSError:
            os.close(self.fd)
            raise

    def carrier(self, on: bool) -> None:
        """Let the device have a carrier, or lose it."""
        fcntl.ioctl(self.fd, _TUNSETCARRIER, struct.pack("i", on))

    def close(self) -> None:
        """Take the device away."""
        os.close(self.fd)


class _Direction:
    """Packets one way, in order."""

    def __init__(self, source: int, target: int, chance: random.Random, *, lossy: bool) -> None:
        self._source = source
        self._target = target
        self._chance = chance
        self._lossy = lossy
        self._free_s = 0.0
        self._latest_s = 0.0
        self._waiting: set[asyncio.TimerHandle] = set()
        self.bytes = 0
        self.conditions = Conditions()

    def pump(self) -> None:
        """Take what has arrived and send it on when its time has come."""
        for _ in range(_PER_WAKE_UP):
            try:
                packet = os.read(self._source, _PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:
                return  # the device is down, or going away
            self.bytes += len(packet)
            self._take(packet)

    def stop(self) -> None:
        """Forget what is under way."""
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()

    def _take(self, packet: bytes) -> None:
        now = self.conditions
        if now.blackhole or (now.swallows is not None and now.swallows(packet)):
            return
        if self._lossy and now.loss and self._chance.random() < now.loss:
            return
        loop = asyncio.get_running_loop()
        at_s = loop.time()
        if now.rate_bytes_s is not None:
            if self._free_s - at_s > BUFFER_S:
                return
            self._free_s = at_s = max(self._free_s, at_s) + len(packet) / now.rate_bytes_s
        at_s = max(self._latest_s, at_s + now.delay_s + now.jitter_s * self._chance.random())
        self._latest_s = at_s
        if at_s <= loop.time() and not self._waiting:
            self._deliver(packet)
            return

        def deliver() -> None:
            self._waiting.discard(handle)
            self._deliver(packet)

        handle = loop.call_at(at_s, deliver)
        self._waiting.add(handle)

    def _deliver(self, packet: bytes) -> None:
        # A full queue, or a device that is down: lost, as on any link.
        with contextlib.suppress(OSError):
            os.write(self._target, packet)


class Wire:
    """Carries packets between two devices from `start` to `stop`; `near` is the router's."""

    def __init__(self, near: TunDevice, far: TunDevice, *, seed: int = 0) -> None:
        chance = random.Random(seed)
        self._up = _Direction(near.fd, far.fd, chance, lossy=False)
        self._down = _Direction(far.fd, near.fd, chance, lossy=True)
        self._fds = (near.fd, far.fd)

    def set(self, conditions: Conditions) -> None:
        """What packets meet from now on; those under way arrive as they would have."""
        self._up.conditions = self._down.conditions = conditions

    @property
    def wire_bytes(self) -> tuple[int, int]:
        """What the router and the world have sent into the link so far, from the IP header on."""
        return self._up.bytes, self._down.bytes

    def start(self) -> None:
        """Begin to carry."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fds[0], self._up.pump)
        loop.add_reader(self._fds[1], self._down.pump)

    def stop(self) -> None:
        """Carry nothing any more."""
        loop = asyncio.get_running_loop()
        for fd in self._fds:
            loop.remove_reader(fd)
        self._up.stop()
        self._down.stop()
