"""What is said after a change was made, by the code that the redirection carries."""

from __future__ import annotations

from flask import request

from ionmesh.dashboard.i18n import mark, translate

_TEXTS = {
    "restarted": mark("Restart queued. The router gets it with its next heartbeat."),
    "queued": mark("Command queued. The router gets it with its next heartbeat."),
    "cancelled": mark("Command cancelled."),
    "reassigned": mark("Client moved. The router learns of it with its next heartbeat."),
    "noted": mark("Saved."),
    "bulk": mark("Done for the chosen clients."),
    "bulk_partly": mark("Done for some. Clients that have no slot any more were left out."),
    "created": mark("Created."),
    "deleted": mark("Deleted."),
    "acknowledged": mark("Alert acknowledged."),
    "muted": mark("Muted. Nobody is told until then."),
    "unmuted": mark("Not muted any more."),
    "tested": mark("Test delivery queued."),
    "revoked": mark("Key revoked."),
    "signed_out_others": mark("All other sessions of yours are ended."),
    "totp_off": mark("Second factor is off."),
    "password": mark("Password changed. Sign in with the new one."),
}


def notice() -> str | None:
    """Return what to say on this page, if anything."""
    text = _TEXTS.get(request.args.get("done", ""))
    return translate(text) if text else None
