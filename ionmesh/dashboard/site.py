"""The dashboard as a part of the application: pages, headers, errors, and what templates can use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask, Response, g, redirect, render_template, request
from markupsafe import Markup
from sqlalchemy.exc import IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ionmesh.api.context import EXTENSION, runtime
from ionmesh.api.errors import status_of
from ionmesh.api.wire import answer
from ionmesh.dashboard import (
    alert_words,
    assets,
    cookies,
    csrf,
    entries,  # noqa: F401  its import adds the pages to the table
    i18n,
    menu,
    notices,
    shapes,
    slots,
    state,
    wording,
)
from ionmesh.dashboard.gate import Visit, pages, to, wants_json
from ionmesh.errors import ServiceError, TooManyRequests, Unauthorized
from ionmesh.models import EventType, Role

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
}
_DATABASE_RETRY_S = 5


def register(app: Flask) -> None:
    """Add the dashboard to the application."""
    i18n.install(app)
    app.extensions[state.EXTENSION] = state.new_state(app.extensions[EXTENSION])
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(ago=_ago, figure=shapes.figure, moment=shapes.moment, octets=shapes.octets)
    app.jinja_env.globals.update(
        asset=assets.asset,
        bars=shapes.bars,
        bank_state=wording.bank_state,
        command_name=wording.command_name,
        command_state=wording.command_state,
        event_extra=wording.event_extra,
        event_mood=wording.event_mood,
        legend=slots.legend,
        severity=alert_words.severity,
        to=to,
        Role=Role,
    )
    app.register_blueprint(pages.blueprint)


@pages.blueprint.context_processor
def _context() -> dict[str, Any]:
    visit: Visit | None = g.get("visit")
    found: dict[str, Any] = {
        "language": i18n.language(),
        "theme": cookies.theme(),
        "notice": notices.notice(),
        "visit": visit,
        "now": runtime().clock(),
    }
    if visit is not None:
        found |= {
            "csrf": csrf.token(visit.token),
            "menu": menu.groups(visit),
            "at_hand": menu.at_hand(),
            "event_types": " ".join(kind.value for kind in EventType),
        }
    return found


@pages.blueprint.after_request
def _finish(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@pages.blueprint.errorhandler(ServiceError)
def _refused(error: ServiceError) -> BaseResponse:
    status = status_of(error)
    if isinstance(error, Unauthorized) and request.method == "GET" and not wants_json():
        wanted = request.script_root + request.full_path.rstrip("?")
        return redirect(to("sign_in") if wanted == to("overview") else to("sign_in", next=wanted), 303)
    headers = {"Retry-After": str(int(error.wait_s) + 1)} if isinstance(error, TooManyRequests) else {}
    return _problem(status, error.code, error.message, headers)


@pages.blueprint.errorhandler(OperationalError)
def _database_unavailable(_error: OperationalError) -> BaseResponse:
    message = i18n.translate("The database is unavailable.")
    return _problem(503, "database_unavailable", message, {"Retry-After": str(_DATABASE_RETRY_S)})


@pages.blueprint.errorhandler(IntegrityError)
def _not_unique(_error: IntegrityError) -> BaseResponse:
    return _problem(409, "conflict", i18n.translate("It exists already, or is in use."), {})


@pages.blueprint.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> BaseResponse:
    return _problem(error.code or 500, "http_error", error.name, {})


def _problem(status: int, code: str, message: str, headers: dict[str, str]) -> BaseResponse:
    if wants_json():
        document = {"status": "error", "message": message, "code": code, "request_id": g.request_id}
        return answer(document, status, headers)
    page = render_template("problem.html", status=status, message=message)
    return Response(page, status, headers, mimetype="text/html")


def _ago(value: datetime | str | None) -> Markup:
    return shapes.ago(value, runtime().clock())
