"""Slot policies and webhooks."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ionmesh.api import present
from ionmesh.api.admin_schemas import PolicyBody, PolicyChange, SimulateBody, WebhookBody, WebhookChange
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes, changed
from ionmesh.services import allocation, policies, webhooks
from ionmesh.services.allocation import Demand

_DELIVERIES_SHOWN = 100

routes = Routes(Blueprint("automation", __name__, url_prefix=API_PREFIX))


@routes.get("/slot-policies")
def list_policies(call: Call) -> dict[str, Any]:
    """List the slot policies in the order they are looked at."""
    with call.database.read() as session:
        rows = policies.listed(session, call.tenant_id)
    return {"policies": [present.policy(policy) for policy in rows]}


@routes.post("/slot-policies", PolicyBody, 201)
def create_policy(call: Call, body: PolicyBody) -> dict[str, Any]:
    """Create a slot policy."""
    with call.database.write() as session:
        policy = policies.create(session, call.tenant_id, body.model_dump(), call.actor, call.now)
    return {"policy": present.policy(policy)}


@routes.post("/slot-policies/simulate", SimulateBody)
def simulate_policies(call: Call, body: SimulateBody) -> dict[str, Any]:
    """Say which slot a registration would get and why, and give nothing."""
    at = body.at or call.now
    with call.database.read() as session:
        rows = policies.listed(session, call.tenant_id)
        trace = policies.judge(rows, body.mcc_mnc, body.region, at)
        demand = Demand(call.tenant_id, body.mapping_mode, body.mcc_mnc, body.carrier)
        demand = policies.applied(session, demand, body.region, at)
        slot = allocation.preview(session, demand, call.now)
        document = present.slot(slot, masked=call.masked) if slot else None
    return {
        "trace": [
            {"policy_id": judged.policy.policy_id, "name": judged.policy.name, "reason": judged.reason}
            for judged in trace
        ],
        "preferred_bank_id": demand.preferred_bank_id,
        "load_balancing_mode": demand.balancing.value,
        "slot": document,
    }


@routes.patch("/slot-policies/<int:policy_id>", PolicyChange)
def change_policy(call: Call, body: PolicyChange, policy_id: int) -> dict[str, Any]:
    """Change a slot policy."""
    with call.database.write() as session:
        policy = policies.change(session, call.tenant_id, policy_id, changed(body), call.actor, call.now)
    return {"policy": present.policy(policy)}


@routes.delete("/slot-policies/<int:policy_id>")
def delete_policy(call: Call, policy_id: int) -> dict[str, Any]:
    """Delete a slot policy."""
    with call.database.write() as session:
        policies.delete(session, call.tenant_id, policy_id, call.actor, call.now)
    return {"message": "Policy deleted"}


@routes.get("/webhooks")
def list_webhooks(call: Call) -> dict[str, Any]:
    """List the webhooks."""
    with call.database.read() as session:
        rows = webhooks.listed(session, call.tenant_id)
    return {"webhooks": [present.webhook(webhook) for webhook in rows]}


@routes.post("/webhooks", WebhookBody, 201)
def create_webhook(call: Call, body: WebhookBody) -> dict[str, Any]:
    """Create a webhook, whose signing secret is shown this once."""
    _check_url(call, body.url)
    types = [event.value for event in body.events]
    pepper = call.run.config.key_pepper
    with call.database.write() as session:
        webhook, secret = webhooks.create(
            session, call.tenant_id, body.url, types, call.actor, call.now, pepper
        )
    return {"webhook": present.webhook(webhook), "secret": secret}


@routes.patch("/webhooks/<int:webhook_id>", WebhookChange)
def change_webhook(call: Call, body: WebhookChange, webhook_id: int) -> dict[str, Any]:
    """Change address, events or activity of a webhook."""
    values = body.model_dump(exclude_unset=True, mode="json")
    if "url" in values:
        _check_url(call, body.url)
    with call.database.write() as session:
        webhook = webhooks.change(session, call.tenant_id, webhook_id, values, call.actor, call.now)
    return {"webhook": present.webhook(webhook)}


@routes.delete("/webhooks/<int:webhook_id>")
def delete_webhook(call: Call, webhook_id: int) -> dict[str, Any]:
    """Delete a webhook with its deliveries."""
    with call.database.write() as session:
        webhooks.delete(session, call.tenant_id, webhook_id, call.actor, call.now)
    return {"message": "Webhook deleted"}


@routes.post("/webhooks/<int:webhook_id>/test", status=202)
def test_webhook(call: Call, webhook_id: int) -> dict[str, Any]:
    """Queue a test delivery."""
    with call.database.write() as session:
        delivery = webhooks.test(session, call.tenant_id, webhook_id, call.now)
    return {"delivery": present.delivery(delivery)}


@routes.get("/webhooks/<int:webhook_id>/deliveries")
def list_deliveries(call: Call, webhook_id: int) -> dict[str, Any]:
    """List the latest deliveries of a webhook, newest first."""
    with call.database.read() as session:
        webhook = webhooks.find(session, call.tenant_id, webhook_id)
        rows = webhooks.deliveries(session, webhook, _DELIVERIES_SHOWN)
    return {"deliveries": [present.delivery(delivery) for delivery in rows]}


def _check_url(call: Call, url: str) -> None:
    webhooks.check_url(url, private_allowed=bool(call.run.config.private_webhooks))
