"""The bytes of answers and of requests.

The deployed C client searches the register answer with strstr and sscanf: no space may follow a colon, ids
must be bare numbers, and the first occurrence of a key wins. So every answer is compact ASCII JSON in the
order given here, and nothing nested stands before the flat fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from flask import Response, request
from pydantic import BaseModel, ValidationError

from ionmesh.errors import InvalidRequest
from ionmesh.models import MappingMode
from ionmesh.services.assignment import Assignment

MAX_BODY_BYTES = 64 * 1024

Body = TypeVar("Body", bound=BaseModel)


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a compact ASCII JSON response."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Response(text, status=status, mimetype="application/json", headers=dict(headers or {}))


def register_answer(assignment: Assignment, heartbeat_interval_s: int, *, existing: bool) -> Response:
    """Return the answer to a registration."""
    document: dict[str, Any] = {"status": "ok"}
    document |= _documented_fields(assignment, heartbeat_interval_s)
    if existing:
        document["note"] = "Existing registration returned"
    return answer(document | _additional_fields(assignment))


def assignment_fields(assignment: Assignment, heartbeat_interval_s: int) -> dict[str, Any]:
    """Return everything a client is told about its assignment, in the order of the register answer."""
    return _documented_fields(assignment, heartbeat_interval_s) | _additional_fields(assignment)


def body_as(schema: type[Body]) -> Body:
    """Parse the request's body, whatever content type it claims. Raises InvalidRequest naming the field.

    The C client sends heartbeats without a JSON content type.
    """
    try:
        return schema.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        raise _invalid(error) from error


def query_as(schema: type[Body]) -> Body:
    """Parse the query string. Raises InvalidRequest naming the parameter."""
    return values_as(schema, request.args.to_dict())


def values_as(schema: type[Body], values: Mapping[str, Any]) -> Body:
    """Parse texts of a query string or a form. Raises InvalidRequest naming the field."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return InvalidRequest("bad_json", "the body is not JSON")
    if field == "client_id" and first["type"] in ("missing", "string_too_short"):
        return InvalidRequest("client_id_required", "client_id is required")
    return InvalidRequest("invalid_request", f"{field}: {first['msg']}" if field else first["msg"])


def _documented_fields(assignment: Assignment, heartbeat_interval_s: int) -> dict[str, Any]:
    return {
        "bank_id": assignment.bank_id,
        "slot_id": assignment.slot_id,
        "iccid": assignment.iccid,
        "imsi": assignment.imsi,
        "bankd_endpoint": assignment.bankd_endpoint,
        "mapping_mode": assignment.mapping_mode.value,
        "profile_id": assignment.profile_id,
        "heartbeat_interval": heartbeat_interval_s,
        "ki_proxy_enabled": assignment.mapping_mode is MappingMode.KI_PROXY_SWSIM,
    }


def _additional_fields(assignment: Assignment) -> dict[str, Any]:
    # Deployed clients do not look for these.
    return {
        "rspro_client_id": assignment.rspro_client_id,
        "rspro_client_slot": assignment.rspro_client_slot,
        "server_endpoint": assignment.server_endpoint,
        "assignment_version": assignment.version,
    }
