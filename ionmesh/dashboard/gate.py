"""The table of pages: who may see each, and what its view gets.

A view takes a `Visit`, then the values in its path, and returns HTML, a finished response, or a `Done` that
sends the browser on. A page of role None is open to all and its view takes no `Visit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ionmesh.api import auth, wire
from ionmesh.api.context import runtime
from ionmesh.api.routing import Call
from ionmesh.dashboard import cookies, csrf
from ionmesh.db import Database, confined
from ionmesh.errors import Forbidden, Unauthorized
from ionmesh.models import Role, Scope, User
from ionmesh.services import sessions, users
from ionmesh.services.keys import Caller

# Least to most.
_RANKS = (Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.OWNER)
# Viewers look, identities masked. What each of the others may do beyond is the table's.
_SCOPES = {role: frozenset({Scope.READ if role is Role.VIEWER else Scope.ADMIN}) for role in Role}


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one path. `path` is in Flask's notation."""

    method: str
    path: str
    endpoint: str
    role: Role | None
    """The least role; None: open to all."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in."""

    user: User
    call: Call
    token: str

    @property
    def database(self) -> Database:
        """The database."""
        return self.call.database

    @property
    def tenant_id(self) -> int:
        """The tenant of the user."""
        return self.call.tenant_id

    def may(self, role: Role) -> bool:
        """Whether the user has that role or more."""
        return _RANKS.index(self.user.role) >= _RANKS.index(role)


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was made: where to look next, and the code of what to say there."""

    url: str
    notice: str = ""


View = Callable[..., "str | BaseResponse | Done"]


class Pages:
    """Adds views to the blueprint and remembers what was added."""

    def __init__(self) -> None:
        self.blueprint = Blueprint("dashboard", __name__, template_folder="templates")
        self.table: list[Page] = []

    def get(self, path: str, role: Role | None = Role.VIEWER) -> Callable[[View], View]:
        """Add a page that changes nothing."""
        return self._add("GET", path, role)

    def post(self, path: str, role: Role | None) -> Callable[[View], View]:
        """Add a form's target."""
        return self._add("POST", path, role)

    def _add(self, method: str, path: str, role: Role | None) -> Callable[[View], View]:
        def add(view: View) -> View:
            page = Page(method, path, view.__name__, role)
            self.table.append(page)
            self.blueprint.add_url_rule(
                path, endpoint=page.endpoint, view_func=_handler(page, view), methods=[method]
            )
            return view

        return add


pages = Pages()


def to(endpoint: str, **values: Any) -> str:
    """Return the URL of a page."""
    return url_for(f"dashboard.{endpoint}", **values)


def wants_json() -> bool:
    """Whether a script asks, which shows messages and follows redirections itself."""
    return request.accept_mimetypes.best == "application/json"


def _handler(page: Page, view: View) -> Callable[..., BaseResponse]:
    def handle(**path: Any) -> BaseResponse:
        if page.role is None:
            if page.method == "POST":
                csrf.check(cookies.session_token() or cookies.visitor())
            return _finished(view(**path))
        visit = _visit()
        g.visit = visit
        if not visit.may(page.role):
            raise Forbidden("role_missing", f"This needs the role {page.role.value}.")
        auth.spend(visit.call.run.key_limit, "user", visit.user.user_id)
        if page.method == "POST":
            csrf.check(visit.token)
        with confined(visit.tenant_id):
            return _finished(view(visit, **path))

    return handle


def _visit() -> Visit:
    run, token = runtime(), cookies.session_token()
    now = run.clock()
    if token is None:
        raise Unauthorized("signed_out", "You are not signed in.")
    with run.database.read() as session:
        found = sessions.find(session, token, now)
    if found is None or not found.complete:
        raise Unauthorized("signed_out", "You are not signed in.")
    if sessions.touch_due(found, now):
        with run.database.write() as session:
            sessions.touch(session, found, now)
    user = found.user
    caller = Caller(users.actor(user), (user.tenant_id,), _SCOPES[user.role])
    return Visit(user, Call(caller, user.tenant_id, run, now), token)


def _finished(result: str | BaseResponse | Done) -> BaseResponse:
    if isinstance(result, Done):
        url = result.url
        if result.notice:
            url += f"{'&' if '?' in url else '?'}done={result.notice}"
        if wants_json():
            return wire.answer({"status": "ok", "location": url})
        return redirect(url, 303)
    return Response(result, mimetype="text/html") if isinstance(result, str) else result
