"""The OpenAPI document, made from the route tables and the request schemas."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel

from ionmesh.api import (
    accounts,
    alerts,
    allowances,
    automation,
    documented,
    fleet,
    inventory,
    series,
    subscriptions,
    watch,
    wire,
)
from ionmesh.api.prefix import API_PREFIX, NUMBER_MAX
from ionmesh.api.routing import Route
from ionmesh.api.schemas import HeartbeatBody, RegisterBody
from ionmesh.models import Scope
from ionmesh.version import VERSION

blueprint = Blueprint("openapi", __name__)

_REFERENCE = "#/components/schemas/{model}"
_PATH_VALUE = re.compile(r"<(?:(\w+):)?(\w+)>")
_REMSIM = f"{API_PREFIX}/remsim"
_REGISTER, _BEAT = "Give the client its slot.", "Keep what the client says; give it what waits for it."

MODULES = (
    *(fleet, inventory, accounts, automation, watch),
    *(series, alerts, allowances, subscriptions, documented),
)
"""The modules of the operators' API, each with its table of routes."""
ROUTERS = (
    Route("POST", f"{_REMSIM}/register-client", _REGISTER, Scope.REMSIM, RegisterBody, keyless=True),
    Route("POST", f"{_REMSIM}/heartbeat", _BEAT, Scope.REMSIM, HeartbeatBody, keyless=True),
    Route(
        "DELETE",
        f"{_REMSIM}/unregister/<path:client_id>",
        "End the client's assignment.",
        Scope.REMSIM,
        keyless=True,
    ),
    Route("GET", f"{_REMSIM}/discover", "Say what this server is.", None),
    Route("GET", f"{API_PREFIX}/openapi.json", "This document.", None),
    Route("GET", "/healthz", "Answer as long as the process serves requests.", None),
    Route("GET", "/readyz", "Answer ok when the database does.", None),
    Route("GET", "/metrics", "Figures for Prometheus.", Scope.PLATFORM, media="text/plain"),
    Route("GET", "/metrics/prometheus", "The same.", Scope.PLATFORM, media="text/plain"),
    Route("GET", "/metrics/clients", "A few figures of each client.", Scope.PLATFORM, media="text/plain"),
)

_ERRORS = {
    400: "The request is wrong and stays wrong when repeated",
    401: "No key, or none that is known",
    403: "The caller may not do this",
    404: "No such thing, or another tenant's",
    409: "It exists already, or is in use",
    413: "The body is longer than 64 KiB",
    429: "Too many requests; Retry-After says when",
    503: "No slot is free, or the database is unavailable; Retry-After says when",
}


@blueprint.get(f"{API_PREFIX}/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document; open to all."""
    return wire.answer(document())


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every route."""
    schemas: dict[str, Any] = {"Error": _error_schema(), "Ok": _ok_schema()}
    paths: dict[str, Any] = {}
    for route in (*ROUTERS, *(route for module in MODULES for route in module.routes.table)):
        path = _PATH_VALUE.sub(r"{\2}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "IonMesh", "version": VERSION, "license": {"name": "GPL-2.0-or-later"}},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _error_responses(),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": route.summary}
    parameters = [_path_parameter(*found) for found in _PATH_VALUE.findall(route.path)]
    if route.query is not None:
        parameters += _query_parameters(route.query, schemas)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        reference = {"$ref": _add(route.body, schemas)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    operation["responses"] = _responses(route)
    if route.successor is not None:
        operation["deprecated"] = True
    if route.scope is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs a key with scope `{route.scope.value}`."
        operation["security"] = [{"key": []}, {"bearer": []}, *([{}] if route.keyless else [])]
    return operation


def _responses(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {route.media: {}}
    is_list = route.path.endswith(("export.json", "discover", "openapi.json"))
    if route.media == "application/json" and not is_list:
        content[route.media] = {"schema": {"$ref": _REFERENCE.format(model="Ok")}}
    responses: dict[str, Any] = {str(route.status): {"description": "Done", "content": content}}
    for status in _ERRORS:
        if route.scope is not None or status == 503:
            responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return responses


def _path_parameter(kind: str, name: str) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX}
    schema = number if kind == "int" else {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[BaseModel], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    schema = query.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.get("$defs", {}))
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": value}
        for name, value in schema["properties"].items()
    ]


def _add(body: type[BaseModel], schemas: dict[str, Any]) -> str:
    schema = body.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    schemas[body.__name__] = schema
    return _REFERENCE.format(model=body.__name__)


def _error_responses() -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Error")}}}
    return {
        str(status): {"description": description, "content": error} for status, description in _ERRORS.items()
    }


def _error_schema() -> dict[str, Any]:
    texts = {name: {"type": "string"} for name in ("message", "code", "request_id")}
    modes = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "required": ["status", "message", "code", "request_id"],
        "properties": {"status": {"const": "error"}, **texts, "available_modes": modes},
    }


def _ok_schema() -> dict[str, Any]:
    return {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
