"""SIMtrace2 boards on USB; the only module that knows pyusb.

pyusb blocks, so each endpoint is read by a thread of its own with short time-outs: a thread
sees within one of them that it should end.
"""

import asyncio
import errno
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remsimd.errors import FrontendError
from remsimd.sim.frontends.cardem import Transport

if TYPE_CHECKING:
    import usb.core

VENDOR_CLASS, CARD_EMULATION = 0xFF, 0x02
OPENMOKO = 0x1D50
"""The vendor id of all SIMtrace2 boards. A modem may have an interface of the same class and
subclass, so other vendors' devices are only taken where `usb_path` names them."""
TRANSFER_OCTETS = 16 * 256
"""What the deployed host programs ask for; no message of the board is longer."""
READ_TIMEOUT_MS = 200
WRITE_TIMEOUT_MS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """One card slot of a board: the addresses of its three endpoints."""

    device: "usb.core.Device"
    interface: int
    bulk_out: int
    bulk_in: int
    interrupt_in: int

    @property
    def place(self) -> str:
        return f"USB {usb_path(self.device)} interface {self.interface}"


@asynccontextmanager
async def open_board(
    path: str | None, interface: int | None, *, backend: Any = None
) -> AsyncIterator[Transport]:
    """The board's slot while the context lasts; the first one found where neither is given.

    `path` is bus and ports as in "1-1.4", `interface` the number of the USB interface. Raises
    FrontendError where nothing matches, or where it cannot be claimed. `backend` is pyusb's.
    """
    slot = await asyncio.to_thread(_claim, path, interface, backend)
    log.info("card emulation on %s", slot.place)
    transport = UsbTransport(slot)
    try:
        transport.start()
        yield transport
    finally:
        await asyncio.to_thread(transport.stop)
        await asyncio.to_thread(_release, slot)


class UsbTransport:
    """See `Transport`; lives from `start` to `stop`, both called by `open_board`."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._bulk: asyncio.Queue[bytes | FrontendError] = asyncio.Queue()
        self._interrupt: asyncio.Queue[bytes | FrontendError] = asyncio.Queue()
        self._threads = [
            threading.Thread(target=self._pump, args=arguments, name=f"usb-{arguments[0]:02x}", daemon=True)
            for arguments in ((slot.bulk_in, self._bulk), (slot.interrupt_in, self._interrupt))
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop reading; blocks for one time-out at most."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    async def write(self, transfer: bytes) -> None:
        """See `Transport.write`; it is done when the board has taken the transfer."""
        await asyncio.to_thread(self._write, transfer)

    async def read(self) -> bytes:
        """See `Transport.read`."""
        return _given(await self._bulk.get())

    async def read_interrupt(self) -> bytes:
        """See `Transport.read_interrupt`."""
        return _given(await self._interrupt.get())

    def _write(self, transfer: bytes) -> None:
        import usb.core

        try:
            self._slot.device.write(self._slot.bulk_out, transfer, WRITE_TIMEOUT_MS)
        except usb.core.USBError as error:
            raise FrontendError(f"{self._slot.place}: {error}") from error

    def _pump(self, endpoint: int, queue: "asyncio.Queue[bytes | FrontendError]") -> None:
        import usb.core

        while not self._stopping.is_set():
            try:
                transfer = bytes(self._slot.device.read(endpoint, TRANSFER_OCTETS, READ_TIMEOUT_MS))
            except usb.core.USBTimeoutError:
                continue
            except usb.core.USBError as error:
                failure = FrontendError(f"{self._slot.place}: {_reason(error)}")
                self._loop.call_soon_threadsafe(queue.put_nowait, failure)
                return
            if transfer:
                self._loop.call_soon_threadsafe(queue.put_nowait, transfer)


def usb_path(device: "usb.core.Device") -> str:
    """Where a device is plugged in, as the kernel writes it: "1-1.4", or "1-0" for a root hub."""
    return f"{device.bus}-{'.'.join(str(port) for port in device.port_numbers or (0,))}"


def _given(arrived: bytes | FrontendError) -> bytes:
    if isinstance(arrived, FrontendError):
        raise arrived
    return arrived


def _reason(error: "usb.core.USBError") -> str:
    return "unplugged" if error.errno == errno.ENODEV else str(error)


def _claim(path: str | None, interface: int | None, backend: Any) -> Slot:
    import usb.core
    import usb.util

    try:
        slot = _find(path, interface, backend)
        usb.util.claim_interface(slot.device, slot.interface)
    except usb.core.NoBackendError as error:
        raise FrontendError("libusb-1.0 is not installed") from error
    except (usb.core.USBError, NotImplementedError) as error:
        raise FrontendError(f"the USB board cannot be used: {error}") from error
    return slot


def _release(slot: Slot) -> None:
    import usb.core
    import usb.util

    # A board that was unplugged needs no releasing.
    with suppress(usb.core.USBError):
        usb.util.release_interface(slot.device, slot.interface)
    usb.util.dispose_resources(slot.device)


def _find(path: str | None, interface: int | None, backend: Any) -> Slot:
    import usb.core
    import usb.util

    wanted: Callable[[usb.core.Device], bool] = (
        (lambda device: usb_path(device) == path)
        if path is not None
        else (lambda device: bool(device.idVendor == OPENMOKO))
    )
    for device in usb.core.find(find_all=True, custom_match=wanted, backend=backend):
        for slot in _slots(device):
            if interface in (None, slot.interface):
                return slot
        usb.util.dispose_resources(device)
    place = f"USB path {path}" if path is not None else "any USB path"
    number = "" if interface is None else f", interface {interface}"
    raise FrontendError(f"no SIMtrace2 card emulation at {place}{number}")


def _slots(device: "usb.core.Device") -> Iterator[Slot]:
    """The card slots of a device, told by class and endpoints: the numbers differ between boards."""
    import usb.util

    for found in device.get_active_configuration():
        if (found.bInterfaceClass, found.bInterfaceSubClass) != (VENDOR_CLASS, CARD_EMULATION):
            continue
        kinds = {
            (
                usb.util.endpoint_type(endpoint.bmAttributes),
                usb.util.endpoint_direction(endpoint.bEndpointAddress),
            ): endpoint.bEndpointAddress
            for endpoint in found
        }
        bulk_out = kinds.get((usb.util.ENDPOINT_TYPE_BULK, usb.util.ENDPOINT_OUT))
        bulk_in = kinds.get((usb.util.ENDPOINT_TYPE_BULK, usb.util.ENDPOINT_IN))
        interrupt_in = kinds.get((usb.util.ENDPOINT_TYPE_INTR, usb.util.ENDPOINT_IN))
        if bulk_out is not None and bulk_in is not None and interrupt_in is not None:
            yield Slot(device, found.bInterfaceNumber, bulk_out, bulk_in, interrupt_in)
