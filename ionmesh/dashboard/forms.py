"""Reading forms and query strings of pages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, get_origin

from flask import request
from pydantic import BaseModel

from ionmesh.api import wire

Body = TypeVar("Body", bound=BaseModel)
Member = TypeVar("Member", bound=StrEnum)


def form_as(schema: type[Body], **given: Any) -> Body:
    """Parse the form as a body of the REST API; `given` are values the form does not have as such.

    A field left empty counts as not sent. Raises InvalidRequest naming the field.
    """
    values: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        sent = [value.strip() for value in request.form.getlist(name)]
        if get_origin(field.annotation) is list:
            if name in request.form:
                values[name] = [value for value in sent if value]
        elif sent and sent[-1]:
            values[name] = sent[-1]
    return wire.values_as(schema, values | given)


def text(name: str) -> str:
    """Return a field's text without blanks around it; empty when it was not sent."""
    return request.form.get(name, "").strip()


def query(*names: str) -> Mapping[str, str]:
    """Return those parameters of the query string that have a value, without NUL, which no column holds."""
    found = {name: request.args.get(name, "").replace("\0", "").strip() for name in names}
    return {name: value for name, value in found.items() if value}


def member(kind: type[Member], text: str | None) -> Member | None:
    """Return the enum's member of that value; None: there is none."""
    return next((found for found in kind if found.value == text), None)


def back(otherwise: str) -> str:
    """Return the path the form names to go back to, never one of another site, else `otherwise`."""
    wanted = request.values.get("back", "")
    return wanted if is_local(wanted) else otherwise


def is_local(path: str) -> bool:
    """Whether a URL is a path of this site, as browsers read it."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
