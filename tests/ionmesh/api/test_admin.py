"""The operator's API: clients, banks and slots."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from ionmesh.db import Database
from ionmesh.models import Scope
from tests.ionmesh.conftest import Admin, Router, add_key


def test_clients_are_listed_filtered_and_paged(
    http: FlaskClient, router: Router, admin: Admin, stocked: Database
) -> None:
    router.register()
    router.heartbeat()
    Router(http, add_key(stocked), "a-quiet-one").register()
    listed = admin.get("clients").json
    assert [client["client_id"] for client in listed["clients"]] == ["a-quiet-one", "router-1-slot0"]
    assert listed["total"] == 2
    assert admin.get("clients?connectivity=online").json["total"] == 1
    page = admin.get("clients?page=2&per_page=1").json
    assert [client["client_id"] for client in page["clients"]] == ["router-1-slot0"]
    assert page["total"] == 2
    assert admin.get("clients?mapping_mode=ONE_TO_ONE_VSIM").json["clients"] == []


def test_client_detail_says_what_it_registered_with(router: Router, admin: Admin) -> None:
    router.register(fingerprint="f", software_version="0.1", hardware_info={"modem_model": "EC25"})
    client = admin.get("clients/router-1-slot0").json["client"]
    assert client["hardware_info"] == {"modem_model": "EC25"}
    assert (client["fingerprint"], client["software_version"]) == ("f", "0.1")
    assert admin.get("clients/nobody").status_code == 404
    assert admin.post("clients/nobody/commands", {"type": "restart"}).status_code == 404


def test_banks_and_slots_are_created_and_used(router: Router, admin: Admin) -> None:
    new = {
        "bank_id": 7,
        "bankd": "198.51.100.7:9990",
        "server": "remsim.example.com",
        "remsim_server_url": "http://remsim.example.com:9997/",
    }
    bank = admin.post("simbank/banks", new)
    assert bank.status_code == 201
    assert bank.json["bank"]["remsim_server_url"] == "http://remsim.example.com:9997"
    assert bank.json["bank"]["shared"] is False
    slots = {
        "slots": "5,8-9",
        "iccids": ["8901260000000000005", "8901260000000000008", "8901260000000000009"],
        "mcc_mnc": "310-410",
    }
    created = admin.post("simbank/banks/7/slots", slots)
    assert [slot["slot_id"] for slot in created.json["slots"]] == [5, 8, 9]
    answer = router.register(preferred_bank_id=7, mcc_mnc="310410").json
    assert (answer["bank_id"], answer["slot_id"]) == (7, 5)
    assert answer["bankd_endpoint"] == "http://198.51.100.7:9990"
    assert answer["server_endpoint"] == "remsim.example.com:9998"
    assert admin.get("simbank/slots?status=available&bank_id=7").json["total"] == 2
    assert admin.get("simbank/slots?status=assigned").json["slots"][0]["slot_id"] == 5
    assert [bank["bank_id"] for bank in admin.get("simbank/banks").json["banks"]] == [1, 7]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://remsim", "http://remsim:9997"),
        ("https://remsim/", "https://remsim:443"),
        ("http://192.0.2.1:80", "http://192.0.2.1:80"),
    ],
)
def test_a_rest_url_gets_its_usual_port(admin: Admin, given: str, kept: str) -> None:
    bank = {"bank_id": 7, "bankd": "bank7", "remsim_server_url": given}
    assert admin.post("simbank/banks", bank).json["bank"]["remsim_server_url"] == kept


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("simbank/banks", {"bank_id": 0, "bankd": "b"}, 400, "invalid_request"),
        ("simbank/banks", {"bank_id": 1024, "bankd": "b"}, 400, "invalid_request"),
        ("simbank/banks", {"bank_id": 1, "bankd": "b"}, 409, "bank_exists"),
        ("simbank/banks", {"bank_id": 2, "bankd": "[2001:db8::1]:9999"}, 400, "bad_bankd"),
        ("simbank/banks", {"bank_id": 2, "bankd": "user@host"}, 400, "bad_bankd"),
        ("simbank/banks", {"bank_id": 2, "bankd": "host:0"}, 400, "bad_bankd"),
        ("simbank/banks", {"bank_id": 2, "bankd": "b", "server": "http://s"}, 400, "bad_server"),
        (
            "simbank/banks",
            {"bank_id": 2, "bankd": "b", "remsim_server_url": "file:///etc"},
            400,
            "bad_remsim_server_url",
        ),
        (
            "simbank/banks",
            {"bank_id": 2, "bankd": "b", "remsim_server_url": "http://169.254.169.254"},
            400,
            "bad_remsim_server_url",
        ),
        ("simbank/banks", {"bank_id": 2, "bankd": "b", "tenant_id": 2}, 400, "invalid_request"),
        ("simbank/banks/1/slots", {"slots": "9"}, 403, "shared_bank"),
        ("simbank/banks/99/slots", {"slots": "9"}, 404, "no_bank"),
        ("simbank/banks/7/slots", {"slots": "0-3"}, 400, "bad_slots"),
        ("simbank/banks/7/slots", {"slots": "3-1"}, 400, "bad_slots"),
        ("simbank/banks/7/slots", {"slots": "1,1"}, 400, "bad_slots"),
        ("simbank/banks/7/slots", {"slots": "1-"}, 400, "bad_slots"),
        ("simbank/banks/7/slots", {"slots": "٣"}, 400, "bad_slots"),
        ("simbank/banks/7/slots", {"slots": "1-2", "imsis": ["310410000000001"]}, 400, "bad_imsi"),
        ("simbank/banks/7/slots", {"slots": "1", "iccids": ['89"}']}, 400, "bad_iccid"),
        ("simbank/banks/7/slots", {"slots": "5"}, 409, "slot_exists"),
    ],
)
def test_refusals(admin: Admin, path: str, body: Any, status: int, code: str) -> None:
    admin.post("simbank/banks", {"bank_id": 7, "bankd": "bank7"})
    admin.post("simbank/banks/7/slots", {"slots": "5"})
    refused = admin.post(path, body)
    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_operators_note_what_they_know_and_it_outlives_the_assignment(router: Router, admin: Admin) -> None:
    router.register()
    wanted = {"tags": ["van", "north"], "notes": "roof antenna", "heartbeat_interval_s": 300}
    changed = admin.patch("clients/router-1-slot0", wanted).json["client"]
    assert {name: changed[name] for name in ("tags", "notes")} == {
        "tags": ["van", "north"],
        "notes": "roof antenna",
    }
    assert router.heartbeat().json["next_heartbeat_interval"] == 300
    router.unregister()
    assert router.register().json["heartbeat_interval"] == 300
    assert admin.get("clients/router-1-slot0").json["client"]["notes"] == "roof antenna"
    assert admin.patch("clients/router-1-slot0", {"heartbeat_interval_s": None}).status_code == 200
    assert router.heartbeat().json["next_heartbeat_interval"] == 60
    for wrong in ({}, {"tags": None}, {"tags": ["a b"]}, {"client_id": "x"}, {"heartbeat_interval_s": 5}):
        assert admin.patch("clients/router-1-slot0", wrong).status_code == 400
    log = admin.get("clients/router-1-slot0/logs").json
    assert [entry["action"] for entry in log["entries"]].count("client_changed") == 2
    assert admin.get("clients?q=router-1").json["total"] == 1
    assert admin.get("clients?q=%25").json["total"] == 0


def test_a_command_is_cancelled_until_its_client_has_confirmed_it(router: Router, admin: Admin) -> None:
    router.register()
    first, second = (
        admin.post("clients/router-1-slot0/commands", {"type": "restart"}).json["command"]["id"]
        for _ in range(2)
    )
    assert admin.delete(f"commands/{first}").json["command"]["state"] == "expired"
    assert [command["id"] for command in router.heartbeat().json["commands"]] == [second]
    router.heartbeat(command_results=[{"id": second, "state": "acked"}])
    assert admin.delete(f"commands/{second}").json["code"] == "command_over"
    assert admin.delete("commands/unknown").status_code == 404
    assert len(admin.get("clients/router-1-slot0/commands").json["commands"]) == 2


def test_a_key_that_may_only_read_sees_no_identities_and_changes_nothing(
    http: FlaskClient, router: Router, admin: Admin, stocked: Database
) -> None:
    admin.post("simbank/banks", {"bank_id": 7, "bankd": "bank7"})
    body = {"slots": "5", "iccids": ["8901260000000000005"], "imsis": ["310410000000005"]}
    admin.post("simbank/banks/7/slots", body)
    router.register(preferred_bank_id=7)
    reader = Admin(http, add_key(stocked, scope=Scope.READ))
    for path in ("clients", "clients/router-1-slot0", "simbank/slots", "export.csv", "export.json"):
        shown = reader.get(path)
        assert shown.status_code == 200
        assert b"310410000000005" not in shown.data
        assert b"310410000000005" in admin.get(path).data
    assert reader.post("clients/router-1-slot0/commands", {"type": "restart"}).json["code"] == "scope_missing"
    assert Router(http, add_key(stocked, scope=Scope.READ)).register().status_code == 403
