"""What is known now: the one read model, made from events and read by everyone.

Every value is immutable, so that another thread (the metrics server) may read a whole
snapshot while the loop makes the next one. Times are wall-clock seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from modems.facts import Cell, Identity, Registration, Signal, Sim, Temperature
from remsimd import events as ev
from remsimd.assignment import Assignment
from remsimd.config.model import Config, ModemConfig, Role, SimSource
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemState:
    """One configured modem; `port` is None while it is not there."""

    name: str
    role: Role
    port: str | None = None
    reason: str = "not found yet"
    since_s: float | None = None
    driver: str | None = None
    identity: Identity | None = None
    sim: Sim | None = None
    registration: Registration | None = None
    signal: Signal | None = None
    cell: Cell | None = None
    temperatures: tuple[Temperature, ...] = ()
    sim_source: SimSource | None = None
    sim_switching_to: SimSource | None = None
    sim_cause: str = ""
    reconnects: int = 0
    sim_switches: int = 0
    tpdus: int = 0
    tpdu_errors: int = 0
    authentications_ok: int = 0
    authentications_failed: int = 0
    at_timeouts: int = 0
    recovering: ev.RecoveryAction | None = None
    recovery_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The link of one modem, by its name; `interface` is None where the modem carries no data."""

    name: str
    interface: str | None = None
    health: ev.LinkHealth = ev.LinkHealth.UNKNOWN
    cause: str = "not measured yet"
    since_s: float | None = None
    rx_bytes: int | None = None
    tx_bytes: int | None = None
    remote_rx_bytes: int = 0
    """Of these, what came since the start while the modem was on the remote card."""
    remote_tx_bytes: int = 0
    spent_bytes: int | None = None
    """Own traffic since the reset day, None on a link without a data limit."""
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RsproPeer:
    """The server or the bankd; `connects` counts its connections since the start."""

    endpoint: str
    up: bool
    since_s: float
    detail: str
    connects: int = 0


@dataclass(frozen=True, slots=True)
class RsproView:
    """The way to the remote card; `peers` by `server` and `bankd`."""

    state: remote.RsproState = remote.RsproState.IDLE
    detail: str = ""
    since_s: float | None = None
    peers: Mapping[str, RsproPeer] = field(default_factory=dict)
    atr: bytes | None = None
    last_tpdu_s: float | None = None
    """How long the newest TPDU took, a duration."""


@dataclass(frozen=True, slots=True)
class IonmeshView:
    """The orchestrator; `heartbeats` counts those answered since the start."""

    state: ionmesh_events.IonmeshState = ionmesh_events.IonmeshState.OFF
    detail: str = ""
    since_s: float | None = None
    assignment: Assignment | None = None
    assignment_source: str = ""
    last_heartbeat_s: float | None = None
    heartbeat_link: str | None = None
    heartbeats: int = 0


@dataclass(frozen=True, slots=True)
class PartView:
    """One part of the daemon; `failures` counts since the start."""

    running: bool
    reason: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything known at one moment."""

    started_s: float = 0.0
    modems: Mapping[str, ModemState] = field(default_factory=dict)
    links: Mapping[str, LinkState] = field(default_factory=dict)
    active_link: str | None = None
    active_cause: str = ""
    active_since_s: float | None = None
    failovers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    rspro: RsproView = field(default_factory=RsproView)
    ionmesh: IonmeshView = field(default_factory=IonmeshView)
    parts: Mapping[str, PartView] = field(default_factory=dict)
    config_mistakes: tuple[str, ...] = ()


def start(config: Config, now_s: float) -> State:
    """The state of a daemon that has just read its configuration."""
    return configure(State(started_s=now_s), config)


def configure(state: State, config: Config) -> State:
    """The state after a reload: what is known of modems that stay is kept."""
    enabled = [modem for modem in config.modems if modem.enabled]
    return replace(
        state,
        modems={m.name: _known_modem(state, m) for m in enabled},
        links={
            m.name: replace(state.links.get(m.name, LinkState(name=m.name)), interface=m.interface)
            for m in enabled
        },
    )


def _known_modem(state: State, modem: ModemConfig) -> ModemState:
    known = state.modems.get(modem.name, ModemState(name=modem.name, role=modem.role))
    return replace(known, role=modem.role)
