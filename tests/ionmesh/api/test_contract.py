"""Replays every golden document of tests/contract against the server.

A document is one request and its answer; `given` are requests sent before, `varies` names the values (as
dotted paths) that differ at each run. The stage is tenant 1 with two keys, and bank 1 with the physical slot
42 and the virtual slot 900.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ionmesh.db import Database
from ionmesh.models import ApiKey, Scope, SlotKind
from tests.ionmesh.conftest import START, add_bank, add_slots, add_tenant

DOCUMENTS = sorted((Path(__file__).parents[2] / "contract").glob("*.json"))
KEYS = {
    Scope.REMSIM: "imk_live_contract0123456789abcdefghijABCDEFGHIJ011LDJJr",
    Scope.ADMIN: "imk_live_contradm0123456789abcdefghijABCDEFGHIJ022rUeND",
}


@pytest.fixture
def stage(database: Database) -> None:
    tenant_id = add_tenant(database)
    with database.write() as session:
        for scope, text in KEYS.items():
            key = ApiKey(
                tenant_id=tenant_id,
                name="contract",
                prefix=text[:17],
                key_hash=hashlib.sha256(text.encode()).hexdigest(),
                scopes=[scope.value],
                created_at=START,
            )
            session.add(key)
    add_bank(database)
    add_slots(database, "42", iccids=("8901260123456789012",), imsis=("310410123456789",))
    add_slots(database, "900", kind=SlotKind.VIRTUAL)


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) >= 16


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("stage")
def test_document(path: Path, http: FlaskClient) -> None:
    document = json.loads(path.read_text())
    assert document["name"] == path.stem
    for before in document.get("given", ()):
        assert send(http, before).status_code < 300
    response = send(http, document["request"])
    expected = document["response"]
    body = json.loads(response.data)
    assert response.status_code == expected["status"], body
    for name, value in expected.get("headers", {}).items():
        assert response.headers[name] == value
    for varying in expected.get("varies", ()):
        copy_value(body, expected["body"], varying)
    # Compared as text: the order of keys is part of the contract.
    assert json.dumps(expected["body"], separators=(",", ":")) == json.dumps(body, separators=(",", ":"))


def send(http: FlaskClient, request: dict[str, Any]) -> Any:
    body = request.get("body")
    data = None if body is None else json.dumps(body, separators=(",", ":"))
    return http.open(request["path"], method=request["method"], headers=request["headers"], data=data)


def copy_value(source: Any, target: Any, dotted: str) -> None:
    *parents, last = (int(part) if part.isdigit() else part for part in dotted.split("."))
    for part in parents:
        source, target = source[part], target[part]
    assert type(source[last]) is type(target[last])
    assert source[last]
    target[last] = source[last]
