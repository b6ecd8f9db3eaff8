"""The system's ttys, WWAN ports and network interfaces; the only module that uses pyudev.

pyudev is imported when it is first needed: a router whose ports are all configured never loads it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modems.detect.usb import Candidate, group
from modems.errors import Unsupported

if TYPE_CHECKING:
    import pyudev

SUBSYSTEMS = ("tty", "wwan", "net")


def candidates() -> tuple[Candidate, ...]:
    """Return the modems attached now; reads sysfs only, so it blocks for milliseconds and wakes no modem.

    Raises Unsupported on a system without libudev.
    """
    try:
        import pyudev
    except ImportError as error:
        # pyudev itself may be there and the C library it wraps not.
        raise Unsupported("this system", f"looking for modems: {error}") from error
    return group(nodes(pyudev.Context()))


def nodes(context: "pyudev.Context") -> Iterator[dict[str, str]]:
    """Return what is attached in the form `group` takes; virtual devices and other buses are left out."""
    for subsystem in SUBSYSTEMS:
        for device in context.list_devices(subsystem=subsystem):
            bus = _bus(device)
            if bus is not None:
                yield {"subsystem": subsystem, "name": device.sys_name, **bus, **_device_node(device)}


def _device_node(device: "pyudev.Device") -> dict[str, str]:
    return {"device": device.device_node} if device.device_node else {}


def _bus(device: "pyudev.Device") -> dict[str, str] | None:
    """Return where and what the device's hardware is, or None for virtual ones and other buses."""
    usb = device.find_parent("usb", "usb_device")
    if usb is not None:
        interface = device.find_parent("usb", "usb_interface")
        return {
            "bus": "usb",
            "path": usb.sys_name,
            "vid": _attribute(usb, "idVendor"),
            "pid": _attribute(usb, "idProduct"),
            "interface": "" if interface is None else _attribute(interface, "bInterfaceNumber"),
        }
    pci = device.find_parent("pci")
    if pci is None:
        return None
    return {
        "bus": "pci",
        "path": pci.sys_name,
        "vid": _attribute(pci, "vendor"),
        "pid": _attribute(pci, "device"),
    }


def _attribute(device: "pyudev.Device", name: str) -> str:
    """Return a sysfs attribute, "" when the device vanished in between."""
    try:
        return str(device.attributes.asstring(name))
    except (KeyError, UnicodeDecodeError):
        return ""
