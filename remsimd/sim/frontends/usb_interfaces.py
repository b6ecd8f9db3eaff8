"""The USB interfaces of the devices that are plugged in, as sysfs shows them.

No file is read that waits for a device, as the kernel's copies of its strings do.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SYSFS = Path("/sys/bus/usb/devices")
NODES = Path("/dev/bus/usb")


class UrbType(IntEnum):
    """How an endpoint transfers, by the URB's number for it (linux/usbdevice_fs.h)."""

    INTERRUPT = 1
    BULK = 3


_TYPES = {"Interrupt": UrbType.INTERRUPT, "Bulk": UrbType.BULK}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`address` with the bit of its direction, as in the descriptor (USB 2.0, 9.6.6)."""

    address: int
    type: UrbType

    @property
    def is_in(self) -> bool:
        """Whether it sends to the host."""
        return bool(self.address & 0x80)


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a device that is plugged in.

    `path` is bus and ports as in "1-1.4", `kind` class and subclass, `endpoints` those of the setting that
    is in use, without control and isochronous ones; `folder` is in sysfs, `node` the device's usbfs file.
    """

    path: str
    vendor_id: int
    number: int
    kind: tuple[int, int]
    endpoints: tuple[Endpoint, ...]
    folder: Path
    node: Path

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"USB {self.path} interface {self.number}"

    def driver(self) -> str | None:
        """Who has it now: a driver of the kernel, or "usbfs" for a program; None for nobody."""
        try:
            return (self.folder / "driver").readlink().name
        except OSError:
            return None


def interfaces(sysfs: Path = SYSFS) -> list[Interface]:
    """The interfaces of all devices in the order of their paths and numbers; empty without USB."""
    found = []
    for folder in sysfs.glob("*:*"):
        # One that is unplugged while it is looked at is left out.
        with suppress(OSError, ValueError):
            found.append(_interface(folder))
    return sorted(found, key=lambda each: (each.path, each.number))


def _interface(folder: Path) -> Interface:
    """`folder` is named by the device's path, its configuration and the interface: "1-1.4:1.0"."""
    path = folder.name.partition(":")[0]
    device = folder.with_name(path)
    bus, number = (int(_attribute(device, name)) for name in ("busnum", "devnum"))
    return Interface(
        path=path,
        vendor_id=int(_attribute(device, "idVendor"), 16),
        number=int(_attribute(folder, "bInterfaceNumber"), 16),
        kind=(
            int(_attribute(folder, "bInterfaceClass"), 16),
            int(_attribute(folder, "bInterfaceSubClass"), 16),
        ),
        endpoints=tuple(_endpoints(folder)),
        folder=folder,
        node=NODES / f"{bus:03d}" / f"{number:03d}",
    )


def _endpoints(folder: Path) -> Iterator[Endpoint]:
    for each in sorted(folder.glob("ep_*")):
        kind = _TYPES.get(_attribute(each, "type"))
        if kind is not None:
            yield Endpoint(int(_attribute(each, "bEndpointAddress"), 16), kind)


def _attribute(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="ascii").strip()
