"""Which link carries the data: a pure decision over the health of all links."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth

_HOUR_S = 3600.0
_IN_USE = frozenset({LinkHealth.UP, LinkHealth.SUSPECT})


@dataclass(frozen=True, slots=True)
class Damping:
    """How long a link must be UP without a break before data returns to it.

    None until the link was UP and lost (an own reset or SIM switch is no loss); then `hold_down`,
    doubled with each flap (the active link lost) within an hour of the one before, and halved again
    by every hour without one.
    """

    level: int | None = None
    flapped_s: float | None = None

    def lost(self) -> "Damping":
        """The link is no longer UP; it did not carry the data."""
        return self if self.level is not None else replace(self, level=0)

    def flapped(self, now: float) -> "Damping":
        """The link carried the data and is lost."""
        if self.level is None or self.flapped_s is None:
            return Damping(0, now)
        quiet = self._quiet_hours(now)
        return Damping(max(self.level - quiet, 0) if quiet else self.level + 1, now)

    def hold_s(self, now: float, config: FailoverConfig) -> float:
        """Seconds of continuous UP asked for now."""
        if self.level is None:
            return 0.0
        level = max(self.level - self._quiet_hours(now), 0)
        # Beyond 32 doublings any hold-down is over any cap.
        return min(config.hold_down_s * 2.0 ** min(level, 32), config.hold_down_max_s)

    def _quiet_hours(self, now: float) -> int:
        return 0 if self.flapped_s is None else int((now - self.flapped_s) / _HOUR_S)


@dataclass(frozen=True, slots=True)
class Member:
    """One link as the decision sees it; the higher `priority` is preferred.

    `up_s`: since when it is UP without a break (SUSPECT does not break it), None while it is not.
    """

    name: str
    priority: int
    health: LinkHealth = LinkHealth.UNKNOWN
    cause: str = "just started"
    hard: bool = False
    held: bool = False
    verified: bool = False
    up_s: float | None = None
    damping: Damping = Damping()


@dataclass(frozen=True, slots=True)
class FailoverState:
    """All links, best first, the one that carries the data, and the operator's choice if any."""

    members: tuple[Member, ...]
    active: str | None = None
    pinned: str | None = None
    cause: str = "no link is up yet"
    since_s: float | None = None

    def member(self, name: str) -> Member:
        """The link of this name; KeyError when there is none."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """A link's health as of now. `hard`: the kernel or the modem says DOWN; `held`: under our own
    reset or SIM switch; `verified`: something came back through it within the last 3 rounds."""

    link: str
    health: LinkHealth
    cause: str
    hard: bool = False
    held: bool = False
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """The operator wants this link whenever it is UP."""

    link: str


@dataclass(frozen=True, slots=True)
class Unpin:
    """The operator leaves the choice to the machine again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; `due_s` says when one is needed."""


FailoverEvent = HealthSeen | Pin | Unpin | Tick


@dataclass(frozen=True, slots=True)
class Move:
    """Let the data go over another link."""

    previous: str | None
    active: str
    cause: str


def initial(links: Iterable[tuple[str, int]]) -> FailoverState:
    """Nothing known, nothing active; `links` are names and priorities, 1 to 8 of them."""
    members = [Member(name, priority) for name, priority in links]
    return FailoverState(tuple(sorted(members, key=lambda member: -member.priority)))


def step(
    state: FailoverState, event: FailoverEvent, now: float, config: FailoverConfig
) -> tuple[FailoverState, tuple[Move, ...]]:
    """Take one event in; at most one move comes out. `now` in seconds of any steady clock.

    - The best link that is UP carries the data. The active link counts as UP while SUSPECT: it is
      left when it is DOWN, or UNKNOWN because we reset it, not at the first missing answer.
    - Away from a lost link at once: to the best UP link (one out of its hold-down before one in
      it), else to a SUSPECT one verified within the last 3 rounds. Only from a hard DOWN link also
      to one not verified, and to an UNKNOWN one that is not under our own reset. Else it stays.
    - Back to a better link only after its hold-down; a link that was never lost has none, and our
      own reset or SIM switch is not a loss.
    - The operator's choice goes before every priority, and at first without a hold-down, but like
      any other link it must be UP; lost later, it earns its return like any other.
    """
    match event:
        case HealthSeen():
            state = _with(state, _seen(state, event, now))
        case Pin(link):
            state = replace(_with(state, replace(state.member(link), damping=Damping())), pinned=link)
        case Unpin():
            state = replace(state, pinned=None)
        case Tick():
            pass
    chosen, cause = _choice(state, now, config)
    if chosen == state.active or chosen is None:
        return state, ()
    move = Move(state.active, chosen, cause)
    return replace(state, active=chosen, cause=cause, since_s=now), (move,)


def due_s(state: FailoverState, now: float, config: FailoverConfig) -> float | None:
    """When a Tick may change the decision: the end of a hold-down; None when only events can."""
    ends = [
        member.up_s + member.damping.hold_s(now, config)
        for member in _better(state)
        if member.health is LinkHealth.UP and member.up_s is not None
    ]
    return min(ends, default=None)


def hold_left_s(member: Member, now: float, config: FailoverConfig) -> float:
    """Seconds until data may return to the link if it stays UP; the whole hold-down while it is not."""
    hold = member.damping.hold_s(now, config)
    return hold if member.up_s is None else max(member.up_s + hold - now, 0.0)


def _seen(state: FailoverState, event: HealthSeen, now: float) -> Member:
    old = state.member(event.link)
    up_s, damping = old.up_s, old.damping
    if event.health is LinkHealth.UP:
        up_s = now if up_s is None else up_s
    elif event.health is not LinkHealth.SUSPECT:
        # Our own reset or SIM switch is no flap, whatever the link goes through before it is UP again.
        if up_s is not None and not event.held:
            carried = old.name == state.active
            damping = damping.flapped(now) if carried else damping.lost()
        up_s = None
    return replace(
        old,
        health=event.health,
        cause=event.cause,
        hard=event.hard,
        held=event.held,
        verified=event.verified,
        up_s=up_s,
        damping=damping,
    )


def _choice(state: FailoverState, now: float, config: FailoverConfig) -> tuple[str | None, str]:
    """The link to use and why; the present one when there is nothing better."""
    active = state.member(state.active) if state.active is not None else None
    if active is not None and active.health in _IN_USE:
        return _failback(state, active, now, config)
    ranked = sorted(state.members, key=lambda member: member.name != state.pinned)
    up = [member for member in ranked if member.health is LinkHealth.UP]
    suspect = [member for member in ranked if member.health is LinkHealth.SUSPECT]
    choices = [member for member in up if hold_left_s(member, now, config) == 0] + up
    choices += [member for member in suspect if member.verified]
    if active is None:
        choices += suspect
    elif active.health is LinkHealth.DOWN and active.hard:
        choices += suspect
        choices += [m for m in ranked if m.health is LinkHealth.UNKNOWN and not m.held]
    if not choices:
        return state.active, state.cause
    best = choices[0]
    if active is None:
        return best.name, f"{best.name} is {best.health}"
    return best.name, f"{active.name} is {active.health}: {active.cause}"


def _failback(state: FailoverState, active: Member, now: float, config: FailoverConfig) -> tuple[str, str]:
    """A better link than the working active one, once it has proven itself."""
    for member in _better(state):
        if member.health is LinkHealth.UP and hold_left_s(member, now, config) == 0:
            if member.name == state.pinned:
                return member.name, "chosen by the operator"
            return member.name, f"{member.name} is up and preferred"
    return active.name, state.cause


def _better(state: FailoverState) -> tuple[Member, ...]:
    """The links preferred to the active one, best first; the operator's choice is the best of all."""
    ranked = sorted(state.members, key=lambda member: member.name != state.pinned)
    names = [member.name for member in ranked]
    return tuple(ranked[: names.index(state.active)]) if state.active is not None else ()


def _with(state: FailoverState, member: Member) -> FailoverState:
    members = tuple(member if old.name == member.name else old for old in state.members)
    return replace(state, members=members)
