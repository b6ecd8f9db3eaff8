"""Browsers that a person wants to be told with."""

from __future__ import annotations

from flask import Response, request
from sqlalchemy.orm import Session

from ionmesh.api import wire
from ionmesh.api.watch_schemas import SubscriptionBody
from ionmesh.dashboard.forms import form_as
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import NotFound
from ionmesh.models import PushSubscription, Role
from ionmesh.services import push as service
from ionmesh.services import webhooks


@pages.get("/push/key.json")
def push_key(visit: Visit) -> Response:
    """Return the key that a browser subscribes with."""
    return wire.answer({"status": "ok", "key": visit.call.run.vapid.public_key()})


@pages.post("/push/subscriptions", Role.VIEWER)
def subscribe_push(visit: Visit) -> Done:
    """Add this browser, or take over what it says anew."""
    body = form_as(SubscriptionBody)
    private_allowed = bool(visit.call.run.config.private_webhooks)
    webhooks.check_url(body.endpoint, private_allowed=private_allowed)
    with visit.database.write() as session:
        service.subscribe(
            session,
            visit.tenant_id,
            visit.user.user_id,
            **body.model_dump(),
            actor=visit.call.actor,
            now=visit.call.now,
        )
    return Done(to("account"), "noted")


@pages.post("/push/subscriptions/end", Role.VIEWER)
def end_push(visit: Visit) -> Done:
    """Remove this browser, named by its endpoint."""
    with visit.database.write() as session:
        found = service.by_endpoint(session, visit.tenant_id, request.form.get("endpoint", ""))
        _remove(visit, session, found)
    return Done(to("account"), "noted")


@pages.post("/push/subscriptions/<int:subscription_id>/delete", Role.VIEWER)
def unsubscribe_push(visit: Visit, subscription_id: int) -> Done:
    """Remove one of one's browsers."""
    with visit.database.write() as session:
        _remove(visit, session, service.find(session, visit.tenant_id, subscription_id))
    return Done(to("account"), "deleted")


@pages.post("/push/subscriptions/<int:subscription_id>/test", Role.VIEWER)
def test_push(visit: Visit, subscription_id: int) -> Done:
    """Queue a test message for one of one's browsers."""
    with visit.database.write() as session:
        _own(visit, service.find(session, visit.tenant_id, subscription_id))
        service.test(session, visit.tenant_id, subscription_id, visit.call.now)
    return Done(to("account"), "tested")


def _remove(visit: Visit, session: Session, found: PushSubscription) -> None:
    subscription_id = _own(visit, found).subscription_id
    service.unsubscribe(session, visit.tenant_id, subscription_id, visit.call.actor, visit.call.now)


def _own(visit: Visit, found: PushSubscription) -> PushSubscription:
    if found.user_id != visit.user.user_id:
        raise NotFound("no_subscription", f"no push subscription {found.subscription_id}")
    return found
