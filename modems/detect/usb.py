"""Ports of the system to modems: which belong together, and which one speaks AT. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modems.models import VENDOR_DEFAULTS, Bus, find_model

_AT_NAME = re.compile(r"/wwan\d+at\d+$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A modem as the bus shows it, before anybody has talked to it.

    `path` stays the same when ttys are renumbered: "usb:" and the USB port path, or "pci:" and the address.
    `vid` and `pid` are four lower-case hex digits, as lsusb and lspci print them. `at_port` is the device to
    talk AT to, None while it is not there (yet); `ports` are all its ttys in the order of their USB interface
    numbers, `netdev` is its network interface.
    """

    path: str
    vid: str
    pid: str
    model: str | None
    driver: str
    at_port: str | None
    ports: tuple[str, ...]
    netdev: str | None


def group(nodes: Iterable[Mapping[str, str]]) -> tuple[Candidate, ...]:
    """Group the system's nodes into modems, sorted by path; what belongs to no known maker is left out.

    A node is a tty, a WWAN port or a network interface, as a mapping: "subsystem" (tty, wwan, net), "name"
    (ttyUSB2), "device" (/dev/ttyUSB2, absent for net), "bus" (usb, pci), "path" (1-1.2 or 0000:01:00.0),
    "vid", "pid" and on USB "interface", all three in hex as sysfs has them. A node without a readable
    identity is left out too: it vanished while it was looked at.
    """
    modems: dict[tuple[Bus, str, int, int], list[Mapping[str, str]]] = {}
    for node in nodes:
        if (key := _identity(node)) is not None:
            modems.setdefault(key, []).append(node)
    found = (_candidate(*key, members) for key, members in modems.items())
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.path))


def _identity(node: Mapping[str, str]) -> tuple[Bus, str, int, int] | None:
    vid, pid = _hex(node.get("vid", "")), _hex(node.get("pid", ""))
    if vid is None or pid is None or not node.get("path") or node.get("bus") not in {"usb", "pci"}:
        return None
    return Bus(node["bus"]), node["path"], vid, pid


def _candidate(bus: Bus, path: str, vid: int, pid: int, nodes: list[Mapping[str, str]]) -> Candidate | None:
    row = find_model(bus, vid, pid)
    if row is not None:
        driver, at_interface = row.driver, row.at_interface
    elif bus is Bus.USB and vid in VENDOR_DEFAULTS:
        driver, at_interface = VENDOR_DEFAULTS[vid]
    else:
        return None
    ports = sorted(
        (interface if (interface := _hex(node.get("interface", ""))) is not None else -1, node["device"])
        for node in nodes
        if node.get("subsystem") in {"tty", "wwan"} and node.get("device")
    )
    netdevs = sorted(node["name"] for node in nodes if node.get("subsystem") == "net" and node.get("name"))
    return Candidate(
        path=f"{bus.value}:{path}",
        vid=f"{vid:04x}",
        pid=f"{pid:04x}",
        model=None if row is None else row.name,
        driver=driver,
        at_port=next(
            (
                device
                for interface, device in ports
                if (interface == at_interface if bus is Bus.USB else _AT_NAME.search(device))
            ),
            None,
        ),
        ports=tuple(device for _, device in ports),
        netdev=netdevs[0] if netdevs else None,
    )


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
