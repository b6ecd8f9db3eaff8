"""Which machine this is, without saying it: what tells routers of one name apart."""

import hashlib
import re
from pathlib import Path

_PURPOSE = b"remsim fingerprint 1\n"
"""So that the digest is of use for nothing else."""
_SERIALS = ("proc/device-tree/serial-number", "sys/class/dmi/id/board_serial")
_NO_SERIAL = frozenset(("", "none", "default string", "to be filled by o.e.m.", "not specified"))
_ETHERNET = "1"
"""ARPHRD_ETHER of linux/if_arp.h."""
_PERMANENT, _SET = "0", "3"
"""NET_ADDR_PERM and NET_ADDR_SET of linux/netdevice.h; boards without an EEPROM set theirs at boot."""
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)


def fingerprint(root: Path = Path("/")) -> str | None:
    """A digest of the board's serial number, or else of its lowest Ethernet address.

    `sha256:` and 32 hex digits, the same after a reboot and a new installation; None on a
    machine without either. Only what is soldered counts: no USB device (a modem shows an
    Ethernet device, too), no Wi-Fi (a driver may be missing at times), no virtual device.
    """
    found = _serial(root) or _lowest_mac(root)
    if found is None:
        return None
    return "sha256:" + hashlib.sha256(_PURPOSE + found.encode()).hexdigest()[:32]


def _serial(root: Path) -> str | None:
    for name in _SERIALS:
        serial = _text(root / name).strip("\0 ")
        if serial.lower() not in _NO_SERIAL and set(serial) != {"0"}:
            return f"serial {serial}"
    return None


def _lowest_mac(root: Path) -> str | None:
    for kind in (_PERMANENT, _SET):
        found = sorted(
            address
            for device in (root / "sys/class/net").glob("*")
            if _built_in(device) and _text(device / "addr_assign_type") == kind
            if _MAC.fullmatch(address := _text(device / "address").lower()) and _assigned_by_ieee(address)
        )
        if found:
            return f"mac {found[0]}"
    return None


def _built_in(device: Path) -> bool:
    if _text(device / "type") != _ETHERNET or not (device / "device").exists():
        return False
    return not (device / "phy80211").exists() and "/usb" not in str((device / "device").resolve())


def _assigned_by_ieee(address: str) -> bool:
    """Neither made up locally (bit 1 of the first octet) nor empty."""
    return not int(address[:2], 16) & 2 and address != "00:00:00:00:00:00"


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError:
        return ""
