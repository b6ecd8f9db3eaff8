"""Real pyudev and libudev on beds of devices as the kernel shows each model; needs Debian's umockdev."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("umockdev-run") is None, reason="umockdev is not installed (apt-get install umockdev)"
)

HOST = "/devices/pci0000:00/0000:00:14.0"
SCAN = """
import dataclasses, json
from modems.detect.udev import candidates
print(json.dumps([dataclasses.asdict(each) for each in candidates()]))
"""


@dataclass(frozen=True)
class Composition:
    """A modem's interfaces as its firmware presents them: serial ones by number, and the network's."""

    name: str
    vid: str
    pid: str
    serial: tuple[int, ...]
    net: int | None
    at: int
    driver: str = "option"
    tty: str = "ttyUSB"


MODEMS = [
    Composition("Fibocom FM350-GL", "0e8d", "7126", (2, 4, 5, 6, 7), 0, 4),
    Composition("Fibocom FM350-GL", "0e8d", "7127", (2, 3, 4, 6, 7, 8, 9), 0, 6),
    Composition("Fibocom L850-GL", "2cb7", "0007", (2, 4, 6), 0, 2, "cdc_acm", "ttyACM"),
    Composition("Fibocom L850-GL", "8087", "095a", (0, 2, 4), 6, 0, "cdc_acm", "ttyACM"),
    Composition("Sierra Wireless EM7565", "1199", "9091", (0, 2, 3), 8, 3, "qcserial"),
    Composition("Sierra Wireless EM7565", "1199", "90b1", (2, 3, 4), 0, 2, "qcserial"),
    Composition("Sierra Wireless EM9191", "1199", "90d3", (3, 4, 5), 0, 3),
    Composition("Sierra Wireless MC7455", "1199", "9071", (0, 2, 3), 8, 3, "qcserial"),
    Composition("Sierra Wireless EM7411", "1199", "907f", (0, 2, 3), 8, 3, "qcserial"),
    Composition("Quectel RM500Q", "2c7c", "0800", (0, 1, 2, 3), 4, 2),
    Composition("Quectel EC25", "2c7c", "0125", (0, 1, 2, 3), 4, 2),
    Composition("Quectel BG96", "2c7c", "0296", (0, 1, 2, 3), 4, 2),
]
RM500Q = next(each for each in MODEMS if each.pid == "0800")


def host() -> str:
    return f"P: {HOST}\nE: SUBSYSTEM=pci\nE: PCI_ID=8086:A36D\nA: vendor=0x8086\nA: device=0xa36d\n"


def usb(modem: Composition, path: str, first_tty: int, netdev: str) -> str:
    """A USB device, its interfaces, their usb-serial ports, ttys and network interface."""
    device = f"{HOST}/usb1/{path}"
    head = f"P: {device}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n"
    interfaces = sorted({*modem.serial, *([] if modem.net is None else [modem.net])})
    blocks = [
        f"{head}A: idVendor={modem.vid}\nA: idProduct={modem.pid}\nA: bDeviceClass=ef\n",
        *(
            f"P: {device}/{path}:1.{number}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n"
            f"A: bInterfaceNumber={number:02x}\nA: bInterfaceClass=ff\n"
            for number in interfaces
        ),
    ]
    for offset, number in enumerate(modem.serial):
        name = f"{modem.tty}{first_tty + offset}"
        below = f"{device}/{path}:1.{number}"
        if modem.driver != "cdc_acm":
            blocks.append(f"P: {below}/{name}\nE: SUBSYSTEM=usb-serial\n")
            below += f"/{name}"
        blocks.append(
            f"P: {below}/tty/{name}\nN: {name}\nE: SUBSYSTEM=tty\nE: DEVNAME=/dev/{name}\n"
            f"E: MAJOR=188\nE: MINOR={first_tty + offset}\n"
        )
    if modem.net is not None:
        blocks.append(
            f"P: {device}/{path}:1.{modem.net}/net/{netdev}\nE: SUBSYSTEM=net\nE: INTERFACE={netdev}\n"
            f"E: IFINDEX=7\n"
        )
    return "\n".join(blocks)


def wwan(vid: str, pid: str, address: str) -> str:
    """A modem on PCI: WWAN ports below its WWAN device."""
    device = f"/devices/pci0000:00/0000:00:1c.0/{address}"
    blocks = [
        f"P: {device}\nE: SUBSYSTEM=pci\nA: vendor=0x{vid}\nA: device=0x{pid}\n",
        f"P: {device}/wwan/wwan0\nE: SUBSYSTEM=wwan\nE: DEVTYPE=wwan_dev\n",
        f"P: {device}/net/wwan0\nE: SUBSYSTEM=net\nE: INTERFACE=wwan0\nE: IFINDEX=9\n",
    ]
    for minor, port in enumerate(("wwan0at0", "wwan0mbim0")):
        blocks.append(
            f"P: {device}/wwan/wwan0/{port}\nN: {port}\nE: SUBSYSTEM=wwan\nE: DEVTYPE=wwan_port\n"
            f"E: DEVNAME=/dev/{port}\nE: MAJOR=239\nE: MINOR={minor}\n"
        )
    return "\n".join(blocks)


def candidates(tmp_path: Path, *devices: str) -> list[dict[str, object]]:
    """What detection finds on a bed of these devices; without udevd, as on a router."""
    bed = tmp_path / "bed.umockdev"
    bed.write_text("\n".join([host(), *devices]) + "\n")
    done = subprocess.run(
        ["umockdev-run", "--device", str(bed), "--", sys.executable, "-c", SCAN],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("modem", MODEMS, ids=lambda modem: f"{modem.vid}:{modem.pid}")
def test_every_composition_has_its_at_port(modem: Composition, tmp_path: Path) -> None:
    (found,) = candidates(tmp_path, usb(modem, "1-1.2", 4, "wwan0"))
    tty = f"/dev/{modem.tty}{4 + modem.serial.index(modem.at)}"
    assert (found["model"], found["path"], found["at_port"]) == (modem.name, "usb:1-1.2", tty)
    assert (found["vid"], found["pid"], found["netdev"]) == (modem.vid, modem.pid, "wwan0")
    assert len(found["ports"]) == len(modem.serial)  # type: ignore[arg-type] # JSON of this test's own making


@pytest.mark.parametrize(("vid", "pid", "model"), [("14c3", "4d75", "FM350-GL"), ("8086", "7360", "L850-GL")])
def test_a_modem_on_pci_has_its_at_port_by_name(vid: str, pid: str, model: str, tmp_path: Path) -> None:
    (found,) = candidates(tmp_path, wwan(vid, pid, "0000:01:00.0"))
    assert (found["model"], found["path"]) == (f"Fibocom {model}", "pci:0000:01:00.0")
    assert (found["at_port"], found["netdev"]) == ("/dev/wwan0at0", "wwan0")


def test_two_identical_modems_are_two_places(tmp_path: Path) -> None:
    found = candidates(tmp_path, usb(RM500Q, "1-1.2", 0, "wwan0"), usb(RM500Q, "1-1.4", 4, "wwan1"))
    assert [(each["path"], each["at_port"], each["netdev"]) for each in found] == [
        ("usb:1-1.2", "/dev/ttyUSB2", "wwan0"),
        ("usb:1-1.4", "/dev/ttyUSB6", "wwan1"),
    ]


def test_a_modem_that_comes_back_under_other_numbers_is_at_the_same_place(tmp_path: Path) -> None:
    """Of two, the first restarts, and the kernel gives it other numbers."""
    before = candidates(tmp_path, usb(RM500Q, "1-1.2", 0, "wwan0"), usb(RM500Q, "1-1.4", 4, "wwan1"))
    away = candidates(tmp_path, usb(RM500Q, "1-1.4", 4, "wwan1"))
    after = candidates(tmp_path, usb(RM500Q, "1-1.2", 8, "wwan0"), usb(RM500Q, "1-1.4", 4, "wwan1"))
    assert [each["path"] for each in before] == [each["path"] for each in after]
    assert [each["path"] for each in away] == ["usb:1-1.4"]
    assert [each["at_port"] for each in after] == ["/dev/ttyUSB10", "/dev/ttyUSB6"]


def test_half_a_modem_is_seen_without_an_at_port(tmp_path: Path) -> None:
    half = Composition("Quectel RM500Q", "2c7c", "0800", (0, 1), None, 2)
    (found,) = candidates(tmp_path, usb(half, "1-1.2", 0, ""))
    assert (found["model"], found["at_port"], found["netdev"]) == ("Quectel RM500Q", None, None)


def test_what_is_no_modem_is_left_out(tmp_path: Path) -> None:
    adapter = Composition("FTDI", "0403", "6001", (0,), None, 0)
    assert candidates(tmp_path, usb(adapter, "1-1.3", 0, "")) == []
