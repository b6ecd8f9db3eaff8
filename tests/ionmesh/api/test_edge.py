"""The edge: who is let in, what is refused, and the one shape of every refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import AuditEntry, Scope
from tests.ionmesh.conftest import API, ManualClock, Router, add_bank, add_key, add_slots, add_tenant, url_of

REGISTER = f"{API}/remsim/register-client"


def assert_error(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.data
    assert list(response.json)[:4] == ["status", "message", "code", "request_id"]
    assert response.json["status"] == "error"
    assert response.json["code"] == code
    assert response.json["request_id"] == response.headers["X-Request-ID"]
    assert response.headers["Cache-Control"] == "no-store"


def test_bearer_and_x_api_key_are_the_same(http: FlaskClient, stocked: Database) -> None:
    key = add_key(stocked)
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        response = http.post(REGISTER, json={"client_id": "a"}, headers=headers)
        assert response.status_code == 200
    wrong = {"X-API-Key": "imk_live_nonsense"}
    assert_error(http.post(REGISTER, json={"client_id": "a"}, headers=wrong), 401, "unauthorized")
    basic = {"Authorization": "Basic abc"}
    assert_error(http.post(REGISTER, json={"client_id": "a"}, headers=basic), 401, "unauthorized")


def test_a_wrong_key_is_not_rescued_by_the_legacy_network(http: FlaskClient, database: Database) -> None:
    add_tenant(database, legacy_cidrs=["127.0.0.0/8"])
    headers = {"X-API-Key": "imk_live_nonsense"}
    assert_error(http.post(REGISTER, json={"client_id": "a"}, headers=headers), 401, "unauthorized")


def test_the_c_client_of_a_legacy_tenant(http: FlaskClient, stocked: Database) -> None:
    body = '{"client_id":"r1-slot0","mapping_mode":"ONE_TO_ONE_SWSIM","mcc_mnc":"","tenant_id":2}'
    assert_error(http.post(REGISTER, data=body), 401, "unauthorized")
    add_tenant(stocked, "legacy", legacy_cidrs=["127.0.0.0/8"])
    assert http.post(REGISTER, data=body).status_code == 200
    assert_error(http.post(REGISTER, data=body.replace("2}", "1}")), 403, "tenant_mismatch")
    assert http.post(f"{API}/remsim/heartbeat", data='{"client_id":"r1-slot0"}').status_code == 200
    assert_error(http.get(f"{API}/clients"), 403, "scope_missing")
    assert http.delete(f"{API}/remsim/unregister/r1-slot0").status_code == 200


def test_forwarded_addresses_count_only_behind_a_configured_proxy(
    database: Database, clock: ManualClock
) -> None:
    add_tenant(database, legacy_cidrs=["10.0.0.0/8"])
    add_bank(database)
    add_slots(database, "1")
    headers = {"X-Forwarded-For": "10.1.1.1"}
    for hops, status in ((0, 401), (1, 200)):
        app = create_app(Config(proxy_hops=hops), database=database, clock=clock)
        response = app.test_client().post(REGISTER, json={"client_id": "a"}, headers=headers)
        assert response.status_code == status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b'{"client_id":"a"b","tenant_id":1}', "bad_json"),
        (b'{"client_id":"cut off', "bad_json"),
        (b'{"client_id":"\xff"}', "bad_json"),
        (b'{"client_id":"\\ud800"}', "bad_json"),
        (b'{"hardware_info":' + b"[" * 5000 + b"}", "bad_json"),
        (b"[]", "invalid_request"),
        (b"{}", "client_id_required"),
        (b'{"client_id":""}', "client_id_required"),
        (b'{"client_id":"a/b"}', "invalid_request"),
        (b'{"client_id":"a\\n"}', "invalid_request"),
        (b'{"client_id":"' + b"a" * 129 + b'"}', "invalid_request"),
        (b'{"client_id":"a","mapping_mode":"TWO"}', "invalid_request"),
        (b'{"client_id":"a","mcc_mnc":"31"}', "invalid_request"),
        (b'{"client_id":"a","preferred_bank_id":1024}', "invalid_request"),
        (b'{"client_id":"a","hardware_info":{"t":NaN}}', "invalid_request"),
        (b'{"client_id":"a","hardware_info":{"t":1e999}}', "invalid_request"),
        (b'{"client_id":"a","carrier":"x\\u0000"}', "invalid_request"),
    ],
)
def test_wrong_bodies(http: FlaskClient, stocked: Database, body: bytes, code: str) -> None:
    headers = {"X-API-Key": add_key(stocked)}
    assert_error(http.post(REGISTER, data=body, headers=headers), 400, code)


def test_unknown_keys_are_ignored_for_routers_and_refused_for_operators(router: Router, admin: Any) -> None:
    assert router.register(added_in_a_later_version=1, region="eu").status_code == 200
    body = {"type": "restart", "prams": {}}
    assert_error(admin.post("clients/router-1-slot0/commands", body), 400, "invalid_request")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=75, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["client_id", "mapping_mode", "mcc_mnc", "tenant_id", "stats", "status", "links"])
        | st.sampled_from(["command_results", "assignment_version", "fingerprint", "hardware_info"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("ab"),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    ),
    st.sampled_from(["register-client", "heartbeat"]),
)
def test_no_body_breaks_the_server(router: Router, body: dict[str, Any], call: str) -> None:
    response = router._post(call, {"client_id": "fuzz"} | body)
    assert response.status_code in (200, 400, 403, 404, 409, 503)
    assert response.json["status"] == ("ok" if response.status_code == 200 else "error")


def test_http_errors_have_the_shape_too(http: FlaskClient, stocked: Database) -> None:
    assert_error(http.get("/nowhere"), 404, "not_found")
    refused = http.get(REGISTER)
    assert_error(refused, 405, "method_not_allowed")
    assert "POST" in refused.headers["Allow"]
    headers = {"X-API-Key": add_key(stocked)}
    big = http.post(REGISTER, data=b"x" * (64 * 1024 + 1), headers=headers)
    assert_error(big, 413, "request_entity_too_large")
    just_right = http.post(REGISTER, data=b'{"client_id":"a"}'.ljust(64 * 1024), headers=headers)
    assert just_right.status_code == 200


def test_an_unforeseen_error_says_nothing_about_itself(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise LookupError("a secret detail")

    app.add_url_rule("/broken", view_func=broken)  # type: ignore[arg-type]  # it never returns
    response = app.test_client().get("/broken")
    assert_error(response, 500, "internal_server_error")
    assert b"secret" not in response.data
    assert "a secret detail" in caplog.text, "the log has it"


def test_no_redirects(http: FlaskClient, stocked: Database) -> None:
    headers = {"X-API-Key": add_key(stocked)}
    assert http.post(REGISTER + "/", json={"client_id": "a"}, headers=headers).status_code == 200
    assert_error(http.delete(f"{API}/remsim/unregister/a%00", headers=headers), 404, "client_not_found")
    # The C client does not escape: a slash in its name arrives as a path.
    assert_error(http.delete(f"{API}/remsim/unregister/a/b", headers=headers), 404, "client_not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "clients/a%00"),
        ("POST", "clients/a%00/commands"),
        ("GET", "clients/a%00/history"),
        ("DELETE", "commands/a%00"),
        ("GET", "sims/a%00/traffic"),
        ("GET", "sims/%2F/traffic"),
    ],
)
def test_what_no_database_can_name_is_not_found(
    http: FlaskClient, stocked: Database, method: str, path: str
) -> None:
    headers = {"X-API-Key": add_key(stocked, scope=Scope.ADMIN)}
    response = http.open(f"{API}/{path}", method=method, headers=headers, json={"type": "restart"})
    assert response.status_code == 404, response.data
    assert response.json["status"] == "error"


def test_request_id_is_taken_over_when_it_is_harmless(http: FlaskClient) -> None:
    assert http.get("/healthz", headers={"X-Request-ID": "trace-1"}).headers["X-Request-ID"] == "trace-1"
    for bad in ("a b", "x" * 65, "<script>"):
        assert http.get("/healthz", headers={"X-Request-ID": bad}).headers["X-Request-ID"] != bad


def test_a_locked_database_is_503_and_retried_later(
    database: Database, http: FlaskClient, stocked: Database
) -> None:
    key = add_key(stocked)
    sqlite = stocked.engine.dialect.name == "sqlite"
    # Our sessions give up at once instead of after their usual patience.
    impatience = "PRAGMA busy_timeout=0" if sqlite else "SET lock_timeout = '1ms'"
    with stocked.engine.connect() as connection:
        connection.exec_driver_sql(impatience)
        connection.commit()
    other = Database(url_of(stocked))
    with other.write() as session:
        session.execute(text("SELECT 1" if sqlite else "LOCK TABLE service_profiles"))
        response = http.post(REGISTER, json={"client_id": "a"}, headers={"X-API-Key": key})
    other.close()
    assert_error(response, 503, "database_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert http.post(REGISTER, json={"client_id": "a"}, headers={"X-API-Key": key}).status_code == 200


def test_health_and_readiness(http: FlaskClient, tmp_path: Any) -> None:
    assert http.get("/healthz").json == {"status": "ok"}
    assert http.get("/readyz").json == {"status": "ok"}
    empty = Database(f"sqlite:///{tmp_path}/empty.db")
    unready = create_app(Config(), database=empty).test_client()
    assert unready.get("/healthz").status_code == 200
    assert_error(unready.get("/readyz"), 503, "database_unavailable")
    empty.close()


def test_keys_never_reach_the_log(
    router: Router, stocked: Database, http: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    key = add_key(stocked, scope=Scope.ADMIN)
    for headers in ({"X-API-Key": key}, {"X-API-Key": key[:-1] + "!"}):
        http.post(REGISTER, json={"client_id": "a"}, headers=headers)
    assert key[17:] not in caplog.text
    assert key[17:-1] not in caplog.text


def test_a_client_that_asks_too_often_waits_but_never_to_register_again(
    database: Database, clock: ManualClock, stocked: Database
) -> None:
    app = create_app(Config(client_requests_per_min=10), database=database, clock=clock)
    key = add_key(stocked)
    router, other = (Router(app.test_client(), key, name) for name in ("a", "b"))
    router.register()
    statuses = [router.heartbeat().status_code for _ in range(12)]
    assert (statuses.count(200), statuses[-1]) == (9, 429)
    assert_error(router.heartbeat(), 429, "too_many_requests")
    assert router.heartbeat().headers["Retry-After"] == "6"
    for _ in range(15):
        assert router.register(software_version="new").status_code == 200
    assert other.register().status_code == 200, "the key is not what is counted"
    clock.advance(6)
    assert router.heartbeat().status_code == 200


def test_a_key_that_administers_too_often_waits(
    database: Database, clock: ManualClock, stocked: Database
) -> None:
    app = create_app(Config(key_requests_per_min=10), database=database, clock=clock)
    headers = {"X-API-Key": add_key(stocked, scope=Scope.ADMIN)}
    statuses = [app.test_client().get(f"{API}/clients", headers=headers).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_security_headers_are_everywhere(http: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere", f"{API}/clients"):
        headers = http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_expired_key_is_one_row_in_the_audit_log(
    http: FlaskClient, stocked: Database, clock: ManualClock
) -> None:
    key = add_key(stocked, expires_at=clock() + timedelta(seconds=3))
    headers = {"X-API-Key": key}
    assert http.post(REGISTER, json={"client_id": "a"}, headers=headers).status_code == 200
    clock.advance(3)
    for _ in range(3):
        assert_error(http.post(REGISTER, json={"client_id": "b"}, headers=headers), 401, "unauthorized")
    with stocked.read() as session:
        refused = select(AuditEntry.actor).where(AuditEntry.action == "key_refused")
        assert session.scalars(refused).all() == [key[:17]]


def test_keys_are_peppered_and_older_ones_stay_good(database: Database, stocked: Database) -> None:
    plain = add_key(stocked)
    peppered = add_key(stocked, pepper="p" * 32)
    for config, expected in ((Config(key_pepper="p" * 32), 200), (Config(), 401)):
        app = create_app(config, database=database)
        for key, status in ((plain, 200), (peppered, expected)):
            response = app.test_client().post(REGISTER, json={"client_id": "a"}, headers={"X-API-Key": key})
            assert response.status_code == status
