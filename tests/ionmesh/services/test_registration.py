"""Registering through the API: idempotence, identity, moving, coming back."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from ionmesh.db import Database
from ionmesh.models import AuditEntry, SlotKind, Tenant
from ionmesh.services.identity import is_factory_name, same_router
from tests.ionmesh.conftest import ManualClock, Router, add_key, add_slots


def audit_actions(database: Database) -> list[str]:
    with database.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.entry_id)).all()
    return [entry.action for entry in entries if entry.action.startswith("client_")]


def test_again_is_the_same_and_writes_nothing(router: Router, stocked: Database) -> None:
    first = router.register(fingerprint="a").json
    writes: list[str] = []

    def watch(*arguments: Any) -> None:
        if not arguments[2].lstrip().upper().startswith(("SELECT", "BEGIN")):
            writes.append(arguments[2])

    event.listen(stocked.engine, "before_cursor_execute", watch)
    again = router.register(fingerprint="a").json
    assert again.pop("note") == "Existing registration returned"
    assert again == first
    assert writes == []


def test_again_after_a_minute_is_noted(router: Router, clock: ManualClock, admin: Any) -> None:
    router.register()
    clock.advance(61)
    router.register()
    assert admin.get("clients/router-1-slot0").json["client"]["registered_at"] == "2026-01-01T00:01:01Z"


def test_unregistered_client_gets_its_old_sim_and_a_newer_version(
    http: FlaskClient, router: Router, stocked: Database
) -> None:
    Router(http, add_key(stocked), "other").register()
    first = router.register().json
    assert router.unregister().status_code == 200
    back = router.register().json
    assert (back["bank_id"], back["slot_id"]) == (first["bank_id"], first["slot_id"])
    assert back["assignment_version"] == first["assignment_version"] + 1
    assert back["profile_id"] != first["profile_id"]
    assert "note" not in back


def test_another_mode_moves_the_client_in_one_step(router: Router, stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.VIRTUAL)
    first = router.register().json
    moved = router.register(mapping_mode="ONE_TO_ONE_VSIM").json
    assert (moved["slot_id"], moved["mapping_mode"]) == (900, "ONE_TO_ONE_VSIM")
    assert (moved["rspro_client_id"], moved["rspro_client_slot"]) == (1, 900)
    assert moved["assignment_version"] == first["assignment_version"] + 1
    assert "note" not in moved
    assert audit_actions(stocked) == ["client_registered", "client_moved"]


def test_a_client_that_cannot_be_moved_keeps_what_it_has(router: Router) -> None:
    first = router.register().json
    refused = router.register(mapping_mode="ONE_TO_ONE_VSIM")
    assert refused.status_code == 503
    assert refused.json["available_modes"] == ["ONE_TO_ONE_SWSIM"]
    assert router.register().json["profile_id"] == first["profile_id"]


def test_any_network_keeps_what_a_client_has(router: Router, stocked: Database) -> None:
    add_slots(stocked, "10", mcc_mnc="310410")
    assert router.register(mcc_mnc="310-410").json["slot_id"] == 10
    for anything in ("", None):
        assert router.register(mcc_mnc=anything).json["slot_id"] == 10


@pytest.mark.parametrize("client_id", ["OpenWrt-slot0", "openwrt", "LEDE-slot3", "localhost-slot0"])
def test_factory_hostname_needs_a_fingerprint(http: FlaskClient, stocked: Database, client_id: str) -> None:
    router = Router(http, add_key(stocked), client_id)
    refused = router.register()
    assert (refused.status_code, refused.json["code"]) == (409, "identity_conflict")
    assert router.register(fingerprint="mac-1").status_code == 200
    assert router.register(fingerprint="mac-2").status_code == 409
    assert is_factory_name(client_id)


def test_factory_hostname_is_accepted_where_the_tenant_says_so(http: FlaskClient, stocked: Database) -> None:
    with stocked.write() as session:
        session.get_one(Tenant, 1).default_hostnames_allowed = True
    assert Router(http, add_key(stocked), "OpenWrt-slot0").register().status_code == 200


def test_a_replacement_may_take_the_name_once_the_holder_is_offline(
    router: Router, clock: ManualClock, stocked: Database
) -> None:
    router.register(fingerprint="old")
    assert router.register(fingerprint="new").status_code == 409, (
        "silence of a never-heartbeating client is no proof"
    )
    router.heartbeat()
    clock.advance(299)
    assert router.register(fingerprint="new").status_code == 409
    clock.advance(1)
    assert router.register(fingerprint="new").status_code == 200
    router.heartbeat()
    assert router.register(fingerprint="old").status_code == 409
    assert "client_identity_changed" in audit_actions(stocked)


fingerprints = st.none() | st.sampled_from(["a", "b"])
addresses = st.sampled_from(["192.0.2.1", "192.0.2.2"])


@given(fingerprints, addresses, fingerprints, addresses)
def test_same_router(known: str | None, known_ip: str, claimed: str | None, claimed_ip: str) -> None:
    same = same_router(known, known_ip, claimed, claimed_ip)
    if known is not None and claimed is not None:
        assert same == (known == claimed)
    elif known is None:
        assert same, "an address alone is no proof of another router"
    else:
        assert same == (known_ip == claimed_ip)


def test_ki_proxy_needs_a_network(router: Router) -> None:
    refused = router.register(mapping_mode="KI_PROXY_SWSIM")
    assert (refused.status_code, refused.json["code"]) == (400, "mcc_mnc_required")
    refused = router.register(mapping_mode="KI_PROXY_SWSIM", mcc_mnc="310410")
    assert (refused.status_code, refused.json["code"]) == (404, "no_pool")


def test_ki_proxy_answer_is_flat(router: Router, stocked: Database) -> None:
    add_slots(stocked, "900", kind=SlotKind.KI_VIRTUAL, mcc_mnc="310410")
    answer = router.register(mapping_mode="KI_PROXY_SWSIM", mcc_mnc="310410").json
    assert (answer["slot_id"], answer["ki_proxy_enabled"]) == (900, True)
    assert not any(isinstance(value, dict | list) for value in answer.values())


def test_unregister_twice(router: Router) -> None:
    router.register()
    assert router.unregister().status_code == 200
    assert router.unregister().status_code == 404
