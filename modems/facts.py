"""What is known about a modem: frozen values with the unit in the name; None is "not known", never 0."""

from dataclasses import dataclass, replace
from enum import StrEnum


class SimState(StrEnum):
    """State of the card in the active slot."""

    READY = "ready"
    ABSENT = "absent"  # no card, or an eUICC without an enabled profile
    PIN = "pin"  # waits for its PIN
    PUK = "puk"  # blocked, waits for its PUK
    BUSY = "busy"  # there is a card, the modem is still reading it
    FAILURE = "failure"  # there is a card, it cannot be used
    UNKNOWN = "unknown"


class RegistrationState(StrEnum):
    """Registration for packet service (TS 27.007 7.22, 10.1.22)."""

    UNREGISTERED = "unregistered"
    HOME = "home"
    SEARCHING = "searching"
    DENIED = "denied"
    UNKNOWN = "unknown"
    ROAMING = "roaming"

    @property
    def registered(self) -> bool:
        """True when packet service is available, at home or roaming."""
        return self in {RegistrationState.HOME, RegistrationState.ROAMING}


class Technology(StrEnum):
    """Radio access technology; NR_NSA is both the dual connectivity and its NR leg."""

    GSM = "gsm"
    WCDMA = "wcdma"
    LTE = "lte"
    LTE_M = "lte-m"
    NB_IOT = "nb-iot"
    NR_NSA = "nr-nsa"
    NR_SA = "nr-sa"


LTE_BANDWIDTHS_MHZ = (1.4, 3.0, 5.0, 10.0, 15.0, 20.0)
"""The channel bandwidths of E-UTRA (TS 36.101 5.6), in the order by which modems number them from 0."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the modem is; `imei` is 14 to 16 digits."""

    manufacturer: str | None
    model: str | None
    firmware: str | None
    imei: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Sim:
    """The card in the active slot; `iccid` 18 to 20 digits without padding, `imsi` 6 to 15 digits.

    `slot` is the active slot, counted from 1, where the modem tells it. A Sim that a URC told of has no
    numbers. repr() masks both, so a Sim may be logged.
    """

    state: SimState
    iccid: str | None = None
    imsi: str | None = None
    slot: int | None = None

    def __repr__(self) -> str:
        numbers = f"iccid={mask(self.iccid)}, imsi={mask(self.imsi)}"
        return f"Sim(state={self.state.value}, {numbers}, slot={self.slot})"


@dataclass(frozen=True, slots=True)
class Registration:
    """Registration with a network; `plmn` is MCC and MNC as 5 or 6 digits, `operator` its name."""

    state: RegistrationState
    technology: Technology | None = None
    operator: str | None = None
    plmn: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A serving cell.

    `tac` is the tracking or location area code, `cell_id` the cell identity (28 bit E-UTRA, 36 bit NR),
    `pci` the physical cell identity, `arfcn` the downlink channel, `band` such as "B3" or "n78". The `nr_`
    fields are those of the NR leg, filled where one Cell stands for all legs (`Serving.cell`).
    """

    technology: Technology
    plmn: str | None = None
    tac: int | None = None
    cell_id: int | None = None
    pci: int | None = None
    arfcn: int | None = None
    band: str | None = None
    bandwidth_mhz: float | None = None
    nr_band: str | None = None
    nr_arfcn: int | None = None
    nr_pci: int | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What the receiver measures on one serving cell; RSRQ and SINR are ratios in dB.

    The `nr_` fields are those of the NR leg, filled where one Signal stands for all legs (`Serving.signal`).
    """

    technology: Technology | None = None
    rssi_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    nr_rsrp_dbm: float | None = None
    nr_rsrq_db: float | None = None
    nr_sinr_db: float | None = None

    @property
    def measured(self) -> bool:
        """True when at least one value is known."""
        lte = (self.rssi_dbm, self.rsrp_dbm, self.rsrq_db, self.sinr_db)
        return any(value is not None for value in (*lte, self.nr_rsrp_dbm, self.nr_rsrq_db, self.nr_sinr_db))


NR = frozenset({Technology.NR_NSA, Technology.NR_SA})


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves the modem at one moment: a Cell and a Signal a leg, the anchor's first; () is none."""

    cells: tuple[Cell, ...] = ()
    signals: tuple[Signal, ...] = ()

    @property
    def cell(self) -> Cell | None:
        """The anchor cell with the NR leg's `nr_` fields; standalone NR fills both halves."""
        anchor = next(iter(self.cells), None)
        nr = next((each for each in self.cells if each.technology in NR), None)
        if anchor is None or nr is None:
            return anchor
        return replace(anchor, nr_band=nr.band, nr_arfcn=nr.arfcn, nr_pci=nr.pci)

    @property
    def signal(self) -> Signal:
        """The anchor's measurements with the NR leg's in the `nr_` fields; all None when there are none."""
        anchor = next(iter(self.signals), Signal())
        nr = next((each for each in self.signals if each.technology in NR), None)
        if nr is None:
            return anchor
        return replace(anchor, nr_rsrp_dbm=nr.rsrp_dbm, nr_rsrq_db=nr.rsrq_db, nr_sinr_db=nr.sinr_db)


@dataclass(frozen=True, slots=True)
class PdpAddress:
    """The address of an active PDP context (TS 27.007 10.1.23): `cid`, and IPv4 or IPv6 as text."""

    cid: int
    address: str


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor of the modem; `sensor` is the vendor's name for it."""

    sensor: str
    celsius: float


Fact = Identity | Sim | Registration | Cell | Signal | Temperature


def mask(number: str | None) -> str:
    """An IMSI, ICCID or IMEI shortened to what tells two apart: 5 leading and 3 trailing digits."""
    if number is None:
        return "unknown"
    return number if len(number) < 12 else f"{number[:5]}...{number[-3:]}"
