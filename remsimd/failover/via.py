"""Which network device management sockets (IonMesh, RSPRO) are bound to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from remsimd.events import LinkHealth

ANY = "any"
"""The `via` that leaves it to the routing tables."""

_RANK = {LinkHealth.UP: 0, LinkHealth.SUSPECT: 1, LinkHealth.UNKNOWN: 2, LinkHealth.DOWN: 3}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link as management traffic sees it; `device` is None while it has no network device."""

    name: str
    priority: int
    health: LinkHealth
    device: str | None


def choose(via: str, links: Sequence[Candidate]) -> str | None:
    """The device to bind to, or None for whatever the routing tables say.

    `via` names a link, or is `any`. The named link is used unless it is DOWN or has no device;
    then the best of the others that is not DOWN, by health and then by priority (the higher is
    preferred). When all are DOWN the named one is tried on: binding elsewhere would not help.
    """
    if via == ANY:
        return None
    named = next((link for link in links if link.name == via), None)
    if named is not None and named.device is not None and named.health is not LinkHealth.DOWN:
        return named.device
    usable = [link for link in links if link.device is not None and link.health is not LinkHealth.DOWN]
    if usable:
        return min(usable, key=lambda link: (_RANK[link.health], -link.priority)).device
    return named.device if named is not None else None
