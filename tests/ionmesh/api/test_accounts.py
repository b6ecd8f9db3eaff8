"""Keys and users over the API."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from flask.testing import FlaskClient

from ionmesh.clock import rfc3339
from ionmesh.db import Database
from ionmesh.errors import Unauthorized
from ionmesh.models import Scope, User
from ionmesh.services import second_factor, users
from tests.ionmesh.conftest import START, Admin, ManualClock, Router, add_key, add_tenant


def test_a_rotated_key_works_until_its_overlap_ends(
    http: FlaskClient, admin: Admin, clock: ManualClock
) -> None:
    made = admin.post("api-keys", {"name": "vans", "scopes": ["remsim"]}).json
    old = Router(http, made["secret"])
    assert old.register().status_code == 200
    rotated = admin.post(f"api-keys/{made['key']['key_id']}/rotate", {"overlap_s": 600}).json
    assert rotated["key"]["scopes"] == ["remsim"]
    new = Router(http, rotated["secret"])
    assert (old.heartbeat().status_code, new.heartbeat().status_code) == (200, 200)
    clock.advance(601)
    assert (old.heartbeat().status_code, new.heartbeat().status_code) == (401, 200)
    again = admin.post(f"api-keys/{made['key']['key_id']}/rotate", {})
    assert again.json["code"] == "key_ended"


def test_a_revoked_key_ends_at_once_and_the_log_says_who_did_it(http: FlaskClient, admin: Admin) -> None:
    made = admin.post("api-keys", {"scopes": ["remsim"], "expires_at": rfc3339(START + timedelta(1))}).json
    router = Router(http, made["secret"])
    assert router.register().status_code == 200
    revoked = admin.delete(f"api-keys/{made['key']['key_id']}").json["key"]
    assert revoked["revoked_at"] == rfc3339(START)
    assert router.register().status_code == 401
    subject = f"key {made['key']['prefix']}"
    entries = admin.get(f"audit-log?subject={subject}").json["entries"]
    assert [entry["action"] for entry in entries] == ["key_refused", "key_revoked", "key_created"]


def test_nobody_makes_a_key_that_may_more_than_the_own(admin: Admin) -> None:
    assert admin.post("api-keys", {"scopes": ["platform"]}).json["code"] == "scope_missing"
    for wrong in (
        {"scopes": []},
        {"scopes": ["root"]},
        {"scopes": ["read"], "expires_at": "2026-01-01T00:00:00"},
    ):
        assert admin.post("api-keys", wrong).status_code == 400
    past = {"scopes": ["read"], "expires_at": "2025-01-01T00:00:00Z"}
    assert admin.post("api-keys", past).json["code"] == "bad_expires_at"


def test_use_of_a_key_is_noted_once_a_minute(
    http: FlaskClient, stocked: Database, clock: ManualClock
) -> None:
    admin = Admin(http, add_key(stocked, scope=Scope.ADMIN))
    seen = []
    for seconds in (0, 30, 31):
        clock.advance(seconds)
        admin.get("clients")
        seen.append(admin.get("api-keys").json["keys"][0]["last_used_at"])
    assert seen == [rfc3339(START), rfc3339(START), rfc3339(START + timedelta(seconds=61))]


def test_a_lost_second_factor_is_turned_off_for_the_own_tenants_users_alone(
    http: FlaskClient, admin: Admin, stocked: Database, clock: ManualClock
) -> None:
    body = {"email": "ann@example.com", "role": "owner", "password": "correct horse battery"}
    number = admin.post("users", body).json["user"]["user_id"]
    path = f"users/{number}/second-factor"
    assert admin.delete(path).json["code"] == "second_factor_off"
    with stocked.write() as session:
        user = session.get_one(User, number)
        begun = second_factor.enrol(session, user, pepper="", now=START)
        second_factor.confirm(session, user, pyotp.TOTP(begun.secret).at(START), pepper="", now=START)
    add_tenant(stocked, "other")
    stranger = Admin(http, add_key(stocked, "other", Scope.ADMIN))
    assert stranger.delete(path).json["code"] == "no_user"
    assert Admin(http, add_key(stocked, scope=Scope.READ)).delete(path).json["code"] == "scope_missing"
    assert admin.delete(path).status_code == 200
    with stocked.read() as session:
        assert not second_factor.enabled(session, number)
    (entry,) = admin.get("audit-log?action=second_factor_off").json["entries"]
    assert (entry["subject"], entry["actor"][:9]) == (f"user {number}", "imk_live_")


def test_what_is_made_of_tenants_keys_and_people_is_in_the_audit_log(
    http: FlaskClient, stocked: Database
) -> None:
    platform = Admin(http, add_key(stocked, scope=Scope.PLATFORM))
    made = platform.post("tenants", {"slug": "new", "legacy_cidrs": ["10.0.0.0/8"]}).json
    first = Admin(http, made["secret"])
    rotated = first.post(f"api-keys/{made['key']['key_id']}/rotate", {}).json["key"]
    user = {"email": "Ann@example.com", "password": "correct horse battery"}
    number = first.post("users", user).json["user"]["user_id"]
    first.delete(f"users/{number}")
    entries = first.get("audit-log").json["entries"]
    assert [entry["action"] for entry in entries] == [
        "user_deleted",
        "user_created",
        "key_rotated",
        "key_created",
        "key_created",
        "tenant_created",
    ]
    assert entries[0]["details"] == {"email": "ann@example.com"}
    assert entries[2]["details"] == {"successor": rotated["prefix"]}
    assert entries[5]["details"]["legacy_cidrs"] == ["10.0.0.0/8"]
    assert {entry["actor"] for entry in entries[4:]} == {platform.get("api-keys").json["keys"][0]["prefix"]}


def test_users_have_hashed_passwords_and_a_tenant_keeps_an_owner(admin: Admin, stocked: Database) -> None:
    owner = {"email": "Ann@Example.com", "role": "owner", "password": "correct horse battery"}
    made = admin.post("users", owner).json["user"]
    assert made["email"] == "ann@example.com"
    assert "password" not in str(admin.get("users").json)
    assert admin.post("users", owner).json["code"] == "user_exists"
    assert admin.post("users", owner | {"password": "short"}).status_code == 400
    with stocked.read() as session:
        assert users.authenticate(session, "ann@example.com", owner["password"]).user_id == made["user_id"]
        for email, password in (("ann@example.com", "wrong"), ("nobody@example.com", "wrong")):
            with pytest.raises(Unauthorized):
                users.authenticate(session, email, password)
    path = f"users/{made['user_id']}"
    assert admin.patch(path, {"role": "viewer"}).json["code"] == "last_owner"
    assert admin.patch(path, {"enabled": False}).json["code"] == "last_owner"
    second = admin.post("users", owner | {"email": "bob@example.com"}).json["user"]["user_id"]
    assert admin.patch(path, {"enabled": False, "password": "a new long password"}).status_code == 200
    with stocked.read() as session, pytest.raises(Unauthorized):
        users.authenticate(session, "ann@example.com", "a new long password")
    assert admin.delete(f"users/{second}").json["code"] == "last_owner"
    assert admin.delete(path).status_code == 200
