"""The OpenAPI document: complete, committed, and kept by the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ionmesh.api.openapi import document
from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import Scope
from tests.ionmesh import postgres
from tests.ionmesh.conftest import API, add_bank, add_key, add_slots, add_tenant

COMMITTED = Path(__file__).parents[3] / "docs/openapi.json"


def test_the_committed_document_is_the_current_one() -> None:
    assert json.loads(COMMITTED.read_text()) == document(), "run: ionmesh openapi > docs/openapi.json"


def test_every_route_is_in_it(app: Flask) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith("dashboard.")
    }
    documented = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert served == documented


def test_it_is_served(app: Flask) -> None:
    assert app.test_client().get(f"{API}/openapi.json").json == document()


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """An application with a stocked database that all generated requests share, and an admin key."""
    url = f"sqlite:///{tmp_path_factory.mktemp('openapi')}/x.db"
    postgres.migrated(url)
    database = Database(url)
    add_tenant(database)
    add_bank(database)
    add_slots(database, "1-20")
    # Argon2 is meant to be slow, and a stream is meant to stay open.
    config = Config(key_requests_per_min=100_000, client_requests_per_min=100_000, event_streams=0)
    yield create_app(config, database=database), add_key(database, scope=Scope.ADMIN)
    database.close()


OPERATIONS = sorted(
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
    if not path.endswith("openapi.json")
)
# A 500 is no documented status; a 503 is.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def operations(generous: tuple[Flask, str]) -> dict[str, Any]:
    described = schemathesis.openapi.from_wsgi(f"{API}/openapi.json", generous[0])
    return {found.ok().label: found.ok() for found in described.get_all_operations()}


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_documented_whatever_is_sent(
    label: str, operations: dict[str, Any], generous: tuple[Flask, str]
) -> None:
    key = generous[1]

    @settings(
        max_examples=6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operations[label].as_strategy())
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"X-API-Key": key}, checks=CHECKS)

    send()
