"""What the remote card and the way to it make happen."""

from dataclasses import dataclass
from enum import StrEnum

from remsimd.events import Event
from remsimd.sim.frontend import SlotStatus


class RsproState(StrEnum):
    """How far the way to the remote card is built."""

    IDLE = "idle"
    """No assignment: nothing is tried."""
    CONNECTING = "connecting"
    """No connection to the server (or, without one, to the bankd) yet."""
    UNCONFIGURED = "unconfigured"
    """The server knows us but has not named a bankd."""
    WAIT_BANKD = "wait-bankd"
    """The bankd is being connected."""
    WAIT_ATR = "wait-atr"
    """The bankd knows us; no card answered with an ATR yet."""
    OPERATIONAL = "operational"
    """The card answers."""
    HOLDING = "holding"
    """The bankd was lost; the modem's card session is held for the grace time."""


@dataclass(frozen=True, slots=True)
class RsproStateChanged(Event):
    """The state, or what hinders (`detail`, for people), is another one."""

    state: RsproState
    detail: str


@dataclass(frozen=True, slots=True)
class RsproLinkChanged(Event):
    """One of the two RSPRO connections came up or was lost; `peer` is 'server' or 'bankd'."""

    peer: str
    endpoint: str
    up: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CardAvailable(Event):
    """The remote card answered with its ATR."""

    atr: bytes


@dataclass(frozen=True, slots=True)
class CardLost(Event):
    """The modem may not have the remote card any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class TpduRelayed(Event):
    """One command of the modem was answered by the remote card, in `took_s`."""

    modem: str
    took_s: float
    status_word: int


@dataclass(frozen=True, slots=True)
class TpduFailed(Event):
    """A command of the modem got no answer from the remote card."""

    modem: str
    reason: str


@dataclass(frozen=True, slots=True)
class SlotContactsChanged(Event):
    """The modem changed the contacts of the slot that its remote card is shown in."""

    modem: str
    contacts: SlotStatus


@dataclass(frozen=True, slots=True)
class Authenticated(Event):
    """The card was challenged by the network and accepted (`ok`) or refused the challenge."""

    modem: str
    ok: bool
    status_word: int
