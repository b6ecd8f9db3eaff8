"""One RSPRO connection with its attempts, timers and keepalive, as a pure state machine.

Server and bankd connections follow the same rules, those of osmo-remsim's client; what is
said over them is the business of `session`.
"""

from dataclasses import dataclass, replace
from enum import Enum

from remsimd.assignment import Endpoint
from remsimd.backoff import Backoff
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.pdu import ComponentType, Message

OPEN_TIMEOUT_S = 10.0
"""T2 of the deployed client: a TCP connection is there or given up."""
GREETING_TIMEOUT_S = 10.0
"""T1 of both sides: the server closes when no Connect request comes within it."""
PING_INTERVAL_S = 30.0
PONG_TIMEOUT_S = 10.0
IMMEDIATE_RETRIES = 3
RETRY_CAP_S = 16.0
STABLE_S = 16.0
"""A connection that lasted this long was a success. A bankd may accept a client, give the ATR
and close at the first TPDU; counting that as a success would retry without a pause for ever."""


class Phase(Enum):
    """Where one connection stands."""

    OFF = "off"
    """Not wanted."""
    WAITING = "waiting"
    """The next attempt starts at `due_s`."""
    OPENING = "opening"
    """TCP is being opened; given up at `due_s`."""
    GREETING = "greeting"
    """ConnectClientReq was sent; the answer is awaited until `due_s`."""
    UP = "up"
    """The peer accepted us; PING at `ping_s`, dead at `pong_s`."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open connection `number` to `endpoint`."""

    peer: ComponentType
    number: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Close:
    """Close connection `number`; what was sent before is still delivered."""

    peer: ComponentType
    number: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message under `tag` on connection `number`."""

    peer: ComponentType
    number: int
    message: Message
    tag: int


@dataclass(frozen=True, slots=True)
class SendCcm:
    """Send an IPA connection management message on connection `number`."""

    peer: ComponentType
    number: int
    kind: Ccm


LinkAction = Open | Close | Send | SendCcm


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a connection stands. Times are monotonic seconds.

    `number` counts the connections opened, so that news of an old one is recognised; `trouble`
    is why there is no connection, for people, until one is accepted.
    """

    peer: ComponentType
    phase: Phase = Phase.OFF
    endpoint: Endpoint | None = None
    number: int = 0
    due_s: float | None = None
    ping_s: float | None = None
    pong_s: float | None = None
    failures: int = 0
    started_s: float = 0.0
    up_since_s: float = 0.0
    trouble: str = ""

    @property
    def alive(self) -> bool:
        """Whether a connection exists that may be closed."""
        return self.phase in (Phase.OPENING, Phase.GREETING, Phase.UP)

    @property
    def deadline_s(self) -> float | None:
        """When `tick` has something to do."""
        times = [time for time in (self.due_s, self.ping_s, self.pong_s) if time is not None]
        return min(times, default=None)


def start(link: Link, endpoint: Endpoint, now_s: float) -> tuple[Link, Open]:
    """Attempt a connection to `endpoint` now, with a fresh record of failures."""
    return _attempt(replace(_bare(link), endpoint=endpoint, failures=0, trouble=""), now_s)


def stop(link: Link) -> tuple[Link, tuple[Close, ...]]:
    """The connection is no longer wanted."""
    return replace(_bare(link), endpoint=None, phase=Phase.OFF, trouble=""), _close(link)


def opened(link: Link, now_s: float) -> Link:
    """TCP is up; the caller now sends the greeting."""
    return replace(link, phase=Phase.GREETING, due_s=now_s + GREETING_TIMEOUT_S)


def accepted(link: Link, now_s: float) -> Link:
    """The peer accepted the greeting."""
    return replace(_bare(link), phase=Phase.UP, ping_s=now_s + PING_INTERVAL_S, up_since_s=now_s, trouble="")


def lost(
    link: Link, trouble: str, now_s: float, chance: float, delay_s: float | None = None
) -> tuple[Link, tuple[Close, ...]]:
    """The attempt or the connection failed; try again after `delay_s` or the usual delay.

    Usual delays count from the start of the attempt that failed, as in the deployed client.
    """
    stable = link.phase is Phase.UP and now_s - link.up_since_s >= STABLE_S
    failures = 1 if stable else link.failures + 1
    usual_s = max(now_s, link.started_s + _delay_s(failures, chance))
    due_s = usual_s if delay_s is None else now_s + delay_s
    waiting = replace(_bare(link), phase=Phase.WAITING, due_s=due_s, failures=failures, trouble=trouble)
    return waiting, _close(link)


def ponged(link: Link) -> Link:
    """A PONG came."""
    return replace(link, pong_s=None)


def retry(link: Link, now_s: float) -> tuple[Link, Open]:
    """The wait is over: attempt again."""
    return _attempt(link, now_s)


def ping(link: Link, now_s: float) -> tuple[Link, SendCcm]:
    """Ask for a sign of life; the next question follows after the interval."""
    asked = replace(link, ping_s=now_s + PING_INTERVAL_S, pong_s=now_s + PONG_TIMEOUT_S)
    return asked, SendCcm(link.peer, link.number, Ccm.PING)


def overdue(link: Link, now_s: float) -> str | None:
    """Why the connection has to be given up now, None while it need not be."""
    if link.phase is Phase.OPENING and _passed(link.due_s, now_s):
        return f"no connection within {OPEN_TIMEOUT_S:.0f} s"
    if link.phase is Phase.GREETING and _passed(link.due_s, now_s):
        return f"no answer to the connect request within {GREETING_TIMEOUT_S:.0f} s"
    if link.phase is Phase.UP and _passed(link.pong_s, now_s):
        return f"no PONG within {PONG_TIMEOUT_S:.0f} s"
    return None


def _attempt(link: Link, now_s: float) -> tuple[Link, Open]:
    endpoint = link.endpoint
    assert endpoint is not None  # noqa: S101 - only a started link is attempted
    opening = replace(
        link,
        phase=Phase.OPENING,
        number=link.number + 1,
        due_s=now_s + OPEN_TIMEOUT_S,
        started_s=now_s,
    )
    return opening, Open(link.peer, opening.number, endpoint)


def _bare(link: Link) -> Link:
    return replace(link, due_s=None, ping_s=None, pong_s=None)


def _close(link: Link) -> tuple[Close, ...]:
    return (Close(link.peer, link.number),) if link.alive else ()


def _delay_s(failures: int, chance: float) -> float:
    counted = max(0, failures - IMMEDIATE_RETRIES)
    return Backoff(first_s=1.0, cap_s=RETRY_CAP_S, failures=counted).delay_s(chance)


def _passed(time_s: float | None, now_s: float) -> bool:
    return time_s is not None and now_s >= time_s
