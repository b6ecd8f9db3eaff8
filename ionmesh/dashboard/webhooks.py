"""Webhooks and what was delivered to each."""

from __future__ import annotations

from typing import Any

from flask import render_template, request

from ionmesh.api import automation as api
from ionmesh.api import present
from ionmesh.api.admin_schemas import WebhookBody, WebhookChange
from ionmesh.api.wire import values_as
from ionmesh.dashboard import wording
from ionmesh.dashboard.forms import form_as, text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.models import Role
from ionmesh.services import webhooks as service

_DELIVERIES_SHOWN = 100


@pages.get("/webhooks", Role.ADMIN)
def webhooks(visit: Visit) -> str:
    """List the webhooks."""
    with visit.database.read() as session:
        rows = [present.webhook(hook) for hook in service.listed(session, visit.tenant_id)]
    return render_template("webhooks.html", webhooks=rows, kinds=wording.event_names())


@pages.get("/webhooks/<int:webhook_id>", Role.ADMIN)
def webhook(visit: Visit, webhook_id: int) -> str:
    """Show a webhook with its latest deliveries."""
    with visit.database.read() as session:
        found = service.find(session, visit.tenant_id, webhook_id)
        deliveries = [
            present.delivery(delivery) for delivery in service.deliveries(session, found, _DELIVERIES_SHOWN)
        ]
    return render_template(
        "webhook.html", webhook=present.webhook(found), deliveries=deliveries, kinds=wording.event_names()
    )


@pages.post("/webhooks", Role.ADMIN)
def create_webhook(visit: Visit) -> str:
    """Create a webhook and show its signing secret, this once."""
    made: Any = api.create_webhook(visit.call, form_as(WebhookBody))
    return render_template("secret.html", what="webhook", name=made["webhook"]["url"], secret=made["secret"])


@pages.post("/webhooks/<int:webhook_id>", Role.ADMIN)
def change_webhook(visit: Visit, webhook_id: int) -> Done:
    """Change address, events or activity of a webhook."""
    values: dict[str, object] = {}
    if text("url"):
        values = {"url": text("url"), "events": request.form.getlist("events")}
    if text("enabled"):
        values["enabled"] = text("enabled")
    api.change_webhook(visit.call, values_as(WebhookChange, values), webhook_id)
    return Done(to("webhook", webhook_id=webhook_id), "noted")


@pages.post("/webhooks/<int:webhook_id>/test", Role.ADMIN)
def test_webhook(visit: Visit, webhook_id: int) -> Done:
    """Queue a test delivery."""
    api.test_webhook(visit.call, webhook_id)
    return Done(to("webhook", webhook_id=webhook_id), "tested")


@pages.post("/webhooks/<int:webhook_id>/delete", Role.ADMIN)
def delete_webhook(visit: Visit, webhook_id: int) -> Done:
    """Delete a webhook with its deliveries."""
    api.delete_webhook(visit.call, webhook_id)
    return Done(to("webhooks"), "deleted")
