"""Alerts: what is wrong, what was, the rules, and who is not to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import render_template

from ionmesh.api import alerts as api
from ionmesh.api.watch_schemas import MuteBody, RuleBody, RuleChange
from ionmesh.api.wire import values_as
from ionmesh.dashboard import alert_words, listing
from ionmesh.dashboard.forms import back, form_as, text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import InvalidRequest
from ionmesh.models import AlertState, Role, Severity
from ionmesh.services import alert_rules
from ionmesh.services import alerts as service

_HOURS_MAX = 24 * 30
_DIGITS_MAX = 4
_FIRING_SHOWN = 200


@pages.get("/alerts")
def alerts(visit: Visit) -> str:
    """List what is wrong now, with the rules and mutes."""
    with visit.database.read() as session:
        firing, total = service.listed(session, visit.tenant_id, limit=_FIRING_SHOWN)
        shown = alert_words.shown(session, visit, sorted(firing, key=alert_words.by_urgency))
        rules = alert_rules.listed(session, visit.tenant_id)
        mutes = service.mutes(session, visit.tenant_id, visit.call.now)
    return render_template(
        "alerts.html",
        alerts=shown,
        total=total,
        rules=[(rule, alert_words.condition(rule)) for rule in rules],
        mutes=mutes,
        kinds=alert_words.alert_kinds(),
        signals=alert_words.signals(),
        severities=_severities(),
    )


@pages.get("/alerts/history")
def alert_history(visit: Visit) -> str:
    """List what was wrong and is over."""
    shown = listing.requested({})
    with visit.database.read() as session:
        over, total = service.listed(
            session,
            visit.tenant_id,
            states=[AlertState.RESOLVED],
            offset=shown.offset,
            limit=shown.per_page,
        )
        rows = alert_words.shown(session, visit, over)
    return render_template("alert_history.html", alerts=rows, listing=replace(shown, total=total))


@pages.get("/alerts/rules/<int:rule_id>", Role.ADMIN)
def alert_rule(visit: Visit, rule_id: int) -> str:
    """Show a rule to be changed."""
    with visit.database.read() as session:
        rule = alert_rules.find(session, visit.tenant_id, rule_id)
    lowest, highest = alert_rules.THRESHOLDS[rule.kind]
    return render_template(
        "alert_rule.html",
        rule=rule,
        condition=alert_words.condition(rule),
        threshold_of=alert_words.threshold_of(rule),
        lowest=lowest,
        highest=highest,
        severities=_severities(),
    )


@pages.post("/alerts/<int:alert_id>/acknowledge", Role.OPERATOR)
def acknowledge(visit: Visit, alert_id: int) -> Done:
    """Note that the person knows of an alert."""
    api.acknowledge_alert(visit.call, alert_id)
    return Done(back(to("alerts")), "acknowledged")


@pages.post("/alerts/mutes", Role.OPERATOR)
def mute_subject(visit: Visit) -> Done:
    """Tell nobody of one client, pool, SIM or bank for some hours."""
    until = visit.call.now + _hours()
    api.create_mute(visit.call, values_as(MuteBody, {"subject": text("subject"), "until": until}))
    return Done(back(to("alerts")), "muted")


@pages.post("/alerts/mutes/<int:mute_id>/end", Role.OPERATOR)
def unmute(visit: Visit, mute_id: int) -> Done:
    """End a mute before its time."""
    api.delete_mute(visit.call, mute_id)
    return Done(to("alerts"), "unmuted")


@pages.post("/alerts/rules", Role.ADMIN)
def create_rule(visit: Visit) -> Done:
    """Create a rule."""
    api.create_rule(visit.call, form_as(RuleBody))
    return Done(to("alerts"), "created")


@pages.post("/alerts/rules/usual", Role.ADMIN)
def create_usual_rules(visit: Visit) -> Done:
    """Create the usual rules of those kinds of which there is none."""
    api.create_usual_rules(visit.call)
    return Done(to("alerts"), "created")


@pages.post("/alerts/rules/<int:rule_id>", Role.ADMIN)
def change_rule(visit: Visit, rule_id: int) -> Done:
    """Change a rule, or turn it off or on."""
    api.change_rule(visit.call, form_as(RuleChange), rule_id)
    return Done(to("alerts"), "noted")


@pages.post("/alerts/rules/<int:rule_id>/mute", Role.OPERATOR)
def mute_rule(visit: Visit, rule_id: int) -> Done:
    """Tell nobody of what a rule raises for some hours; none ends that."""
    length = _hours(least=0)
    values: dict[str, Any] = {"muted_until": visit.call.now + length if length else None}
    api.change_rule(visit.call, values_as(RuleChange, values), rule_id)
    return Done(to("alerts"), "muted" if length else "unmuted")


@pages.post("/alerts/rules/<int:rule_id>/delete", Role.ADMIN)
def delete_rule(visit: Visit, rule_id: int) -> Done:
    """Delete a rule; its alerts end."""
    api.delete_rule(visit.call, rule_id)
    return Done(to("alerts"), "deleted")


def _severities() -> list[tuple[str, str]]:
    return [(severity.value, alert_words.severity(severity.value)[1]) for severity in Severity]


def _hours(least: int = 1) -> timedelta:
    given = text("hours")
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX):
        raise InvalidRequest("bad_hours", "hours: not a number")
    if not least <= int(given) <= _HOURS_MAX:
        raise InvalidRequest("bad_hours", f"hours: not {least} to {_HOURS_MAX}")
    return timedelta(hours=int(given))
