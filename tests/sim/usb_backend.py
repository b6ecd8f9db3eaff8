"""USB without a bus: a backend for pyusb whose devices are emulated boards."""

import array
import asyncio
import errno
import threading
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import usb.backend
import usb.core

from simlab.cardem import CardemBoard

BULK, INTERRUPT = 2, 3


@dataclass(eq=False)
class Interface:
    """One interface: its class, its endpoints (address, type), and the board behind them."""

    number: int
    kind: tuple[int, int]
    endpoints: tuple[tuple[int, int], ...]
    board: CardemBoard | None = None


@dataclass(eq=False)
class Device:
    bus: int
    ports: tuple[int, ...]
    vendor: int
    interfaces: list[Interface]
    plugged: bool = True
    claimed: set[int] = field(default_factory=set)
    opened: int = 0
    busy: bool = False


def cardem(number: int, board: CardemBoard | None = None, *, base: int = 4) -> Interface:
    """A card slot with its endpoints at `base` and the next two."""
    endpoints = ((base, BULK), (0x81 + base, BULK), (0x82 + base, INTERRUPT))
    return Interface(number, (0xFF, 2), endpoints, board)


class Bus(usb.backend.IBackend):  # type: ignore[misc]  # pyusb publishes no types
    """What is plugged in; boards are driven on the loop that made the bus."""

    def __init__(self, *devices: Device) -> None:
        super().__init__()
        self.devices = list(devices)
        self._loop = asyncio.get_running_loop()
        self._news = threading.Condition()
        for device in devices:
            for interface in device.interfaces:
                if interface.board is not None:
                    interface.board.on_message = self._wake

    def unplug(self, device: Device) -> None:
        device.plugged = False
        self.devices.remove(device)
        self._wake()

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()

    # What pyusb asks

    def enumerate_devices(self) -> list[Device]:
        return self.devices

    def get_device_descriptor(self, dev: Device) -> Any:
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x200, bDeviceClass=0, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=64, idVendor=dev.vendor, idProduct=0x4004, bcdDevice=1, iManufacturer=0,
            iProduct=0, iSerialNumber=0, bNumConfigurations=1, address=1, bus=dev.bus,
            port_number=dev.ports[-1], port_numbers=dev.ports, speed=2,
        )  # fmt: skip

    def get_configuration_descriptor(self, dev: Device, config: int) -> Any:
        if config:
            raise IndexError(config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=9, bNumInterfaces=len(dev.interfaces),
            bConfigurationValue=1, iConfiguration=0, bmAttributes=0x80, bMaxPower=50, extra_descriptors=b"",
        )  # fmt: skip

    def get_interface_descriptor(self, dev: Device, intf: int, alt: int, config: int) -> Any:
        if alt:
            raise IndexError(alt)
        found = dev.interfaces[intf]
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=found.number, bAlternateSetting=0,
            bNumEndpoints=len(found.endpoints), bInterfaceClass=found.kind[0],
            bInterfaceSubClass=found.kind[1], bInterfaceProtocol=0, iInterface=0, extra_descriptors=b"",
        )  # fmt: skip

    def get_endpoint_descriptor(self, dev: Device, ep: int, intf: int, alt: int, config: int) -> Any:
        address, kind = dev.interfaces[intf].endpoints[ep]
        return SimpleNamespace(
            bLength=7, bDescriptorType=5, bEndpointAddress=address, bmAttributes=kind, wMaxPacketSize=64,
            bInterval=16, bRefresh=0, bSynchAddress=0, extra_descriptors=b"",
        )  # fmt: skip

    def open_device(self, dev: Device) -> Device:
        self._there(dev)
        dev.opened += 1
        return dev

    def close_device(self, dev_handle: Device) -> None:
        dev_handle.opened -= 1

    def get_configuration(self, dev_handle: Device) -> int:
        return 1

    def claim_interface(self, dev_handle: Device, intf: int) -> None:
        if dev_handle.busy:
            raise usb.core.USBError("Resource busy", -6, errno.EBUSY)
        dev_handle.claimed.add(intf)

    def release_interface(self, dev_handle: Device, intf: int) -> None:
        self._there(dev_handle)
        dev_handle.claimed.remove(intf)

    def bulk_write(self, dev_handle: Device, ep: int, intf: int, data: Any, timeout: int) -> int:
        self._there(dev_handle)
        board = self._board(dev_handle, intf)
        self._loop.call_soon_threadsafe(board.receive, data.tobytes())
        return len(data)

    def bulk_read(self, dev_handle: Device, ep: int, intf: int, buff: Any, timeout: int) -> int:
        return self._read(dev_handle, self._board(dev_handle, intf).bulk_in, buff, timeout)

    def intr_read(self, dev_handle: Device, ep: int, intf: int, buff: Any, timeout: int) -> int:
        return self._read(dev_handle, self._board(dev_handle, intf).interrupt_in, buff, timeout)

    def _read(self, device: Device, queue: deque[bytes], buff: Any, timeout_ms: int) -> int:
        with self._news:
            self._news.wait_for(lambda: queue or not device.plugged, timeout_ms / 1000)
            self._there(device)
            if not queue:
                raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            transfer = queue.popleft()
        buff[: len(transfer)] = array.array("B", transfer)
        return len(transfer)

    def _there(self, device: Device) -> None:
        if not device.plugged:
            raise usb.core.USBError("No such device (it may have been disconnected)", -4, errno.ENODEV)

    def _board(self, device: Device, number: int) -> CardemBoard:
        board = next(found.board for found in device.interfaces if found.number == number)
        assert board is not None
        return board
