"""The table of administrative routes: who may call each, what it takes, and what documents it.

A view takes a `Call`, then the parsed body or query if the route has one, then the values in its path. It
returns the members of the answer beside `status`, or a finished response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel

from ionmesh.api import auth, headers, wire
from ionmesh.api.context import Runtime, runtime
from ionmesh.db import Database, confined
from ionmesh.models import Scope
from ionmesh.services.keys import Caller

_PATH_VALUE = re.compile(r"<(\w+)>")

View = Callable[..., Mapping[str, Any] | Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `path` is in Flask's notation, complete with the prefix."""

    method: str
    path: str
    summary: str
    scope: Scope | None
    """None: open to all."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    successor: str | None = None
    """The path to use instead, in Flask's notation; the route itself will go away."""
    keyless: bool = False
    """Whether clients of a tenant's legacy networks may call without a key."""


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    caller: Caller
    tenant_id: int
    run: Runtime
    now: datetime

    @property
    def database(self) -> Database:
        """The database."""
        return self.run.database

    @property
    def actor(self) -> str:
        """The caller's name in the audit log."""
        return self.caller.name

    @property
    def masked(self) -> bool:
        """Whether IMSI and ICCID are not for this caller."""
        return not self.caller.may(Scope.ADMIN)


class Routes:
    """Adds views to a blueprint and remembers what was added."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.table: list[Route] = []

    def get(
        self, path: str, query: type[BaseModel] | None = None, media: str = "application/json"
    ) -> Callable[[View], View]:
        """Add a view that changes nothing; scope `read` is enough."""
        return self._add("GET", path, Scope.READ, query=query, media=media)

    def post(
        self,
        path: str,
        body: type[BaseModel] | None = None,
        status: int = 200,
        scope: Scope = Scope.ADMIN,
        successor: str | None = None,
    ) -> Callable[[View], View]:
        """Add a view that creates or starts something."""
        return self._add("POST", path, scope, body=body, status=status, successor=successor)

    def patch(self, path: str, body: type[BaseModel]) -> Callable[[View], View]:
        """Add a view that changes what the body names and leaves the rest."""
        return self._add("PATCH", path, Scope.ADMIN, body=body)

    def delete(self, path: str) -> Callable[[View], View]:
        """Add a view that removes something."""
        return self._add("DELETE", path, Scope.ADMIN)

    def _add(self, method: str, path: str, scope: Scope, **rest: Any) -> Callable[[View], View]:
        def add(view: View) -> View:
            summary = (view.__doc__ or "").partition("\n")[0]
            route = Route(method, f"{self.blueprint.url_prefix}{path}", summary, scope, **rest)
            self.table.append(route)
            self.blueprint.add_url_rule(
                path, endpoint=view.__name__, view_func=_handler(route, scope, view), methods=[method]
            )
            return view

        return add


def changed(body: BaseModel) -> dict[str, Any]:
    """Return what a PATCH names, null included where null means something."""
    return body.model_dump(exclude_unset=True)


def _handler(route: Route, scope: Scope, view: View) -> Callable[..., Response]:
    def handle(**path: Any) -> Response:
        if route.successor is not None:
            headers.deprecate(_PATH_VALUE.sub(lambda match: str(path[match[1]]), route.successor))
        caller = auth.caller(scope)
        run = runtime()
        auth.spend(run.key_limit, caller.name)
        call = Call(caller, caller.tenant(None), run, run.clock())
        parsed: list[BaseModel] = []
        if route.body is not None:
            parsed.append(wire.body_as(route.body))
        if route.query is not None:
            parsed.append(wire.query_as(route.query))
        # What reaches over tenants cannot be kept to one.
        with nullcontext() if caller.may(Scope.PLATFORM) else confined(call.tenant_id):
            answer = view(call, *parsed, **path)
        if isinstance(answer, Response):
            return answer
        return wire.answer({"status": "ok"} | dict(answer), route.status)

    return handle
