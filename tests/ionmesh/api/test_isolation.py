"""The wall between tenants: every route there is, called with another tenant's ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from ionmesh.db import Database
from ionmesh.models import Bank, Base, Scope
from ionmesh.services import alerting
from tests.ionmesh.conftest import API, START, Admin, Router, add_key, add_tenant

OPEN = ("/healthz", "/readyz", f"{API}/remsim/discover", f"{API}/openapi.json")
POOL = {"pool_name": "acme-pool", "carrier": "Example", "mcc_mnc": "310410", "bank_id": 7}
POOL |= {"slot_range_start": 1, "slot_range_end": 9, "virtual_slot_start": 100, "virtual_slot_end": 104}
SUBSCRIPTION = {"endpoint": "https://push.example.com/acme", "auth": "A" * 22}
SUBSCRIPTION["p256dh"] = (
    # The example of RFC 8291, appendix A.
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
BODIES: dict[str, Any] = {
    "register_client": {"client_id": "theirs"},
    "take_heartbeat": {"client_id": "router-1-slot0"},
    "queue_command": {"type": "restart"},
    "reassign_client": {"bank_id": 1, "slot_id": 2},
    "change_client": {"notes": "theirs"},
    "create_bank": {"bank_id": 7, "bankd": "theirs"},
    "create_slots": {"slots": "6"},
    "change_bank": {"name": "theirs"},
    "move_client": {"bank_id": 1, "slot_id": 2},
    "put_card": {"bank_id": 7, "slot_id": 5},
    "create_pool": POOL | {"pool_name": "theirs", "virtual_slot_start": 200, "virtual_slot_end": 201},
    "change_pool": {"max_virtual_sims": 1},
    "create_policy": {"name": "theirs", "preferred_bank_id": 7},
    "change_policy": {"priority": 1},
    "simulate_policies": {},
    "create_webhook": {"url": "https://hooks.example.com/theirs"},
    "change_webhook": {"enabled": False},
    "test_webhook": None,
    "create_key": {"scopes": ["remsim"]},
    "rotate_key": {},
    "create_tenant": {"slug": "theirs"},
    "change_tenant": {"name": "theirs"},
    "create_user": {"email": "owner@acme.example", "password": "a long password"},
    "change_user": {"name": "theirs"},
    "change_tags": {"client_ids": ["router-1-slot0"], "add": ["theirs"]},
    "create_rule": {"name": "theirs", "kind": "bank_down"},
    "change_rule": {"enabled": False},
    "create_mute": {"subject": "theirs", "until": "2026-01-02T00:00:00Z"},
    "set_allowances": {"sims": ["89012345678901234567"], "limit_bytes": 1},
    "create_subscription": SUBSCRIPTION | {"endpoint": "https://push.example.com/theirs"},
}
"""A body for every route that takes one, aimed at what is the other's."""


@pytest.fixture
def ids(router: Router, admin: Admin, stocked: Database) -> dict[str, Any]:
    """One of everything that tenant acme can have, by the names the routes use."""
    admin.post("simbank/banks", {"bank_id": 7, "bankd": "acme-bank"})
    admin.post("simbank/banks/7/slots", {"slots": "5"})
    admin.post("sim-cards", {"bank_id": 7, "slot_id": 5, "carrier": "acme-carrier"})
    router.register()
    command = admin.post("clients/router-1-slot0/commands", {"type": "restart"}).json["command"]["id"]
    pool = admin.post("ki-proxy-pools", POOL).json["pool"]["pool_id"]
    policy = admin.post("slot-policies", {"name": "acme-policy"}).json["policy"]["policy_id"]
    hook = admin.post("webhooks", {"url": "https://hooks.example.com/acme"}).json["webhook"]["webhook_id"]
    key = admin.post("api-keys", {"name": "acme-key", "scopes": ["remsim"]}).json["key"]["key_id"]
    owner = {"email": "owner@acme.example", "role": "owner", "password": "a long password"}
    user = admin.post("users", owner).json["user"]["user_id"]
    rule = admin.post("alerts/rules", {"name": "acme-rule", "kind": "bank_down"}).json["rule"]["rule_id"]
    muted = {"subject": "acme", "until": "2026-01-02T00:00:00Z"}
    mute = admin.post("alerts/mutes", muted).json["mute"]["mute_id"]
    limited = {"sims": ["7/5"], "limit_bytes": 10**9}
    allowance = admin.post("allowances", limited).json["allowance_ids"][0]
    browser = admin.post("push/subscriptions", SUBSCRIPTION).json["subscription"]["subscription_id"]
    admin.get("push/key")
    with stocked.write() as session:
        session.get_one(Bank, 7).bankd_connected = False
    with stocked.write() as session:
        alerting.evaluate(session, START)
    alert = admin.get("alerts").json["alerts"][0]["alert_id"]
    found = {"client_id": "router-1-slot0", "bank_id": 7, "slot_id": 5, "command_id": command}
    found |= {"pool_id": pool, "policy_id": policy, "webhook_id": hook, "key_id": key, "user_id": user}
    found |= {"rule_id": rule, "mute_id": mute, "alert_id": alert, "allowance_id": allowance}
    return found | {"tenant_id": 1, "subscription_id": browser, "sim": "7/5"}


def calls(app: Flask, ids: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Return endpoint, method and URL of every route, and whether the URL names something."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("dashboard."):
            # Pages have sessions and roles, and walks of their own.
            continue
        url = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids[match[1]]), rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule.endpoint.rpartition(".")[2], method, url, bool(rule.arguments)


def rows_of(database: Database, tenant_id: int) -> dict[str, Any]:
    """Return what the database has of a tenant, and all rows of tables that name none."""
    found = {}
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            query = select(table)
            if "tenant_id" in table.c:
                query = query.where(table.c.tenant_id == tenant_id)
            found[table.name] = sorted(map(repr, connection.execute(query)))
    # Theirs alone may have deliveries of their own events.
    del found["webhook_deliveries"]
    return found


def test_nothing_of_another_tenant_is_shown_or_changed(
    app: Flask, http: FlaskClient, ids: dict[str, Any], stocked: Database
) -> None:
    add_tenant(stocked, "other")
    headers = {"X-API-Key": add_key(stocked, "other", Scope.ADMIN)}
    before = rows_of(stocked, 1)
    tried = 0
    for endpoint, method, url, names_something in calls(app, ids):
        if url in OPEN or endpoint in ("register_client", "stream_events"):
            continue
        response = http.open(url, method=method, headers=headers, json=BODIES.get(endpoint))
        tried += 1
        assert b"acme" not in response.data, url
        if names_something or endpoint in ("take_heartbeat", "put_card", "create_pool", "create_policy"):
            assert response.status_code == 404, (method, url, response.data)
        elif endpoint in ("create_bank", "create_user"):
            assert response.status_code == 409
        elif endpoint in ("create_tenant", "metrics", "client_metrics"):
            assert response.status_code == 403
        else:
            assert response.status_code < 300, (method, url, response.data)
            assert b"router-1-slot0" not in response.data
    assert tried > 40
    assert rows_of(stocked, 1) == before


def test_every_route_but_the_open_ones_wants_a_key(
    app: Flask, http: FlaskClient, ids: dict[str, Any]
) -> None:
    for _, method, url, _ in calls(app, ids):
        status = http.open(url, method=method).status_code
        assert status == (200 if url in OPEN else 401), url


def test_a_platform_key_reaches_other_tenants_settings_and_nothing_else(
    http: FlaskClient, ids: dict[str, Any], stocked: Database
) -> None:
    add_tenant(stocked, "platform")
    platform = Admin(http, add_key(stocked, "platform", Scope.PLATFORM))
    assert [tenant["slug"] for tenant in platform.get("tenants").json["tenants"]] == ["acme", "platform"]
    assert platform.patch("tenants/1", {"release_grace_s": None}).status_code == 200
    assert platform.get("clients/router-1-slot0").status_code == 404
    made = platform.post("tenants", {"slug": "new", "legacy_cidrs": ["10.0.0.0/8"]}).json
    assert Admin(http, made["secret"]).get("tenants").json["tenants"] == [made["tenant"]]
    assert platform.post("tenants", {"slug": "new"}).status_code == 409
    assert platform.patch("tenants/99", {"name": "x"}).status_code == 404
    assert platform.patch("tenants/1", {"legacy_cidrs": ["10.0.0.1/8"]}).json["code"] == "bad_cidr"
