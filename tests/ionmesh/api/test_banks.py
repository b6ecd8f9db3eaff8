"""Banks that change and go, the bankds behind them, and tenants that are shut out."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from ionmesh.db import Database
from ionmesh.models import Bank, Scope
from tests.ionmesh.conftest import Admin, Router, add_key, add_tenant

OWN = {"bank_id": 7, "bankd": "bank7", "server": "remsim", "remsim_server_url": "http://remsim"}


@pytest.fixture(autouse=True)
def own_bank(admin: Admin) -> None:
    assert admin.post("simbank/banks", OWN).status_code == 201
    assert admin.post("simbank/banks/7/slots", {"slots": "1-2"}).status_code == 201


def test_a_changed_endpoint_reaches_clients_with_their_next_heartbeat(router: Router, admin: Admin) -> None:
    first = router.register(preferred_bank_id=7).json
    known = first["assignment_version"]
    assert "assignment" not in router.heartbeat(assignment_version=known).json
    changed = admin.patch("simbank/banks/7", {"bankd": "198.51.100.7:9990", "server": None}).json["bank"]
    assert (changed["bankd_endpoint"], changed["server_endpoint"]) == ("http://198.51.100.7:9990", None)
    told = router.heartbeat(assignment_version=known).json["assignment"]
    assert told["bankd_endpoint"] == "http://198.51.100.7:9990"
    assert told["assignment_version"] == known + 1
    assert admin.patch("simbank/banks/7", {"name": "attic"}).json["bank"]["name"] == "attic"
    assert "assignment" not in router.heartbeat(assignment_version=known + 1).json


def test_a_bank_in_maintenance_gives_nothing_new(http: FlaskClient, router: Router, admin: Admin) -> None:
    assert router.register(preferred_bank_id=7).json["bank_id"] == 7
    assert admin.patch("simbank/banks/7", {"status": "maintenance"}).status_code == 200
    assert router.register(preferred_bank_id=7).json["bank_id"] == 7, "what is assigned stays"
    other = Router(http, router._headers["X-API-Key"], "other")
    assert other.register(preferred_bank_id=7).json["bank_id"] == 1


@pytest.mark.parametrize(
    ("bank_id", "body", "status", "code"),
    [
        (1, {"name": "x"}, 403, "shared_bank"),
        (9, {"name": "x"}, 404, "no_bank"),
        (7, {}, 400, "invalid_request"),
        (7, {"bankd": "[2001:db8::1]:9999"}, 400, "bad_bankd"),
        (7, {"bankd": None}, 400, "invalid_request"),
        (7, {"remsim_server_url": "ftp://x"}, 400, "bad_remsim_server_url"),
        (7, {"remsim_server_url": "http://0.0.0.0:9997"}, 400, "bad_remsim_server_url"),
        (7, {"status": "gone"}, 400, "invalid_request"),
        (7, {"tenant_id": 2}, 400, "invalid_request"),
    ],
)
def test_changes_that_are_refused(admin: Admin, bank_id: int, body: Any, status: int, code: str) -> None:
    refused = admin.patch(f"simbank/banks/{bank_id}", body)
    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert admin.get("simbank/banks").json["banks"][1]["bankd_endpoint"] == "http://bank7:9999"


def test_a_bank_nobody_used_goes_with_slots_cards_and_preferences(admin: Admin) -> None:
    admin.post("sim-cards", {"bank_id": 7, "slot_id": 2})
    admin.post("slot-policies", {"name": "p", "preferred_bank_id": 7})
    assert admin.delete("simbank/banks/1").json["code"] == "shared_bank"
    assert admin.delete("simbank/banks/7").status_code == 200
    assert admin.delete("simbank/banks/7").status_code == 404
    assert admin.get("simbank/slots?bank_id=7").json["total"] == 0
    assert admin.get("slot-policies").json["policies"][0]["preferred_bank_id"] is None
    assert admin.post("simbank/banks", OWN).status_code == 201, "the number is free again"


def test_a_bank_with_a_past_or_a_pool_stays(router: Router, admin: Admin) -> None:
    pool = {"pool_name": "p", "carrier": "c", "mcc_mnc": "00101", "bank_id": 7}
    pool |= {"slot_range_start": 1, "slot_range_end": 2, "virtual_slot_start": 9, "virtual_slot_end": 9}
    pool_id = admin.post("ki-proxy-pools", pool).json["pool"]["pool_id"]
    assert admin.delete("simbank/banks/7").json["code"] == "bank_in_use"
    admin.delete(f"ki-proxy-pools/{pool_id}")
    router.register(preferred_bank_id=7)
    assert admin.delete("simbank/banks/7").json["code"] == "bank_in_use"
    router.unregister()
    assert admin.delete("simbank/banks/7").json["code"] == "bank_in_use"


def test_bankds_are_told_with_their_banks(admin: Admin, stocked: Database) -> None:
    admin.post("simbank/banks", OWN | {"bank_id": 8})
    with stocked.write() as session:
        session.get_one(Bank, 7).bankd_connected = True
        session.get_one(Bank, 8).bankd_connected = False
    assert admin.get("bankd-instances").json["bankd_instances"] == [
        {
            "endpoint": "http://bank7:9999",
            "remsim_server_url": "http://remsim:9997",
            "bank_ids": [7, 8],
            "connected": False,
        },
        {
            "endpoint": "http://bankd1.example.com:9999",
            "remsim_server_url": None,
            "bank_ids": [1],
            "connected": None,
        },
    ]


def test_a_disabled_tenant_is_shut_out_at_once_and_comes_back(
    http: FlaskClient, router: Router, admin: Admin, stocked: Database
) -> None:
    add_tenant(stocked, "platform")
    platform = Admin(http, add_key(stocked, "platform", Scope.PLATFORM))
    router.register()
    assert admin.patch("tenants/1", {"enabled": False}).json["code"] == "scope_missing"
    assert platform.patch("tenants/2", {"enabled": False}).json["code"] == "own_tenant"
    assert platform.patch("tenants/1", {"enabled": False}).json["tenant"]["enabled"] is False
    for refused in (router.register(), router.heartbeat(), admin.get("clients")):
        assert (refused.status_code, refused.json["code"]) == (403, "tenant_disabled")
    assert platform.patch("tenants/1", {"enabled": True}).status_code == 200
    assert router.heartbeat().status_code == 200, "it kept its slot"


def test_what_is_left_of_a_limit_is_told(http: FlaskClient, router: Router, admin: Admin) -> None:
    key = {"X-API-Key": router._headers["X-API-Key"]}
    headers = admin.get("clients").headers
    assert headers["RateLimit-Limit"] == "600"
    left = int(headers["RateLimit-Remaining"])
    assert int(admin.get("clients").headers["RateLimit-Remaining"]) == left - 1
    assert 0 < int(headers["RateLimit-Reset"]) <= 60
    router.register()
    beat = http.post("/api/backend/v1/remsim/heartbeat", json={"client_id": "router-1-slot0"}, headers=key)
    assert "RateLimit-Limit" not in beat.headers, "bytes are paid for"
    assert "Deprecation" not in beat.headers
    for _ in range(99):
        router.heartbeat()
    stopped = router.heartbeat()
    assert stopped.status_code == 429
    assert stopped.headers["RateLimit-Remaining"] == "0"


def test_old_ways_say_so_and_work(http: FlaskClient, admin: Admin, router: Router, stocked: Database) -> None:
    router.register()
    at = "/admin/openwrt-clients/router-1-slot0"
    restart = http.post(f"{at}/restart", headers=admin._headers)
    assert restart.json == {
        "status": "ok",
        "message": "Restart command queued",
        "command_id": router.heartbeat().json["commands"][0]["id"],
    }
    assert restart.headers["Deprecation"] == "@1767225600"
    successor = "/api/backend/v1/clients/router-1-slot0/commands"
    assert restart.headers["Link"] == f'<{successor}>; rel="successor-version"'
    moved = http.post(f"{at}/reassign", json={"bank_id": 7, "slot_id": 2}, headers=admin._headers)
    assert (moved.json["new_bank_id"], moved.json["new_slot_id"]) == (7, 2)
    taken = http.post(f"{at}/reassign", json={"bank_id": 7, "slot_id": 2}, headers=admin._headers)
    assert (taken.status_code, taken.json["message"]) == (400, "Slot not available")
    assert "Deprecation" not in admin.get("clients").headers
    add_tenant(stocked, "legacy", legacy_cidrs=["127.0.0.0/8"])
    keyless = http.post("/api/backend/v1/remsim/register-client", json={"client_id": "c"})
    assert (keyless.status_code, keyless.headers["Deprecation"]) == (200, "@1767225600")
