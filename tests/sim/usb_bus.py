"""USB without a bus: sysfs as files in a folder, and a kernel whose devices are emulated boards.

The kernel's side works on the memory at the addresses that it is given, as the real one does.
"""

import asyncio
import ctypes
import errno
import itertools
import os
import shutil
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path

from remsimd.sim.frontends import usbfs
from remsimd.sim.frontends.usb_interfaces import NODES
from simlab.cardem import CardemBoard

BULK, INTERRUPT = "Bulk", "Interrupt"
NOT_WRITABLE = 2**64 - 2
"""What an eventfd can take no more of (eventfd(2))."""


@dataclass(eq=False)
class Interface:
    """One interface: its class, its endpoints (address, type), and the board behind them."""

    number: int
    kind: tuple[int, int]
    endpoints: tuple[tuple[int, str], ...]
    board: CardemBoard | None = None
    driver: str | None = None


def cardem(number: int, board: CardemBoard | None = None, *, base: int = 4) -> Interface:
    """A card slot with its endpoints at `base` and the next two."""
    endpoints = ((base, BULK), (0x81 + base, BULK), (0x82 + base, INTERRUPT))
    return Interface(number, (0xFF, 2), endpoints, board)


@dataclass(eq=False)
class Device:
    """A device; `deaf` keeps it from taking anything, `stalls` is how often each endpoint will refuse."""

    path: str
    vendor: int
    interfaces: list[Interface]
    deaf: bool = False
    stalls: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    claimed: set[int] = field(default_factory=set)
    cleared: list[int] = field(default_factory=list)
    node: Path = Path()

    def interface_with(self, endpoint: int) -> Interface | None:
        return next((each for each in self.interfaces if endpoint in dict(each.endpoints)), None)


@dataclass(frozen=True, slots=True)
class Ended:
    """An URB that waits to be collected; what it brings is copied only then."""

    address: int
    status: int
    data: bytes


class File:
    """An open usbfs file: its URBs, and whether it polls writable."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.pending: dict[int, deque[int]] = defaultdict(deque)
        """By endpoint, in the order they were submitted."""
        self.ended: deque[Ended] = deque()
        self.claimed: set[int] = set()
        self.unplugged = False
        self._writable = True
        self.show()

    def show(self) -> None:
        """Poll as it should now."""
        if self._writable != (writable := bool(self.ended) or self.unplugged):
            self._writable = writable
            if writable:
                os.eventfd_read(self.number)
            else:
                os.eventfd_write(self.number, NOT_WRITABLE)

    def end(self, address: int, status: int, data: bytes = b"") -> None:
        self.ended.append(Ended(address, status, data))
        self.show()

    def take_back(self, status: int, endpoints: set[int] | None = None) -> None:
        for endpoint, addresses in self.pending.items():
            while addresses and (endpoints is None or endpoint in endpoints):
                self.end(addresses.popleft(), status)

    @property
    def waiting(self) -> int:
        return sum(len(addresses) for addresses in self.pending.values())


class Bus(usbfs.Kernel):
    """What is plugged in; boards hear what they are sent on the loop that made the bus.

    `unplug_status` is what URBs end with then; host controllers differ. `left_to_close` counts those that
    only close(2) took back.
    """

    def __init__(self, folder: Path, *devices: Device, unplug_status: int = errno.ESHUTDOWN) -> None:
        super().__init__()
        self.sysfs = folder
        self.files: dict[int, File] = {}
        self.opened = self.reaps = self.left_to_close = 0
        self.unplug_status = unplug_status
        self._loop = asyncio.get_running_loop()
        self._nodes: dict[Path, Device] = {}
        self._numbers = itertools.count(2)
        for device in devices:
            self.plug(device)

    @property
    def waiting(self) -> int:
        """How many URBs the kernel has."""
        return sum(file.waiting + len(file.ended) for file in self.files.values())

    def plug(self, device: Device) -> None:
        """Lay out the device as Linux 6.1 shows it."""
        number, bus = next(self._numbers), int(device.path.partition("-")[0])
        device.node = NODES / f"{bus:03d}" / f"{number:03d}"
        self._nodes[device.node] = device
        attributes = {"idVendor": f"{device.vendor:04x}", "busnum": f"{bus}", "devnum": f"{number}"}
        place = self.sysfs / device.path
        lay(place, attributes | {"bConfigurationValue": "1", "idProduct": "60e3"})
        lay(place / "ep_00", {"bEndpointAddress": "00", "type": "Control", "direction": "both"})
        for interface in device.interfaces:
            self._lay_interface(self.sysfs / f"{device.path}:1.{interface.number}", interface)
            if interface.board is not None:
                interface.board.on_message = self.deliver

    def _lay_interface(self, place: Path, interface: Interface) -> None:
        lay(
            place,
            {
                "bAlternateSetting": " 0",
                "bInterfaceClass": f"{interface.kind[0]:02x}",
                "bInterfaceNumber": f"{interface.number:02x}",
                "bInterfaceSubClass": f"{interface.kind[1]:02x}",
                "bNumEndpoints": f"{len(interface.endpoints):02x}",
            },
        )
        for address, kind in interface.endpoints:
            lay(
                place / f"ep_{address:02x}",
                {
                    "bEndpointAddress": f"{address:02x}",
                    "direction": "in" if address & 0x80 else "out",
                    "type": kind,
                },
            )
        if interface.driver is not None:
            (place / "driver").symlink_to(f"../../../../bus/usb/drivers/{interface.driver}")

    def unplug(self, device: Device) -> None:
        """It leaves sysfs first; what its URBs had been given before stays to be collected."""
        del self._nodes[device.node]
        for folder in (*self.sysfs.glob(f"{device.path}:*"), self.sysfs / device.path):
            shutil.rmtree(folder)
        for file in self._files_of(device):
            file.take_back(-self.unplug_status)
            file.unplugged = True
            file.show()

    def deliver(self) -> None:
        """Put what boards have to say into the URBs that wait for it."""
        for file in self.files.values():
            for endpoint, addresses in file.pending.items():
                interface = file.device.interface_with(endpoint)
                if interface is None or interface.board is None or not endpoint & 0x80:
                    continue
                bulk = dict(interface.endpoints)[endpoint] == BULK
                queue = interface.board.bulk_in if bulk else interface.board.interrupt_in
                while addresses and queue and not file.device.stalls[endpoint]:
                    file.end(addresses.popleft(), 0, queue.popleft())

    def stall(self, device: Device, endpoint: int, times: int) -> None:
        """Refuse what waits first at an endpoint, and again so often that it has refused `times`."""
        device.stalls[endpoint] = times
        for file in self._files_of(device):
            if addresses := file.pending[endpoint]:
                file.end(addresses.popleft(), -errno.EPIPE)

    def _files_of(self, device: Device) -> list[File]:
        return [file for file in self.files.values() if file.device is device]

    # What usbfs asks

    def open(self, node: Path) -> int:
        if node not in self._nodes:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        file = File(self._nodes[node])
        self.files[file.number] = file
        self.opened += 1
        return file.number

    def close(self, file: int) -> None:
        closed = self.files.pop(file)
        self.left_to_close += closed.waiting
        closed.device.claimed -= closed.claimed
        os.close(closed.number)

    def ioctl(self, file: int, request: int, address: int) -> None:
        number = self._do(self.files[file], request, address)
        if number:
            raise OSError(number, os.strerror(number))

    def _do(self, file: File, request: int, address: int) -> int:
        if request == usbfs.REAP_WITHOUT_WAITING:
            return self._reap(file, address)
        if file.unplugged:
            return errno.ENODEV
        if request == usbfs.SUBMIT:
            return self._submit(file, address)
        if request == usbfs.DISCARD:
            return self._discard(file, address)
        number = ctypes.c_uint.from_address(address).value
        if request == usbfs.CLAIM:
            return self._claim(file, number)
        if request == usbfs.RELEASE:
            file.claimed.remove(number)
            file.device.claimed.remove(number)
            interface = next(each for each in file.device.interfaces if each.number == number)
            file.take_back(-errno.ENOENT, set(dict(interface.endpoints)))
            return 0
        assert request == usbfs.CLEAR_HALT
        file.device.cleared.append(number)
        file.device.stalls[number] = max(0, file.device.stalls[number] - 1)
        return 0

    def _claim(self, file: File, number: int) -> int:
        interface = next(each for each in file.device.interfaces if each.number == number)
        if interface.driver is not None or number in file.device.claimed:
            return errno.EBUSY
        file.claimed.add(number)
        file.device.claimed.add(number)
        return 0

    def _submit(self, file: File, address: int) -> int:
        urb = usbfs.Urb.from_address(address)
        interface = file.device.interface_with(urb.endpoint)
        if interface is None or interface.number not in file.claimed:
            return errno.ENOENT
        assert address not in file.pending[urb.endpoint], "the kernel has it already"
        assert urb.type == {BULK: 3, INTERRUPT: 1}[dict(interface.endpoints)[urb.endpoint]]
        if file.device.stalls[urb.endpoint]:
            file.end(address, -errno.EPIPE)
        elif urb.endpoint & 0x80 or file.device.deaf:
            file.pending[urb.endpoint].append(address)
            self.deliver()
        else:
            data = ctypes.string_at(urb.buffer, urb.buffer_length)
            if interface.board is not None:
                self._loop.call_soon_threadsafe(interface.board.receive, data)
            file.end(address, 0, data)
        return 0

    def _discard(self, file: File, address: int) -> int:
        for addresses in file.pending.values():
            if address in addresses:
                addresses.remove(address)
                file.end(address, -errno.ENOENT)
                return 0
        return errno.EINVAL

    def _reap(self, file: File, where: int) -> int:
        self.reaps += 1
        if not file.ended:
            return errno.ENODEV if file.unplugged else errno.EAGAIN
        ended = file.ended.popleft()
        file.show()
        urb = usbfs.Urb.from_address(ended.address)
        urb.status, urb.actual_length = ended.status, len(ended.data)
        assert len(ended.data) <= urb.buffer_length
        if urb.endpoint & 0x80:
            ctypes.memmove(urb.buffer, ended.data, len(ended.data))
        ctypes.c_void_p.from_address(where).value = ended.address
        return 0


def lay(folder: Path, attributes: dict[str, str]) -> None:
    """A folder of sysfs: one file for each attribute, with a line feed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in attributes.items():
        (folder / name).write_text(value + "\n")
