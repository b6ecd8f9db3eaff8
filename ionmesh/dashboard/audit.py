"""The audit log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flask import render_template

from ionmesh.dashboard import listing
from ionmesh.dashboard.forms import query
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.models import AuditEntry
from ionmesh.services import audit as service

_FILTERS = ("subject", "action")


@pages.get("/audit-log")
def audit_log(visit: Visit) -> str:
    """List who did what, newest first."""
    filters = query(*_FILTERS)
    shown = listing.requested(filters)
    with visit.database.read() as session:
        page, total = service.entries(
            session,
            visit.tenant_id,
            action=filters.get("action"),
            subject=filters.get("subject"),
            offset=shown.offset,
            limit=shown.per_page,
        )
    return render_template(
        "audit_log.html",
        entries=[_shown(entry) for entry in page],
        filters=filters,
        listing=replace(shown, total=total),
    )


def _shown(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action.replace("_", " "),
        "code": entry.action,
        "subject": entry.subject,
        "details": ", ".join(f"{name} {_word(value)}" for name, value in entry.details.items()),
    }


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
