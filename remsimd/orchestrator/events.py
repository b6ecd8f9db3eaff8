"""What the orchestrator, and speaking with it, make happen."""

from dataclasses import dataclass
from enum import StrEnum

from remsimd.assignment import Assignment
from remsimd.events import Event


class IonmeshState(StrEnum):
    """Where the router stands with the orchestrator."""

    OFF = "off"
    CONNECTING = "connecting"
    REGISTERED = "registered"
    NO_SLOT = "no-slot"
    """The orchestrator has no free card for the wanted mode."""
    REFUSED = "refused"
    """The key, the tenant or the identity is not accepted; someone must act."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class IonmeshStateChanged(Event):
    """The state towards the orchestrator, or what is said about it, is another one."""

    state: IonmeshState
    detail: str


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    """The card this router uses, None when it was taken away; `source` says who decided."""

    assignment: Assignment | None
    source: str


@dataclass(frozen=True, slots=True)
class HeartbeatSent(Event):
    """A heartbeat was answered within `took_s`, over `link` (None: as the routing tables say)."""

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
    """The orchestrator sent a command, by its own `id`."""

    id: str
    type: str


@dataclass(frozen=True, slots=True)
class CommandDone(Event):
    """A command was carried out, or (`ok` false) was not, for the reason in `detail`."""

    id: str
    type: str
    ok: bool
    detail: str
