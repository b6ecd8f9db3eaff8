"""What can happen, as frozen values; the bus stamps them with the time.

A `link` is named like the modem that carries it.
"""

from dataclasses import dataclass
from enum import StrEnum

from modems.facts import Cell, Identity, Registration, Signal, Sim, Temperature
from remsimd.assignment import Assignment
from remsimd.config.model import SimSource
from remsimd.sim.frontend import SlotStatus


class LinkHealth(StrEnum):
    UNKNOWN = "unknown"
    """Just started, or under a reset or SIM switch of our own: neither up nor down."""
    UP = "up"
    SUSPECT = "suspect"
    """Still used, but probed fast: something did not come back."""
    DOWN = "down"


class RsproState(StrEnum):
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


class IonmeshState(StrEnum):
    OFF = "off"
    CONNECTING = "connecting"
    REGISTERED = "registered"
    NO_SLOT = "no-slot"
    """The orchestrator has no free card for the wanted mode."""
    REFUSED = "refused"
    """The key, the tenant or the identity is not accepted; someone must act."""
    UNREACHABLE = "unreachable"


class RecoveryAction(StrEnum):
    """What is tried on a modem whose link stays down, the gentlest first."""

    REDIAL = "re-dial"
    """netifd brings the interface up anew."""
    RADIO_CYCLE = "radio-cycle"
    """The radio off and on (TS 27.007 +CFUN=4, =1)."""
    RESET = "reset"
    """The vendor's own reset command."""
    RESET_LINE = "reset-line"
    """A pulse on the modem's reset line."""
    POWER_CYCLE = "power-cycle"
    """The modem's supply off and on."""
    CARD_AGAIN = "card-again"
    """The remote card read anew; tried three times."""
    LOCAL_CARD = "local-card"
    """The modem's own card instead of the remote one."""
    OTHER_CARD = "other-card"
    """IonMesh is asked for another slot, and the remote card used again."""


@dataclass(frozen=True, slots=True)
class Event:
    """Root of everything published on the bus."""


# A modem's life


@dataclass(frozen=True, slots=True)
class ModemFound(Event):
    modem: str
    port: str


@dataclass(frozen=True, slots=True)
class ModemGone(Event):
    modem: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModemIdentified(Event):
    modem: str
    driver: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class SimRead(Event):
    modem: str
    sim: Sim


@dataclass(frozen=True, slots=True)
class RegistrationRead(Event):
    modem: str
    registration: Registration


@dataclass(frozen=True, slots=True)
class SignalRead(Event):
    modem: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class CellRead(Event):
    modem: str
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class TemperatureRead(Event):
    modem: str
    temperatures: tuple[Temperature, ...]


@dataclass(frozen=True, slots=True)
class AtTimings(Event):
    """How long the AT commands since the last such event took, seconds each."""

    modem: str
    durations_s: tuple[float, ...]
    timeouts: int


@dataclass(frozen=True, slots=True)
class ModemResetting(Event):
    """A person or the orchestrator has the modem reset: what follows says nothing about its network."""

    modem: str
    cause: str


@dataclass(frozen=True, slots=True)
class RecoveryStarted(Event):
    """An action of the recovery ladder begins, because of `cause`."""

    modem: str
    action: RecoveryAction
    cause: str


@dataclass(frozen=True, slots=True)
class RecoveryEnded(Event):
    """It ended: `ok` when the link is up again, else `detail` says how far it came."""

    modem: str
    action: RecoveryAction
    ok: bool
    detail: str
    took_s: float


# Links and failover


@dataclass(frozen=True, slots=True)
class LinkHealthChanged(Event):
    link: str
    health: LinkHealth
    cause: str


@dataclass(frozen=True, slots=True)
class ActiveLinkChanged(Event):
    """The default route was moved; `took_s` counts from the evidence to the moved route."""

    previous: str | None
    active: str | None
    cause: str
    took_s: float


@dataclass(frozen=True, slots=True)
class ProbeDone(Event):
    """One target answered after `rtt_s`, or did not (None)."""

    link: str
    target: str
    rtt_s: float | None


@dataclass(frozen=True, slots=True)
class TrafficRead(Event):
    """The kernel's payload counters of a link's network device."""

    link: str
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True)
class DataSpent(Event):
    """What remsimd itself has sent and received over a link with a data limit since the reset day.

    `tight`: from now to the next reset day nothing is sent only to find out whether it works.
    """

    link: str
    spent_bytes: int
    limit_bytes: int
    tight: bool


# The remote card


@dataclass(frozen=True, slots=True)
class RsproStateChanged(Event):
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
    reason: str


@dataclass(frozen=True, slots=True)
class TpduRelayed(Event):
    """One command of the modem was answered by the remote card, in `took_s`."""

    modem: str
    took_s: float
    status_word: int


@dataclass(frozen=True, slots=True)
class TpduFailed(Event):
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


@dataclass(frozen=True, slots=True)
class SimFound(Event):
    """The card a modem was left on, as the journal says, when the daemon started."""

    modem: str
    source: SimSource


@dataclass(frozen=True, slots=True)
class SimSwitching(Event):
    modem: str
    to: SimSource
    cause: str


@dataclass(frozen=True, slots=True)
class SimSwitched(Event):
    """A switch ended: on the wanted card, or (`ok` false) on `source` for the reason given."""

    modem: str
    source: SimSource
    ok: bool
    cause: str
    took_s: float


# The orchestrator


@dataclass(frozen=True, slots=True)
class IonmeshStateChanged(Event):
    state: IonmeshState
    detail: str


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    """The card this router uses, None when it was taken away; `source` says who decided."""

    assignment: Assignment | None
    source: str


@dataclass(frozen=True, slots=True)
class HeartbeatSent(Event):
    link: str | None
    took_s: float


@dataclass(frozen=True, slots=True)
class IonmeshCallDone(Event):
    """One call ended; `failure` is None when it was answered as it should be."""

    call: str
    took_s: float
    failure: str | None


@dataclass(frozen=True, slots=True)
class CommandReceived(Event):
    id: str
    type: str


@dataclass(frozen=True, slots=True)
class CommandDone(Event):
    id: str
    type: str
    ok: bool
    detail: str


# The daemon itself


@dataclass(frozen=True, slots=True)
class PartFailed(Event):
    part: str
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class PartRunning(Event):
    part: str


@dataclass(frozen=True, slots=True)
class ConfigApplied(Event):
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRejected(Event):
    mistakes: tuple[str, ...]
