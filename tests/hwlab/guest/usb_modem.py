"""Emulated modems behind the guest's USB: the composition on the bus, simlab's modem on its AT port."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from simlab.modems.emulator import Attach, EmulatedModem, Timing, accept_all, load_script
from simlab.modems.pty import ModemTty
from simlab.modems.sim import ModemSim
from tests.hwlab.guest.compositions import Composition, Kind
from tests.hwlab.guest.descriptors import (
    CDC_DATA,
    COMMUNICATIONS,
    IN,
    VENDOR_CLASS,
    Description,
    Endpoint,
    Interface,
    Transfer,
    communications,
)
from tests.hwlab.guest.rndis import Rndis
from tests.hwlab.guest.usbip import UsbDevice

TIMING = Timing(card_s=0.01, attach_s=0.01, restart_s=0.05)


class UsbModem(EmulatedModem):
    """The lab's modem behind the AT interface of `composition`, on the virtual USB host number `host`.

    After a reset it is away from the bus for `absence_s`. `usb` is its device.
    """

    def __init__(
        self,
        composition: Composition,
        host: int,
        *,
        sim: ModemSim | None = None,
        attach: Attach = accept_all,
        values: Mapping[str, str] | None = None,
        timing: Timing = TIMING,
        absence_s: float = 0.5,
    ) -> None:
        script = load_script(composition.script)
        super().__init__(script, Path(), sim=sim, attach=attach, values=values, timing=timing)
        self.usb = usb_device(composition, host)
        self._absence_s = absence_s
        self._tty = _UsbTty(self.usb, at_endpoint(composition), self._on_bytes, timing)

    def _power_cycle(self) -> None:
        self._unplug()
        self._restart = asyncio.get_running_loop().call_later(self._absence_s, self._plug_in)


class _UsbTty(ModemTty):
    """The modem's end of its AT interface."""

    def __init__(
        self, usb: UsbDevice, endpoint: int, on_bytes: Callable[[bytes], None], timing: Timing
    ) -> None:
        super().__init__(Path(), on_bytes, piece_bytes=timing.piece_bytes, piece_s=timing.piece_s)
        self._usb = usb
        self._endpoint = endpoint

    @property
    def plugged(self) -> bool:
        return self._usb.plugged

    def plug_in(self) -> None:
        loop = asyncio.get_running_loop()

        def on_data(endpoint: int, data: bytes) -> None:
            if endpoint == self._endpoint:
                loop.call_soon_threadsafe(self._on_bytes, data)

        self._usb.on_data = on_data
        self._usb.plug()

    def unplug(self) -> None:
        while not self._output.empty():
            self._output.get_nowait()
        self._usb.pull()

    def say(self, text: str) -> None:
        if self.plugged:
            self._output.put_nowait(text.encode("latin-1"))

    def _write(self, data: bytes) -> None:
        if self.plugged:
            self._usb.say(self._endpoint, data)


def usb_device(composition: Composition, host: int) -> UsbDevice:
    """A device of this composition with nobody behind its serial ports."""
    return UsbDevice(_description(composition), host, on_control=Rndis().control)


def at_endpoint(composition: Composition) -> int:
    """The number of both endpoints of the AT interface."""
    interfaces = {each.number: each for each in _description(composition).interfaces}
    kind = composition.interfaces[composition.at]
    return interfaces[composition.at + (kind is Kind.ACM)].endpoints[0].address & ~IN


def _description(composition: Composition) -> Description:
    numbers = itertools.count(1)
    interfaces: list[Interface] = []
    for number, kind in composition.interfaces.items():
        interfaces += _interfaces(kind, number, lambda: next(numbers))
    return Description(composition.vid, composition.pid, tuple(interfaces))


def _interfaces(kind: Kind, number: int, fresh: Callable[[], int]) -> tuple[Interface, ...]:
    """The interfaces of one kind; `fresh` gives numbers of endpoints."""
    match kind:
        case Kind.SERIAL:
            return (Interface(number, (VENDOR_CLASS, 0, 0), _bulk_pair(fresh())),)
        case Kind.ADB:
            return (Interface(number, (VENDOR_CLASS, 0x42, 1), _bulk_pair(fresh())),)
        case Kind.QMI:
            told = _interrupt(fresh())
            return (Interface(number, (VENDOR_CLASS, 0xFF, 0xFF), (told, *_bulk_pair(fresh()))),)
        case Kind.ACM:
            return _communications(number, (COMMUNICATIONS, 2, 1), fresh)
        case Kind.RNDIS:
            return _communications(number, (0xE0, 1, 3), fresh)


def _communications(
    number: int, triple: tuple[int, int, int], fresh: Callable[[], int]
) -> tuple[Interface, ...]:
    functional = communications(number, number + 1)
    return (
        Interface(number, triple, (_interrupt(fresh()),), functional),
        Interface(number + 1, (CDC_DATA, 0, 0), _bulk_pair(fresh())),
    )


def _bulk_pair(number: int) -> tuple[Endpoint, Endpoint]:
    return Endpoint(IN | number), Endpoint(number)


def _interrupt(number: int) -> Endpoint:
    return Endpoint(IN | number, Transfer.INTERRUPT)
