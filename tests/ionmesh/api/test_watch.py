"""Events, their stream, exports, the audit log and metrics."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from ionmesh.api.feed import EventFeed
from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import Scope
from tests.ionmesh.conftest import API, Admin, ManualClock, Router, add_key, add_tenant


def test_what_happens_to_a_client_is_an_event(router: Router, admin: Admin) -> None:
    router.register()
    admin.post("clients/router-1-slot0/reassign", {"bank_id": 1, "slot_id": 2})
    router.unregister()
    latest = admin.get("events").json["events"]
    assert [event["type"] for event in latest] == [
        "client_unregistered",
        "slot_reassigned",
        "client_registered",
    ]
    assert latest[1]["details"] == {"bank_id": 1, "slot_id": 2, "from_bank_id": 1, "from_slot_id": 1}
    behind = admin.get(f"events?after={latest[2]['id']}").json["events"]
    assert [event["id"] for event in behind] == [latest[1]["id"], latest[0]["id"]]


def test_the_stream_begins_where_the_client_left_off_and_goes_on(
    http: FlaskClient, router: Router, stocked: Database
) -> None:
    router.register()
    headers = {"X-API-Key": add_key(stocked, scope=Scope.READ), "Last-Event-ID": "0"}
    response = http.get(f"{API}/events/stream", headers=headers, buffered=False)
    assert response.headers["X-Accel-Buffering"] == "no"
    chunks = iter(response.response)
    assert next(chunks) == b": connected\n\n"
    assert b"event: client_registered\n" in next(chunks)
    router.unregister()
    lines = next(chunks).decode().splitlines()
    assert lines[1] == "event: client_unregistered", "and what was sent is not sent again"
    assert json.loads(lines[2].removeprefix("data: "))["client_id"] == "router-1-slot0"
    response.close()


def test_streams_are_limited_and_their_places_come_back(
    database: Database, stocked: Database, clock: ManualClock
) -> None:
    app = create_app(Config(event_streams=1), database=database, clock=clock)
    headers = {"X-API-Key": add_key(stocked, scope=Scope.READ)}
    first = app.test_client().get(f"{API}/events/stream", headers=headers, buffered=False)
    assert app.test_client().get(f"{API}/events/stream", headers=headers).status_code == 429
    first.close()
    second = app.test_client().get(f"{API}/events/stream", headers=headers, buffered=False)
    assert second.status_code == 200
    second.close()


def test_a_stream_that_cannot_begin_takes_no_place(
    database: Database, stocked: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Config(event_streams=1), database=database, clock=clock)
    headers = {"X-API-Key": add_key(stocked, scope=Scope.READ)}

    def away(_feed: EventFeed, _tenant_id: int) -> int:
        raise OperationalError("SELECT 1", None, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(EventFeed, "newest", away)
        assert app.test_client().get(f"{API}/events/stream", headers=headers).status_code == 503
    back = app.test_client().get(f"{API}/events/stream", headers=headers, buffered=False)
    assert back.status_code == 200
    back.close()


@pytest.mark.parametrize(
    ("number", "status"),
    [("1000000000", 200), (str(2**31 - 1), 200), (str(2**31), 400), ("9" * 20, 400), ("-1", 400), ("x", 400)],
)
def test_a_stream_goes_on_behind_any_number_an_event_can_have(
    http: FlaskClient, stocked: Database, number: str, status: int
) -> None:
    headers = {"X-API-Key": add_key(stocked, scope=Scope.READ), "Last-Event-ID": number}
    response = http.get(f"{API}/events/stream", headers=headers, buffered=False)
    assert response.status_code == status
    response.close()


def test_exports_are_complete_and_harmless_in_a_spreadsheet(
    router: Router, admin: Admin, http: FlaskClient, stocked: Database
) -> None:
    router.register()
    Router(http, add_key(stocked), "-2").register()
    admin.patch("clients/router-1-slot0", {"tags": ["a", "b"]})
    shown = admin.get("export.csv")
    assert "attachment" in shown.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(shown.text)))
    assert [row["client_id"] for row in rows] == ["'-2", "router-1-slot0"]
    assert rows[1]["tags"] == "a b"
    assert len(admin.get("export.json?what=slots").json) == 3
    assert admin.get("export.json?what=users").status_code == 400


def test_the_audit_log_is_paged_and_filtered(router: Router, admin: Admin) -> None:
    router.register()
    router.unregister()
    router.register()
    log = admin.get("audit-log?action=client_registered&per_page=1").json
    assert (log["total"], len(log["entries"])) == (2, 1)
    assert admin.get("audit-log?subject=%00").status_code == 400


def test_metrics_are_for_platform_keys_and_the_token(
    app: Flask, http: FlaskClient, router: Router, admin: Admin, stocked: Database
) -> None:
    router.register()
    router.heartbeat()
    assert admin.get("metrics").status_code == 404, "it is not below the API"
    refused = http.get("/metrics", headers={"X-API-Key": add_key(stocked, scope=Scope.ADMIN)})
    assert refused.status_code == 403
    add_tenant(stocked, "platform")
    headers = {"X-API-Key": add_key(stocked, "platform", Scope.PLATFORM)}
    text = http.get("/metrics/prometheus", headers=headers).text
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["ionmesh_clients_online",] == 1
    assert values["ionmesh_slots_available",] == 2
    assert values["ionmesh_slots", ("bank_id", "1"), ("status", "assigned")] == 1
    assert values["ionmesh_heartbeats_total", ("result", "active")] == 1
    mode = ("mode", "ONE_TO_ONE_SWSIM")
    assert values["ionmesh_registrations_total", mode, ("result", "new")] == 1
    route = ("route", f"{API}/remsim/heartbeat")
    count = "ionmesh_http_request_duration_seconds_count"
    assert values[count, ("code", "200"), ("method", "POST"), route] == 1
    tokened = create_app(Config(metrics_token="t" * 16), database=stocked).test_client()
    for token, status in (("t" * 16, 200), ("t" * 15, 401), ("", 401)):
        assert tokened.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == status
