"""SIMtrace2 boards on USB: which interfaces are card slots, and how their messages travel."""

import errno
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remsimd.errors import FrontendError
from remsimd.sim.frontends.cardem import Transport
from remsimd.sim.frontends.usb_interfaces import SYSFS, Endpoint, Interface, UrbType, interfaces

if TYPE_CHECKING:
    from remsimd.sim.frontends import usbfs

VENDOR_CLASS, CARD_EMULATION = 0xFF, 0x02
OPENMOKO = 0x1D50
"""The vendor id of all SIMtrace2 boards. A modem may have an interface of the same class and
subclass, so other vendors' devices are only taken where `usb_path` names them."""
TRANSFER_OCTETS = 16 * 256
"""What the deployed host programs ask for; no message of the board is longer."""
WRITE_TIMEOUT_S = 1.0
_REASONS = {
    # Host controllers differ in what they say between the unplugging and the hub's word of it.
    **dict.fromkeys((errno.ENODEV, errno.ESHUTDOWN, errno.EPROTO, errno.EILSEQ, errno.ETIME), "unplugged"),
    # Transfers that nobody here took back: the kernel did when the device went.
    **dict.fromkeys((errno.ENOENT, errno.ECONNRESET), "unplugged"),
    errno.EPIPE: "the board stalls",
    errno.ETIMEDOUT: f"the board took nothing for {WRITE_TIMEOUT_S:.0f} s",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """One card slot of a board: its interface and the three endpoints."""

    found: Interface
    bulk_out: Endpoint
    bulk_in: Endpoint
    interrupt_in: Endpoint


@asynccontextmanager
async def open_board(
    path: str | None,
    interface: int | None,
    *,
    sysfs: Path = SYSFS,
    kernel: "usbfs.Kernel | None" = None,
) -> AsyncIterator[Transport]:
    """The board's slot while the context lasts; the first one found where neither is given.

    `path` is bus and ports as in "1-1.4", `interface` the number of the USB interface. Raises
    FrontendError where nothing matches, or where it cannot be claimed. `kernel` is this system's
    where none is given.
    """
    from remsimd.sim.frontends import usbfs

    slot = _find(path, interface, sysfs)
    async with AsyncExitStack() as stack:
        with _failures_at(slot):
            device = await stack.enter_async_context(usbfs.claimed(slot.found, kernel or usbfs.Kernel()))
        log.info("card emulation on %s", slot.found.place)
        transport = UsbTransport(
            slot,
            device,
            bulk=usbfs.Inlet(device, slot.bulk_in, TRANSFER_OCTETS),
            interrupt=usbfs.Inlet(device, slot.interrupt_in, TRANSFER_OCTETS),
        )
        transport.start()
        yield transport


class UsbTransport:
    """See `Transport`; lives as long as the device is claimed."""

    def __init__(
        self, slot: Slot, device: "usbfs.Device", *, bulk: "usbfs.Inlet", interrupt: "usbfs.Inlet"
    ) -> None:
        self._slot = slot
        self._device = device
        self._bulk = bulk
        self._interrupt = interrupt

    def start(self) -> None:
        """Begin to take what the board sends."""
        self._bulk.start()
        self._interrupt.start()

    async def write(self, transfer: bytes) -> None:
        """See `Transport.write`; it is done when the board has taken the transfer."""
        with _failures_at(self._slot):
            await self._device.write(self._slot.bulk_out, transfer, timeout_s=WRITE_TIMEOUT_S)

    async def read(self) -> bytes:
        """See `Transport.read`."""
        with _failures_at(self._slot):
            return await self._bulk.read()

    async def read_interrupt(self) -> bytes:
        """See `Transport.read_interrupt`."""
        with _failures_at(self._slot):
            return await self._interrupt.read()


@contextmanager
def _failures_at(slot: Slot) -> Iterator[None]:
    """Tell where something failed, and why, in words for people."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        reason = _holder(slot) if number == errno.EBUSY else _REASONS.get(number, error.strerror)
        raise FrontendError(f"{slot.found.place}: {reason}") from error


def _holder(slot: Slot) -> str:
    driver = slot.found.driver()
    return "held by another program" if driver in (None, "usbfs") else f"held by the kernel's driver {driver}"


def _find(path: str | None, interface: int | None, sysfs: Path) -> Slot:
    for slot in _slots(sysfs):
        right_device = slot.found.vendor_id == OPENMOKO if path is None else slot.found.path == path
        if right_device and interface in (None, slot.found.number):
            return slot
    place = f"USB path {path}" if path is not None else "any USB path"
    number = "" if interface is None else f", interface {interface}"
    raise FrontendError(f"no SIMtrace2 card emulation at {place}{number}")


def _slots(sysfs: Path) -> Iterator[Slot]:
    """The card slots of all devices, told by class and endpoints: the numbers differ between boards."""
    for found in interfaces(sysfs):
        kinds = {(each.type, each.is_in): each for each in found.endpoints}
        bulk_out = kinds.get((UrbType.BULK, False))
        bulk_in = kinds.get((UrbType.BULK, True))
        interrupt_in = kinds.get((UrbType.INTERRUPT, True))
        if found.kind != (VENDOR_CLASS, CARD_EMULATION):
            continue
        if bulk_out is not None and bulk_in is not None and interrupt_in is not None:
            yield Slot(found, bulk_out, bulk_in, interrupt_in)
