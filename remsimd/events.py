"""What can happen, as frozen values; the bus stamps them with the time.

A `link` is named like the modem that carries it. What the remote card, the orchestrator and watching
itself make happen is in `rspro.events`, `orchestrator.events` and `observe.events`.
"""

from dataclasses import dataclass
from enum import StrEnum

from modems.facts import Cell, Identity, Registration, Signal, Sim, Temperature
from remsimd.config.model import SimSource


class LinkHealth(StrEnum):
    """How a link is, as the failover judges it."""

    UNKNOWN = "unknown"
    """Just started, or under a reset or SIM switch of our own: neither up nor down."""
    UP = "up"
    SUSPECT = "suspect"
    """Still used, but probed fast: something did not come back."""
    DOWN = "down"


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
    """The modem answers AT on `port`, a device file."""

    modem: str
    port: str


@dataclass(frozen=True, slots=True)
class ModemGone(Event):
    """The modem does not answer any more, or where it should be there is none; `reason` is for people."""

    modem: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModemIdentified(Event):
    """It was asked who it is; `driver` is the name of the driver that serves it."""

    modem: str
    driver: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class SimRead(Event):
    """The card in its active slot was read; its numbers are only in this value, never in a log."""

    modem: str
    sim: Sim


@dataclass(frozen=True, slots=True)
class RegistrationRead(Event):
    """The modem's registration was read, or a loss of it was confirmed."""

    modem: str
    registration: Registration


@dataclass(frozen=True, slots=True)
class SignalRead(Event):
    """What the receiver measures was read: the anchor's values, with those of the NR leg."""

    modem: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class CellRead(Event):
    """The serving cell was read; None when there is none."""

    modem: str
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class TemperatureRead(Event):
    """The sensors were read, each in degrees Celsius."""

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
class ModemResetRefused(Event):
    """The reset that was announced did not happen: the modem goes on as before."""

    modem: str
    reason: str


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
    """A link's health is another one, for people because of `cause`."""

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


# The cards of the modems


@dataclass(frozen=True, slots=True)
class SimFound(Event):
    """The card a modem was left on, as the journal says, when the daemon started."""

    modem: str
    source: SimSource


@dataclass(frozen=True, slots=True)
class SimSwitching(Event):
    """A modem begins to move to another card."""

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


# The daemon itself


@dataclass(frozen=True, slots=True)
class PartFailed(Event):
    """A part of the daemon ended; it is started again in `retry_s`."""

    part: str
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class PartRunning(Event):
    """A part of the daemon starts, the first time or again."""

    part: str


@dataclass(frozen=True, slots=True)
class ConfigApplied(Event):
    """A configuration is in force; `changed` names the parts that were stopped or started."""

    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRejected(Event):
    """A new configuration has these mistakes; the one in force stays."""

    mistakes: tuple[str, ...]
