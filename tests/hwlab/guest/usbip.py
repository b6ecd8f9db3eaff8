"""USB devices made by a program and attached to virtual USB hosts of the guest (vhci_hcd, USB/IP protocol).

From the host controller upwards the kernel is real: enumeration, drivers, usbfs, disconnection. Each device
is served by a thread, because who opens a tty on the event loop waits for the device's answers there.
"""

import contextlib
import errno
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

from tests.hwlab.guest import descriptors
from tests.hwlab.guest.descriptors import IN, Description

HOST = Path("/sys/devices/platform/vhci_hcd.0")
PORTS_OF_A_HOST = 30
"""For each virtual host, of which Debian's kernel has eight; each is two buses, one of them for USB 3."""
HIGH_SPEED = 3
FREE = 4
"""Of USB/IP: a speed, and the state of a port."""
QUIET_S = 0.02
"""Without a request for so long, a driver is not in the middle of its questions."""
HEADER_OCTETS = 48
HEAD = struct.Struct(">5I")
"""Command, number of the request, device, direction (1: in), endpoint."""
SUBMIT = struct.Struct(">Iiiii8s")
"""Flags, length, frame, packets, interval, the octets of a control request."""
UNLINK = struct.Struct(">I24x")
DONE = struct.Struct(">5I5i8x")
CMD_SUBMIT, CMD_UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
SETUP = struct.Struct("<BBHHH")
"""bRequestType, bRequest, wValue, wIndex, wLength."""
GET_DESCRIPTOR = 0x8006
GET_STATUS = (0x8000, 0x8100, 0x8200)
TYPE_MASK, STANDARD = 0x60, 0
STALL, NO_ANSWER = -errno.EPIPE, -errno.EPROTO
UNLINKED = -errno.ECONNRESET

OnControl = Callable[[int, int, bytes], bytes | None]
"""bmRequestType and bRequest of a class request and its data; the answer, None to refuse."""


def agree(request_type: int, request: int, data: bytes) -> bytes | None:
    """Have what the host sets, and nothing that it asks for."""
    return None if request_type & IN else b""


class UsbDevice:
    """A device that can be plugged in, alone on the virtual host number `host` (1 to 8), and pulled again.

    `on_data` hears, in the device's thread, what the host sends to an endpoint (its number); without it the
    host's transfers to the device wait for ever. What is said while nobody reads waits, too.
    """

    def __init__(
        self,
        description: Description,
        host: int,
        *,
        on_data: Callable[[int, bytes], object] | None = None,
        on_control: OnControl = agree,
    ) -> None:
        self.on_data = on_data
        self._description = description
        self._host = host
        self._asked_s = 0.0
        self._on_control = on_control
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._unread: defaultdict[int, deque[bytes]] = defaultdict(deque)
        self._asked: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)
        self._unheard: set[int] = set()
        self._leaving = False

    @property
    def usb_path(self) -> str:
        """Where it is, as the kernel writes it."""
        return f"{2 * self._host - 1}-1"

    @property
    def plugged(self) -> bool:
        """Whether the host sees it, or will soon."""
        return self._connection is not None

    def plug(self) -> None:
        """Connect it: the host enumerates it; nothing happens when it is connected."""
        if self._connection is not None:
            return
        self._connection, theirs = socket.socketpair()
        with theirs:
            port = (self._host - 1) * PORTS_OF_A_HOST
            (HOST / "attach").write_text(f"{port} {theirs.fileno()} {self._host} {HIGH_SPEED}\n")
        self._thread = threading.Thread(target=self._serve, args=(self._connection,), name=f"usb{self._host}")
        self._thread.start()

    def pull(self) -> None:
        """Disconnect it, whatever goes on; nothing happens when it is not connected."""
        if self._connection is None or self._thread is None:
            return
        # What the host asks now gets an error, as from an empty socket. A request that is on its way when the
        # connection ends would make its driver wait for 5 s.
        self._leaving = True
        while time.monotonic() - self._asked_s < QUIET_S:
            time.sleep(QUIET_S)
        self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._leaving = False
        # The host takes some milliseconds; before, nothing can be plugged in here again.
        while self._occupied():
            time.sleep(0.001)
        with self._lock:
            self._connection.close()
            self._connection = None
            self._unread.clear()
            self._asked.clear()
            self._unheard.clear()

    def _occupied(self) -> bool:
        """What the host says of its first port: "hs  0000 006 003 ..." with 004 for a free one."""
        name = "status" if self._host == 1 else f"status.{self._host - 1}"
        return next(int(row.split()[2]) != FREE for row in (HOST / name).read_text().splitlines()[1:])

    def say(self, endpoint: int, data: bytes) -> None:
        """Give the host one transfer from endpoint number `endpoint`, now or when it asks."""
        with self._lock:
            self._unread[endpoint].append(data)
            self._hand_over(endpoint)

    def stall(self, endpoint: int) -> None:
        """Refuse what the host asks of endpoint number `endpoint` now, as with its halt feature set."""
        with self._lock:
            while self._asked[endpoint]:
                number, _ = self._asked[endpoint].popleft()
                self._done(RET_SUBMIT, number, STALL)

    @property
    def unheard(self) -> int:
        """How many of the host's transfers wait to be taken, which they are not without `on_data`."""
        return len(self._unheard)

    def _hand_over(self, endpoint: int) -> None:
        asked, unread = self._asked[endpoint], self._unread[endpoint]
        while asked and unread:
            number, length = asked.popleft()
            data = unread.popleft()
            if len(data) > length:
                unread.appendleft(data[length:])
            self._done(RET_SUBMIT, number, 0, data[:length])

    def _done(self, command: int, number: int, status: int, data: bytes = b"", length: int = 0) -> None:
        if self._connection is None:
            return
        # The host may have shut the connection first; nobody waits for the answer then.
        with contextlib.suppress(OSError):
            answer = DONE.pack(command, number, 0, 0, 0, status, len(data) or length, 0, 0, 0)
            self._connection.sendall(answer + data)

    # The device's thread

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream, contextlib.suppress(OSError):
            while len(header := stream.read(HEADER_OCTETS)) == HEADER_OCTETS:
                command, number, _, direction, endpoint = HEAD.unpack_from(header)
                if command == CMD_UNLINK:
                    self._unlink(number, *UNLINK.unpack_from(header, HEAD.size))
                    continue
                _, length, *_, setup = SUBMIT.unpack_from(header, HEAD.size)
                data = b"" if direction else stream.read(length)
                if endpoint == 0:
                    self._control(number, setup, data)
                elif direction:
                    with self._lock:
                        self._asked[endpoint].append((number, length))
                        self._hand_over(endpoint)
                else:
                    self._hear(number, endpoint, data)

    def _hear(self, number: int, endpoint: int, data: bytes) -> None:
        if self.on_data is None:
            self._unheard.add(number)
            return
        with self._lock:
            self._done(RET_SUBMIT, number, 0, length=len(data))
        self.on_data(endpoint, data)

    def _unlink(self, number: int, wanted: int) -> None:
        with self._lock:
            waited = wanted in self._unheard
            self._unheard.discard(wanted)
            for asked in self._asked.values():
                for request in [each for each in asked if each[0] == wanted]:
                    asked.remove(request)
                    waited = True
            self._done(RET_UNLINK, number, UNLINKED if waited else 0)

    def _control(self, number: int, setup: bytes, data: bytes) -> None:
        self._asked_s = time.monotonic()
        request_type, request, value, _, length = SETUP.unpack(setup)
        if request_type & TYPE_MASK == STANDARD:
            answer = self._standard(request_type << 8 | request, value >> 8)
        else:
            answer = self._on_control(request_type, request, data)
        with self._lock:
            if answer is None or self._leaving:
                self._done(RET_SUBMIT, number, NO_ANSWER if self._leaving else STALL)
            else:
                self._done(RET_SUBMIT, number, 0, answer[:length], len(data))

    def _standard(self, request: int, kind: int) -> bytes | None:
        if request == GET_DESCRIPTOR:
            found = {
                descriptors.DEVICE: descriptors.device,
                descriptors.CONFIGURATION: descriptors.configuration,
            }
            return found[kind](self._description) if kind in found else None
        if request in GET_STATUS:
            return bytes(2)
        return None if request >> 8 & IN else b""
