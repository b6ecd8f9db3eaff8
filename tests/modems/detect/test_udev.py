"""What pyudev shows of sysfs, as nodes; devices as it shows them are played by small look-alikes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from modems.detect import udev
from modems.detect.usb import group


class Attributes(dict[str, str]):
    """pyudev's attributes: a file that is not there is a KeyError."""

    def asstring(self, name: str) -> str:
        return self[name]


@dataclass
class Device:
    sys_name: str
    kind: tuple[str, str | None]
    parent: "Device | None" = None
    device_node: str | None = None
    attributes: Attributes = field(default_factory=Attributes)

    def find_parent(self, subsystem: str, device_type: str | None = None) -> "Device | None":
        at = self.parent
        while at is not None:
            if at.kind[0] == subsystem and device_type in (None, at.kind[1]):
                return at
            at = at.parent
        return None


@dataclass
class Context:
    devices: list[Device]

    def list_devices(self, *, subsystem: str) -> Iterator[Device]:
        return (device for device in self.devices if device.kind[0] == subsystem)


HOST = Device("0000:00:14.0", ("pci", None), attributes=Attributes(vendor="0x8086", device="0xa36d"))
RM500Q = Device(
    "1-1.2", ("usb", "usb_device"), HOST, attributes=Attributes(idVendor="2c7c", idProduct="0800")
)


def interface(number: int, attributes: Attributes | None = None) -> Device:
    known = Attributes(bInterfaceNumber=f"{number:02x}") if attributes is None else attributes
    return Device(f"1-1.2:1.{number}", ("usb", "usb_interface"), RM500Q, attributes=known)


def tty(number: int, parent: Device) -> Device:
    serial = Device(f"ttyUSB{number}", ("usb-serial", None), parent)
    return Device(f"ttyUSB{number}", ("tty", None), serial, f"/dev/ttyUSB{number}")


def test_a_usb_modem_is_found_below_its_host_controller() -> None:
    devices = [tty(n, interface(n)) for n in range(4)] + [Device("wwan0", ("net", None), interface(4))]
    (found,) = group(udev.nodes(Context(devices)))
    assert (found.path, found.vid, found.pid) == ("usb:1-1.2", "2c7c", "0800")
    assert (found.at_port, found.netdev) == ("/dev/ttyUSB2", "wwan0")


def test_a_pci_modem_is_found() -> None:
    pci = Device("0000:01:00.0", ("pci", None), attributes=Attributes(vendor="0x14c3", device="0x4d75"))
    at = Device("wwan0at0", ("wwan", None), Device("wwan0", ("wwan", None), pci), "/dev/wwan0at0")
    (found,) = group(udev.nodes(Context([at])))
    assert (found.path, found.at_port) == ("pci:0000:01:00.0", "/dev/wwan0at0")


def test_virtual_devices_are_left_out() -> None:
    devices = [Device("tty1", ("tty", None), None, "/dev/tty1"), Device("lo", ("net", None))]
    assert list(udev.nodes(Context(devices))) == []


def test_a_device_that_vanishes_while_it_is_looked_at_is_no_error() -> None:
    gone = Device("1-1.3", ("usb", "usb_device"), HOST)
    leaving = tty(9, Device("1-1.3:1.2", ("usb", "usb_interface"), gone))
    halfway = tty(2, interface(2, Attributes()))
    (found,) = group(udev.nodes(Context([leaving, halfway])))
    assert (found.ports, found.at_port) == (("/dev/ttyUSB2",), None)
