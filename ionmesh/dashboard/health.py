"""The five grades of a client: what each is called, and why a client has it."""

from __future__ import annotations

from dataclasses import dataclass

from ionmesh.dashboard.i18n import mark, translate
from ionmesh.models import Connectivity, ServiceProfile
from ionmesh.services import health
from ionmesh.services.health import Health

_NAMES = {
    Health.OK: mark("OK"),
    Health.PROBLEM: mark("Problem"),
    Health.CRITICAL: mark("Critical"),
    Health.UNKNOWN: mark("Unknown"),
    Health.DEACTIVATED: mark("No slot"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A client's grade. `name` is the class of the style sheet, `label` says why in a word or two."""

    name: str
    label: str


def of(profile: ServiceProfile) -> Shown:
    """Return the grade of a profile whose state and slot's bank are loaded."""
    grade = health.of(profile)
    return Shown(grade.value, translate(_reason(grade, profile)))


def names() -> list[tuple[str, str]]:
    """Return the grades with what they are called, the best first."""
    return [(grade.value, translate(text)) for grade, text in _NAMES.items()]


def _reason(grade: Health, profile: ServiceProfile) -> str:
    if grade is Health.OK:
        return mark("Online")
    if grade is Health.CRITICAL:
        offline = profile.state.connectivity is Connectivity.OFFLINE
        return mark("Offline") if offline else mark("Error")
    if grade is Health.PROBLEM:
        warns = profile.state.reported_status == "warning"
        return mark("Warning") if warns else mark("Bank down")
    return mark("No telemetry") if grade is Health.UNKNOWN else mark("No slot")
