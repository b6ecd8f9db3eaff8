"""What sysfs shows of USB, laid out in a folder as Linux 6.1 has it."""

from pathlib import Path

from remsimd.sim.frontends.usb_interfaces import Endpoint, UrbType, interfaces
from tests.sim.usb_bus import lay

BOARD = {"idVendor": "1d50", "idProduct": "60e3", "busnum": "1", "devnum": "12"}
SLOT = {
    "bInterfaceNumber": "0a",
    "bInterfaceClass": "ff",
    "bInterfaceSubClass": "02",
    "bAlternateSetting": " 0",
}


def test_an_interface_is_read_with_its_hex_numbers_and_the_device_it_belongs_to(tmp_path: Path) -> None:
    lay(tmp_path / "1-1.4", BOARD)
    lay(tmp_path / "1-1.4/ep_00", {"bEndpointAddress": "00", "type": "Control"})
    slot = tmp_path / "1-1.4:1.10"
    lay(slot, SLOT)
    lay(slot / "ep_86", {"bEndpointAddress": "86", "type": "Interrupt"})
    lay(slot / "ep_0c", {"bEndpointAddress": "0c", "type": "Bulk"})
    lay(slot / "ep_87", {"bEndpointAddress": "87", "type": "Isoc"})
    (found,) = interfaces(tmp_path)
    assert (found.path, found.vendor_id, found.number, found.kind) == ("1-1.4", 0x1D50, 10, (0xFF, 2))
    assert found.endpoints == (Endpoint(0x0C, UrbType.BULK), Endpoint(0x86, UrbType.INTERRUPT))
    assert [each.is_in for each in found.endpoints] == [False, True]
    assert found.place == "USB 1-1.4 interface 10"
    assert found.node == Path("/dev/bus/usb/001/012")


def test_who_has_an_interface_is_looked_up_each_time(tmp_path: Path) -> None:
    lay(tmp_path / "1-1.4", BOARD)
    lay(tmp_path / "1-1.4:1.10", SLOT)
    (found,) = interfaces(tmp_path)
    assert found.driver() is None
    (tmp_path / "1-1.4:1.10/driver").symlink_to("../../../../bus/usb/drivers/usbfs")
    assert found.driver() == "usbfs"


def test_what_is_unplugged_meanwhile_and_root_hubs_are_left_out_and_the_rest_is_in_order(
    tmp_path: Path,
) -> None:
    for path in ("1-1.4", "1-1.3", "usb1"):
        lay(tmp_path / path, BOARD)
    for name, number in (("1-1.4:1.10", "0a"), ("1-1.4:1.9", "09"), ("1-1.3:1.0", "00"), ("1-0:1.0", "00")):
        lay(tmp_path / name, SLOT | {"bInterfaceNumber": number})
    lay(tmp_path / "1-1.3:1.1", {"bInterfaceNumber": "01"})
    lay(tmp_path / "1-1.5:1.0", SLOT)
    lay(tmp_path / "1-1.4:1.8", SLOT | {"bInterfaceClass": ""})
    assert [(each.path, each.number) for each in interfaces(tmp_path)] == [
        ("1-1.3", 0), ("1-1.4", 9), ("1-1.4", 10),
    ]  # fmt: skip


def test_a_system_without_usb_has_none(tmp_path: Path) -> None:
    assert interfaces(tmp_path / "missing") == []
