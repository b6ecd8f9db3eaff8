"""The modems that are known by their USB or PCI identity. Data only: neither AT nor drivers are imported.

An identity chooses the driver and the AT port. It does not prove the model: vendors share one product id
between models, so what AT+CGMM says counts in the end.
"""

from dataclasses import dataclass
from enum import StrEnum


class Bus(StrEnum):
    """How the modem is attached."""

    USB = "usb"
    PCI = "pci"


@dataclass(frozen=True, slots=True)
class Model:
    """One composition of one model.

    `vid`, `pid`: USB vendor and product id, or PCI vendor and device id. `at_interface`: USB interface number
    of the AT port, which does not change when ttys are renumbered; None on PCI, where the port has AT in
    its name (wwan0at0).
    """

    bus: Bus
    vid: int
    pid: int
    name: str
    driver: str
    at_interface: int | None


MODELS: tuple[Model, ...] = (
    Model(Bus.USB, 0x0E8D, 0x7126, "Fibocom FM350-GL", "fibocom", 4),  # AT+GTUSBMODE=40
    Model(Bus.USB, 0x0E8D, 0x7127, "Fibocom FM350-GL", "fibocom", 6),  # AT+GTUSBMODE=41, the default
    Model(Bus.PCI, 0x14C3, 0x4D75, "Fibocom FM350-GL", "fibocom", None),
    Model(Bus.USB, 0x2CB7, 0x0007, "Fibocom L850-GL", "fibocom", 2),  # MBIM
    Model(Bus.USB, 0x8087, 0x095A, "Fibocom L850-GL", "fibocom", 0),  # NCM
    Model(Bus.PCI, 0x8086, 0x7360, "Fibocom L850-GL", "fibocom", None),
    Model(Bus.USB, 0x1199, 0x9091, "Sierra Wireless EM7565", "sierra", 3),
    Model(Bus.USB, 0x1199, 0x90B1, "Sierra Wireless EM7565", "sierra", 2),  # MBIM composition
    Model(Bus.USB, 0x1199, 0x90D3, "Sierra Wireless EM9191", "sierra", 3),
    Model(Bus.USB, 0x1199, 0x9071, "Sierra Wireless MC7455", "sierra", 3),
    Model(Bus.USB, 0x1199, 0x9079, "Sierra Wireless MC7455", "sierra", 3),  # sold as Lenovo EM7455
    Model(Bus.USB, 0x413C, 0x81B6, "Sierra Wireless MC7455", "sierra", 3),  # sold as Dell DW5811e
    Model(Bus.USB, 0x1199, 0x907F, "Sierra Wireless EM7411", "sierra", 3),
    Model(Bus.USB, 0x2C7C, 0x0800, "Quectel RM500Q", "quectel", 2),  # RM502Q and RG50xQ as well
    Model(Bus.USB, 0x2C7C, 0x0125, "Quectel EC25", "quectel", 2),  # EG25 as well
    Model(Bus.USB, 0x2C7C, 0x0296, "Quectel BG96", "quectel", 2),
)

# A model nobody recorded, from a maker whose modems keep one layout: makers' other ids are not only modems.
VENDOR_DEFAULTS: dict[int, tuple[str, int]] = {
    0x2C7C: ("quectel", 2),
    0x1199: ("sierra", 3),
    0x2CB7: ("fibocom", 2),
}


def find_model(bus: Bus, vid: int, pid: int) -> Model | None:
    """Return the row of an identity, or None."""
    return next((row for row in MODELS if (row.bus, row.vid, row.pid) == (bus, vid, pid)), None)
