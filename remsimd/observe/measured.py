"""What follows from several events together: rates, losses, counts, budgets; one immutable value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.observe import events as observed
from remsimd.orchestrator import events as ionmesh_events

RATE_OVER_S = 5.0
"""Traffic is counted over at least so long before it is called a rate."""
PROBES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Traffic:
    """The counters of a network device at one moment of the monotonic clock."""

    mono_s: float
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True)
class LinkMeasures:
    """One link; `rtt_s` is of the newest probe, None when it was lost, and rates are bytes a second."""

    rtt_s: float | None = None
    answered: tuple[bool, ...] = ()
    since: Traffic | None = None
    rx_rate: float | None = None
    tx_rate: float | None = None

    @property
    def loss(self) -> float | None:
        """The share of the newest probes that was lost, 0..1."""
        if not self.answered:
            return None
        return self.answered.count(False) / len(self.answered)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes used since the data plan's reset day, and allowed (None: no limit)."""

    used_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything measured so far, by link or modem; counts are since the start."""

    links: Mapping[str, LinkMeasures] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    own_bytes: Mapping[str, int] = field(default_factory=dict)
    """What remsimd itself sent and received since that day."""
    recoveries: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)
    """By modem, action and whether it helped."""
    ionmesh_failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By call and reason."""


class Measured:
    """Holds the present measures; `take` is a bus listener."""

    def __init__(self) -> None:
        self.now = Measures()

    def take(self, stamped: Stamped) -> None:
        """Fold one event into the measures."""
        self.now = fold(self.now, stamped)


def fold(known: Measures, stamped: Stamped) -> Measures:
    """The measures after one event."""
    match stamped.event:
        case ev.ProbeDone(link=link, rtt_s=rtt_s):
            old = known.links.get(link, LinkMeasures())
            answered = (*old.answered, rtt_s is not None)[-PROBES_KEPT:]
            return _with_link(known, link, replace(old, rtt_s=rtt_s, answered=answered))
        case ev.TrafficRead(link=link, rx_bytes=rx_bytes, tx_bytes=tx_bytes):
            old = known.links.get(link, LinkMeasures())
            return _with_link(known, link, _rated(old, Traffic(stamped.mono_s, rx_bytes, tx_bytes)))
        case ev.ModemGone(modem=modem):
            return replace(known, links={name: m for name, m in known.links.items() if name != modem})
        case observed.UsageCounted(link=link, used_bytes=used_bytes, limit_bytes=limit_bytes):
            return replace(known, budgets={**known.budgets, link: Budget(used_bytes, limit_bytes)})
        case ev.DataSpent(link=link, spent_bytes=spent_bytes):
            return replace(known, own_bytes={**known.own_bytes, link: spent_bytes})
        case ev.RecoveryEnded(modem=modem, action=action, ok=ok):
            key = modem, action, ok
            return replace(known, recoveries={**known.recoveries, key: known.recoveries.get(key, 0) + 1})
        case ionmesh_events.IonmeshCallDone(call=call, failure=str(reason)):
            failures = known.ionmesh_failures
            count = failures.get((call, reason), 0) + 1
            return replace(known, ionmesh_failures={**failures, (call, reason): count})
        case _:
            return known


def _with_link(known: Measures, link: str, measures: LinkMeasures) -> Measures:
    return replace(known, links={**known.links, link: measures})


def _rated(old: LinkMeasures, now: Traffic) -> LinkMeasures:
    """Counters that ran backwards belong to a new device: its rate is not known yet."""
    since = old.since
    if since is None or now.rx_bytes < since.rx_bytes or now.tx_bytes < since.tx_bytes:
        return replace(old, since=now, rx_rate=None, tx_rate=None)
    took_s = now.mono_s - since.mono_s
    if took_s < RATE_OVER_S:
        return old
    rx_rate = (now.rx_bytes - since.rx_bytes) / took_s
    tx_rate = (now.tx_bytes - since.tx_bytes) / took_s
    return replace(old, since=now, rx_rate=rx_rate, tx_rate=tx_rate)
