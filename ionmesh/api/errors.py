"""One JSON shape for everything that is refused or breaks."""

from __future__ import annotations

import logging
import math
import re
import uuid
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy.exc import IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ionmesh.api.headers import add_standing
from ionmesh.api.wire import answer
from ionmesh.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NoSlot,
    NotFound,
    ServiceError,
    TooManyRequests,
    Unauthorized,
)

log = logging.getLogger(__name__)

_STATUS = {
    InvalidRequest: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
    NoSlot: 503,
}
_HEADERS = {"Cache-Control": "no-store"}
# For browsers, which never make the routers' calls: there each byte is one of the IoT SIM's.
_BROWSER_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_NO_SLOT_RETRY_S = 60
_DATABASE_RETRY_S = 5
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def register_error_handlers(app: Flask) -> None:
    """Give every error of the application the one shape, and every answer its request id."""
    app.before_request(_name_request)
    app.after_request(_finish)
    app.register_error_handler(ServiceError, _refused)
    app.register_error_handler(OperationalError, _database_unavailable)
    app.register_error_handler(IntegrityError, _not_unique)
    app.register_error_handler(HTTPException, _http_error)


def _name_request() -> None:
    presented = request.headers.get("X-Request-ID", "")
    g.request_id = presented if _REQUEST_ID.match(presented) else uuid.uuid4().hex


def _finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    wanted = _HEADERS if request.blueprint == "remsim" else _HEADERS | _BROWSER_HEADERS
    for name, value in wanted.items():
        response.headers.setdefault(name, value)
    add_standing(response)
    return response


def status_of(error: ServiceError) -> int:
    """Return the HTTP status that says what was wrong."""
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def _refused(error: ServiceError) -> Response:
    status = status_of(error)
    if isinstance(error, NoSlot):
        extra = {"available_modes": list(error.available_modes)}
        return _error(status, error.code, error.message, extra, {"Retry-After": str(_NO_SLOT_RETRY_S)})
    if isinstance(error, TooManyRequests):
        wait = {"Retry-After": str(math.ceil(error.wait_s))}
        return _error(status, error.code, error.message, headers=wait)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    return _error(status, error.code, error.message, headers=headers)


def _database_unavailable(error: OperationalError) -> Response:
    log.warning("request %s: database unavailable: %s", g.request_id, error.orig)
    headers = {"Retry-After": str(_DATABASE_RETRY_S)}
    return _error(503, "database_unavailable", "The database is unavailable", headers=headers)


def _not_unique(_: IntegrityError) -> Response:
    # Somebody else was quicker, or has what this caller cannot see.
    return _error(409, "conflict", "It exists already, or is in use")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    headers = None
    if isinstance(error, MethodNotAllowed):
        headers = {"Allow": ", ".join(sorted(error.valid_methods or ()))}
    return _error(status, error.name.lower().replace(" ", "_"), error.name, headers=headers)


def _error(
    status: int,
    code: str,
    message: str,
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    document = {"status": "error", "message": message, "code": code, "request_id": g.request_id}
    return answer(document | (extra or {}), status, headers)
