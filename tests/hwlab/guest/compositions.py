"""Modems as their firmware presents itself on USB: which kind of interface has which number."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """An interface of a modem."""

    SERIAL = "serial"
    """A serial port of the maker's own class (ff/00/00) with bulk endpoints: /dev/ttyUSB."""
    ACM = "acm"
    """A serial port of the class for it, which takes the next number as well: /dev/ttyACM."""
    RNDIS = "rndis"
    """A network interface, which takes the next number as well."""
    QMI = "qmi"
    """A network interface with its control channel (ff/ff/ff)."""
    ADB = "adb"
    """Android's debug bridge (ff/42/01), which no driver of a router binds."""


@dataclass(frozen=True, slots=True)
class Composition:
    """One composition of one model; `script` is its script in the lab, `at` its AT interface.

    `interfaces` by their numbers, which need not follow one another.
    """

    name: str
    vid: int
    pid: int
    script: str
    interfaces: Mapping[int, Kind]
    at: int

    @property
    def ports(self) -> tuple[int, ...]:
        """The numbers of its serial interfaces."""
        return tuple(number for number, kind in self.interfaces.items() if kind in (Kind.SERIAL, Kind.ACM))

    @property
    def identity(self) -> str:
        """As lsusb prints it."""
        return f"{self.vid:04x}:{self.pid:04x}"


def _serial(*numbers: int) -> dict[int, Kind]:
    return dict.fromkeys(numbers, Kind.SERIAL)


FM350 = Composition(
    "Fibocom FM350-GL", 0x0E8D, 0x7127, "fibocom-fm350",
    {0: Kind.RNDIS, **_serial(2, 3, 4), 5: Kind.ADB, **_serial(6, 7, 8, 9)}, at=6,
)  # fmt: skip
L850 = Composition(
    "Fibocom L850-GL", 0x2CB7, 0x0007, "fibocom-l850", {2: Kind.ACM, 4: Kind.ACM, 6: Kind.ACM}, at=2
)
EM7565 = Composition(
    "Sierra Wireless EM7565", 0x1199, 0x9091, "sierra-em7565", {**_serial(0, 2, 3), 8: Kind.QMI}, at=3
)
RM500Q = Composition(
    "Quectel RM500Q", 0x2C7C, 0x0800, "quectel-rm500q", {**_serial(0, 1, 2, 3), 4: Kind.QMI}, at=2
)
EC25 = Composition("Quectel EC25", 0x2C7C, 0x0125, "quectel-ec25", {**_serial(0, 1, 2, 3), 4: Kind.QMI}, at=2)
COMPOSITIONS = (FM350, L850, EM7565, RM500Q, EC25)
"""Each is plugged in and looked for, and asked who it is."""
