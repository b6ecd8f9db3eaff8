"""Browsers that are told of alerts by web push."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint

from ionmesh.api import present
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes
from ionmesh.api.watch_schemas import SubscriptionBody
from ionmesh.models import PushSubscription
from ionmesh.services import push, webhooks

routes = Routes(Blueprint("subscriptions", __name__, url_prefix=API_PREFIX))


@routes.get("/push/key")
def show_push_key(call: Call) -> dict[str, Any]:
    """Show the server's public key, which browsers subscribe with (VAPID)."""
    return {"key": call.run.vapid.public_key()}


@routes.get("/push/subscriptions")
def list_subscriptions(call: Call) -> dict[str, Any]:
    """List the browsers that are told."""
    with call.database.read() as session:
        rows = push.listed(session, call.tenant_id)
    return {"subscriptions": [_subscription(found) for found in rows]}


@routes.post("/push/subscriptions", SubscriptionBody, 201)
def create_subscription(call: Call, body: SubscriptionBody) -> dict[str, Any]:
    """Add a browser, or take over what it says anew."""
    webhooks.check_url(body.endpoint, private_allowed=bool(call.run.config.private_webhooks))
    with call.database.write() as session:
        found = push.subscribe(
            session, call.tenant_id, None, **body.model_dump(), actor=call.actor, now=call.now
        )
    return {"subscription": _subscription(found)}


@routes.delete("/push/subscriptions/<int:subscription_id>")
def delete_subscription(call: Call, subscription_id: int) -> dict[str, Any]:
    """Remove a browser."""
    with call.database.write() as session:
        push.unsubscribe(session, call.tenant_id, subscription_id, call.actor, call.now)
    return {"message": "Subscription deleted"}


@routes.post("/push/subscriptions/<int:subscription_id>/test", status=202)
def test_subscription(call: Call, subscription_id: int) -> dict[str, Any]:
    """Queue a test message."""
    with call.database.write() as session:
        push.test(session, call.tenant_id, subscription_id, call.now)
    return {"message": "Test queued"}


def _subscription(found: PushSubscription) -> dict[str, Any]:
    """Return a subscription without its keys; the endpoint itself lets anybody who has it send."""
    return {
        "subscription_id": found.subscription_id,
        "user_id": found.user_id,
        "service": urlsplit(found.endpoint).hostname,
        "min_severity": found.min_severity.value,
        "created_at": present.moment(found.created_at),
        "last_sent_at": present.moment(found.last_sent_at),
        "failures": found.failures,
    }
