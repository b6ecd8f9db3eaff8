"""What a session hears of, and what it asks to be done; `session` turns one into the other."""

from dataclasses import dataclass

from remsimd.assignment import Assignment, Endpoint
from remsimd.rspro.link import LinkAction
from remsimd.rspro.pdu import ComponentType, RsproPdu, SlotPhysStatus
from remsimd.rspro.rules import Address

# What happens


@dataclass(frozen=True, slots=True)
class Assign:
    """This card is to be used from now on, None for none."""

    assignment: Assignment | None


@dataclass(frozen=True, slots=True)
class Stop:
    """The client ends: everything is let go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    """TCP connection `number` is there; `address` is the peer's."""

    peer: ComponentType
    number: int
    address: Address | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Connection `number` could not be opened or has ended."""

    peer: ComponentType
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came over connection `number`."""

    peer: ComponentType
    number: int
    pdu: RsproPdu


@dataclass(frozen=True, slots=True)
class ArrivedCcm:
    """An IPA connection management message came over connection `number`."""

    peer: ComponentType
    number: int
    kind: int


@dataclass(frozen=True, slots=True)
class Command:
    """A TPDU of the modem; `number` names it in Answer and Fail."""

    number: int
    tpdu: bytes


@dataclass(frozen=True, slots=True)
class Contacts:
    """The modem changed reset, supply or clock of the slot."""

    status: SlotPhysStatus


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


SessionEvent = Assign | Stop | Opened | Lost | Arrived | ArrivedCcm | Command | Contacts | Tick


# What is to be done


@dataclass(frozen=True, slots=True)
class Offer:
    """The card answered with this ATR: show it to the modem."""

    atr: bytes


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the card away from the modem."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Give the modem the card's answer to command `number`: data, SW1, SW2."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Fail:
    """Tell the modem's side that no answer to command `number` comes."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class LinkReport:
    """A connection came up (accepted by the peer) or was lost after having been up."""

    peer: ComponentType
    endpoint: Endpoint
    up: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something a person should read in the log; the same text may come many times."""

    text: str


Action = LinkAction | Offer | Withdraw | Answer | Fail | LinkReport | Trouble
