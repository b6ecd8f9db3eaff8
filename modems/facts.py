"""What is known about a modem: frozen values with the unit in the name; None is "not known", never 0."""

from dataclasses import dataclass
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

    A Sim that a URC told of has neither number. repr() masks both, so a Sim may be logged.
    """

    state: SimState
    iccid: str | None = None
    imsi: str | None = None

    def __repr__(self) -> str:
        return f"Sim(state={self.state.value}, iccid={masked(self.iccid)}, imsi={masked(self.imsi)})"


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
    `pci` the physical cell identity, `arfcn` the downlink channel, `band` such as "B3" or "n78".
    """

    technology: Technology
    plmn: str | None = None
    tac: int | None = None
    cell_id: int | None = None
    pci: int | None = None
    arfcn: int | None = None
    band: str | None = None
    bandwidth_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What the receiver measures on one serving cell; RSRQ and SINR are ratios in dB."""

    technology: Technology | None = None
    rssi_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None

    @property
    def measured(self) -> bool:
        """True when at least one value is known."""
        return any(v is not None for v in (self.rssi_dbm, self.rsrp_dbm, self.rsrq_db, self.sinr_db))


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor of the modem; `sensor` is the vendor's name for it."""

    sensor: str
    celsius: float


Fact = Identity | Sim | Registration | Cell | Signal | Temperature


def masked(number: str | None) -> str | None:
    """Return an IMSI or ICCID fit for a log: the issuer stays, the subscriber goes."""
    if number is None:
        return None
    return number[:5] + "*" * max(len(number) - 5, 0)
