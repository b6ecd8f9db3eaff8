"""The fingerprint, on machines made of files."""

from pathlib import Path

import pytest

from remsimd.orchestrator.identity import fingerprint

MAC = "00:1e:42:aa:bb:01"


def device(
    root: Path, name: str, address: str, kind: str = "0", *, bus: str = "platform", **files: str
) -> None:
    folder = root / "sys/class/net" / name
    folder.mkdir(parents=True)
    for file, text in {"address": address, "addr_assign_type": kind, "type": "1", **files}.items():
        (folder / file).write_text(text + "\n")
    if bus:
        place = root / "sys/devices" / bus / name
        place.mkdir(parents=True)
        (folder / "device").symlink_to(place)


def test_it_is_a_digest_and_nothing_of_its_source(tmp_path: Path) -> None:
    device(tmp_path, "eth0", MAC)
    found = fingerprint(tmp_path)
    assert found is not None
    assert found.startswith("sha256:")
    assert len(found) == len("sha256:") + 32
    assert "1e42" not in found.lower()
    assert MAC not in found


def test_it_does_not_change_with_what_is_plugged_in(tmp_path: Path) -> None:
    device(tmp_path, "lan1", MAC)
    before = fingerprint(tmp_path)
    device(tmp_path, "wwan0", "00:00:11:22:33:44", bus="usb1/1-1")
    device(tmp_path, "br-lan", "00:00:00:aa:aa:aa", bus="")
    device(tmp_path, "veth0", "02:00:00:00:00:01", "1")
    device(tmp_path, "wlan0", "00:01:02:03:04:05")
    (tmp_path / "sys/class/net/wlan0/phy80211").mkdir()
    device(tmp_path, "lan2", "00:1e:42:aa:bb:02")
    assert fingerprint(tmp_path) == before


def test_two_routers_differ(tmp_path: Path) -> None:
    device(tmp_path / "a", "eth0", MAC)
    device(tmp_path / "b", "eth0", "00:1e:42:aa:bb:02")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


def test_a_serial_number_comes_first(tmp_path: Path) -> None:
    device(tmp_path, "eth0", MAC)
    by_mac = fingerprint(tmp_path)
    serial = tmp_path / "proc/device-tree/serial-number"
    serial.parent.mkdir(parents=True)
    serial.write_bytes(b"1234-ABCD\0")
    assert fingerprint(tmp_path) not in (None, by_mac)


@pytest.mark.parametrize("serial", ["", "0000", "Default string", "To Be Filled By O.E.M."])
def test_a_serial_number_that_is_none(tmp_path: Path, serial: str) -> None:
    device(tmp_path, "eth0", MAC)
    by_mac = fingerprint(tmp_path)
    file = tmp_path / "sys/class/dmi/id/board_serial"
    file.parent.mkdir(parents=True)
    file.write_text(serial)
    assert fingerprint(tmp_path) == by_mac


def test_a_board_that_sets_its_addresses_at_boot(tmp_path: Path) -> None:
    device(tmp_path, "eth0", MAC, "3")
    assert fingerprint(tmp_path) is not None


def test_a_machine_without_anything(tmp_path: Path) -> None:
    assert fingerprint(tmp_path) is None
    device(tmp_path, "eth0", "nonsense")
    device(tmp_path, "eth1", "02:1e:42:aa:bb:01")
    assert fingerprint(tmp_path) is None
