"""Alerts, the rules that raise them, and mutes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ionmesh.api import present
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes, changed
from ionmesh.api.watch_schemas import AlertsQuery, MuteBody, RuleBody, RuleChange
from ionmesh.models import Alert, AlertMute, AlertRule, AlertState
from ionmesh.services import alert_rules, alerts

routes = Routes(Blueprint("alerts", __name__, url_prefix=API_PREFIX))


@routes.get("/alerts", AlertsQuery)
def list_alerts(call: Call, query: AlertsQuery) -> dict[str, Any]:
    """List alerts, newest first: those that fire, or others by their state."""
    with call.database.read() as session:
        page, total = alerts.listed(
            session,
            call.tenant_id,
            states=[AlertState(query.state)],
            subject=query.subject,
            acknowledged=query.acknowledged,
            offset=query.offset,
            limit=query.per_page,
        )
    return {"alerts": [_alert(alert) for alert in page], "total": total}


@routes.post("/alerts/<int:alert_id>/acknowledge")
def acknowledge_alert(call: Call, alert_id: int) -> dict[str, Any]:
    """Note that somebody knows of a firing alert."""
    with call.database.write() as session:
        alert = alerts.acknowledge(session, call.tenant_id, alert_id, call.actor, call.now)
    return {"alert": _alert(alert)}


@routes.get("/alerts/rules")
def list_rules(call: Call) -> dict[str, Any]:
    """List the alert rules."""
    with call.database.read() as session:
        rows = alert_rules.listed(session, call.tenant_id)
    return {"rules": [_rule(rule) for rule in rows]}


@routes.post("/alerts/rules", RuleBody, 201)
def create_rule(call: Call, body: RuleBody) -> dict[str, Any]:
    """Create an alert rule."""
    with call.database.write() as session:
        rule = alert_rules.create(session, call.tenant_id, body.model_dump(), call.actor, call.now)
    return {"rule": _rule(rule)}


@routes.post("/alerts/rules/usual", status=201)
def create_usual_rules(call: Call) -> dict[str, Any]:
    """Create the usual rules of those kinds of which there is none."""
    with call.database.write() as session:
        added = alert_rules.add_usual(session, call.tenant_id, call.actor, call.now)
    return {"rules": [_rule(rule) for rule in added]}


@routes.patch("/alerts/rules/<int:rule_id>", RuleChange)
def change_rule(call: Call, body: RuleChange, rule_id: int) -> dict[str, Any]:
    """Change or mute an alert rule."""
    with call.database.write() as session:
        rule = alert_rules.change(session, call.tenant_id, rule_id, changed(body), call.actor, call.now)
    return {"rule": _rule(rule)}


@routes.delete("/alerts/rules/<int:rule_id>")
def delete_rule(call: Call, rule_id: int) -> dict[str, Any]:
    """Delete an alert rule; its alerts end."""
    with call.database.write() as session:
        alert_rules.delete(session, call.tenant_id, rule_id, call.actor, call.now)
    return {"message": "Rule deleted"}


@routes.get("/alerts/mutes")
def list_mutes(call: Call) -> dict[str, Any]:
    """List the clients and other subjects that are muted."""
    with call.database.read() as session:
        rows = alerts.mutes(session, call.tenant_id, call.now)
    return {"mutes": [_mute(mute) for mute in rows]}


@routes.post("/alerts/mutes", MuteBody, 201)
def create_mute(call: Call, body: MuteBody) -> dict[str, Any]:
    """Tell nobody of a subject's alerts for a while."""
    with call.database.write() as session:
        mute = alerts.mute(session, call.tenant_id, body.subject, body.until, call.actor, call.now)
    return {"mute": _mute(mute)}


@routes.delete("/alerts/mutes/<int:mute_id>")
def delete_mute(call: Call, mute_id: int) -> dict[str, Any]:
    """End a mute before its time."""
    with call.database.write() as session:
        alerts.unmute(session, call.tenant_id, mute_id, call.actor, call.now)
    return {"message": "Mute ended"}


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "rule_id": alert.rule_id,
        "rule_name": alert.rule_name,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "state": alert.state.value,
        "value": alert.value,
        "since": present.moment(alert.since),
        "fired_at": present.moment(alert.fired_at),
        "acknowledged_at": present.moment(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "resolved_at": present.moment(alert.resolved_at),
        "told": alert.told,
    }


def _rule(rule: AlertRule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "name": rule.name,
        "kind": rule.kind.value,
        "signal": rule.signal.value if rule.signal else None,
        "threshold": rule.threshold,
        "hysteresis": rule.hysteresis,
        "for_s": rule.for_s,
        "window_s": rule.window_s,
        "severity": rule.severity.value,
        "enabled": rule.enabled,
        "muted_until": present.moment(rule.muted_until),
        "created_at": present.moment(rule.created_at),
    }


def _mute(mute: AlertMute) -> dict[str, Any]:
    return {
        "mute_id": mute.mute_id,
        "subject": mute.subject,
        "until": present.moment(mute.until),
        "created_by": mute.created_by,
        "created_at": present.moment(mute.created_at),
    }
