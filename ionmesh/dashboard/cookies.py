"""The two cookies of the dashboard: the session of who signed in, and the visitor's before that."""

from __future__ import annotations

import secrets

from flask import request
from werkzeug.wrappers import Response

from ionmesh.api.context import runtime
from ionmesh.services import sessions

SESSION = "ionmesh_session"
VISITOR = "ionmesh_visitor"
THEME = "ionmesh_theme"
THEMES = ("auto", "light", "dark")
_VISITOR_BYTES = 16


def session_token() -> str | None:
    """Return the session token the browser sent."""
    return request.cookies.get(SESSION)


def visitor() -> str | None:
    """Return the visitor cookie the browser sent."""
    return request.cookies.get(VISITOR)


def theme() -> str:
    """Return the colours the person chose; the browser's script sets that cookie."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else THEMES[0]


def new_visitor() -> str:
    """Return a value for the visitor cookie."""
    return secrets.token_urlsafe(_VISITOR_BYTES)


def keep_session(response: Response, token: str) -> None:
    """Have the browser keep a session's token."""
    _keep(response, SESSION, token, int(sessions.LIFE.total_seconds()))


def keep_visitor(response: Response, value: str) -> None:
    """Have the browser keep the visitor cookie until it is closed."""
    _keep(response, VISITOR, value, None)


def drop_session(response: Response) -> None:
    """Have the browser forget the session's token."""
    response.delete_cookie(SESSION, path=_path(), secure=_secure(), httponly=True, samesite="Lax")


def _keep(response: Response, name: str, value: str, life_s: int | None) -> None:
    response.set_cookie(
        name, value, max_age=life_s, path=_path(), secure=_secure(), httponly=True, samesite="Lax"
    )


def _path() -> str:
    # Mounted below another application, the cookie is none of that one's business.
    return request.script_root or "/"


def _secure() -> bool:
    public_url = runtime().config.public_url or ""
    return request.is_secure or public_url.startswith("https:")
