"""The menu: pages by purpose, each shown to who may open it."""

from __future__ import annotations

from dataclasses import dataclass

from ionmesh.dashboard.gate import Visit
from ionmesh.dashboard.i18n import mark
from ionmesh.models import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu. `covers` are pages below it, for which it is marked too."""

    endpoint: str
    label: str
    icon: str
    role: Role = Role.VIEWER
    covers: tuple[str, ...] = ()

    def is_current(self, endpoint: str | None) -> bool:
        """Whether this line is where the person is."""
        name = (endpoint or "").partition(".")[2]
        return name == self.endpoint or name in self.covers


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that belong together."""

    label: str
    entries: tuple[Entry, ...]


_GROUPS = (
    Group(
        mark("Fleet"),
        (
            Entry("overview", mark("Overview"), "overview"),
            Entry("clients", mark("Clients"), "client", covers=("client", "reassign_picker")),
            Entry("banks", mark("SIM banks"), "bank", covers=("bank", "slot")),
            Entry("pools", mark("KI pools"), "pool", covers=("pool",)),
        ),
    ),
    Group(
        mark("Watch"),
        (
            Entry("alerts", mark("Alerts"), "alert", covers=("alert_history", "alert_rule")),
            Entry("allowance", mark("Data allowance"), "data"),
            Entry("audit_log", mark("Audit log"), "log"),
        ),
    ),
    Group(
        mark("Settings"),
        (
            Entry("webhooks", mark("Webhooks"), "hook", Role.ADMIN, ("webhook",)),
            Entry("api_keys", mark("API keys"), "key", Role.ADMIN),
            Entry("users", mark("Users"), "user", Role.ADMIN),
            Entry("account", mark("Your account"), "account"),
        ),
    ),
)
# On a phone these are at hand; the others are behind the menu button.
_AT_HAND = ("overview", "clients", "banks", "alerts")


def groups(visit: Visit) -> list[Group]:
    """Return what this person may open."""
    allowed = (
        Group(group.label, tuple(entry for entry in group.entries if visit.may(entry.role)))
        for group in _GROUPS
    )
    return [group for group in allowed if group.entries]


def at_hand() -> list[Entry]:
    """Return the lines of the bar at the lower edge of a phone."""
    return [entry for group in _GROUPS for entry in group.entries if entry.endpoint in _AT_HAND]
