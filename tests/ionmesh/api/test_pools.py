"""SIM cards, KI pools and policies over the API."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from ionmesh.db import Database
from tests.ionmesh.conftest import Admin, Router, add_key

POOL: dict[str, Any] = {"pool_name": "at", "carrier": "Example", "mcc_mnc": "310410", "bank_id": 7}
POOL |= {"slot_range_start": 1, "slot_range_end": 9, "virtual_slot_start": 100, "virtual_slot_end": 104}
KI = {"mapping_mode": "KI_PROXY_SWSIM", "mcc_mnc": "310410"}


@pytest.fixture(autouse=True)
def bank(admin: Admin) -> None:
    admin.post("simbank/banks", {"bank_id": 7, "bankd": "bank7"})
    admin.post("simbank/banks/7/slots", {"slots": "1-3"})


def routers(http: FlaskClient, database: Database, number: int) -> list[Router]:
    key = add_key(database)
    return [Router(http, key, f"r{n}") for n in range(number)]


def test_a_pool_gives_virtual_slots_up_to_its_capacity(
    http: FlaskClient, admin: Admin, stocked: Database
) -> None:
    pool = admin.post("ki-proxy-pools", POOL | {"max_virtual_sims": 2}).json["pool"]
    path = f"ki-proxy-pools/{pool['pool_id']}"
    fleet = routers(http, stocked, 4)
    assert [router.register(**KI).json["slot_id"] for router in fleet[:2]] == [100, 101]
    assert fleet[2].register(**KI).status_code == 503
    assert admin.patch(path, {"max_virtual_sims": 1}).json["code"] == "pool_in_use"
    assert admin.patch(path, {"max_virtual_sims": 6000}).json["pool"]["utilization"] == {
        "current_virtual_sims": 2,
        "max_virtual_sims": 6000,
        "capacity": 5,
        "usage_percent": 40.0,
    }
    assert fleet[2].register(**KI).json["slot_id"] == 102
    admin.patch(path, {"enabled": False})
    assert fleet[3].register(**KI).status_code == 503
    assert fleet[2].heartbeat().status_code == 200, "those it serves stay"
    assert admin.delete(path).json["message"] == "Cannot delete pool with active virtual SIMs"
    for router in fleet[:3]:
        router.unregister()
    assert admin.delete(path).status_code == 200
    assert fleet[0].register(**KI).json["code"] == "no_pool" or fleet[0].register(**KI).status_code == 503
    assert admin.post("ki-proxy-pools", POOL).status_code == 201, "the same range again"
    assert fleet[0].register(**KI).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 409, "pool_exists"),
        ({"pool_name": "b"}, 409, "range_overlaps"),
        ({"pool_name": "b", "slot_range_start": 20, "slot_range_end": 19}, 400, "invalid_slot_range"),
        ({"pool_name": "b", "slot_range_start": 100, "slot_range_end": 200}, 400, "invalid_slot_range"),
        ({"pool_name": "b", "virtual_slot_end": 1024}, 400, "invalid_request"),
        ({"pool_name": "b", "bank_id": 1}, 403, "shared_bank"),
        ({"pool_name": "b", "tenant_id": 2}, 403, "tenant_mismatch"),
        ({"pool_name": "b", "pool_id": 9}, 400, "invalid_request"),
    ],
)
def test_pools_that_are_refused(admin: Admin, change: dict[str, Any], status: int, code: str) -> None:
    assert admin.post("ki-proxy-pools", POOL).status_code == 201
    refused = admin.post("ki-proxy-pools", POOL | change)
    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_a_master_card_is_not_handed_out(router: Router, admin: Admin) -> None:
    pool_id = admin.post("ki-proxy-pools", POOL).json["pool"]["pool_id"]
    card = {"bank_id": 7, "slot_id": 1, "physical_imsi": "310410000000001", "mcc_mnc": "310-410"}
    master = card | {"card_type": "KI_PROXY_MASTER", "ki_pool_name": "at", "card_metadata": {"row": 3}}
    assert admin.post("sim-cards", master).json["card"]["ki_pool_name"] == "at"
    sims = admin.get(f"ki-proxy-pools/{pool_id}").json["pool"]["physical_sims"]
    assert [sim["physical_imsi"] for sim in sims] == ["310410000000001"]
    assert router.register(mcc_mnc="310410").status_code == 503
    assert admin.post("sim-cards", card).json["card"]["ki_pool_name"] is None
    assert router.register(mcc_mnc="310410").json["imsi"] == "310410000000001"
    assert admin.post("sim-cards", master).json["code"] == "slot_assigned"
    assert admin.delete("sim-cards/7/1").json["code"] == "slot_assigned"
    router.unregister()
    assert admin.delete("sim-cards/7/1").status_code == 200
    assert admin.get("sim-cards/7/1").status_code == 404
    assert admin.get("simbank/slots?bank_id=7").json["slots"][0]["imsi"] is None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"card_metadata": {"Ki": "00"}}, 400, "secret_refused"),
        ({"card_metadata": {"opc": "00"}}, 400, "secret_refused"),
        ({"slot_id": 99}, 404, "no_slot_there"),
        ({"bank_id": 1}, 403, "shared_bank"),
        ({"ki_pool_name": "none", "card_type": "KI_PROXY_MASTER"}, 404, "no_pool"),
        ({"metadata_id": 3}, 400, "invalid_request"),
    ],
)
def test_cards_that_are_refused(admin: Admin, change: dict[str, Any], status: int, code: str) -> None:
    refused = admin.post("sim-cards", {"bank_id": 7, "slot_id": 1} | change)
    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert admin.get("sim-cards").json["cards"] == []


def test_cards_are_filtered(admin: Admin) -> None:
    for slot, carrier in ((1, "A"), (2, "B")):
        admin.post("sim-cards", {"bank_id": 7, "slot_id": slot, "carrier": carrier})
    assert [card["slot_id"] for card in admin.get("sim-cards?carrier=B").json["cards"]] == [2]
    assert admin.get("sim-cards?card_type=VIRTUAL").json["cards"] == []
    assert admin.get("sim-cards?colour=red").status_code == 400


def test_the_first_policy_that_applies_decides(http: FlaskClient, admin: Admin, stocked: Database) -> None:
    fleet = routers(http, stocked, 3)
    eu = {"name": "eu", "priority": 1, "client_location": "eu", "preferred_bank_id": 7}
    policy = admin.post("slot-policies", eu).json["policy"]
    admin.post("slot-policies", {"name": "rest", "load_balancing_mode": "pack", "preferred_bank_id": 1})
    asked = admin.post("slot-policies/simulate", {"region": "eu"}).json
    assert asked["trace"] == [{"policy_id": policy["policy_id"], "name": "eu", "reason": None}]
    assert (asked["slot"]["bank_id"], asked["preferred_bank_id"]) == (7, 7)
    asked = admin.post("slot-policies/simulate", {}).json
    assert [judged["reason"] for judged in asked["trace"]] == ["region is not named, not eu", None]
    assert fleet[0].register(region="eu").json["bank_id"] == 7
    assert fleet[1].register().json["bank_id"] == 1
    assert fleet[2].register(region="eu", preferred_bank_id=1).json["bank_id"] == 1
    admin.patch(f"slot-policies/{policy['policy_id']}", {"enabled": False})
    assert admin.post("slot-policies/simulate", {"region": "eu"}).json["preferred_bank_id"] == 1
    assert admin.delete(f"slot-policies/{policy['policy_id']}").status_code == 200
    assert len(admin.get("slot-policies").json["policies"]) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"time_of_day_start": "08:00"}, 400),
        ({"time_of_day_start": "24:00", "time_of_day_end": "01:00"}, 400),
        ({"timezone": "Mars/Olympus"}, 400),
        ({"timezone": "../etc/passwd"}, 400),
        ({"preferred_bank_id": 99}, 404),
    ],
)
def test_policies_that_are_refused(admin: Admin, change: dict[str, Any], status: int) -> None:
    assert admin.post("slot-policies", {"name": "p"} | change).status_code == status
    assert admin.get("slot-policies").json["policies"] == []


@pytest.mark.parametrize(
    ("mode", "expected"), [("least-loaded", 1), ("pack", 7), ("round-robin", 7), ("random", None)]
)
def test_balancing_between_banks(
    http: FlaskClient, admin: Admin, stocked: Database, mode: str, expected: int | None
) -> None:
    admin.post("simbank/banks", {"bank_id": 8, "bankd": "bank8"})
    admin.post("simbank/banks/8/slots", {"slots": "1-3"})
    fleet = routers(http, stocked, 2)
    assert fleet[0].register(preferred_bank_id=7).json["bank_id"] == 7
    admin.post("slot-policies", {"name": "p", "load_balancing_mode": mode})
    got = fleet[1].register().json["bank_id"]
    # Own banks go before the shared bank 1 in every mode.
    assert got == {1: 8, 7: 7, None: got}[expected]
    assert got in (7, 8)
