"""A serial port on the running event loop; the only module that uses pyserial."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import struct
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import serial

from modems.at.lock import LOCK_DIRECTORY, check_unlocked, locked
from modems.errors import PortBusy, PortGone

log = logging.getLogger(__name__)

BAUDRATE = 115200  # means nothing on USB and PCIe; a modem on a real UART has this as its usual speed
READ_BYTES = 4096

SERIAL_STRUCT_OCTETS = 96
CLOSING_WAIT_AT, CLOSING_WAIT_NONE = 40, 65535
"""Linux: struct serial_struct of linux/serial.h, the same up to there on every architecture."""

_BUSY = frozenset({errno.EBUSY, errno.EAGAIN})


class SerialPort:
    """An open port; `open_port` makes one.

    `on_bytes` gets what arrives, `on_gone` is told once when the modem vanishes; `wait_gone` is the same
    for a task. Neither callback may raise.
    """

    def __init__(self, name: str, device: serial.Serial) -> None:
        self.name = name
        self.on_bytes: Callable[[bytes], None] | None = None
        self.on_gone: Callable[[PortGone], None] | None = None
        self._device = device
        self._fd: int = device.fileno()
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._gone: asyncio.Future[PortGone] = self._loop.create_future()

    def write(self, data: bytes) -> None:
        """Send `data`, as soon as the port takes it; raises PortGone when the modem has vanished."""
        if self._gone.done():
            raise PortGone(self.name, self._gone.result().reason)
        self._unsent += data
        self._send()
        if self._gone.done():
            raise PortGone(self.name, self._gone.result().reason)

    async def wait_gone(self) -> PortGone:
        """Wait until the port is gone and return why."""
        return await asyncio.shield(self._gone)

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._vanish(os.strerror(error.errno or errno.EIO))
            return
        if not data:
            self._vanish("hung up")
        elif self.on_bytes is not None:
            self.on_bytes(data)

    def _send(self) -> None:
        try:
            while self._unsent:
                sent = os.write(self._fd, self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            self._loop.add_writer(self._fd, self._send)
            return
        except OSError as error:
            self._vanish(os.strerror(error.errno or errno.EIO))
            return
        self._loop.remove_writer(self._fd)

    def _vanish(self, reason: str) -> None:
        if self._gone.done():
            return
        self._stop()
        gone = PortGone(self.name, reason)
        self._gone.set_result(gone)
        log.debug("%s", gone)
        if self.on_gone is not None:
            self.on_gone(gone)

    def _start(self) -> None:
        self._loop.add_reader(self._fd, self._receive)

    def _stop(self) -> None:
        self._unsent.clear()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)

    def _stop_serving(self) -> None:
        self._vanish("closed")
        with contextlib.suppress(serial.SerialException, OSError, termios.error):
            # Closing a tty waits for unsent output, up to 30 s with a modem that reads nothing.
            self._device.reset_output_buffer()


@contextlib.asynccontextmanager
async def open_port(path: str | Path, *, lock_directory: Path = LOCK_DIRECTORY) -> AsyncIterator[SerialPort]:
    """Open the tty at `path` raw and exclusively, for the length of the block.

    Exclusive for those who ask: a lock file (`modems.at.lock`), flock(2), and TIOCEXCL, which keeps out even
    programs that ask nobody unless they run as root.
    Raises PortBusy when another program holds it, PortGone when it is not there or not a working tty.
    """
    name = str(path)
    check_unlocked(name, lock_directory)
    device = _open(name)
    try:
        _close_without_waiting(device.fileno())
        with locked(name, lock_directory), _exclusive(device.fileno()):
            port = SerialPort(name, device)
            port._start()
            try:
                yield port
            finally:
                port._stop_serving()
    finally:
        with contextlib.suppress(serial.SerialException, OSError):
            device.close()


def _open(name: str) -> serial.Serial:
    try:
        return serial.Serial(name, BAUDRATE, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, termios.error) as error:
        # SerialException is an OSError; termios.error is not, and has the number as its first argument.
        number = error.errno if isinstance(error, OSError) else error.args[0]
        if number in _BUSY:
            raise PortBusy(name) from error
        raise PortGone(name, os.strerror(number) if number else str(error)) from error


def _close_without_waiting(fd: int) -> None:
    """Have close(2) drop what the modem has not taken; a hung one would block it for 30 s (closing_wait).

    usb-serial and cdc_acm cannot flush what is on its way to the modem. Pseudo-terminals and WWAN ports know
    no such setting, and who is not root may not change it.
    """
    settings = bytearray(SERIAL_STRUCT_OCTETS)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCGSERIAL, settings)
        struct.pack_into("=H", settings, CLOSING_WAIT_AT, CLOSING_WAIT_NONE)
        fcntl.ioctl(fd, termios.TIOCSSERIAL, settings)


@contextlib.contextmanager
def _exclusive(fd: int) -> Iterator[None]:
    """Set TIOCEXCL; it belongs to the tty, so a pseudo-terminal would keep it beyond our close."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCEXCL)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, termios.TIOCNXCL)
