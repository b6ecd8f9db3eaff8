"""Why the active link is the active one and what would change it, as data for people. Pure."""

from dataclasses import dataclass

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth
from remsimd.failover.machine import FailoverState, Member, due_s, hold_left_s


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    """One link: how it is, and in words what keeps it from carrying the data, or what would end that.

    `hold_left_s`: seconds until data may return to it, 0.0 when nothing but preference matters.
    """

    name: str
    priority: int
    health: LinkHealth
    cause: str
    hold_left_s: float
    standing: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision: `why` the active link was chosen, `for_s` seconds ago (None: never chosen).

    `next_change_in_s`: seconds until it changes if nothing else happens, None if it would not.
    """

    active: str | None
    why: str
    for_s: float | None
    pinned: str | None
    next_change_in_s: float | None
    links: tuple[LinkExplanation, ...]


def explain(state: FailoverState, now: float, config: FailoverConfig) -> Explanation:
    """The decision as of `now`, seconds of the clock that the state was made with."""
    due = due_s(state, now, config)
    return Explanation(
        active=state.active,
        why=state.cause,
        for_s=None if state.since_s is None else now - state.since_s,
        pinned=state.pinned,
        next_change_in_s=None if due is None else max(due - now, 0.0),
        links=tuple(_link(state, member, now, config) for member in state.members),
    )


def _link(state: FailoverState, member: Member, now: float, config: FailoverConfig) -> LinkExplanation:
    left = hold_left_s(member, now, config)
    standing = _standing(state, member, left, now, config)
    return LinkExplanation(member.name, member.priority, member.health, member.cause, left, standing)


def _standing(state: FailoverState, member: Member, left: float, now: float, config: FailoverConfig) -> str:
    if member.name == state.active:
        if member.health is LinkHealth.DOWN:
            return "carries the data although it is down: no other link is better"
        return "carries the data until it is down or a preferred link is up"
    if member.health is LinkHealth.DOWN:
        return f"not usable: {member.cause}"
    if member.health is LinkHealth.UNKNOWN:
        return f"not known yet: {member.cause}"
    if member.health is LinkHealth.SUSPECT:
        return "being checked: something did not come back"
    if left > 0:
        hold = member.damping.hold_s(now, config)
        wait = f"takes over in {left:.0f} s if it stays up ({hold:.0f} s are asked for)"
        return f"{wait}, at once if the active link is down"
    return "takes over if the active link is down"
