"""USB devices through usbfs, the kernel's own interface to them (linux/usbdevice_fs.h).

There is one file for each device. A transfer is an URB: one ioctl hands it to the kernel, another collects
it when it has ended. The file polls writable when one has, and hung up when the device is gone, so all
transfers run on the event loop. What fails is an OSError with the errno that the call or the URB ended with
(Documentation/driver-api/usb/error-codes.rst).
"""

import asyncio
import ctypes
import errno
import logging
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from remsimd.complaints import Complaints
from remsimd.sim.frontends.usb_interfaces import Endpoint, Interface

STANDING = 2
"""URBs that stand ready at an endpoint: while one is looked at, the next transfer has where to go."""
_DISCARDED = frozenset({errno.ENOENT, errno.ECONNRESET})
"""What an URB ends with that was taken back."""

log = logging.getLogger(__name__)


# The kernel


class Urb(ctypes.Structure):
    """struct usbdevfs_urb, but for the packets that only isochronous transfers have."""

    _fields_ = (
        ("type", ctypes.c_ubyte),
        ("endpoint", ctypes.c_ubyte),
        ("status", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("buffer", ctypes.c_void_p),
        ("buffer_length", ctypes.c_int),
        ("actual_length", ctypes.c_int),
        ("start_frame", ctypes.c_int),
        ("number_of_packets", ctypes.c_int),
        ("error_count", ctypes.c_int),
        ("signr", ctypes.c_uint),
        ("usercontext", ctypes.c_void_p),
    )


def request_number(direction: str, number: int, octets: int, machine: str) -> int:
    """The number of an ioctl of usbfs: `direction` "" or as seen from the program, "r" or "w".

    asm/ioctl.h: MIPS and PowerPC have three bits for the direction, and one for having none.
    """
    if machine.startswith(("mips", "ppc")):
        bits = {"": 1, "r": 2, "w": 4}[direction] << 29
    else:
        bits = {"": 0, "w": 1, "r": 2}[direction] << 30
    return bits | octets << 16 | ord("U") << 8 | number


_MACHINE = os.uname().machine
_UINT, _POINTER = ctypes.sizeof(ctypes.c_uint), ctypes.sizeof(ctypes.c_void_p)
SUBMIT = request_number("r", 10, ctypes.sizeof(Urb), _MACHINE)
DISCARD = request_number("", 11, 0, _MACHINE)
REAP_WITHOUT_WAITING = request_number("w", 13, _POINTER, _MACHINE)
CLAIM = request_number("r", 15, _UINT, _MACHINE)
RELEASE = request_number("r", 16, _UINT, _MACHINE)
CLEAR_HALT = request_number("r", 21, _UINT, _MACHINE)


class Kernel:
    """The system calls on usbfs; each raises OSError.

    fcntl.ioctl hands over a copy, where the kernel keeps the address of an URB.
    """

    def __init__(self) -> None:
        self._ioctl = ctypes.CDLL(None, use_errno=True).ioctl
        self._ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)

    def open(self, node: Path) -> int:
        """The file of a device."""
        return os.open(node, os.O_RDWR | os.O_CLOEXEC)

    def ioctl(self, file: int, request: int, address: int) -> None:
        """`address` is that of what the request is about."""
        if self._ioctl(file, request, address) < 0:
            raise _failure(ctypes.get_errno())

    def close(self, file: int) -> None:
        """Take back everything that is under way."""
        os.close(file)


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# Talking


class _Transfer:
    """An URB and the memory that the kernel reads or fills; both stay where they are while it has them."""

    def __init__(self, endpoint: Endpoint, memory: "ctypes.Array[ctypes.c_char]") -> None:
        self.memory = memory
        self.urb = Urb(
            type=endpoint.type,
            endpoint=endpoint.address,
            buffer=ctypes.addressof(memory),
            buffer_length=len(memory),
        )
        self.address = ctypes.addressof(self.urb)
        self.ended = asyncio.Event()
        self.errno = 0
        self.taken_back = False

    def end(self, number: int) -> None:
        self.errno = number
        self.ended.set()


@asynccontextmanager
async def claimed(found: Interface, kernel: Kernel) -> AsyncIterator["Device"]:
    """An interface while the context lasts; no URB outlives it. Raises OSError; EBUSY: somebody has it.

    Opening and closing wait for the kernel while it enumerates or resets the device, so threads do it.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(_claim, found, kernel))
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda done: _close_unused(done, kernel))
        raise
    device = Device(found, file, kernel)
    try:
        device.start()
        yield device
    finally:
        device.stop()
        await asyncio.to_thread(device.close)


def _claim(found: Interface, kernel: Kernel) -> int:
    file = kernel.open(found.node)
    try:
        _with_number(kernel, file, CLAIM, found.number)
    except OSError:
        kernel.close(file)
        raise
    return file


def _close_unused(opening: "asyncio.Future[int]", kernel: Kernel) -> None:
    """The thread could not be stopped: what it has opened is nobody's."""
    if not opening.cancelled() and opening.exception() is None:
        kernel.close(opening.result())


def _with_number(kernel: Kernel, file: int, request: int, number: int) -> None:
    argument = ctypes.c_uint(number)
    kernel.ioctl(file, request, ctypes.addressof(argument))


class Device:
    """An interface that is ours from `start` to `close`; `claimed` makes one.

    After `stop`, or when the device is gone, whatever waits raises OSError.
    """

    def __init__(self, found: Interface, file: int, kernel: Kernel) -> None:
        self._found = found
        self._file = file
        self._kernel = kernel
        self._loop = asyncio.get_running_loop()
        self._given: dict[int, _Transfer] = {}
        """What the kernel has, by the address it will name; this keeps the memory, too."""
        self._lost = 0
        self._complaints = Complaints(log)

    def start(self) -> None:
        """Collect what ends."""
        self._loop.add_writer(self._file, self._collect)

    def stop(self) -> None:
        """Collect no more: the device was closed (ECANCELED) unless it was gone before."""
        self._lose(errno.ECANCELED)

    def close(self) -> None:
        """Give the interface away, after `stop`; the kernel takes its URBs back. May wait for the device."""
        # Closing alone would do it later where a child has a copy of the file, between its fork and its exec.
        # ENODEV: the device is gone, and everything was taken back then.
        with suppress(OSError):
            _with_number(self._kernel, self._file, RELEASE, self._found.number)
        self._kernel.close(self._file)

    async def write(self, endpoint: Endpoint, data: bytes, *, timeout_s: float) -> None:
        """One transfer to the device, which has taken all of it in the end.

        Raises OSError; ETIMEDOUT: it did not within `timeout_s`; EPIPE: it refuses, after a cleared halt too.
        """
        number = await self._send(endpoint, data, timeout_s)
        if number == errno.EPIPE:
            await self.clear_halt(endpoint)
            number = await self._send(endpoint, data, timeout_s)
        if number:
            raise _failure(number)

    async def _send(self, endpoint: Endpoint, data: bytes, timeout_s: float) -> int:
        transfer = _Transfer(endpoint, ctypes.create_string_buffer(data, len(data)))
        self.submit(transfer)
        timer = self._loop.call_later(timeout_s, self.discard, transfer)
        try:
            await transfer.ended.wait()
        finally:
            timer.cancel()
            self.discard(transfer)
        return errno.ETIMEDOUT if transfer.taken_back and transfer.errno in _DISCARDED else transfer.errno

    def submit(self, transfer: _Transfer) -> None:
        """Hand it to the kernel. Raises OSError."""
        if self._lost:
            raise _failure(self._lost)
        transfer.ended.clear()
        self._kernel.ioctl(self._file, SUBMIT, transfer.address)
        self._given[transfer.address] = transfer

    def discard(self, transfer: _Transfer) -> None:
        """Take it back; one that has ended stays as it is. It ends soon, not at once."""
        if transfer.address in self._given and not self._lost:
            with suppress(OSError):
                self._kernel.ioctl(self._file, DISCARD, transfer.address)
                transfer.taken_back = True

    async def clear_halt(self, endpoint: Endpoint) -> None:
        """Ask the device to go on after it stalled an endpoint. Raises OSError."""
        self._complaints.tell(f"{self._found.place}: endpoint {endpoint.address:02x} stalled and is cleared")
        # The device may take 5 s to answer.
        await asyncio.to_thread(_with_number, self._kernel, self._file, CLEAR_HALT, endpoint.address)

    def _collect(self) -> None:
        """One at a time: the file stays writable while there is more, and other tasks get their turn."""
        try:
            transfer = self._reap()
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.errno or errno.ENODEV)
            return
        transfer.end(-transfer.urb.status)

    def _reap(self) -> _Transfer:
        address = ctypes.c_void_p()
        self._kernel.ioctl(self._file, REAP_WITHOUT_WAITING, ctypes.addressof(address))
        return self._given.pop(address.value or 0)

    def _lose(self, number: int) -> None:
        if self._lost:
            return
        self._lost = number
        self._loop.remove_writer(self._file)
        for transfer in self._given.values():
            transfer.end(number)


class Inlet:
    """What one endpoint sends, in transfers of up to `octets`, from `start` on."""

    def __init__(self, device: Device, endpoint: Endpoint, octets: int) -> None:
        self._device = device
        self._endpoint = endpoint
        self._octets = octets
        self._cleared = False
        self._standing: deque[_Transfer] = deque()

    def start(self) -> None:
        """Begin to take what it sends; what fails here is told by `read`."""
        for _ in range(STANDING):
            self._stand(_Transfer(self._endpoint, ctypes.create_string_buffer(self._octets)))

    async def read(self) -> bytes:
        """The next transfer that is not empty; one that is not waited for any more is kept for the next call.

        A stalled endpoint is cleared once; EPIPE: it stalled again before it sent anything. Raises OSError.
        """
        while True:
            first = self._standing[0]
            await first.ended.wait()
            if first.errno == errno.EPIPE and not self._cleared:
                await self._clear()
                continue
            if first.errno:
                raise _failure(first.errno)
            self._cleared = False
            data = ctypes.string_at(first.memory, first.urb.actual_length)
            self._stand(self._standing.popleft())
            if data:
                return data

    def _stand(self, transfer: _Transfer) -> None:
        """A failure is told when its turn comes, after everything that was sent before."""
        try:
            self._device.submit(transfer)
        except OSError as error:
            transfer.end(error.errno or errno.ENODEV)
        self._standing.append(transfer)

    async def _clear(self) -> None:
        """With no URB at the endpoint, as usb_clear_halt asks for."""
        for transfer in self._standing:
            self._device.discard(transfer)
            await transfer.ended.wait()
        await self._device.clear_halt(self._endpoint)
        self._cleared = True
        for _ in range(STANDING):
            self._stand(self._standing.popleft())
